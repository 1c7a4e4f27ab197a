//! The time that a request takes between zones, which on one machine has to be waited for.
//!
//! A timer of the runtime is accurate to a millisecond, which is what the way to another zone takes: a thread of its own waits
//! instead, the last moment of it without sleeping. It has nothing to do while no request is on its way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::header::HeaderName;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Says to the demo application from which zone it is called: proxies hand it on, its own and real Envoys alike.
pub(super) const FROM_ZONE: HeaderName = HeaderName::from_static("x-zonewalk-from-zone");

/// How long a request from a frontend to a backend and its answer are under way, in milliseconds, beside what this machine takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// Within a zone.
    pub same_zone_ms: f64,
    /// To another zone.
    pub cross_zone_ms: f64,
}

impl Links {
    /// What AWS names for calls within a zone, 300 to 400 µs, and to another ("Zone-aware routing in Amazon ECS Service Connect").
    pub const AWS: Self = Self { same_zone_ms: 0.35, cross_zone_ms: 1.5 };

    /// The longest that a link may be made.
    pub const LONGEST_MS: f64 = 10_000.0;

    fn between(self, one: &[u8], other: &str) -> Duration {
        let milliseconds = if one == other.as_bytes() { self.same_zone_ms } else { self.cross_zone_ms };
        Duration::from_secs_f64(milliseconds.clamp(0.0, Self::LONGEST_MS) / 1_000.0)
    }
}

/// The links as they are now, for all tasks of a mesh.
#[derive(Clone, Default)]
pub(super) struct CurrentLinks(Arc<ArcSwap<Links>>);

impl CurrentLinks {
    pub(super) fn set(&self, links: Links) {
        self.0.store(Arc::new(links));
    }

    /// Waits for as long as a request from zone `from` and its answer are on their way, counted from `since`.
    pub(super) async fn cross(&self, from: &[u8], to: &str, since: Instant) {
        let under_way = self.0.load().between(from, to);
        if !under_way.is_zero() {
            wait_until(since + under_way).await;
        }
    }
}

/// How long before its moment a sleeping thread is woken, since the kernel may wake it later than that: its timers have a slack of
/// 50 µs.
const EARLY: Duration = Duration::from_micros(100);

#[derive(Default)]
struct Timer {
    waiting: Mutex<BinaryHeap<Reverse<Waiting>>>,
    sooner: Condvar,
}

struct Waiting {
    until: Instant,
    waiter: oneshot::Sender<()>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.until.cmp(&other.until)
    }
}

async fn wait_until(until: Instant) {
    static TIMER: OnceLock<Arc<Timer>> = OnceLock::new();

    let timer = TIMER.get_or_init(|| {
        let timer = Arc::<Timer>::default();
        let running = Arc::clone(&timer);
        thread::spawn(move || running.run());
        timer
    });
    let (waiter, moment) = oneshot::channel();
    timer.add(Waiting { until, waiter });
    // The thread ends with the process.
    let _ = moment.await;
}

impl Timer {
    fn add(&self, waiting: Waiting) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = all.peek().is_none_or(|Reverse(first)| waiting.until < first.until);
        all.push(Reverse(waiting));
        if is_first {
            self.sooner.notify_one();
        }
    }

    fn run(&self) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            all = match all.peek().map(|Reverse(first)| first.until.saturating_duration_since(now)) {
                None => self.sooner.wait(all).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    if let Some(Reverse(due)) = all.pop() {
                        // Who has given up waiting need not be told.
                        let _ = due.waiter.send(());
                    }
                    all
                }
                Some(left) if left > EARLY => {
                    self.sooner.wait_timeout(all, left - EARLY).unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    drop(all);
                    thread::yield_now();
                    self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_the_same_zone_is_near() {
        let links = Links::AWS;
        assert_eq!(links.between(b"use1-az1", "use1-az1"), Duration::from_micros(350));
        assert_eq!(links.between(b"use1-az1", "use1-az2"), Duration::from_micros(1500));
        assert_eq!(Links::default().between(b"use1-az1", "use1-az2"), Duration::ZERO);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_is_woken_early_and_all_are_woken() {
        let begin = Instant::now();
        let waits = (0..200u64).map(|n| {
            let until = begin + Duration::from_micros(n % 40 * 100);
            tokio::spawn(async move {
                wait_until(until).await;
                Instant::now() >= until
            })
        });
        for wait in waits.collect::<Vec<_>>() {
            assert!(wait.await.unwrap());
        }
    }
}
