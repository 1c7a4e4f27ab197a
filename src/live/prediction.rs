//! What Envoy's algorithm predicts for the tasks as they are, and for how they are set.

use std::collections::BTreeMap;

use serde::Serialize;

use super::scene::{Role, Scene};
use crate::mesh::Mesh;
use crate::routing::{Config, Health, Host, PredictedState, Prediction, Runtime, Topology, predict};
use crate::traffic::{Expectation, TasksByZone};

#[derive(Clone, Debug, Serialize)]
pub(super) struct Predicted {
    /// The share of all requests that stays in its zone, if each frontend has as many. Null: there is no frontend.
    same_zone_share: Option<f64>,
    /// The fewest healthy endpoints with which proxies route by zone.
    min_cluster_size: u64,
    /// For the proxies in each zone that has frontends.
    zones: Vec<OfZone>,
}

#[derive(Clone, Debug, Serialize)]
struct OfZone {
    zone: String,
    state: PredictedState,
    reason: String,
    /// The share of its requests that goes to each zone with backends.
    zone_share: BTreeMap<String, f64>,
    failed_share: f64,
}

impl Predicted {
    /// Under these runtime keys. Backends that a zone's sidecars have ejected count as unhealthy there; real Envoys do not tell
    /// which they have ejected.
    pub(super) fn of(scene: &Scene, runtime: Runtime, mesh: &Mesh) -> Self {
        let by_zone = |role| -> TasksByZone {
            let mut zones = TasksByZone::new();
            for task in scene.tasks.iter().filter(|task| task.role == role && task.is_discovered) {
                *zones.entry(task.zone.clone()).or_default() += 1;
            }
            zones
        };
        let (frontends, backends) = (by_zone(Role::Frontend), by_zone(Role::Backend));
        let predicted = frontends.keys().map(|zone| {
            let mut topology = Topology::healthy(zone, &frontends, &backends);
            topology.runtime = Some(runtime);
            let ejected = ejected(scene, zone, mesh);
            for (of, hosts) in &mut topology.upstream {
                let unhealthy = ejected.get(of).copied().unwrap_or_default() as usize;
                for host in hosts.hosts.iter_mut().take(unhealthy) {
                    *host = Host::from(Health::Unhealthy);
                }
            }
            (zone.clone(), predict(&topology))
        });
        let predictions: BTreeMap<String, Prediction> = predicted.collect();
        let of_zone = |(zone, prediction): (&String, &Prediction)| OfZone {
            zone: zone.clone(),
            state: prediction.state,
            reason: prediction.reason.clone(),
            zone_share: prediction.zone_share.clone(),
            failed_share: prediction.failed_share,
        };
        let zones = predictions.iter().map(of_zone).collect();
        let min_cluster_size = Config { runtime, ..Config::default() }.min_cluster_size();
        let same_zone_share =
            Expectation::of_predictions(predictions, &frontends, &backends).same_zone_share(&frontends);
        Self { same_zone_share, min_cluster_size, zones }
    }
}

/// The backends that the sidecars in a zone have ejected, by the backends' zone. Each sidecar ejects on its own: the most that
/// one of them has, so that it is seen as soon as the first one does.
fn ejected(scene: &Scene, zone: &str, mesh: &Mesh) -> BTreeMap<String, u32> {
    let mut ejected = BTreeMap::new();
    let frontends = scene.tasks.iter().filter(|task| task.role == Role::Frontend && task.zone == zone);
    for (of, count) in frontends.filter_map(|task| mesh.ejected(&task.arn)).flatten() {
        let most = ejected.entry(of).or_default();
        *most = count.max(*most);
    }
    ejected
}
