//! The traffic that the page has sent: through the load balancer, a second's requests at a time. It ends when nobody watches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::scene::Place;
use crate::cloud::Operator;
use crate::traffic::{Load, Observation, Percentiles, drive};

/// After so long without a look at the page, its traffic ends: the page asks once a second, or once a minute where it is in
/// the background.
const UNWATCHED: Duration = Duration::from_secs(90);

/// The most requests a second that the page may ask for: enough to see everything, and no strain on the machine.
pub(super) const MOST: u32 = 500;

/// How long it waits after a second in which nothing could be sent.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Sender(Arc<Shared>);

struct Shared {
    operator: Operator,
    state: Mutex<State>,
}

struct State {
    place: Place,
    rate: u32,
    stop: CancellationToken,
    watched: Instant,
    second: Second,
}

/// A second's requests, and how it went.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Second {
    /// Counts the seconds, so that none is taken for two.
    number: u64,
    requests: u64,
    errors: BTreeMap<String, u64>,
    same_zone_share: Option<f64>,
    /// In milliseconds, as the sender sees it: there and back through the load balancer and both tasks.
    same_zone_ms: Option<Percentiles>,
    cross_zone_ms: Option<Percentiles>,
}

/// What the page is told.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sent {
    /// The requests a second that are wanted; 0: none are sent.
    rate: u32,
    most: u32,
    /// The last second that is over.
    second: Second,
}

impl Sender {
    pub(super) fn new(operator: Operator) -> Self {
        let state = State {
            place: Place::default(),
            rate: 0,
            stop: CancellationToken::new(),
            watched: Instant::now(),
            second: Second::default(),
        };
        Self(Arc::new(Shared { operator, state: Mutex::new(state) }))
    }

    pub(super) fn is_watched(&self) {
        self.0.state.lock().watched = Instant::now();
    }

    pub(super) fn sent(&self) -> Sent {
        let state = self.0.state.lock();
        Sent { rate: state.rate, most: MOST, second: state.second.clone() }
    }

    /// From now on so many requests a second are sent there.
    pub(super) fn send(&self, place: Place, rate: u32) {
        let mut state = self.0.state.lock();
        state.stop.cancel();
        (state.place, state.rate, state.watched) = (place, rate, Instant::now());
        if rate > 0 {
            let (shared, place) = (Arc::clone(&self.0), state.place.clone());
            self.0.operator.run(|stop| {
                state.stop = stop.clone();
                async move {
                    tokio::select! {
                        () = shared.work(place, rate, stop.clone()) => {}
                        // What is under way is of no interest any more.
                        () = stop.cancelled() => {}
                    }
                }
            });
        }
    }
}

impl Shared {
    async fn work(&self, place: Place, rate: u32, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let outcome = match place.traffic_url(&self.operator) {
                Ok(Some(url)) => {
                    let requests = Some(rate.into());
                    let load = Load { url, requests, concurrency: 1, per_second: Some(rate), ..Load::default() };
                    drive(&load, &stop, |_| ()).await.map_err(|error| error.to_string())
                }
                Ok(None) => Err("there is no load balancer".to_owned()),
                Err(reason) => Err(reason),
            };
            let could_not_send = outcome.is_err();
            {
                let mut state = self.state.lock();
                let number = state.second.number + 1;
                if !stop.is_cancelled() {
                    state.second = match outcome {
                        Ok(observed) => Second { number, ..Second::of(&observed) },
                        Err(reason) => Second { number, errors: BTreeMap::from([(reason, 1)]), ..Second::default() },
                    };
                }
                if state.watched.elapsed() > UNWATCHED && !stop.is_cancelled() {
                    state.rate = 0;
                    stop.cancel();
                }
            }
            if could_not_send {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Second {
    fn of(observed: &Observation) -> Self {
        let percentiles = |latencies| {
            let percentiles = Percentiles::from(&latencies);
            percentiles.p50.map(|_| percentiles)
        };
        Self {
            number: 0,
            requests: observed.requests(),
            errors: observed.errors.clone(),
            same_zone_share: observed.same_zone_share(),
            same_zone_ms: percentiles(observed.latencies(|(frontend, backend)| frontend == backend)),
            cross_zone_ms: percentiles(observed.latencies(|(frontend, backend)| frontend != backend)),
        }
    }
}
