//! `local age`: a service's deployment as it would be had it been made long ago.

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::outcome::Outcome;
use crate::processes::local_cloud::AgedDeployment;
use crate::report::page::Page;

/// The deployment that is old now.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct LocalAge(pub AgedDeployment);

impl Outcome for LocalAge {
    fn title(&self) -> &'static str {
        "local age"
    }

    fn text(&self, _page: &Page) -> String {
        let AgedDeployment { cluster, service, created_at, zone_aware, .. } = &self.0;
        let date = created_at.split('T').next().unwrap_or_default();
        let routing = match zone_aware {
            true => "since zone-aware routing began (2026-07-01)",
            false => "before zone-aware routing began (2026-07-01): its proxies route without zones, and others' to it",
        };
        format!("{service} in cluster {cluster} was last deployed on {date}, {routing}")
    }
}
