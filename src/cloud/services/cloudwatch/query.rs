//! `GetMetricData`.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::metrics::{Datum, Metric, NAMESPACE, resolution};
use super::minute_of;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::{Params, timestamp};

/// What a call may ask for, and get (API Reference, "GetMetricData").
const MOST_QUERIES: usize = 500;
const MOST_POINTS: i64 = 100_800;

pub(super) fn get_metric_data(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let queries = params.objects("MetricDataQueries");
    if queries.is_empty() {
        return Err(AwsError::missing_parameter("MetricDataQueries"));
    }
    if queries.len() > MOST_QUERIES {
        return Err(invalid(format!(
            "The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}."
        )));
    }
    let (start, end) = (params.timestamp("StartTime")?, params.timestamp("EndTime")?);
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    let newest_first = match params.opt_str("ScanBy") {
        None | Some("TimestampDescending") => true,
        Some("TimestampAscending") => false,
        Some(other) => return Err(invalid(format!("The parameter ScanBy {other} is not valid."))),
    };
    let mut ids = Vec::new();
    let mut results = Vec::new();
    for query in queries {
        let query = Query::read(query)?;
        if ids.contains(&query.id) {
            return Err(invalid(format!(
                "The values for parameter id in MetricDataQueries are not unique: {}.",
                query.id
            )));
        }
        ids.push(query.id);
        if query.is_returned {
            results.push((query.id, query.label, query.points(region, (start, end), newest_first)));
        }
    }
    let most = params.opt_int("MaxDatapoints")?.unwrap_or(MOST_POINTS);
    if !(1..=MOST_POINTS).contains(&most) {
        return Err(invalid(format!("The parameter MaxDatapoints must be from 1 to {MOST_POINTS}.")));
    }
    page(results, most as usize, params.opt_str("NextToken"))
}

/// A page has so many points, of one result after the other; a result that goes on has `PartialData`.
fn page(results: Vec<(&str, &str, Vec<Point>)>, most: usize, token: Option<&str>) -> Result<Value, AwsError> {
    let all: usize = results.iter().map(|(.., points)| points.len()).sum();
    let start = match token {
        Some(token) => token
            .parse::<usize>()
            .ok()
            .filter(|start| *start < all)
            .ok_or_else(|| AwsError::new("InvalidNextToken", "The next token specified is invalid."))?,
        None => 0,
    };
    let page = start..all.min(start.saturating_add(most));
    let mut before = 0;
    let results = results.into_iter().map(|(id, label, points)| {
        let of_result = before..before + points.len();
        before = of_result.end;
        let here = |at: usize| at.clamp(of_result.start, of_result.end) - of_result.start;
        let points = &points[here(page.start)..here(page.end)];
        let status = if of_result.end > page.end { "PartialData" } else { "Complete" };
        json!({
            "Id": id,
            "Label": label,
            "Timestamps": points.iter().map(|point| timestamp(point.at)).collect::<Value>(),
            "Values": points.iter().map(|point| json!(point.value)).collect::<Value>(),
            "StatusCode": status,
        })
    });
    let results: Value = results.collect();
    let next = (page.end < all).then(|| page.end.to_string());
    Ok(json!({ "MetricDataResults": results, "NextToken": next, "Messages": [] }))
}

struct Query<'a> {
    id: &'a str,
    label: &'a str,
    is_returned: bool,
    metric: Option<Metric>,
    dimensions: Vec<(&'a str, &'a str)>,
    /// In minutes.
    period: i64,
    statistic: fn(&Datum) -> f64,
    unit: Option<&'a str>,
}

struct Point {
    at: Timestamp,
    value: f64,
}

impl<'a> Query<'a> {
    fn read(query: Params<'a>) -> Result<Self, AwsError> {
        let id = query.str("Id")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(is_name) {
            return Err(invalid(format!(
                "The value {id} for parameter id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        let of = query.object("MetricStat").ok_or_else(|| AwsError::missing_parameter("MetricStat"))?;
        let metric = of.object("Metric").ok_or_else(|| AwsError::missing_parameter("Metric"))?;
        let (namespace, name) = (metric.str("Namespace")?, metric.str("MetricName")?);
        let dimensions = metric.objects("Dimensions");
        let dimensions = dimensions.iter().map(|it| Ok((it.str("Name")?, it.str("Value")?)));
        let period = of.int("Period")?;
        if period < 60 || period % 60 != 0 {
            return Err(invalid(format!("The parameter Period must be a multiple of 60: {period}.")));
        }
        Ok(Self {
            id,
            label: query.opt_str("Label").unwrap_or(name),
            is_returned: query.opt_bool("ReturnData") != Some(false),
            // Of a metric that is not there there are no values.
            metric: name.parse().ok().filter(|_| namespace == NAMESPACE),
            dimensions: dimensions.collect::<Result<_, AwsError>>()?,
            period: period / 60,
            statistic: statistic(of.str("Stat")?)?,
            unit: of.opt_str("Unit"),
        })
    }

    fn points(&self, region: &Region, (start, end): (Timestamp, Timestamp), newest_first: bool) -> Vec<Point> {
        let Some(metric) = self.metric.filter(|metric| self.unit.is_none_or(|unit| unit == metric.unit())) else {
            return Vec::new();
        };
        let Some(minutes) = minutes(self.period, start, end, minute_of(Timestamp::now())) else { return Vec::new() };
        let is_asked_for = |known: &[(&'static str, String)]| {
            known.len() == self.dimensions.len()
                && known.iter().all(|(name, value)| self.dimensions.contains(&(name, value)))
        };
        let mut series = region.cloudwatch().metrics.series.iter();
        let found = series.find(|((known, dimensions), _)| *known == metric && is_asked_for(dimensions));
        let Some((_, values)) = found else { return Vec::new() };
        let mut periods = BTreeMap::<i64, Datum>::new();
        for (minute, datum) in values.range(minutes) {
            let begin = minute.div_euclid(self.period) * self.period;
            periods.entry(begin).and_modify(|known| *known = known.with(*datum)).or_insert(*datum);
        }
        let points = periods.into_iter().filter_map(|(minute, datum)| {
            Some(Point { at: Timestamp::from_second(minute * 60).ok()?, value: (self.statistic)(&datum) })
        });
        if newest_first { points.rev().collect() } else { points.collect() }
    }
}

/// The minutes of a request, rounded as AWS rounds them. None: the period is too fine for data as old as its beginning (API
/// Reference, "GetMetricData", "StartTime", "MetricStat").
fn minutes(period: i64, start: Timestamp, end: Timestamp, now: i64) -> Option<Range<i64>> {
    let start = minute_of(start);
    // What is no longer kept is not found; what came after it is, by the hour.
    let coarse = resolution(now - start).unwrap_or(60);
    // The end is exclusive; a minute that it is within has its data points at its beginning.
    let end = (end.as_second() + 59).div_euclid(60);
    (period % coarse == 0).then(|| start.div_euclid(coarse) * coarse..end)
}

fn statistic(name: &str) -> Result<fn(&Datum) -> f64, AwsError> {
    let statistic: fn(&Datum) -> f64 = match name {
        "Sum" => |datum| datum.sum,
        "Average" => |datum| datum.sum / datum.samples,
        "Minimum" => |datum| datum.minimum,
        "Maximum" => |datum| datum.maximum,
        "SampleCount" => |datum| datum.samples,
        other => {
            return Err(AwsError::unsupported(format_args!(
                "the statistic {other}, only Sum, Average, Minimum, Maximum and SampleCount"
            )));
        }
    };
    Ok(statistic)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_data_needs_a_coarse_period() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ago = |days: i64| now.checked_sub(jiff::SignedDuration::from_hours(24 * days)).unwrap();
        let found = |period, days| minutes(period, ago(days), now, minute_of(now)).is_some();
        assert!(found(1, 15) && !found(1, 16) && found(5, 16));
        assert!(found(5, 63) && !found(5, 64) && !found(65, 64) && found(60, 64));
        let odd = Timestamp::from_second(1_800_000_000 + 59).unwrap();
        assert_eq!(minutes(1, now, odd, minute_of(now)), Some(minute_of(now)..minute_of(now) + 1));
    }
}
