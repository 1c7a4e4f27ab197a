//! What Envoy's algorithm predicts for each frontend zone, from where the tasks are.

use std::collections::BTreeMap;

use crate::routing::{PredictedState, Prediction, Runtime, Topology, predict};

/// The number of a service's running tasks by AZ ID.
pub type TasksByZone = BTreeMap<String, u32>;

/// The prediction for each frontend zone: what the proxies of the frontends there will do.
#[derive(Clone, Debug)]
pub struct Expectation(pub(super) BTreeMap<String, Prediction>);

impl Expectation {
    pub fn of(frontends: &TasksByZone, backends: &TasksByZone) -> Self {
        Self::under(Runtime::NONE, frontends, backends)
    }

    /// The same, if the proxies have these runtime keys.
    pub fn under(runtime: Runtime, frontends: &TasksByZone, backends: &TasksByZone) -> Self {
        let zones = frontends.iter().filter(|(_, tasks)| **tasks > 0);
        let predicted = |zone: &String| {
            predict(&Topology { runtime: Some(runtime), ..Topology::healthy(zone, frontends, backends) })
        };
        Self(zones.map(|(zone, _)| (zone.clone(), predicted(zone))).collect())
    }

    /// Whether every frontend's proxy routes by zone.
    pub fn is_active(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|prediction| routes_by_zone(prediction.state))
    }

    /// The state of all zones, if it is the same.
    pub fn state(&self) -> Option<PredictedState> {
        let mut states = self.0.values().map(|prediction| prediction.state);
        let first = states.next()?;
        states.all(|state| state == first).then_some(first)
    }

    /// The share of the requests that stay in their zone, if each of these frontends is sent as many. None: there are none.
    pub fn same_zone_share(&self, frontends: &TasksByZone) -> Option<f64> {
        let all: u32 = frontends.values().sum();
        let stay = |zone: &str, prediction: &Prediction| {
            let tasks = frontends.get(zone).copied().unwrap_or_default();
            f64::from(tasks) * prediction.zone_share.get(zone).copied().unwrap_or_default()
        };
        let stay: f64 = self.0.iter().map(|(zone, prediction)| stay(zone, prediction)).sum();
        (all > 0).then(|| stay / f64::from(all))
    }

    /// The predictions' reasons, each once.
    pub fn reasons(&self) -> Vec<String> {
        let mut zones_by_reason = BTreeMap::<&str, Vec<&str>>::new();
        for (zone, prediction) in &self.0 {
            zones_by_reason.entry(&prediction.reason).or_default().push(zone);
        }
        let told = |(reason, zones): (&str, Vec<&str>)| {
            let names_them = zones.len() == self.0.len() || reason.starts_with(zones[0]);
            if names_them { reason.to_owned() } else { format!("{}: {reason}", zones.join(", ")) }
        };
        zones_by_reason.into_iter().map(told).collect()
    }
}

pub(super) fn routes_by_zone(state: PredictedState) -> bool {
    matches!(state, PredictedState::LocalityDirect | PredictedState::LocalityResidual)
}
