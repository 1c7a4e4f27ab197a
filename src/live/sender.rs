//! The traffic that the page has sent: through the load balancer, at an even pace. It ends when nobody watches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::scene::Place;
use crate::cloud::Operator;
use crate::traffic::{Header, Load, Meter, Observation, Percentiles, drive};

/// After so long without a look at the page, its traffic ends: the page asks once a second, or once a minute where it is in
/// the background.
const UNWATCHED: Duration = Duration::from_secs(90);

/// The most requests a second that the page may ask for: enough to see everything, and no strain on the machine.
pub(super) const MOST: u32 = 500;

/// How often it is told how the traffic goes, and how long nothing is sent after it could not be.
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Sender(Arc<Shared>);

struct Shared {
    operator: Operator,
    state: Mutex<State>,
}

struct State {
    asked: Asked,
    stop: CancellationToken,
    watched: Instant,
    second: Second,
}

/// The traffic that is wanted.
#[derive(Clone, Default)]
pub(super) struct Asked {
    pub(super) place: Place,
    /// Requests a second; 0: none are sent.
    pub(super) rate: u32,
    /// A header that each request has beside the article's, or in the place of that.
    pub(super) header: Option<Header>,
}

impl Asked {
    /// One load for as long as it is wanted, so that its pace has no gaps.
    fn load(&self) -> Load {
        let mut load = Load { concurrency: 1, per_second: Some(self.rate), ..Load::default() };
        if let Some(header) = &self.header {
            load.headers.retain(|Header(name, _)| *name != header.0);
            load.headers.push(header.clone());
        }
        load
    }
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
    /// The header that was asked for, `NAME=VALUE`.
    header: String,
    /// The last second that is over.
    second: Second,
}

impl Sender {
    pub(super) fn new(operator: Operator) -> Self {
        let state = State {
            asked: Asked::default(),
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
        let header = state.asked.header.as_ref().map(ToString::to_string).unwrap_or_default();
        Sent { rate: state.asked.rate, most: MOST, header, second: state.second.clone() }
    }

    /// From now on this is sent.
    pub(super) fn send(&self, asked: Asked) {
        let mut state = self.0.state.lock();
        state.stop.cancel();
        (state.asked, state.watched) = (asked.clone(), Instant::now());
        if asked.rate > 0 {
            let shared = Arc::clone(&self.0);
            self.0.operator.run(|stop| {
                state.stop = stop.clone();
                async move {
                    tokio::select! {
                        () = shared.work(&asked, &stop) => {}
                        // What is under way is of no interest any more.
                        () = stop.cancelled() => {}
                    }
                }
            });
        }
    }
}

impl Shared {
    async fn work(&self, asked: &Asked, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let outcome = match asked.place.traffic_url(&self.operator) {
                Ok(Some(url)) => self.send_to(url, asked, stop).await,
                Ok(None) => Err("there is no load balancer".to_owned()),
                Err(reason) => Err(reason),
            };
            if let Err(reason) = outcome {
                let errors = BTreeMap::from([(reason, 1)]);
                self.note(Second { errors, ..Second::default() }, stop);
                tokio::time::sleep(SECOND).await;
            }
        }
    }

    /// Sends until the load balancer is elsewhere.
    async fn send_to(&self, url: String, asked: &Asked, stop: &CancellationToken) -> Result<(), String> {
        let meter = Meter::default();
        let load = Load { url: url.clone(), meter: Some(meter.clone()), ..asked.load() };
        let each_second = async {
            loop {
                tokio::time::sleep(SECOND).await;
                self.note(Second::of(&meter.take()), stop);
                if asked.place.traffic_url(&self.operator)?.as_ref() != Some(&url) {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            sent = drive(&load, stop, |_| ()) => sent.map(drop).map_err(|error| error.to_string()),
            gone = each_second => gone,
        }
    }

    fn note(&self, second: Second, stop: &CancellationToken) {
        let mut state = self.state.lock();
        // Other traffic may be wanted by now.
        if stop.is_cancelled() {
            return;
        }
        state.second = Second { number: state.second.number + 1, ..second };
        if state.watched.elapsed() > UNWATCHED {
            state.asked.rate = 0;
            stop.cancel();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_beside_the_articles_or_in_its_place() {
        let headers = |header: &str| {
            let asked = Asked { header: Some(header.parse().unwrap()), rate: 5, ..Asked::default() };
            let load = asked.load();
            assert_eq!((load.per_second, load.requests), (Some(5), None));
            load.headers.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(headers("x-tenant=blue"), ["azawarerouting=true", "x-tenant=blue"]);
        assert_eq!(headers("azAwareRouting=yes"), ["azawarerouting=yes"]);
    }
}
