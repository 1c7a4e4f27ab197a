//! What the answers say: requests by the zones of frontend and backend, latencies, errors.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// How the errors begin that are answers of an HTTP status.
pub(super) const STATUS: &str = "HTTP ";

/// The latencies of one kind of request.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        // A microsecond to a minute, three significant digits: more than a request is ever given.
        Self(
            Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order and the precision is allowed"),
        )
    }
}

impl Latencies {
    pub(super) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// A percentile in milliseconds; none if nothing was recorded.
    pub fn percentile_ms(&self, percent: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_percentile(percent) as f64 / 1000.0)
    }
}

/// Everything that was seen in one run of traffic. Zones are AZ IDs.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The answered requests by the frontend's and the backend's zone.
    pub matrix: BTreeMap<(String, String), u64>,
    /// The requests that gave no pair of zones, by what went wrong.
    pub errors: BTreeMap<String, u64>,
    pub same_zone: Latencies,
    pub cross_zone: Latencies,
    /// From the first request's start to the last one's end.
    pub took: Duration,
}

impl Observation {
    pub(super) fn record(&mut self, frontend: String, backend: String, latency: Duration) {
        let latencies = if frontend == backend { &mut self.same_zone } else { &mut self.cross_zone };
        latencies.record(latency);
        *self.matrix.entry((frontend, backend)).or_default() += 1;
    }

    pub(super) fn record_error(&mut self, error: String) {
        *self.errors.entry(error).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (zones, requests) in &other.matrix {
            *self.matrix.entry(zones.clone()).or_default() += requests;
        }
        for (error, requests) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += requests;
        }
        self.took = self.took.max(other.took);
        self.same_zone.0 += &other.same_zone.0;
        self.cross_zone.0 += &other.cross_zone.0;
    }

    /// The latencies of all answered requests.
    pub fn all(&self) -> Latencies {
        let mut all = self.same_zone.clone();
        all.0 += &self.cross_zone.0;
        all
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
