//! `local mesh`: under which conditions the local cloud carries requests.

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::outcome::Outcome;
use crate::processes::local_cloud::Conditions;
use crate::report::page::Page;
use crate::routing::Config;

/// How long requests are under way, and what the proxies make of zones.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct LocalMesh {
    /// How long a request from a frontend to a backend in its zone and its answer are under way, beside what this machine takes, in
    /// milliseconds.
    same_zone_ms: f64,
    /// The same to a backend in another zone.
    cross_zone_ms: f64,
    /// The share of requests for which the proxies consider zones, in percent (Envoy's `upstream.zone_routing.enabled`).
    routing_enabled: u64,
    /// With fewer backends than this zone-aware routing is off (Envoy's `upstream.zone_routing.min_cluster_size`).
    min_cluster_size: u64,
}

impl From<Conditions> for LocalMesh {
    fn from(Conditions { same_zone_ms, cross_zone_ms, runtime }: Conditions) -> Self {
        let config = Config { runtime, ..Config::default() };
        Self {
            same_zone_ms,
            cross_zone_ms,
            routing_enabled: config.enabled_percent(),
            min_cluster_size: config.min_cluster_size(),
        }
    }
}

impl Outcome for LocalMesh {
    fn title(&self) -> &'static str {
        "local mesh"
    }

    fn text(&self, _page: &Page) -> String {
        let Self { same_zone_ms, cross_zone_ms, routing_enabled, min_cluster_size } = self;
        let zones = match routing_enabled {
            0 => "off".to_owned(),
            100 => format!("on, from {min_cluster_size} backends on"),
            percent => format!("on for {percent}% of the requests, from {min_cluster_size} backends on"),
        };
        format!(
            "links               same-zone {same_zone_ms} ms, cross-zone {cross_zone_ms} ms\nzone-aware routing  {zones}"
        )
    }
}
