//! Envoy's histograms of how long requests took between zones: `cluster.X.zone.<from>.<to>.upstream_rq_time`.
//!
//! `/stats` itself has percentiles of them, which can neither be added up over proxies nor be subtracted; asked for
//! `histogram_buckets=detailed` it has each bucket's lower bound, width and count, as `totals=0,0:2, 1,0.1:5, 12,1:1`
//! (Envoy's docs, "Administration interface"). Buckets have two significant digits. What is counted are whole milliseconds,
//! rounded down (Envoy, `Router::Filter::onUpstreamComplete`), from the end of the request to that of the answer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// How many requests took how long: counts by the buckets' lower bounds, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(BTreeMap<u64, u64>);

/// The zones of frontends and backends, by their IDs.
pub type Pair = (String, String);

/// How long requests took between two zones by the proxies' own clocks: from the request's end to that of its answer, both at the
/// frontend's proxy, so without the load balancer and the way to it.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct ZoneTimes {
    /// The zone of the frontends, by its ID.
    pub frontend: String,
    /// The zone of the backends, by its ID.
    pub backend: String,
    #[serde(flatten)]
    pub summary: Summary,
}

/// What is told of such times. Envoy counts whole milliseconds, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Summary {
    /// How many requests were timed.
    pub requests: u64,
    /// The mean in milliseconds: that of the counted ones, and half a millisecond for what rounding down took away.
    pub mean_ms: f64,
    /// The median in whole milliseconds, rounded down.
    pub p50_ms: u64,
    /// The 99th percentile in whole milliseconds, rounded down.
    pub p99_ms: u64,
}

impl Times {
    /// Reads what follows `totals=`. None: it is no such text.
    fn read(totals: &str) -> Option<Self> {
        let bucket = |text: &str| {
            let (bounds, count) = text.trim().split_once(':')?;
            let (lower, _width) = bounds.split_once(',')?;
            Some((lower.parse::<f64>().ok()?.round() as u64, super::count(count)?))
        };
        totals.split(", ").map(bucket).collect::<Option<_>>().map(Self)
    }

    pub fn add(&mut self, other: &Self) {
        for (lower, count) in &other.0 {
            *self.0.entry(*lower).or_default() += count;
        }
    }

    /// What has come since then.
    pub fn since(&self, earlier: &Self) -> Self {
        let grown = self
            .0
            .iter()
            .map(|(lower, count)| (*lower, count.saturating_sub(earlier.0.get(lower).copied().unwrap_or_default())));
        Self(grown.filter(|(_, count)| *count > 0).collect())
    }

    /// None: nothing was timed.
    pub fn summary(&self) -> Option<Summary> {
        let requests: u64 = self.0.values().sum();
        let sum: f64 = self.0.iter().map(|(lower, count)| *lower as f64 * *count as f64).sum();
        Some(Summary {
            requests,
            mean_ms: ((sum / requests as f64 + 0.5) * 1000.0).round() / 1000.0,
            p50_ms: self.percentile(50.0)?,
            p99_ms: self.percentile(99.0)?,
        })
    }

    fn percentile(&self, percent: f64) -> Option<u64> {
        let requests: u64 = self.0.values().sum();
        let rank = ((requests as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut so_far = 0;
        self.0
            .iter()
            .find(|(_, count)| {
                so_far += **count;
                so_far >= rank
            })
            .map(|(lower, _)| *lower)
    }
}

/// What is told of each pair of zones.
pub fn by_zone(times: &BTreeMap<Pair, Times>) -> Vec<ZoneTimes> {
    let told = |((frontend, backend), times): (&Pair, &Times)| {
        let (frontend, backend) = (frontend.clone(), backend.clone());
        Some(ZoneTimes { frontend, backend, summary: times.summary()? })
    };
    times.iter().filter_map(told).collect()
}

/// What is told of all requests that stayed in their zone, and of all others.
pub fn by_kind(times: &BTreeMap<Pair, Times>) -> (Option<Summary>, Option<Summary>) {
    let sum = |stays: bool| {
        let mut sum = Times::default();
        times.iter().filter(|((from, to), _)| (from == to) == stays).for_each(|(_, times)| sum.add(times));
        sum.summary()
    };
    (sum(true), sum(false))
}

/// The histograms of zones in Envoy's text as lines of their own, `<name>: <totals>`: what the script's `sed` makes of it.
pub fn lines(detailed: &str) -> impl Iterator<Item = String> {
    detailed.lines().zip(detailed.lines().skip(1)).filter_map(|(name, totals)| {
        let name = name.strip_suffix(':').filter(|name| pair(name).is_some())?;
        Some(format!("{name}: {}", totals.trim_start().strip_prefix("totals=")?))
    })
}

/// Reads such lines; others are passed over.
pub fn parse(text: &str) -> BTreeMap<Pair, Times> {
    let mut times = BTreeMap::<Pair, Times>::new();
    for (pair, read) in text.lines().filter_map(|line| {
        let (name, totals) = line.split_once(": ")?;
        Some((pair(name)?, Times::read(totals)?))
    }) {
        times.entry(pair).or_default().add(&read);
    }
    times
}

/// The zones in a histogram's name.
fn pair(name: &str) -> Option<Pair> {
    let (_cluster, zones) = name.strip_prefix("cluster.")?.split_once(".zone.")?;
    let mut parts = zones.split('.');
    let pair = (parts.next()?.to_owned(), parts.next()?.to_owned());
    (parts.eq(["upstream_rq_time"])).then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Envoy 1.40 answers.
    const DETAILED: &str = "\
cluster.back.external.upstream_rq_time:
  totals=0,0:2, 1,0.1:5
  intervals=0,0:2, 1,0.1:5
  summary=P0(0,0) P25(3.075,3.075)
cluster.back.zone.use1-az1.use1-az1.upstream_rq_time:
  totals=0,0:2, 1,0.1:5, 2,0.1:1
  intervals=0,0:1
  summary=P0(0,0) P25(2.0166666666666666,2.0166666666666666)
cluster.back.zone.use1-az1.use1-az4.upstream_rq_time:
  totals=4,0.1:1, 1.3e+02,10:1
  intervals=4,0.1:1
  summary=P0(4.033333333333333,4.033333333333333)
cluster.back.zone.use1-az1.use1-az6.upstream_rq_time: No recorded values
";

    #[test]
    fn buckets_are_read_added_and_subtracted() {
        let text: String = lines(DETAILED).map(|line| line + "\n").collect();
        assert_eq!(text.lines().count(), 2, "{text}");
        let times = parse(&text);
        let pair = |to: &str| ("use1-az1".to_owned(), to.to_owned());
        let own = times[&pair("use1-az1")].summary().unwrap();
        assert_eq!((own.requests, own.p50_ms, own.p99_ms), (8, 1, 2));
        assert!((own.mean_ms - 1.375).abs() < 1e-9, "7/8 and a half: {own:?}");
        assert_eq!(times[&pair("use1-az4")].summary().unwrap().p99_ms, 130);
        let mut twice = times[&pair("use1-az1")].clone();
        twice.add(&times[&pair("use1-az1")]);
        assert_eq!(twice.since(&times[&pair("use1-az1")]), times[&pair("use1-az1")]);
        assert_eq!(twice.since(&twice).summary(), None);
        let (same, cross) = by_kind(&times);
        assert_eq!((same.unwrap().requests, cross.unwrap().requests), (8, 2));
        assert_eq!(by_zone(&times).len(), 2);
    }
}
