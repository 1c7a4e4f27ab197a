//! Whether zone-aware routing is on, as Envoy's algorithm predicts it from where tasks run. Only traffic proves it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::aws::AzId;
use crate::report::numbers::count;
use crate::routing::{PredictedState, Runtime};
use crate::stages::inventory::ServiceStatus;
use crate::stages::preflight;
use crate::traffic::{Expectation, TasksByZone};

/// The day from which Service Connect has zone-aware routing (AWS Containers Blog, "Announcing zone-aware routing in Amazon ECS
/// Service Connect"): services that were deployed before need a new deployment.
const AVAILABLE_SINCE: &str = "2026-07-01";

/// Whether zone-aware routing is on for the requests from the frontend to the backend: a prediction from where their tasks run.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Forecast {
    pub state: Switch,
    pub cause: Cause,
    /// The cause in words.
    pub reason: String,
    /// The service that calls.
    pub frontend: String,
    /// The service that is called.
    pub backend: String,
    /// The share of the requests that stay in their zone. Null: none would be answered.
    pub same_zone_share: Option<f64>,
    /// The running frontends by AZ ID.
    pub frontends: BTreeMap<AzId, u32>,
    /// The healthy backends by AZ ID.
    pub healthy_backends: BTreeMap<AzId, u32>,
    /// The number of healthy backends that zone-aware routing needs: Envoy's minimum cluster size.
    pub backends_needed: u32,
}

/// Whether something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    On,
    Off,
}

/// Why zone-aware routing is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// On: every zone has backends enough for its frontends.
    EnoughInEveryZone,
    /// On: some zones have fewer backends than their frontends need, so a part of their requests goes to others.
    UnevenZones,
    NoServices,
    NoFrontends,
    NoBackends,
    /// Service Connect is off in a service.
    ServiceConnectOff,
    /// A service was deployed before Service Connect had zone-aware routing.
    DeployedBefore,
    TooFewBackends,
    /// What else keeps Envoy from it.
    Other,
}

impl Forecast {
    /// Predicts from the services that exist, by the names of the frontend and the backend, if the proxies have these runtime keys.
    pub(super) fn under(runtime: Runtime, services: &[ServiceStatus], frontend: &str, backend: &str) -> Self {
        let find = |name: &str| services.iter().find(|service| service.name == name);
        let healthy = |name: &str, needs_health: bool| {
            let mut zones = BTreeMap::new();
            for task in
                find(name).iter().flat_map(|service| &service.tasks).filter(|task| task.healthy || !needs_health)
            {
                *zones.entry(task.az_id.clone()).or_default() += 1;
            }
            zones
        };
        let mut forecast = Self {
            state: Switch::Off,
            cause: Cause::Other,
            reason: String::new(),
            frontend: frontend.to_owned(),
            backend: backend.to_owned(),
            same_zone_share: None,
            frontends: healthy(frontend, false),
            healthy_backends: healthy(backend, true),
            backends_needed: backends_needed(runtime),
        };
        let (frontends, backends) = (by_zone(&forecast.frontends), by_zone(&forecast.healthy_backends));
        let expectation = Expectation::under(runtime, &frontends, &backends);
        let has = |tasks: &TasksByZone| tasks.values().sum::<u32>() > 0;
        if has(&frontends) && has(&backends) {
            forecast.same_zone_share = expectation.same_zone_share(&frontends);
        }
        let deployments = || services.iter().filter_map(|service| Some((service, service.deployment.as_ref()?)));
        let off = deployments().find(|(_, deployment)| deployment.service_connect == Some(false));
        let old = deployments()
            .find(|(_, deployment)| deployment.created_at.as_deref().is_some_and(|time| time < AVAILABLE_SINCE));
        (forecast.cause, forecast.reason) = if services.is_empty() {
            (Cause::NoServices, "there are no services".to_owned())
        } else if let Some((service, _)) = off {
            (Cause::ServiceConnectOff, format!("Service Connect is off in {}", service.name))
        } else if let Some((service, deployment)) = old {
            let date = deployment.created_at.as_deref().and_then(|time| time.get(..10)).unwrap_or_default();
            let since = format!("{} was last deployed on {date}, before Service Connect had it", service.name);
            (Cause::DeployedBefore, format!("{since}: `zonewalk redeploy` turns it on"))
        } else if !has(&frontends) {
            (Cause::NoFrontends, "no frontend runs, so nothing would answer".to_owned())
        } else if !has(&backends) {
            (Cause::NoBackends, "no backend is healthy, so every request would fail".to_owned())
        } else if expectation.is_active() {
            forecast.state = Switch::On;
            match expectation.state() {
                Some(PredictedState::LocalityDirect) => {
                    (Cause::EnoughInEveryZone, "every zone has enough backends for its frontends".to_owned())
                }
                _ => (Cause::UnevenZones, String::new()),
            }
        } else if forecast.backends() < forecast.backends_needed {
            (Cause::TooFewBackends, forecast.too_few())
        } else {
            (Cause::Other, expectation.reasons().join("; "))
        };
        if forecast.cause == Cause::UnevenZones {
            forecast.reason = forecast.uneven(ToString::to_string);
        }
        // How Envoy would route does not matter where it is not asked to.
        if matches!(forecast.cause, Cause::ServiceConnectOff | Cause::DeployedBefore) {
            forecast.same_zone_share = None;
        }
        forecast
    }

    pub fn is_on(&self) -> bool {
        self.state == Switch::On
    }

    /// The number of healthy backends.
    pub fn backends(&self) -> u32 {
        self.healthy_backends.values().sum()
    }

    fn too_few(&self) -> String {
        format!("{}, Envoy needs {}", count(self.backends().into(), "healthy backend"), self.backends_needed)
    }

    /// The reason, with zones as `label` has them.
    pub(super) fn reason(&self, label: impl Fn(&AzId) -> String) -> String {
        if self.cause == Cause::UnevenZones { self.uneven(label) } else { self.reason.clone() }
    }

    /// Which zones are short of backends.
    fn uneven(&self, label: impl Fn(&AzId) -> String) -> String {
        let (all_frontends, all_backends) = (self.frontends.values().sum::<u32>(), self.backends());
        let short = self.frontends.iter().filter_map(|(zone, frontends)| {
            let backends = self.healthy_backends.get(zone).copied().unwrap_or_default();
            let is_short =
                u64::from(backends) * u64::from(all_frontends) < u64::from(*frontends) * u64::from(all_backends);
            let zone = label(zone);
            is_short.then(|| {
                format!("{zone} has {backends} of {all_backends} backends for {frontends} of {all_frontends} frontends")
            })
        });
        format!("zones are uneven, so some requests leave theirs: {}", short.collect::<Vec<_>>().join("; "))
    }
}

pub(super) fn by_zone(tasks: &BTreeMap<AzId, u32>) -> TasksByZone {
    tasks.iter().map(|(zone, tasks)| (zone.to_string(), *tasks)).collect()
}

/// Envoy's minimum cluster size.
fn backends_needed(runtime: Runtime) -> u32 {
    let set = runtime.min_cluster_size.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    set.unwrap_or_else(preflight::backends_needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::inventory::{DeploymentStatus, TaskStatus};

    const FRONTEND: &str = "fe";
    const BACKEND: &str = "backend";

    fn service(name: &str, tasks: [u32; 3]) -> ServiceStatus {
        let task = |zone: usize| TaskStatus {
            id: format!("{name}-{zone}"),
            az_id: AzId::new(format!("use1-az{zone}")),
            healthy: true,
            address: None,
            cpu_units: 1024,
            memory_mib: 2048,
            container_instance: None,
            started_at: None,
        };
        let tasks: Vec<_> = tasks.iter().zip(1..).flat_map(|(n, zone)| (0..*n).map(move |_| zone)).map(task).collect();
        let running = u32::try_from(tasks.len()).unwrap();
        let deployment = DeploymentStatus {
            id: "ecs-svc/1".to_owned(),
            created_at: Some("2026-07-01T00:00:00Z".to_owned()),
            state: None,
            service_connect: Some(true),
            access_logs: None,
        };
        ServiceStatus {
            name: name.to_owned(),
            launch_type: Some("EC2".to_owned()),
            network_mode: "awsvpc".to_owned(),
            running,
            desired: running,
            pending: 0,
            tasks_by_zone: BTreeMap::new(),
            tasks,
            deployment: Some(deployment),
            deployments: 1,
        }
    }

    fn forecast(services: &[ServiceStatus]) -> (Switch, Cause, Option<f64>, String) {
        let forecast = Forecast::under(Runtime::NONE, services, FRONTEND, BACKEND);
        (forecast.state, forecast.cause, forecast.same_zone_share, forecast.reason)
    }

    fn with(frontends: [u32; 3], backends: [u32; 3]) -> (Switch, Cause, Option<f64>, String) {
        forecast(&[service(BACKEND, backends), service(FRONTEND, frontends)])
    }

    #[test]
    fn even_services_keep_every_request_in_its_zone() {
        let (state, cause, share, _) = with([2, 2, 2], [2, 2, 2]);
        assert_eq!((state, cause, share), (Switch::On, Cause::EnoughInEveryZone, Some(1.0)));
    }

    #[test]
    fn five_backends_are_one_too_few() {
        let (state, cause, share, reason) = with([2, 2, 2], [2, 1, 2]);
        assert_eq!((state, cause), (Switch::Off, Cause::TooFewBackends));
        assert!((share.unwrap() - 1.0 / 3.0).abs() < 1e-9, "{share:?}");
        assert_eq!(reason, "5 healthy backends, Envoy needs 6");
        assert_eq!(with([2, 2, 2], [1, 0, 0]).3, "1 healthy backend, Envoy needs 6");
    }

    #[test]
    fn proxies_whose_settings_are_known_are_predicted_by_them() {
        let services = [service(BACKEND, [2, 1, 2]), service(FRONTEND, [2, 2, 2])];
        let under = |runtime| Forecast::under(runtime, &services, FRONTEND, BACKEND);
        let few = under(Runtime { min_cluster_size: Some(5), ..Runtime::NONE });
        assert_eq!((few.state, few.backends_needed), (Switch::On, 5));
        let switched_off = under(Runtime { zone_routing_enabled: Some(0), min_cluster_size: Some(5), ..Runtime::NONE });
        assert_eq!((switched_off.state, switched_off.cause), (Switch::Off, Cause::Other), "{switched_off:?}");
    }

    #[test]
    fn a_zone_that_is_short_of_backends_sends_some_requests_elsewhere() {
        let (state, cause, share, reason) = with([2, 2, 2], [1, 2, 3]);
        assert_eq!((state, cause), (Switch::On, Cause::UnevenZones));
        assert!((share.unwrap() - 5.0 / 6.0).abs() < 1e-3, "{share:?}");
        assert!(reason.ends_with(": use1-az1 has 1 of 6 backends for 2 of 6 frontends"), "{reason}");
    }

    #[test]
    fn an_unhealthy_backend_is_none() {
        let mut backend = service(BACKEND, [2, 2, 2]);
        backend.tasks[0].healthy = false;
        assert_eq!(forecast(&[backend, service(FRONTEND, [2, 2, 2])]).1, Cause::TooFewBackends);
    }

    #[test]
    fn what_is_not_there_is_told_before_what_it_would_do() {
        assert_eq!(forecast(&[]).1, Cause::NoServices);
        let (state, cause, share, _) = with([0, 0, 0], [2, 2, 2]);
        assert_eq!((state, cause, share), (Switch::Off, Cause::NoFrontends, None));
        assert_eq!(with([2, 2, 2], [0, 0, 0]).1, Cause::NoBackends);
    }

    #[test]
    fn a_service_without_it_or_older_than_it_has_to_be_deployed_again() {
        let mut services = [service(BACKEND, [2, 2, 2]), service(FRONTEND, [2, 2, 2])];
        services[0].deployment.as_mut().unwrap().created_at = Some("2026-06-30T23:59:59Z".to_owned());
        let (state, cause, _, reason) = forecast(&services);
        assert_eq!((state, cause), (Switch::Off, Cause::DeployedBefore));
        assert!(
            reason.starts_with("backend was last deployed on 2026-06-30") && reason.contains("redeploy"),
            "{reason}"
        );
        services[1].deployment.as_mut().unwrap().service_connect = Some(false);
        assert_eq!(forecast(&services).3, "Service Connect is off in fe");
    }
}
