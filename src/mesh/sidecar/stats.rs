//! What a sidecar counts of its upstream clusters, and Envoy's `/stats` text of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use hyper::StatusCode;
use parking_lot::Mutex;

use super::times::RequestTimes;
use crate::http::PoolCounters;
use crate::mesh::transport::AppProtocol;
use crate::routing::Counters;

/// The counters of what a sidecar does not have: limits, health checks, HTTP/3 and other outlier detectors. Envoy's
/// `/stats` shows them as zero, and so does a sidecar's.
const ALWAYS_ZERO: [&str; 30] = [
    "membership_excluded",
    "outlier_detection.ejections_detected_consecutive_local_origin_failure",
    "outlier_detection.ejections_detected_degradation",
    "outlier_detection.ejections_detected_failure_percentage",
    "outlier_detection.ejections_detected_local_origin_failure_percentage",
    "outlier_detection.ejections_detected_local_origin_success_rate",
    "outlier_detection.ejections_detected_success_rate",
    "outlier_detection.ejections_enforced_consecutive_gateway_failure",
    "outlier_detection.ejections_enforced_consecutive_local_origin_failure",
    "outlier_detection.ejections_enforced_failure_percentage",
    "outlier_detection.ejections_enforced_local_origin_failure_percentage",
    "outlier_detection.ejections_enforced_local_origin_success_rate",
    "outlier_detection.ejections_enforced_success_rate",
    "outlier_detection.ejections_overflow",
    "outlier_detection.ejections_success_rate",
    "upstream_rq_0rtt",
    "upstream_rq_active_overflow",
    "upstream_rq_maintenance_mode",
    "upstream_rq_max_duration_reached",
    "upstream_rq_pending_overflow",
    "upstream_rq_per_try_idle_timeout",
    "upstream_rq_per_try_timeout",
    "upstream_rq_retry_backoff_ratelimited",
    "upstream_rq_retry_overflow",
    "upstream_rq_rx_reset",
    "upstream_rq_rx_reset_no_error",
    "upstream_rq_tx_reset",
    "upstream_cx_overflow",
    "upstream_cx_pool_overflow",
    "upstream_cx_max_requests",
];

/// The counters of one upstream cluster. They outlive every change of its members.
#[derive(Default)]
pub(super) struct ClusterStats {
    pub(super) balancer: Counters,
    pub(super) pools: Arc<PoolCounters>,
    /// Responses to the application, by status.
    pub(super) responses: ResponseStats,
    /// Hosts' responses that were not passed on, since another host was asked.
    pub(super) retried_responses: ResponseStats,
    /// Responses by pair of zones, for the `zone.<from>.<to>` counters. They are looked up once per endpoint, not per
    /// request.
    zones: Mutex<BTreeMap<(String, String), Arc<ZoneStats>>>,
    /// Requests put on a connection, retries included.
    pub(super) rq_total: AtomicU64,
    pub(super) rq_retry: AtomicU64,
    /// Requests whose body is too large to be sent again.
    pub(super) rq_retry_abandoned: AtomicU64,
    pub(super) rq_retry_success: AtomicU64,
    pub(super) rq_retry_limit_exceeded: AtomicU64,
    pub(super) membership_change: AtomicU64,
    /// How often a host has failed as many times in a row as eject it, whether it was ejected already or not; and the same
    /// of gateway failures.
    pub(super) failures_detected: AtomicU64,
    pub(super) gateway_failures_detected: AtomicU64,
    pub(super) ejections: AtomicU64,
}

impl ClusterStats {
    pub(super) fn zone(&self, from: &str, to: &str) -> Arc<ZoneStats> {
        let mut zones = self.zones.lock();
        zones.entry((from.to_owned(), to.to_owned())).or_default().clone()
    }

    /// From now on it is an old proxy's, or one that is told of no zones: such have counted none.
    pub(super) fn forget_zones(&self) {
        self.zones.lock().clear();
        self.balancer.reset();
    }

    /// Counts a request that ended after one retry or more.
    pub(super) fn retried(&self, success: bool) {
        let outcome = if success { &self.rq_retry_success } else { &self.rq_retry_limit_exceeded };
        outcome.fetch_add(1, Relaxed);
    }
}

/// What is counted of the requests to a zone.
#[derive(Default)]
pub(super) struct ZoneStats {
    pub(super) responses: ResponseStats,
    pub(super) times: RequestTimes,
}

/// Responses by status code.
pub(super) struct ResponseStats {
    /// A counter for each code that HTTP's grammar allows, from 100 on: counting is one increment, and sums are made when
    /// somebody asks.
    codes: Box<[AtomicU64; 900]>,
}

impl Default for ResponseStats {
    fn default() -> Self {
        Self { codes: Box::new([const { AtomicU64::new(0) }; 900]) }
    }
}

impl ResponseStats {
    pub(super) fn count(&self, status: StatusCode) {
        self.codes[usize::from(status.as_u16() - 100)].fetch_add(1, Relaxed);
    }

    /// Adds the lines of these counters. As with Envoy, a counter exists from its first increment on.
    fn render(&self, prefix: &str, lines: &mut BTreeMap<String, u64>) {
        for (code, count) in (100..).zip(self.codes.iter()) {
            let count = count.load(Relaxed);
            if count > 0 {
                for name in [code.to_string(), format!("{}xx", code / 100), "completed".to_owned()] {
                    *lines.entry(format!("{prefix}upstream_rq_{name}")).or_default() += count;
                }
            }
        }
    }
}

/// A cluster's counters, and its gauges at this moment.
pub(super) struct StatsView<'a> {
    pub(super) name: &'a str,
    pub(super) app_protocol: AppProtocol,
    pub(super) stats: &'a ClusterStats,
    pub(super) members: usize,
    pub(super) healthy: usize,
    pub(super) degraded: usize,
    pub(super) ejected: usize,
}

/// The text of `/stats`: lines `cluster.<name>.<counter>: <value>`, sorted.
pub(super) fn render<'a>(clusters: impl Iterator<Item = StatsView<'a>>) -> String {
    let mut lines = BTreeMap::new();
    for cluster in clusters {
        cluster.render(&mut lines);
    }
    lines.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// The histograms of zones as `/stats?histogram_buckets=detailed` has them.
pub(super) fn render_times<'a>(clusters: impl Iterator<Item = (&'a str, &'a ClusterStats)>) -> String {
    let mut text = String::new();
    for (name, stats) in clusters {
        for ((from, to), zone) in stats.zones.lock().iter() {
            zone.times.render(&format!("cluster.{name}.zone.{from}.{to}.upstream_rq_time"), &mut text);
        }
    }
    text
}

impl StatsView<'_> {
    fn render(&self, lines: &mut BTreeMap<String, u64>) {
        let Self { name, app_protocol, stats, members, healthy, degraded, ejected } = *self;
        let prefix = format!("cluster.{name}.");
        let pools = &stats.pools;
        let counters = [
            ("membership_change", &stats.membership_change),
            ("outlier_detection.ejections_consecutive_5xx", &stats.ejections),
            ("outlier_detection.ejections_detected_consecutive_5xx", &stats.failures_detected),
            ("outlier_detection.ejections_detected_consecutive_gateway_failure", &stats.gateway_failures_detected),
            ("outlier_detection.ejections_enforced_consecutive_5xx", &stats.ejections),
            ("outlier_detection.ejections_enforced_total", &stats.ejections),
            ("outlier_detection.ejections_total", &stats.ejections),
            ("retry_or_shadow_abandoned", &stats.rq_retry_abandoned),
            ("upstream_cx_active", &pools.active),
            ("upstream_cx_connect_fail", &pools.connect_failed),
            ("upstream_cx_connect_timeout", &pools.connect_timed_out),
            ("upstream_cx_total", &pools.opened),
            ("upstream_rq_active", &pools.busy),
            ("upstream_rq_cancelled", &pools.cancelled),
            ("upstream_rq_pending_active", &pools.connecting),
            ("upstream_rq_pending_failure_eject", &pools.connect_failed),
            ("upstream_rq_pending_total", &pools.opened),
            ("upstream_rq_retry", &stats.rq_retry),
            ("upstream_rq_retry_backoff_exponential", &stats.rq_retry),
            ("upstream_rq_retry_limit_exceeded", &stats.rq_retry_limit_exceeded),
            ("upstream_rq_retry_success", &stats.rq_retry_success),
            ("upstream_rq_timeout", &pools.timed_out),
            ("upstream_rq_total", &stats.rq_total),
        ];
        let gauges = [
            ("membership_degraded", degraded),
            ("membership_healthy", healthy),
            ("membership_total", members),
            ("outlier_detection.ejections_active", ejected),
        ];
        let (http1, http2) = match app_protocol {
            AppProtocol::Http => (pools.opened.load(Relaxed), 0),
            AppProtocol::Http2 | AppProtocol::Grpc => (0, pools.opened.load(Relaxed)),
            AppProtocol::Tcp => (0, 0),
        };
        let versions = [("upstream_cx_http1_total", http1), ("upstream_cx_http2_total", http2)];
        let balancer = stats.balancer.snapshot();
        let counters = counters.into_iter().map(|(name, value)| (name, value.load(Relaxed)));
        let gauges = gauges.into_iter().map(|(name, value)| (name, value as u64));
        let zeros = ALWAYS_ZERO.iter().map(|&name| (name, 0));
        for (name, value) in balancer.iter().chain(counters).chain(versions).chain(gauges).chain(zeros) {
            lines.insert(format!("{prefix}{name}"), value);
        }
        stats.responses.render(&prefix, lines);
        // Envoy takes a request for internal only by a header that nobody sends here.
        stats.responses.render(&format!("{prefix}external."), lines);
        stats.retried_responses.render(&format!("{prefix}retry."), lines);
        for ((from, to), zone) in stats.zones.lock().iter() {
            zone.responses.render(&format!("{prefix}zone.{from}.{to}."), lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_read_like_envoys() {
        let stats = ClusterStats::default();
        let zone = stats.zone("use1-az1", "use1-az2");
        for status in [StatusCode::OK, StatusCode::OK, StatusCode::NOT_FOUND] {
            stats.responses.count(status);
            zone.responses.count(status);
        }
        stats.responses.count(StatusCode::SERVICE_UNAVAILABLE);
        let view = StatsView {
            name: "backend.ns",
            app_protocol: AppProtocol::Http,
            stats: &stats,
            members: 6,
            healthy: 5,
            degraded: 0,
            ejected: 1,
        };
        let text = render([view].into_iter());
        insta::assert_snapshot!(text);
    }
}
