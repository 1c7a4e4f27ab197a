//! What the answers say: requests by the zones of frontend and backend, latencies, errors, bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::latency::Latencies;

/// How the errors begin that are answers of an HTTP status.
pub(super) const STATUS: &str = "HTTP ";

/// The zones of a frontend and a backend, by their IDs.
pub type Pair = (String, String);

/// What was measured of the answered requests between two zones.
#[derive(Clone, Debug, Default)]
pub struct Exchanges {
    pub latencies: Latencies,
    /// The bytes of the requests and the answers, as the driver sent and got them: first lines, headers and bodies.
    pub bytes: u64,
}

/// Everything that was seen in one run of traffic. Zones are AZ IDs.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The answered requests by the frontend's and the backend's zone.
    pub matrix: BTreeMap<Pair, u64>,
    /// The requests that gave no pair of zones, by what went wrong.
    pub errors: BTreeMap<String, u64>,
    /// What was measured of the answered requests, by their zones.
    pub exchanges: BTreeMap<Pair, Exchanges>,
    /// From the first request's start to the last one's end.
    pub took: Duration,
}

/// Traffic while it goes on: what has ended can be taken bit by bit. Clones share it.
#[derive(Clone)]
pub struct Meter(Arc<Mutex<(Instant, Seen)>>);

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), Seen::default()))))
    }
}

impl Meter {
    /// The requests that have ended since this was last called, and how long ago that was.
    pub fn take(&self) -> Observation {
        let now = Instant::now();
        let (since, seen) = std::mem::replace(&mut *self.0.lock(), (now, Seen::default()));
        seen.observation(now - since)
    }

    /// Notes a request that has ended: the zones of its answer, or what went wrong.
    pub fn record(&self, zones: Result<Pair, String>, latency: Duration, bytes: u64) {
        let seen = &mut self.0.lock().1;
        match zones {
            Ok((frontend, backend)) => seen.record(frontend, backend, latency, bytes),
            Err(error) => seen.record_error(error),
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meter")
    }
}

/// What has been seen so far: there are few pairs of zones, so that going through them is the quickest.
#[derive(Default)]
pub(super) struct Seen {
    pairs: Vec<(Pair, Exchanges)>,
    errors: BTreeMap<String, u64>,
}

impl Seen {
    pub(super) fn record(&mut self, frontend: String, backend: String, latency: Duration, bytes: u64) {
        let pair = (frontend, backend);
        let known = self.pairs.iter().position(|(seen, _)| *seen == pair);
        let place = known.unwrap_or_else(|| {
            self.pairs.push((pair, Exchanges::default()));
            self.pairs.len() - 1
        });
        let exchanges = &mut self.pairs[place].1;
        exchanges.latencies.record(latency);
        exchanges.bytes += bytes;
    }

    pub(super) fn record_error(&mut self, error: String) {
        *self.errors.entry(error).or_default() += 1;
    }

    pub(super) fn observation(self, took: Duration) -> Observation {
        let count = |(pair, exchanges): &(Pair, Exchanges)| (pair.clone(), exchanges.latencies.count());
        Observation {
            matrix: self.pairs.iter().map(count).collect(),
            errors: self.errors,
            exchanges: self.pairs.into_iter().collect(),
            took,
        }
    }
}

impl Observation {
    /// Adds what was seen after it.
    pub fn add(&mut self, later: Self) {
        for (pair, requests) in later.matrix {
            *self.matrix.entry(pair).or_default() += requests;
        }
        for (error, requests) in later.errors {
            *self.errors.entry(error).or_default() += requests;
        }
        for (pair, exchanges) in later.exchanges {
            let sum = self.exchanges.entry(pair).or_default();
            sum.latencies.add(&exchanges.latencies);
            sum.bytes += exchanges.bytes;
        }
        self.took += later.took;
    }

    /// The latencies of the requests between such zones.
    pub fn latencies(&self, is_meant: impl Fn(&Pair) -> bool) -> Latencies {
        let meant = self.exchanges.iter().filter(|(pair, _)| is_meant(pair));
        meant.fold(Latencies::default(), |mut sum, (_, exchanges)| {
            sum.add(&exchanges.latencies);
            sum
        })
    }

    /// The requests a second. None: nothing was sent.
    pub fn requests_per_second(&self) -> Option<f64> {
        (!self.took.is_zero()).then(|| self.requests() as f64 / self.took.as_secs_f64())
    }

    /// The requests that were answered with an error, by its HTTP status.
    pub fn errors_by_status(&self) -> BTreeMap<u16, u64> {
        let by_status =
            |(error, requests): (&String, &u64)| Some((error.strip_prefix(STATUS)?.parse().ok()?, *requests));
        self.errors.iter().filter_map(by_status).collect()
    }

    pub fn answered(&self) -> u64 {
        self.matrix.values().sum()
    }

    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    pub fn requests(&self) -> u64 {
        self.answered() + self.failed()
    }

    /// The share of the answered requests whose frontend and backend were in one zone.
    pub fn same_zone_share(&self) -> Option<f64> {
        let same: u64 = self.matrix.iter().filter(|((from, to), _)| from == to).map(|(_, n)| n).sum();
        (self.answered() > 0).then(|| same as f64 / self.answered() as f64)
    }

    /// The answered requests by the frontend's zone.
    pub fn by_frontend(&self) -> BTreeMap<&str, u64> {
        let mut rows = BTreeMap::new();
        for ((frontend, _), requests) in &self.matrix {
            *rows.entry(frontend.as_str()).or_default() += requests;
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_bit_by_bit_adds_up() {
        let (meter, ms) = (Meter::default(), Duration::from_millis);
        let pair = |to: &str| Ok(("a".to_owned(), to.to_owned()));
        meter.record(pair("a"), ms(1), 10);
        meter.record(Err("HTTP 503".to_owned()), ms(9), 0);
        tokio::time::sleep(ms(1_000)).await;
        let mut first = meter.take();
        assert_eq!((first.answered(), first.failed(), first.requests_per_second()), (1, 1, Some(2.0)));
        meter.record(pair("a"), ms(3), 10);
        meter.record(pair("b"), ms(5), 10);
        tokio::time::sleep(ms(500)).await;
        first.add(meter.take());
        assert_eq!((first.requests(), first.same_zone_share(), first.took), (4, Some(2.0 / 3.0), ms(1_500)));
        assert_eq!(first.latencies(|(from, to)| from == to).count(), 2);
        assert_eq!(first.exchanges[&("a".to_owned(), "a".to_owned())].bytes, 20);
        assert_eq!(meter.take().requests(), 0);
    }
}
