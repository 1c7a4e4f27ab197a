//! CloudWatch's metrics of Service Connect: who sends how much to whom, and how few tasks there were (ECS Developer Guide, "Amazon
//! ECS CloudWatch metrics"). No metric has a zone.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, DimensionFilter, Metric, MetricDataQuery, MetricStat};

use jiff::Timestamp;

use super::services::Draft;
use super::{Reader, Window};
use crate::audit::facts::{ServiceId, Traffic};
use crate::stages::Error;

const NAMESPACE: &str = "AWS/ECS";
const BYTES: &str = "TargetProcessedBytes";
/// The sum of these is all requests of HTTP.
const RESPONSES: [&str; 4] = [
    "HTTPCode_Target_2XX_Count",
    "HTTPCode_Target_3XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_Target_5XX_Count",
];
const TASKS: &str = "LiveTaskCount";

/// `GetMetricData` takes as many (API Reference).
const QUERIES_A_CALL: usize = 500;

/// The dimensions of a metric of the client's: `TargetDiscoveryName`, `ServiceName` (the client) and `ClusterName`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    client: ServiceId,
    server: String,
}

/// What a query asks for.
#[derive(Clone, Debug)]
enum Asked {
    Bytes(Series),
    Responses(Series),
    /// The least count of each period.
    Tasks(ServiceId),
}

/// When a period begins, in seconds since the epoch, and its value.
type Point = (i64, f64);

/// The traffic of each pair in the window; to the services that are called it adds how few tasks they had. None: it was not read.
pub(super) async fn read(
    reader: &Reader<'_>,
    drafts: &mut [Draft],
    window: Window,
) -> Result<Option<Vec<Traffic>>, Error> {
    let clusters: BTreeSet<String> = drafts.iter().map(|draft| draft.service.id.cluster.clone()).collect();
    let listed = reader.each(clusters, |cluster| list(reader, cluster)).await?;
    let Some(listed) = listed.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let known: BTreeSet<&ServiceId> = drafts.iter().map(|draft| &draft.service.id).collect();
    let series: BTreeSet<Series> = listed.concat().into_iter().filter(|it| known.contains(&it.client)).collect();
    let called: BTreeSet<&str> = series.iter().map(|series| series.server.as_str()).collect();
    let is_called = |draft: &&Draft| draft.service.offers.iter().any(|offer| called.contains(&*offer.discovery_name));
    let tasks: Vec<_> =
        drafts.iter().filter(is_called).map(|draft| (Asked::Tasks(draft.service.id.clone()), TASKS)).collect();
    let of_pairs = series.iter().flat_map(|series| {
        let responses = RESPONSES.map(|metric| (Asked::Responses(series.clone()), metric));
        [(Asked::Bytes(series.clone()), BYTES)].into_iter().chain(responses)
    });
    let asked: Vec<(Asked, &str)> = of_pairs.chain(tasks).collect();
    let batches: Vec<_> = asked.chunks(QUERIES_A_CALL).map(<[_]>::to_vec).collect();
    let answers = reader.each(batches, |batch| get(reader, batch, window)).await?;
    let Some(answers) = answers.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let mut traffic: BTreeMap<Series, (f64, Option<f64>)> = BTreeMap::new();
    for (asked, points) in answers.into_iter().flatten().filter(|(_, points)| !points.is_empty()) {
        let sum: f64 = points.iter().map(|(_, value)| value).sum();
        match asked {
            Asked::Bytes(series) => traffic.entry(series).or_default().0 += sum,
            Asked::Responses(series) => *traffic.entry(series).or_default().1.get_or_insert(0.0) += sum,
            Asked::Tasks(id) => {
                let Some(draft) = drafts.iter_mut().find(|draft| draft.service.id == id) else { continue };
                // In the hour in which a service is made, it begins with none.
                let made = draft.service.created_at.map_or(i64::MIN, Timestamp::as_second);
                let whole = points.iter().filter(|(begin, _)| *begin >= made);
                draft.service.least_tasks = whole.map(|(_, least)| *least).collect();
            }
        }
    }
    let sent = traffic.into_iter().filter(|(_, (bytes, _))| *bytes > 0.0);
    Ok(Some(
        sent.map(|(Series { client, server }, (bytes, requests))| Traffic { client, server, bytes, requests })
            .collect(),
    ))
}

/// The pairs that have had traffic in the last two weeks: older ones are not listed (CloudWatch API Reference, "ListMetrics").
async fn list(reader: &Reader<'_>, cluster: String) -> Result<Option<Vec<Series>>, Error> {
    let named = |name: &str| DimensionFilter::builder().name(name);
    let filters = [named("ClusterName").value(&cluster), named("ServiceName"), named("TargetDiscoveryName")];
    let request = reader.ctx.clients.cloudwatch.list_metrics().namespace(NAMESPACE).metric_name(BYTES);
    let request = request.set_dimensions(Some(filters.into_iter().map(|filter| filter.build()).collect()));
    let mut pages = request.into_paginator().send();
    let pages = reader.ctx.pages("cloudwatch:ListMetrics", async || pages.next().await).await;
    let Some(pages) = reader.gaps.unless_refused(pages, "who calls whom, and how much")? else { return Ok(None) };
    let series = |metric: Metric| {
        let value = |name: &str| {
            let dimension = metric.dimensions().iter().find(|dimension| dimension.name() == Some(name))?;
            dimension.value()
        };
        let client = ServiceId::new(value("ClusterName")?, value("ServiceName")?);
        Some(Series { client, server: value("TargetDiscoveryName")?.to_owned() })
    };
    let metrics = pages.into_iter().flat_map(|page| page.metrics.unwrap_or_default());
    Ok(Some(metrics.filter_map(series).collect()))
}

async fn get(
    reader: &Reader<'_>,
    batch: Vec<(Asked, &str)>,
    window: Window,
) -> Result<Option<Vec<(Asked, Vec<Point>)>>, Error> {
    // Points are of whole hours, unless the window is shorter than a few.
    let seconds = window.to.as_second() - window.from.as_second();
    let period = if seconds >= 6 * 3600 { 3600 } else { 60 };
    let queries = batch.iter().enumerate().map(|(index, (asked, metric))| query(index, asked, metric, period));
    let request = reader.ctx.clients.cloudwatch.get_metric_data();
    let request = request.set_metric_data_queries(Some(queries.collect()));
    let request = request.start_time(DateTime::from_secs(window.from.as_second()));
    let mut pages = request.end_time(DateTime::from_secs(window.to.as_second())).into_paginator().send();
    let pages = reader.ctx.pages("cloudwatch:GetMetricData", async || pages.next().await).await;
    let Some(pages) = reader.gaps.unless_refused(pages, "who calls whom, and how much")? else { return Ok(None) };
    let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for result in pages.into_iter().flat_map(|page| page.metric_data_results.unwrap_or_default()) {
        let begins = result.timestamps.unwrap_or_default().into_iter().map(|time| time.secs());
        let values = result.values.unwrap_or_default();
        points.entry(result.id.unwrap_or_default()).or_default().extend(begins.zip(values));
    }
    let asked = batch.into_iter().enumerate();
    Ok(Some(asked.map(|(index, (asked, _))| (asked, points.remove(&id(index)).unwrap_or_default())).collect()))
}

/// The ID of a query begins with a small letter (API Reference, "MetricDataQuery").
fn id(index: usize) -> String {
    format!("q{index}")
}

fn query(index: usize, asked: &Asked, metric: &str, period: i32) -> MetricDataQuery {
    let (service, server, stat) = match asked {
        Asked::Bytes(series) | Asked::Responses(series) => (&series.client, Some(&series.server), "Sum"),
        Asked::Tasks(id) => (id, None, "Minimum"),
    };
    let dimension = |name: &str, value: &String| Dimension::builder().name(name).value(value).build();
    let own = [dimension("ClusterName", &service.cluster), dimension("ServiceName", &service.service)];
    let dimensions = own.into_iter().chain(server.map(|server| dimension("TargetDiscoveryName", server)));
    let metric = Metric::builder().namespace(NAMESPACE).metric_name(metric).set_dimensions(Some(dimensions.collect()));
    let stat = MetricStat::builder().metric(metric.build()).period(period).stat(stat).build();
    MetricDataQuery::builder().id(id(index)).metric_stat(stat).build()
}
