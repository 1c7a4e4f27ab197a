//! The metrics that there are: their names, units and dimensions, and their values by the minute.

use std::collections::BTreeMap;

use super::minute_of;
use crate::cloud::carried::{Exchange, Name, ServiceKey};

pub(super) const NAMESPACE: &str = "AWS/ECS";

/// A metric's name and unit (ECS Developer Guide, "Available CloudWatch metrics").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::IntoStaticStr)]
#[strum(const_into_str)]
pub(super) enum Metric {
    // Of who offers a name: what comes in, whoever sends it.
    ProcessedBytes,
    RequestCount,
    GrpcRequestCount,
    // Of who calls a name.
    TargetProcessedBytes,
    #[strum(serialize = "HTTPCode_Target_2XX_Count")]
    Target2xx,
    #[strum(serialize = "HTTPCode_Target_3XX_Count")]
    Target3xx,
    #[strum(serialize = "HTTPCode_Target_4XX_Count")]
    Target4xx,
    #[strum(serialize = "HTTPCode_Target_5XX_Count")]
    Target5xx,
    RequestCountPerTarget,
    TargetResponseTime,
    // Of a service.
    LiveTaskCount,
}

/// Whose a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By `DiscoveryName`, with and without the service that offers it.
    Server,
    /// By `TargetDiscoveryName`, with and without the service that calls it.
    Client,
    Service,
}

impl Metric {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::ProcessedBytes | Self::RequestCount | Self::GrpcRequestCount => Kind::Server,
            Self::LiveTaskCount => Kind::Service,
            _ => Kind::Client,
        }
    }

    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::ProcessedBytes | Self::TargetProcessedBytes => "Bytes",
            Self::TargetResponseTime => "Milliseconds",
            _ => "Count",
        }
    }
}

/// The values of a minute, which CloudWatch keeps as a statistic set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Datum {
    pub(super) samples: f64,
    pub(super) sum: f64,
    pub(super) minimum: f64,
    pub(super) maximum: f64,
}

impl Datum {
    pub(super) fn of(value: f64) -> Self {
        Self { samples: 1.0, sum: value, minimum: value, maximum: value }
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            sum: self.sum + other.sum,
            minimum: self.minimum.min(other.minimum),
            maximum: self.maximum.max(other.maximum),
        }
    }
}

/// The dimensions, in AWS's order of them.
pub(super) type Dimensions = Vec<(&'static str, String)>;

/// The data by metric and dimensions, then by minute since the epoch.
#[derive(Clone, Default)]
pub(super) struct Metrics {
    pub(super) series: BTreeMap<(Metric, Dimensions), BTreeMap<i64, Datum>>,
    /// How many tasks each service had when this was last looked at, and in which minute that was.
    live: (i64, Vec<(ServiceKey, u32)>),
}

/// CloudWatch keeps values by the minute for so many minutes, by five minutes and by the hour for so many (CloudWatch API
/// Reference, "GetMetricData").
const BY_MINUTE: i64 = 15 * 24 * 60;
const BY_FIVE_MINUTES: i64 = 63 * 24 * 60;
const BY_HOUR: i64 = 455 * 24 * 60;

/// So many minutes of values are one, when they are of so many minutes ago. None: they are no longer kept.
pub(super) fn resolution(age: i64) -> Option<i64> {
    match age {
        _ if age <= BY_MINUTE => Some(1),
        _ if age <= BY_FIVE_MINUTES => Some(5),
        _ if age <= BY_HOUR => Some(60),
        _ => None,
    }
}

impl Metrics {
    pub(super) fn add(&mut self, metric: Metric, dimensions: Dimensions, minute: i64, datum: Datum) {
        let values = self.series.entry((metric, dimensions)).or_default();
        values.entry(minute).and_modify(|known| *known = known.with(datum)).or_insert(datum);
    }

    /// Counts for a name, and for the name and the service.
    pub(super) fn add_for(
        &mut self,
        metric: Metric,
        name: &str,
        service: Option<&ServiceKey>,
        minute: i64,
        datum: Datum,
    ) {
        for dimensions in dimensions(metric.kind(), name, service) {
            self.add(metric, dimensions, minute, datum);
        }
    }

    pub(super) fn count(&mut self, exchange: &Exchange) {
        let minute = minute_of(exchange.began);
        let Name { discovery_name, app_protocol, .. } = &exchange.name;
        let service = exchange.proxy.service.as_ref();
        let bytes = Datum::of((exchange.request.whole() + exchange.response.whole()) as f64);
        let mut add = |metric, datum| self.add_for(metric, discovery_name, service, minute, datum);
        // What needs a port mapping with an `appProtocol`.
        let is_http = matches!(app_protocol.as_deref(), Some("http" | "http2"));
        let is_grpc = app_protocol.as_deref() == Some("grpc");
        let Some(target) = &exchange.target else {
            add(Metric::ProcessedBytes, bytes);
            if is_http || is_grpc {
                add(Metric::RequestCount, Datum::of(1.0));
            }
            if is_grpc {
                add(Metric::GrpcRequestCount, Datum::of(1.0));
            }
            return;
        };
        add(Metric::TargetProcessedBytes, bytes);
        add(Metric::TargetResponseTime, Datum::of(exchange.took.as_secs_f64() * 1_000.0));
        let by_status = match exchange.status {
            200..=299 => Some(Metric::Target2xx),
            300..=399 => Some(Metric::Target3xx),
            400..=499 => Some(Metric::Target4xx),
            500..=599 => Some(Metric::Target5xx),
            _ => None,
        };
        if let Some(metric) = by_status.filter(|_| is_http) {
            add(metric, Datum::of(1.0));
        }
        if is_http || is_grpc {
            // Requests by the number of targets: a sample for each of them.
            self.count_per_target(discovery_name, service, minute, target.among);
        }
    }

    fn count_per_target(&mut self, name: &str, service: Option<&ServiceKey>, minute: i64, targets: u32) {
        let samples = f64::from(targets.max(1));
        for dimensions in dimensions(Kind::Client, name, service) {
            let values = self.series.entry((Metric::RequestCountPerTarget, dimensions)).or_default();
            let datum = values.entry(minute).or_insert(Datum { samples: 0.0, sum: 0.0, minimum: 0.0, maximum: 0.0 });
            let (sum, samples) = (datum.sum + 1.0, datum.samples.max(samples));
            *datum = Datum { samples, sum, minimum: sum / samples, maximum: sum / samples };
        }
    }

    /// Whether the services have other tasks than when this was last looked at, or that was in another minute.
    pub(super) fn is_news<'c>(&'c self, minute: i64, counts: impl Iterator<Item = (&'c str, &'c str, u32)>) -> bool {
        let (last, known) = &self.live;
        let known = known.iter().map(|(key, count)| (&*key.cluster, &*key.service, *count));
        *last != minute || !known.eq(counts)
    }

    /// How many tasks the services have, from this minute on; since the last time they had what they had then.
    pub(super) fn gauge(&mut self, minute: i64, counts: Vec<(ServiceKey, u32)>) {
        let (last, before) = std::mem::replace(&mut self.live, (minute, counts.clone()));
        if last.div_euclid(60) != minute.div_euclid(60) {
            self.age(minute);
        }
        // Those that nobody has looked at.
        for minute in (last + 1).max(minute - BY_MINUTE)..minute {
            self.add_live(minute, &before);
        }
        if last != minute || before != counts {
            self.add_live(minute, &counts);
        }
    }

    /// Makes one value of those that are too old for their resolution, and forgets what is too old for any.
    fn age(&mut self, now: i64) {
        for values in self.series.values_mut() {
            let recent = values.split_off(&(now - BY_MINUTE));
            for (minute, datum) in std::mem::replace(values, recent) {
                if let Some(resolution) = resolution(now - minute) {
                    let begin = minute.div_euclid(resolution) * resolution;
                    values.entry(begin).and_modify(|known| *known = known.with(datum)).or_insert(datum);
                }
            }
        }
        self.series.retain(|_, values| !values.is_empty());
    }

    pub(super) fn forget_live(&mut self, service: &ServiceKey) {
        self.series.remove(&(Metric::LiveTaskCount, of_service(service)));
    }

    fn add_live(&mut self, minute: i64, counts: &[(ServiceKey, u32)]) {
        for (service, count) in counts {
            self.add(Metric::LiveTaskCount, of_service(service), minute, Datum::of(f64::from(*count)));
        }
    }
}

/// The dimension sets that AWS has, and no other.
pub(super) fn dimensions(kind: Kind, name: &str, service: Option<&ServiceKey>) -> Vec<Dimensions> {
    let by_name = match kind {
        Kind::Server => "DiscoveryName",
        Kind::Client => "TargetDiscoveryName",
        Kind::Service => return service.map(of_service).into_iter().collect(),
    };
    let alone = vec![(by_name, name.to_owned())];
    let with_service = service.map(|service| [alone.clone(), of_service(service)].concat());
    [Some(alone), with_service].into_iter().flatten().collect()
}

fn of_service(ServiceKey { cluster, service }: &ServiceKey) -> Dimensions {
    vec![("ServiceName", service.clone()), ("ClusterName", cluster.clone())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_that_nobody_looked_at_have_the_tasks_of_before() {
        let service = ServiceKey { cluster: "shop".to_owned(), service: "web".to_owned() };
        let counts = |count| vec![(service.clone(), count)];
        let mut metrics = Metrics::default();
        metrics.gauge(100, counts(3));
        metrics.gauge(100, counts(3));
        metrics.gauge(100, counts(5));
        metrics.gauge(103, counts(2));
        let is_news = |minute, count| metrics.is_news(minute, [("shop", "web", count)].into_iter());
        assert_eq!([is_news(103, 2), is_news(103, 3), is_news(104, 2)], [false, true, true]);
        let values = &metrics.series[&(Metric::LiveTaskCount, of_service(&service))];
        let seen: Vec<_> = values.iter().map(|(minute, it)| (*minute, it.minimum, it.maximum)).collect();
        assert_eq!(seen, [(100, 3.0, 5.0), (101, 5.0, 5.0), (102, 5.0, 5.0), (103, 2.0, 2.0)]);
    }

    #[test]
    fn old_values_become_coarse_and_are_dropped() {
        const NOW: i64 = 10_000 * 60;
        const DAY: i64 = 24 * 60;
        let dimensions = || vec![("DiscoveryName", "backend".to_owned())];
        let mut metrics = Metrics::default();
        for begin in [NOW - 456 * DAY, NOW - 100 * DAY, NOW - 20 * DAY, NOW - DAY] {
            for minute in begin..begin + 60 {
                metrics.add(Metric::RequestCount, dimensions(), minute, Datum::of(2.0));
            }
        }
        metrics.add(Metric::ProcessedBytes, dimensions(), NOW - 500 * DAY, Datum::of(1.0));
        for _ in 0..2 {
            metrics.age(NOW);
            let [values] = &metrics.series.values().collect::<Vec<_>>()[..] else { panic!("not one metric is left") };
            let since = |begin| values.range(begin..begin + 60).map(|(_, it)| it.samples).collect::<Vec<_>>();
            assert_eq!(since(NOW - 456 * DAY), [0.0; 0]);
            assert_eq!(since(NOW - 100 * DAY), [60.0]);
            assert_eq!(since(NOW - 20 * DAY), [5.0; 12]);
            assert_eq!(since(NOW - DAY), [1.0; 60]);
            assert_eq!(values.values().map(|it| it.sum).sum::<f64>(), 3.0 * 120.0);
        }
    }
}
