//! What `verify --watch` shows of traffic while it goes: [`Scene`] collects it, [`draw`] draws it on a whole screen.

mod charts;
mod look;
mod screen;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::ZoneNames;
use crate::report::numbers::count;
use crate::traffic::{Expectation, Observation, TasksByZone, Verification};

pub use screen::draw;

/// The most seconds and events that are kept: ten minutes.
const SECONDS: usize = 600;
const EVENTS: usize = 100;

/// What is shown, at one moment.
#[derive(Clone, Debug)]
pub struct Scene {
    title: String,
    began: Instant,
    names: ZoneNames,
    services: Vec<Service>,
    /// The zones that have a task, or had one or a request since the beginning.
    zones: BTreeMap<String, Zone>,
    /// The predicted share of the requests that stay in their zone. None: nothing is predicted.
    predicted: Option<f64>,
    /// The latest seconds, oldest first.
    seconds: VecDeque<Second>,
    requests: u64,
    errors: u64,
    so_far: Option<(bool, u64)>,
    /// What has happened, newest first, each with how long after the beginning.
    events: VecDeque<(Duration, String)>,
    /// What is done after the traffic. None: it goes on.
    ending: Option<String>,
}

/// A service's tasks, as ECS tells of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is called here: `frontend`.
    pub role: &'static str,
    pub running: u32,
    pub desired: u32,
    pub pending: u32,
    /// Its running tasks in each zone, by the zone's ID.
    pub zones: TasksByZone,
    /// Those of them that ECS finds unhealthy.
    pub unhealthy: u32,
}

/// A zone: its tasks, and the requests of its frontends in the last second.
#[derive(Clone, Debug, Default, PartialEq)]
struct Zone {
    /// The running tasks of each service, in the services' order.
    tasks: Vec<u32>,
    /// The predicted share of its frontends' requests that stay.
    predicted: Option<f64>,
    /// The answered requests a second that its frontends sent to each zone's backends.
    sent: BTreeMap<String, f64>,
}

impl Zone {
    fn all_sent(&self) -> f64 {
        self.sent.values().sum()
    }

    /// The share that went to the zone. None: nothing was sent.
    fn share(&self, to: &str) -> Option<f64> {
        let all = self.all_sent();
        (all > 0.0).then(|| self.sent.get(to).copied().unwrap_or_default() / all)
    }
}

/// How a second went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Second {
    /// Since the beginning, in seconds.
    at: f64,
    requests_per_second: f64,
    errors: u64,
    share: Option<f64>,
    predicted: Option<f64>,
    /// The medians, in milliseconds.
    same_zone_ms: Option<f64>,
    cross_zone_ms: Option<f64>,
}

impl Scene {
    /// Begins now. `title` says what is watched.
    pub fn new(title: String) -> Self {
        Self {
            title,
            began: Instant::now(),
            names: ZoneNames::default(),
            services: vec![],
            zones: BTreeMap::new(),
            predicted: None,
            seconds: VecDeque::new(),
            requests: 0,
            errors: 0,
            so_far: None,
            events: VecDeque::new(),
            ending: None,
        }
    }

    /// Takes in where tasks run now, and what that predicts. What has changed becomes an event.
    pub fn set_tasks(&mut self, services: Vec<Service>, expectation: &Expectation, names: ZoneNames) {
        self.names = names;
        let before = std::mem::take(&mut self.services);
        for service in &services {
            let earlier = before.iter().find(|earlier| earlier.role == service.role);
            for (zone, (was, is)) in changes(earlier.map(|it| &it.zones), &service.zones) {
                // The first look finds, and does not tell of changes.
                if earlier.is_some() {
                    self.tell(format!("{zone}: {}, {was} before", count(is.into(), service.role)));
                }
            }
        }
        for service in &services {
            for zone in service.zones.keys() {
                self.zones.entry(zone.clone()).or_default();
            }
        }
        for (id, zone) in &mut self.zones {
            zone.tasks = services.iter().map(|it| it.zones.get(id).copied().unwrap_or_default()).collect();
            zone.predicted = expectation.stays(id);
        }
        let predicted = services.first().and_then(|frontend| expectation.same_zone_share(&frontend.zones));
        let has_moved = services.iter().zip(&before).any(|(is, was)| is.zones != was.zones);
        if has_moved || before.is_empty() || predicted != self.predicted {
            expectation.reasons().into_iter().for_each(|reason| self.tell(reason));
        }
        (self.services, self.predicted) = (services, predicted);
    }

    /// Takes in what has been answered since the last time.
    pub fn note_traffic(&mut self, observed: &Observation) {
        let seconds = observed.took.as_secs_f64();
        let rate = |requests: u64| if seconds > 0.0 { requests as f64 / seconds } else { 0.0 };
        self.zones.values_mut().for_each(|zone| zone.sent.clear());
        for ((from, to), requests) in &observed.matrix {
            self.zones.entry(to.clone()).or_default();
            self.zones.entry(from.clone()).or_default().sent.insert(to.clone(), rate(*requests));
        }
        let before = self.seconds.back().map_or(0, |second| second.errors);
        let median = |stays: bool| observed.latencies(|(from, to)| (from == to) == stays).percentile_ms(50.0);
        let second = Second {
            at: self.began.elapsed().as_secs_f64(),
            requests_per_second: rate(observed.requests()),
            errors: observed.failed(),
            share: observed.same_zone_share(),
            predicted: self.predicted,
            same_zone_ms: median(true),
            cross_zone_ms: median(false),
        };
        if before == 0 && second.errors > 0 {
            let kinds = observed.errors.iter().map(|(kind, requests)| format!("{requests} × {kind}"));
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            self.tell(format!("requests fail: {kinds}"));
        } else if before > 0 && second.errors == 0 {
            self.tell("no request fails any more".to_owned());
        }
        self.requests += observed.requests();
        self.errors += observed.failed();
        self.seconds.push_back(second);
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
    }

    /// Takes in how the traffic would be judged by now.
    pub fn set_verdict_so_far(&mut self, verification: &Verification) {
        self.so_far = Some((verification.verdict.passed(), verification.requests));
    }

    /// Tells of something that happened.
    pub fn tell(&mut self, what: String) {
        if self.events.front().is_some_and(|(_, last)| *last == what) {
            return;
        }
        self.events.push_front((self.began.elapsed(), what));
        self.events.truncate(EVENTS);
    }

    /// No more is sent, and this is done now.
    pub fn end(&mut self, doing: &str) {
        self.ending = Some(doing.to_owned());
    }
}

/// The zones in which the number of tasks differs, each with both.
fn changes(before: Option<&TasksByZone>, now: &TasksByZone) -> Vec<(String, (u32, u32))> {
    let zones = before.into_iter().flatten().chain(now).map(|(zone, _)| zone);
    let of = |zone: &String| {
        let was = before.and_then(|before| before.get(zone)).copied().unwrap_or_default();
        (zone.clone(), (was, now.get(zone).copied().unwrap_or_default()))
    };
    let mut changes: Vec<_> = zones.map(of).filter(|(_, (was, is))| was != is).collect();
    changes.sort();
    changes.dedup();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Meter;

    fn service(role: &'static str, tasks: [u32; 3]) -> Service {
        let zones = (1..).map(|zone| format!("use1-az{zone}")).zip(tasks).collect();
        let running = tasks.iter().sum();
        Service { role, running, desired: 6, pending: 6 - running, zones, unhealthy: 0 }
    }

    fn look(scene: &mut Scene, backends: [u32; 3]) {
        let services = vec![service("frontend", [2, 2, 2]), service("backend", backends)];
        let expectation = Expectation::of(&services[0].zones, &services[1].zones);
        scene.set_tasks(services, &expectation, ZoneNames::default());
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_is_told_and_nothing_twice() {
        let mut scene = Scene::new("az-aware".to_owned());
        look(&mut scene, [2, 2, 2]);
        look(&mut scene, [2, 2, 2]);
        assert_eq!(scene.events.len(), 3, "each zone's reason, once: {:?}", scene.events);
        assert_eq!(scene.predicted, Some(1.0));
        tokio::time::advance(Duration::from_secs(3)).await;
        look(&mut scene, [2, 1, 2]);
        let told: Vec<_> = scene.events.iter().map(|(at, what)| (at.as_secs(), what.as_str())).collect();
        assert_eq!(told[1], (3, "use1-az2: 1 backend, 2 before"));
        assert!(told[0].1.contains('5'), "why zones do not count any more: {told:?}");
        assert_eq!(scene.zones["use1-az2"].tasks, [2, 1]);
        assert!(scene.predicted.unwrap() < 0.34);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_is_what_was_answered_in_it() {
        let (mut scene, meter) = (Scene::new("az-aware".to_owned()), Meter::default());
        look(&mut scene, [2, 2, 2]);
        meter.record(Ok(("use1-az1".to_owned(), "use1-az1".to_owned())), Duration::from_millis(1), 10);
        meter.record(Ok(("use1-az1".to_owned(), "use1-az2".to_owned())), Duration::from_millis(2), 10);
        meter.record(Err("HTTP 503".to_owned()), Duration::ZERO, 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        scene.note_traffic(&meter.take());
        let second = scene.seconds[0];
        assert_eq!((second.share, second.errors, second.requests_per_second), (Some(0.5), 1, 3.0));
        assert_eq!((second.same_zone_ms, second.cross_zone_ms), (Some(1.0), Some(2.0)));
        assert_eq!(scene.zones["use1-az1"].share("use1-az2"), Some(0.5));
        assert_eq!(scene.events[0].1, "requests fail: 1 × HTTP 503");
        tokio::time::advance(Duration::from_secs(1)).await;
        scene.note_traffic(&meter.take());
        assert_eq!(scene.events[0].1, "no request fails any more");
        assert_eq!((scene.zones["use1-az1"].share("use1-az2"), scene.requests), (None, 3));
    }
}
