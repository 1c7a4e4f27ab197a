//! All that the page shows of one moment. Counts only grow: what happened in a second is the difference of two snapshots.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::calls::Calls;
use super::prediction::Predicted;
use super::scene::{LoadBalancer, Place, Role, Scene, Service, Task};
use super::sender::{Sender, Sent};
use crate::cloud::{Operator, Trouble};
use crate::envoy::stats;
use crate::mesh::{Conditions, Mesh};

/// The most events that are told, the newest.
const EVENTS: usize = 60;

#[derive(Serialize)]
pub(super) struct Snapshot {
    /// Milliseconds since the epoch.
    at: i64,
    version: &'static str,
    /// The clusters that there are.
    places: Vec<Place>,
    /// The one that the rest is about. Null: there is none.
    place: Option<Place>,
    zones: Vec<Zone>,
    services: Vec<Service>,
    tasks: Vec<Task>,
    load_balancer: Option<LoadBalancer>,
    /// The proxies of frontends.
    proxies: Vec<Proxy>,
    /// Whose they are.
    proxies_are: String,
    predicted: Option<Predicted>,
    trouble: Trouble,
    conditions: Conditions,
    faults: Value,
    traffic: Sent,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Zone {
    id: String,
    name: String,
}

#[derive(Serialize)]
struct Proxy {
    /// The ARN of its task.
    task: String,
    zone: String,
    /// The requests that it completed, by the zone of the backend.
    requests: BTreeMap<String, u64>,
    counters: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Event {
    /// Milliseconds since the epoch.
    at: i64,
    text: String,
    went_well: bool,
}

/// What there is now. `asked` is taken if it exists, else the first cluster with services, else the first.
pub(super) fn take(operator: &Operator, asked: Place, sender: &Sender, calls: &Calls) -> Result<Snapshot, String> {
    let places = Place::all(operator)?;
    let mut shown = (places.first().cloned(), Scene::default());
    let asked_first = places.iter().filter(|place| **place == asked).chain(&places);
    for place in asked_first {
        let scene = Scene::read(operator, place)?;
        let is_it = *place == asked || !scene.services.is_empty();
        if is_it {
            shown = (Some(place.clone()), scene);
            break;
        }
    }
    let (place, scene) = shown;
    let (mesh, trouble) = match &place {
        Some(Place { region, .. }) => (Some(operator.mesh(region)?), operator.trouble(region)?),
        None => (None, Trouble::default()),
    };
    let conditions = operator.conditions();
    let proxies_are = mesh.as_ref().map(Mesh::proxies).cloned().unwrap_or_default();
    Ok(Snapshot {
        at: Timestamp::now().as_millisecond(),
        version: env!("CARGO_PKG_VERSION"),
        predicted: mesh.as_ref().map(|mesh| Predicted::of(&scene, conditions.runtime, mesh)),
        proxies: mesh.map(|mesh| proxies(&scene, &mesh)).unwrap_or_default(),
        proxies_are: proxies_are.to_string(),
        faults: operator.faults()["fault"].take(),
        traffic: sender.sent(),
        events: events(&scene, calls),
        zones: scene.zones.into_iter().map(|(id, name)| Zone { id, name }).collect(),
        services: scene.services,
        tasks: scene.tasks,
        load_balancer: scene.load_balancer,
        places,
        place,
        trouble,
        conditions,
    })
}

fn proxies(scene: &Scene, mesh: &Mesh) -> Vec<Proxy> {
    let frontends = scene.tasks.iter().filter(|task| task.role == Role::Frontend);
    let proxies = frontends.filter_map(|task| {
        let text = mesh.envoy_stats(&task.arn)?;
        let zones = stats::parse(&text);
        let mut requests = BTreeMap::new();
        for to in zones.zone_requests {
            *requests.entry(to.to).or_default() += to.requests;
        }
        let mut counters = zones.counters;
        for name in MORE_COUNTERS {
            counters.insert(name.to_owned(), sum(&text, name));
        }
        Some(Proxy { task: task.arn.clone(), zone: task.zone.clone(), requests, counters })
    });
    proxies.collect()
}

/// What is shown of a proxy beside the counters of zones.
const MORE_COUNTERS: [&str; 4] =
    ["upstream_rq_completed", "upstream_rq_5xx", "upstream_rq_retry", "outlier_detection.ejections_active"];

/// A counter over all of a proxy's upstreams.
fn sum(stats: &str, counter: &str) -> u64 {
    let values = stats.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("cluster.")?.split_once(": ")?;
        let is_it = name.strip_suffix(counter)?.ends_with('.') && !name.contains(".zone.");
        let is_part = name.contains(".external.") || name.contains(".retry.");
        value.trim().parse::<u64>().ok().filter(|_| is_it && !is_part)
    });
    values.sum()
}

/// Newest first.
fn events(scene: &Scene, calls: &Calls) -> Vec<Event> {
    let of_services = scene.services.iter().flat_map(|service| &service.events).map(|(at, text)| Event {
        at: (at * 1000.0) as i64,
        text: text.clone(),
        went_well: true,
    });
    let of_calls = calls.latest().into_iter().map(|served| {
        let outcome = match (&served.error, served.status) {
            (Some(code), _) => format!(": {code}"),
            (None, None) => ": closed without an answer".to_owned(),
            (None, Some(_)) => String::new(),
        };
        Event {
            at: served.answered_at.as_millisecond(),
            text: format!("{}{outcome}", served.what),
            went_well: outcome.is_empty(),
        }
    });
    let mut events: Vec<_> = of_services.chain(of_calls).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(EVENTS);
    events
}
