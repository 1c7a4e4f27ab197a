//! History that did not happen here: values of before, for who asks for a week of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::metrics::{Datum, Kind, Metric};
use super::minute_of;
use crate::cloud::carried::ServiceKey;
use crate::cloud::region::Region;

/// Values to add to metrics of a region.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seed {
    pub(crate) region: String,
    pub(crate) metrics: Vec<SeededMetric>,
}

/// The same value again and again, for AWS's dimensions: with a service, also for the name alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeededMetric {
    pub(crate) metric: String,
    pub(crate) dimensions: BTreeMap<String, String>,
    /// The first value's time: ISO 8601.
    pub(crate) from: String,
    /// After the last one's. Left out: until now.
    pub(crate) to: Option<String>,
    #[serde(default = "hourly")]
    pub(crate) every_minutes: u32,
    pub(crate) value: f64,
}

fn hourly() -> u32 {
    60
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error| format!("{text:?} is no moment: {error}"))
}

/// The most values at a time.
const MOST: i64 = 1_000_000;

/// Adds values, and says how many. They are checked first: all are added, or none.
pub(crate) fn seed(region: &mut Region, seed: &Seed) -> Result<u64, String> {
    let now = Timestamp::now();
    let mut added = 0;
    let mut values = Vec::new();
    for seeded in &seed.metrics {
        let metric: Metric =
            seeded.metric.parse().map_err(|_| format!("there is no metric {} in AWS/ECS here", seeded.metric))?;
        let (name, service) = whose(metric, &seeded.dimensions)?;
        let to = seeded.to.as_deref().map_or(Ok(now), moment)?;
        let (from, to) = (minute_of(moment(&seeded.from)?), minute_of(to));
        let step = i64::from(seeded.every_minutes.max(1));
        added += ((to - from) / step).max(0);
        if added > MOST {
            return Err(format!("that is more than {MOST} values"));
        }
        let minutes = (from..to).step_by(step as usize);
        values.extend(minutes.map(|minute| (metric, name, service.clone(), minute, Datum::of(seeded.value))));
    }
    let metrics = &mut region.cloudwatch_mut().metrics;
    let mut count = 0;
    for (metric, name, service, minute, datum) in values {
        metrics.add_for(metric, name, service.as_ref(), minute, datum);
        count += 1;
    }
    Ok(count)
}

/// Name and service of a dimension set, which must be one of AWS's.
fn whose(metric: Metric, given: &BTreeMap<String, String>) -> Result<(&str, Option<ServiceKey>), String> {
    let by_name = match metric.kind() {
        Kind::Server => Some("DiscoveryName"),
        Kind::Client => Some("TargetDiscoveryName"),
        Kind::Service => None,
    };
    let name = by_name.and_then(|by_name| given.get(by_name));
    let service = given.get("ServiceName").zip(given.get("ClusterName"));
    let service = service.map(|(service, cluster)| ServiceKey { cluster: cluster.clone(), service: service.clone() });
    let count = usize::from(name.is_some()) + 2 * usize::from(service.is_some());
    if given.len() != count || name.is_some() != by_name.is_some() || (by_name.is_none() && service.is_none()) {
        let name = by_name.map_or_else(String::new, |by_name| format!("{by_name} or "));
        let all = by_name.map_or_else(String::new, |by_name| format!("{by_name}, "));
        return Err(format!("{} has the dimensions {name}{all}ServiceName and ClusterName", metric.into_str()));
    }
    Ok((name.map_or("", String::as_str), service))
}
