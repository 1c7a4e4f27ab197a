//! What Envoy's algorithm predicts for each frontend zone, from where the tasks are.

use std::collections::BTreeMap;

use super::timeline::RunningTasks;
use crate::routing::{PredictedState, Prediction, Runtime, Topology, predict};

/// The number of a service's running tasks by AZ ID.
pub type TasksByZone = BTreeMap<String, u32>;

/// Shares are sums of fractions of 10000ths: one within a rounding error of 0 or 1 is meant to be 0 or 1.
const ROUNDING: f64 = 1e-9;

/// The prediction for each frontend zone: what the proxies of the frontends there will do.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub(super) predictions: BTreeMap<String, Prediction>,
    frontends: TasksByZone,
    backends: TasksByZone,
    /// Whether it is known where tasks run.
    is_known: bool,
}

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
        Self::of_predictions(zones.map(|(zone, _)| (zone.clone(), predicted(zone))).collect(), frontends, backends)
    }

    /// Of what is predicted for each frontend zone otherwise.
    pub fn of_predictions(
        predictions: BTreeMap<String, Prediction>,
        frontends: &TasksByZone,
        backends: &TasksByZone,
    ) -> Self {
        Self { predictions, frontends: frontends.clone(), backends: backends.clone(), is_known: true }
    }

    /// The tasks that it rests on, of services of these names.
    pub fn tasks(&self, frontend: &str, backend: &str) -> Vec<RunningTasks> {
        let of = |service: &str, tasks: &TasksByZone| -> Vec<RunningTasks> {
            let running = |(zone, running): (&String, &u32)| RunningTasks {
                service: service.to_owned(),
                zone: zone.clone(),
                running: *running,
            };
            tasks.iter().map(running).collect()
        };
        [of(frontend, &self.frontends), of(backend, &self.backends)].concat()
    }

    /// Where nothing is known of the tasks, nothing is predicted.
    pub fn unknown() -> Self {
        let (frontends, backends) = (TasksByZone::new(), TasksByZone::new());
        Self { predictions: BTreeMap::new(), frontends, backends, is_known: false }
    }

    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether every frontend's proxy routes by zone.
    pub fn is_active(&self) -> bool {
        !self.predictions.is_empty() && self.predictions.values().all(|prediction| routes_by_zone(prediction.state))
    }

    /// The state of all zones, if it is the same.
    pub fn state(&self) -> Option<PredictedState> {
        let mut states = self.predictions.values().map(|prediction| prediction.state);
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
        let stay: f64 = self.predictions.iter().map(|(zone, prediction)| stay(zone, prediction)).sum();
        (all > 0).then(|| stay / f64::from(all))
    }

    /// The share of a frontend zone's requests that stay in it. None: no frontend is known there.
    pub fn stays(&self, zone: &str) -> Option<f64> {
        Some(self.predictions.get(zone)?.zone_share.get(zone).copied().unwrap_or_default())
    }

    /// The share of each backend zone in the answered requests of a frontend zone. None: no frontend is known there.
    pub(super) fn answered_shares(&self, frontend: &str) -> Option<Vec<(String, f64)>> {
        let prediction = self.predictions.get(frontend)?;
        let answered = 1.0 - prediction.failed_share;
        let share = |share: f64| match if answered > 0.0 { share / answered } else { 0.0 } {
            share if share < ROUNDING => 0.0,
            share if share > 1.0 - ROUNDING => 1.0,
            share => share,
        };
        Some(prediction.zone_share.iter().map(|(zone, of_all)| (zone.clone(), share(*of_all))).collect())
    }

    /// The share of a frontend zone's requests that would cross zones if each backend had as many. None: none is known.
    pub(super) fn crossing_without_zones(&self, frontend: &str) -> Option<f64> {
        let all: u32 = self.backends.values().sum();
        let own = self.backends.get(frontend).copied().unwrap_or_default();
        (all > 0).then(|| 1.0 - f64::from(own) / f64::from(all))
    }

    /// The predictions' reasons, each once.
    pub fn reasons(&self) -> Vec<String> {
        let mut zones_by_reason = BTreeMap::<&str, Vec<&str>>::new();
        for (zone, prediction) in &self.predictions {
            zones_by_reason.entry(&prediction.reason).or_default().push(zone);
        }
        let told = |(reason, zones): (&str, Vec<&str>)| {
            let names_them = zones.len() == self.predictions.len() || reason.starts_with(zones[0]);
            if names_them { reason.to_owned() } else { format!("{}: {reason}", zones.join(", ")) }
        };
        zones_by_reason.into_iter().map(told).collect()
    }
}

pub(super) fn routes_by_zone(state: PredictedState) -> bool {
    matches!(state, PredictedState::LocalityDirect | PredictedState::LocalityResidual)
}
