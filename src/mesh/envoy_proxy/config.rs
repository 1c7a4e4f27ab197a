//! The files that an Envoy is given: its bootstrap, and the endpoints of its clusters.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use minijinja::{Environment, UndefinedBehavior, context};
use serde_json::{Value, json};

use crate::http::HttpVersion;
use crate::mesh::endpoints::{Address, LocalCluster, Upstream};
use crate::mesh::sidecar;
use crate::mesh::transport::{self, Transport};
use crate::routing::{Config, Locality, Runtime};

const TEMPLATE: &str = include_str!("../../../templates/envoy_bootstrap.json");

pub(super) const LOCAL_CLUSTER: &str = "local_cluster";

/// The port of the local cluster's hosts: nobody connects to them, but an address needs one.
const LOCAL_PORT: u16 = 80;

/// The settings of an Envoy: who it is, which ports it takes the place of, and what it can call.
pub struct Settings<'a> {
    /// The `node.id` of the bootstrap.
    pub task: &'a str,
    /// The `node.cluster` of the bootstrap.
    pub service: &'a str,
    pub locality: Locality,
    pub ingresses: Vec<Ingress>,
    pub upstreams: &'a [Upstream],
    pub connect_timeout: Duration,
}

/// However short the patience, a busy machine gets this long to connect to an endpoint that does answer.
const SHORTEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A port of the task that Envoy takes the place of.
pub struct Ingress {
    pub port: u16,
    /// The application's address. `None`: the container does not listen on this port.
    pub application: Option<SocketAddr>,
    pub transport: Transport,
}

/// The name of a listener, and of the cluster behind it, by the port whose place it takes.
pub(super) fn ingress_name(port: u16) -> String {
    format!("ingress_{port}")
}

/// The file with the endpoints of the `number`th upstream, or of the local cluster.
pub(super) fn endpoints_file(number: Option<usize>) -> String {
    match number {
        Some(number) => format!("upstream-{number}.json"),
        None => "local.json".to_owned(),
    }
}

pub(super) fn bootstrap(settings: &Settings, directory: &Path, admin: &Path) -> Result<String, minijinja::Error> {
    let seconds = |duration: Duration| format!("{}s", duration.as_secs());
    // Envoy takes 0 for no limit.
    let limit = |limit: Option<Duration>| seconds(limit.unwrap_or_default());
    let path = |number| text(&directory.join(endpoints_file(number)));
    let upstreams = settings.upstreams.iter().enumerate().map(|(number, upstream)| {
        let Upstream { name, authorities, transport } = upstream;
        context! {
            name,
            authorities,
            endpoints => path(Some(number)),
            request_timeout => limit(transport.per_request_timeout),
            idle_timeout => limit(transport.idle_timeout),
            http2 => transport.http_version() == HttpVersion::Http2,
            upgrades => &transport.upgrades,
        }
    });
    let ingresses = settings.ingresses.iter().map(|ingress| {
        context! {
            name => ingress_name(ingress.port),
            application => ingress.application.map(|address| address.port()),
            request_timeout => limit(ingress.transport.per_request_timeout),
            idle_timeout => limit(ingress.transport.idle_timeout),
        }
    });
    let Locality { region, zone, .. } = &settings.locality;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_named_str(
        "envoy_bootstrap.json",
        TEMPLATE,
        context! {
            node => context! { id => settings.task, cluster => settings.service, region, zone },
            admin => text(admin),
            local_cluster => LOCAL_CLUSTER,
            local_endpoints => path(None),
            ingresses => ingresses.collect::<Vec<_>>(),
            upstreams => upstreams.collect::<Vec<_>>(),
            idle_timeout => seconds(transport::IDLE_TIMEOUT),
            connect_timeout => seconds(settings.connect_timeout.max(SHORTEST_CONNECT_TIMEOUT)),
            retries => sidecar::RETRIES,
            host_selection_retries => sidecar::HOST_SELECTION_RETRIES,
            min_cluster_size => Config::default().min_cluster_size,
            outlier => context! {
                consecutive_5xx => sidecar::outlier::CONSECUTIVE_5XX,
                interval => seconds(sidecar::outlier::INTERVAL),
                base_ejection_time => seconds(sidecar::outlier::BASE_EJECTION_TIME),
                max_ejection_time => seconds(sidecar::outlier::MAX_EJECTION_TIME),
            },
        },
    )
}

/// The request to Envoy's admin interface that sets these runtime keys. One without a value is as in the configuration.
pub(super) fn runtime_modify(runtime: Runtime) -> String {
    let keys = match serde_json::to_value(runtime) {
        Ok(Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let keys = keys
        .into_iter()
        .map(|(key, value)| format!("{key}={}", if value.is_null() { String::new() } else { value.to_string() }));
    format!("/runtime_modify?{}", keys.collect::<Vec<_>>().join("&"))
}

/// A path as text: JSON can hold no other.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The `ClusterLoadAssignment.endpoints` of the proxy's own service. Those of one address, as tasks on one instance have it, get
/// other ports: of hosts with equal addresses Envoy would keep one.
pub(super) fn local_endpoints(local: &LocalCluster) -> Value {
    let zone = |(locality, ips): (&Locality, &Vec<Ipv4Addr>)| {
        let port = |index: usize| (LOCAL_PORT..).nth(ips[..index].iter().filter(|ip| **ip == ips[index]).count());
        let hosts = ips.iter().enumerate();
        let hosts = hosts.filter_map(|(index, &ip)| Some(endpoint(SocketAddr::new(IpAddr::V4(ip), port(index)?))));
        let hosts: Value = hosts.collect();
        json!({ "locality": locality, "lb_endpoints": hosts })
    };
    local.iter().map(zone).collect()
}

/// The `ClusterLoadAssignment.endpoints` of an upstream.
pub(super) fn endpoints(addresses: &[Address]) -> Value {
    let zones = addresses.chunk_by(|a, b| a.locality == b.locality).map(|zone| {
        let hosts: Value = zone.iter().map(|address| endpoint(address.socket)).collect();
        json!({ "locality": zone[0].locality, "lb_endpoints": hosts })
    });
    zones.collect()
}

fn endpoint(address: SocketAddr) -> Value {
    let socket = json!({ "address": address.ip().to_string(), "port_value": address.port() });
    json!({ "endpoint": { "address": { "socket_address": socket } } })
}

/// The contents of a file that Envoy reads a cluster's endpoints from. Envoy reports the version as `version_text`.
pub(super) fn discovery_response(cluster: &str, endpoints: &Value, version: u64) -> Value {
    let assignment = json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": endpoints,
    });
    json!({ "version_info": version.to_string(), "resources": [assignment] })
}
