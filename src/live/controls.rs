//! What the page may change. Where AWS's API can do it, the API's own function does.

use serde::Deserialize;
use serde_json::json;

use super::scene::{Place, Scene};
use super::sender::{Asked, MOST, Sender};
use crate::cloud::{Fault, FaultKind, Faults, Operator};
use crate::mesh::{Conditions, Links};
use crate::plain;

#[derive(Deserialize)]
struct Order {
    region: String,
    cluster: String,
    #[serde(flatten)]
    control: Control,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Control {
    /// Requests a second, 0 ends them; and a header of each, `NAME=VALUE`, where one is wanted.
    Traffic {
        rate: u32,
        #[serde(default)]
        header: String,
    },
    /// The number of a service's tasks.
    Count { service: String, count: u32 },
    /// Ends a task; its service starts another.
    Stop { task: String },
    /// A zone's backends fail.
    Fail { zone: String, on: bool },
    /// Nothing gets into a zone or out of it.
    Cut { zone: String, on: bool },
    /// The fewest healthy endpoints with which proxies route by zone; null is Envoy's default.
    Threshold { min_cluster_size: Option<u64> },
    /// How long a request and its answer are under way within a zone, and to another.
    Links { same_zone_ms: f64, cross_zone_ms: f64 },
    /// What goes wrong in the API.
    Faults { preset: Preset },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Preset {
    None,
    Throttled,
    Slow,
    Failing,
}

impl Preset {
    fn faults(self) -> Faults {
        let faults = match self {
            Self::None => vec![],
            Self::Throttled => vec![Fault { rate: Some(0.3), ..Fault::new(FaultKind::Throttle) }],
            Self::Slow => vec![Fault { milliseconds: Some(300), ..Fault::new(FaultKind::Delay) }],
            Self::Failing => vec![Fault { rate: Some(0.3), ..Fault::new(FaultKind::ServerError) }],
        };
        Faults { seed: 1, faults }
    }
}

/// Does what the page asks for. An error says why it cannot be.
pub(super) fn carry_out(operator: &Operator, sender: &Sender, body: &[u8]) -> Result<(), String> {
    let Order { region, cluster, control } = plain::from_json(&String::from_utf8_lossy(body))?;
    let place = Place { region, cluster };
    if !Place::all(operator)?.contains(&place) {
        return Err(format!("there is no cluster {} in {}", place.cluster, place.region));
    }
    let Place { region, cluster } = &place;
    match control {
        Control::Traffic { rate, .. } if rate > MOST => return Err(format!("at most {MOST} requests a second")),
        Control::Traffic { rate, header } => {
            let header = if header.trim().is_empty() { None } else { Some(header.parse()?) };
            sender.send(Asked { place, rate, header });
        }
        Control::Count { service, count } => {
            let params = json!({ "cluster": cluster, "service": service, "desiredCount": count });
            operator.call(region, ("ecs", "UpdateService"), params)?;
        }
        Control::Stop { task } => {
            let params = json!({ "cluster": cluster, "task": task, "reason": "Stopped from zonewalk's live page" });
            operator.call(region, ("ecs", "StopTask"), params)?;
        }
        Control::Fail { zone, on } => {
            check_zone(operator, &place, &zone)?;
            operator.change_trouble(region, |trouble| switch(&mut trouble.failing_zones, zone, on))?;
        }
        Control::Cut { zone, on } => {
            check_zone(operator, &place, &zone)?;
            operator.change_trouble(region, |trouble| switch(&mut trouble.cut_zones, zone, on))?;
        }
        Control::Threshold { min_cluster_size } => {
            let mut conditions = operator.conditions();
            conditions.runtime.min_cluster_size = min_cluster_size;
            operator.set_conditions(conditions);
        }
        Control::Links { same_zone_ms, cross_zone_ms } => {
            if ![same_zone_ms, cross_zone_ms].iter().all(|time| (0.0..=Links::LONGEST_MS).contains(time)) {
                return Err(format!("from 0 to {} ms", Links::LONGEST_MS));
            }
            let links = Links { same_zone_ms, cross_zone_ms };
            operator.set_conditions(Conditions { links, ..operator.conditions() });
        }
        Control::Faults { preset } => operator.set_faults(preset.faults()),
    }
    Ok(())
}

fn check_zone(operator: &Operator, place: &Place, zone: &str) -> Result<(), String> {
    let zones = Scene::read(operator, place)?.zones;
    if zones.contains_key(zone) { Ok(()) } else { Err(format!("nothing of {} is in zone {zone}", place.cluster)) }
}

fn switch(zones: &mut std::collections::BTreeSet<String>, zone: String, on: bool) {
    if on {
        zones.insert(zone);
    } else {
        zones.remove(&zone);
    }
}
