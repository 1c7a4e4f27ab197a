//! How long answers took: HDR histograms, and what is told of them.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::Serialize;

use super::observation::{Observation, Pair};

/// The longest latency that is told apart: more than a request is ever given.
const LONGEST: Duration = Duration::from_secs(60);

/// By how much each bucket's end is beyond the one's before.
const BUCKET_RATIO: f64 = 1.1;

/// The latencies of one kind of request, in microseconds with three significant digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        // It grows with what it is given.
        Self(Histogram::new(3).expect("a precision of three digits is allowed"))
    }
}

impl Latencies {
    pub(super) fn record(&mut self, latency: Duration) {
        let micros = latency.min(LONGEST).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX).max(1);
        self.0.record(micros).expect("the histogram grows");
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// A percentile in milliseconds; none if nothing was recorded.
    pub fn percentile_ms(&self, percent: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_percentile(percent) as f64 / 1000.0)
    }

    /// How many are in each bucket that has any, by the bucket's number.
    fn buckets(&self) -> BTreeMap<i32, u64> {
        let mut buckets = BTreeMap::new();
        for step in self.0.iter_recorded() {
            let number = (step.value_iterated_to() as f64).log(BUCKET_RATIO).ceil() as i32;
            *buckets.entry(number).or_default() += step.count_since_last_iteration();
        }
        buckets
    }
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct LatencyMs {
    /// Of all answered requests.
    pub all: Percentiles,
    /// Of those that stayed in their zone.
    pub same_zone: Percentiles,
    /// Of those that went to another zone.
    pub cross_zone: Percentiles,
}

#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct Percentiles {
    /// The median. Null: there were no such requests.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
}

impl From<&Latencies> for Percentiles {
    fn from(latencies: &Latencies) -> Self {
        let [p50, p90, p95, p99] = [50.0, 90.0, 95.0, 99.0].map(|percent| latencies.percentile_ms(percent));
        Self { p50, p90, p95, p99 }
    }
}

/// The latencies between two zones, in milliseconds.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct PairLatency {
    /// The zone of the frontends, by its ID.
    pub frontend: String,
    /// The zone of the backends, by its ID.
    pub backend: String,
    #[serde(flatten)]
    pub percentiles: Percentiles,
}

/// How many requests took how long: more than the bucket before has, and up to this one's end, which is about 10 % further.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct LatencyBucket {
    /// The longest latency in it, in milliseconds.
    pub up_to_ms: f64,
    /// The requests that stayed in their zone.
    pub same_zone: u64,
    /// The requests that went to another zone.
    pub cross_zone: u64,
}

pub(super) fn is_same_zone((frontend, backend): &Pair) -> bool {
    frontend == backend
}

pub(super) fn of_kinds(observed: &Observation) -> LatencyMs {
    LatencyMs {
        all: (&observed.latencies(|_| true)).into(),
        same_zone: (&observed.latencies(is_same_zone)).into(),
        cross_zone: (&observed.latencies(|pair| !is_same_zone(pair))).into(),
    }
}

pub(super) fn of_pairs(observed: &Observation) -> Vec<PairLatency> {
    let of_pair = |(pair, exchanges): (&Pair, &super::observation::Exchanges)| PairLatency {
        frontend: pair.0.clone(),
        backend: pair.1.clone(),
        percentiles: (&exchanges.latencies).into(),
    };
    observed.exchanges.iter().map(of_pair).collect()
}

/// The buckets that are not empty.
pub(super) fn buckets(observed: &Observation) -> Vec<LatencyBucket> {
    let mut buckets = BTreeMap::<i32, (u64, u64)>::new();
    for (number, requests) in observed.latencies(is_same_zone).buckets() {
        buckets.entry(number).or_default().0 += requests;
    }
    for (number, requests) in observed.latencies(|pair| !is_same_zone(pair)).buckets() {
        buckets.entry(number).or_default().1 += requests;
    }
    let bucket = |(number, (same_zone, cross_zone))| {
        let up_to_ms = BUCKET_RATIO.powi(number).round() / 1000.0;
        LatencyBucket { up_to_ms, same_zone, cross_zone }
    };
    buckets.into_iter().map(bucket).collect()
}

#[cfg(test)]
mod tests {
    use super::super::observation::Seen;
    use super::*;

    #[test]
    fn buckets_are_a_tenth_wide_and_none_is_empty() {
        let mut seen = Seen::default();
        for micros in [350, 352, 1_500] {
            seen.record("a".to_owned(), "a".to_owned(), Duration::from_micros(micros), 10);
        }
        seen.record("a".to_owned(), "b".to_owned(), Duration::from_micros(1_510), 10);
        let observed = seen.observation(Duration::from_secs(1));
        let buckets = buckets(&observed);
        let counts: Vec<_> = buckets.iter().map(|bucket| (bucket.same_zone, bucket.cross_zone)).collect();
        assert_eq!(counts, [(2, 0), (1, 1)]);
        assert!((0.352..0.352 * 1.1).contains(&buckets[0].up_to_ms), "{buckets:?}");
        assert!((1.51..1.51 * 1.1).contains(&buckets[1].up_to_ms), "{buckets:?}");
        let pairs = of_pairs(&observed);
        assert_eq!((pairs.len(), pairs[0].percentiles.p50), (2, Some(0.352)));
        assert_eq!(observed.exchanges[&("a".to_owned(), "a".to_owned())].bytes, 30);
    }
}
