//! What happened when: one point for each second of a drill, from its first request on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::latency::Latencies;
use crate::events::PhaseName;

/// A second of a drill.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Point {
    /// The seconds from the drill's first request to the beginning of this one.
    pub at_s: u64,
    /// The phase that it ended in.
    pub phase: PhaseName,
    /// The requests that ended in it, those with an error included.
    pub requests: u64,
    /// The requests of them that failed.
    pub errors: u64,
    /// The share of the answered ones that stayed in their zone. Null: none were answered.
    pub same_zone_share: Option<f64>,
    /// The median time that they took, in milliseconds. Null: none were answered.
    pub p50_ms: Option<f64>,
    /// The 99th percentile of it, in milliseconds.
    pub p99_ms: Option<f64>,
    /// The tasks that ran when ECS was asked last: at most a few seconds before.
    pub tasks: Vec<RunningTasks>,
}

/// The tasks of a service that run in a zone.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct RunningTasks {
    /// The name of the service.
    pub service: String,
    /// The zone, by its ID.
    pub zone: String,
    /// How many run there.
    pub running: u32,
}

/// Notes what becomes of each request that is sent within [`Timeline::during`].
#[derive(Default)]
pub struct Timeline(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    /// The start of the first request.
    begun: Option<Instant>,
    seconds: BTreeMap<u64, Second>,
    /// The phases and the running tasks, each from a second on.
    phases: BTreeMap<u64, PhaseName>,
    tasks: BTreeMap<u64, Vec<RunningTasks>>,
    last_failure: Option<Instant>,
}

#[derive(Default)]
struct Second {
    same_zone: u64,
    errors: u64,
    /// Of those that were answered.
    latencies: Vec<Duration>,
}

impl Notes {
    fn now(&self) -> u64 {
        self.begun.map_or(0, |begun| begun.elapsed().as_secs())
    }
}

tokio::task_local! {
    /// Traffic is sent deep inside of what a drill does, and not only by drills.
    static CURRENT: Arc<Timeline>;
}

impl Timeline {
    /// Does `work`, and notes the requests that it sends.
    pub async fn during<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), work).await
    }

    /// The timeline that the requests of this task are noted in.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub(super) fn begin(&self) {
        self.0.lock().begun.get_or_insert_with(Instant::now);
    }

    /// Notes a request that has ended: how long it took, and whether it stayed in its zone; none if it failed.
    pub(super) fn note(&self, answered: Option<(Duration, bool)>) {
        let mut notes = self.0.lock();
        let second = notes.now();
        let second = notes.seconds.entry(second).or_default();
        if let Some((latency, stayed)) = answered {
            second.same_zone += u64::from(stayed);
            second.latencies.push(latency);
        } else {
            second.errors += 1;
            notes.last_failure = Some(Instant::now());
        }
    }

    /// From now on it is another phase.
    pub fn set_phase(&self, phase: PhaseName) {
        let mut notes = self.0.lock();
        let now = notes.now();
        notes.phases.insert(now, phase);
    }

    /// From now on these tasks run.
    pub fn set_tasks(&self, tasks: Vec<RunningTasks>) {
        let mut notes = self.0.lock();
        let now = notes.now();
        notes.tasks.insert(now, tasks);
    }

    /// How long after `start` the last request failed. None: none has since then.
    pub fn last_failure_since(&self, start: Instant) -> Option<Duration> {
        self.0.lock().last_failure?.checked_duration_since(start)
    }

    /// A point for each second up to the last one with a request.
    pub fn points(&self) -> Vec<Point> {
        let notes = self.0.lock();
        let last = notes.seconds.keys().next_back().copied();
        let (mut phase, mut tasks) = (PhaseName::Before, vec![]);
        let mut points = vec![];
        for at_s in last.map_or(0..0, |last| 0..last + 1) {
            phase = notes.phases.get(&at_s).copied().unwrap_or(phase);
            tasks = notes.tasks.get(&at_s).cloned().unwrap_or(tasks);
            points.push(notes.seconds.get(&at_s).unwrap_or(&Second::default()).point(at_s, phase, tasks.clone()));
        }
        points
    }
}

impl Second {
    fn point(&self, at_s: u64, phase: PhaseName, tasks: Vec<RunningTasks>) -> Point {
        let answered = self.latencies.len() as u64;
        let mut latencies = Latencies::default();
        self.latencies.iter().for_each(|latency| latencies.record(*latency));
        Point {
            at_s,
            phase,
            requests: answered + self.errors,
            errors: self.errors,
            same_zone_share: (answered > 0).then(|| self.same_zone as f64 / answered as f64),
            p50_ms: latencies.percentile_ms(50.0),
            p99_ms: latencies.percentile_ms(99.0),
            tasks,
        }
    }
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Timeline")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(zone: &str, running: u32) -> Vec<RunningTasks> {
        vec![RunningTasks { service: "backend".to_owned(), zone: zone.to_owned(), running }]
    }

    #[tokio::test(start_paused = true)]
    async fn each_second_has_a_point_from_the_first_request_on() {
        let timeline = Arc::new(Timeline::default());
        assert_eq!(timeline.points(), [], "nothing was sent");
        let ms = Duration::from_millis;
        timeline.set_phase(PhaseName::Before);
        timeline.set_tasks(running("a", 2));
        // Before the first request, time does not count.
        tokio::time::sleep(ms(5000)).await;
        let current = timeline.during(async { Timeline::current() }).await.unwrap();
        current.begin();
        (1..=100).for_each(|took| current.note(Some((ms(took), took > 25))));
        tokio::time::sleep(ms(1900)).await;
        timeline.set_phase(PhaseName::During);
        let lost = Instant::now();
        tokio::time::sleep(ms(1100)).await;
        timeline.set_tasks(running("a", 1));
        timeline.note(None);
        timeline.note(Some((ms(7), false)));

        let points = timeline.points();
        let told: Vec<_> = points.iter().map(|it| (it.at_s, it.phase, it.requests, it.errors)).collect();
        let (before, during) = (PhaseName::Before, PhaseName::During);
        assert_eq!(told, [(0, before, 100, 0), (1, during, 0, 0), (2, during, 0, 0), (3, during, 2, 1)]);
        assert_eq!(points.iter().map(|it| it.same_zone_share).collect::<Vec<_>>(), [Some(0.75), None, None, Some(0.0)]);
        assert!((50.0..50.1).contains(&points[0].p50_ms.unwrap()), "{:?}", points[0]);
        assert!((99.0..99.1).contains(&points[0].p99_ms.unwrap()), "{:?}", points[0]);
        assert_eq!(points[1].p50_ms, None);
        assert_eq!((&points[2].tasks, &points[3].tasks), (&running("a", 2), &running("a", 1)));
        assert_eq!(timeline.last_failure_since(lost), Some(ms(1100)));
        assert_eq!(timeline.last_failure_since(Instant::now() + ms(1)), None);
        assert!(Timeline::current().is_none());
    }
}
