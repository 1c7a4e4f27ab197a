//! What Envoy is told about balancing to a cluster, in Envoy's names and with Envoy's defaults, and what it makes of it.

use serde::{Deserialize, Serialize};

/// How a cluster is balanced. [`Default`] gives Envoy's defaults.
///
/// The fields from `routing_enabled` to `locality_basis` are `zone_aware_lb_config`. In Envoy that is one of a `oneof`
/// whose other one is `locality_weighted_lb_config`, so with `locality_weighted` they keep their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub lb_policy: LbPolicy,
    /// Percent of requests for which zone-aware routing is considered.
    pub routing_enabled: f64,
    /// Fewer healthy hosts than this in priority 0, and zone-aware routing is off.
    pub min_cluster_size: u64,
    /// In panic, fail instead of using all hosts.
    pub fail_traffic_on_panic: bool,
    /// `force_local_zone`: stay in the own zone while it has this many healthy hosts. The older
    /// `force_locality_direct_routing` is 1 here.
    pub force_local_zone: Option<u32>,
    pub locality_basis: LocalityBasis,
    /// `locality_weighted_lb_config`: localities are taken by weight.
    pub locality_weighted: bool,
    /// `healthy_panic_threshold`: fewer available hosts than this percentage, and a priority is in panic.
    pub panic_threshold: f64,
    /// How far a priority's hosts count for more than they are, in percent.
    pub overprovisioning_factor: u32,
    pub runtime: Runtime,
    /// Envoy's worker threads. Workers and main thread each have a load balancer of their own, so what is counted at a
    /// rebuild is counted `concurrency + 1` times.
    pub concurrency: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lb_policy: LbPolicy::RoundRobin,
            routing_enabled: 100.0,
            min_cluster_size: 6,
            fail_traffic_on_panic: false,
            force_local_zone: None,
            locality_basis: LocalityBasis::HealthyHostsNum,
            locality_weighted: false,
            panic_threshold: 50.0,
            overprovisioning_factor: 140,
            runtime: Runtime::default(),
            concurrency: 1,
        }
    }
}

/// Runtime keys; a given one wins over the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    #[serde(rename = "upstream.zone_routing.enabled")]
    pub zone_routing_enabled: Option<u64>,
    #[serde(rename = "upstream.zone_routing.min_cluster_size")]
    pub min_cluster_size: Option<u64>,
    #[serde(rename = "upstream.zone_routing.force_local_zone.min_size")]
    pub force_local_zone_min_size: Option<u32>,
    #[serde(rename = "upstream.healthy_panic_threshold")]
    pub healthy_panic_threshold: Option<u64>,
}

impl Runtime {
    /// No key is given.
    pub const NONE: Self = Self {
        zone_routing_enabled: None,
        min_cluster_size: None,
        force_local_zone_min_size: None,
        healthy_panic_threshold: None,
    };
}

/// Envoy's policies that have zone-aware routing. Ring hash and Maglev do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LbPolicy {
    #[default]
    RoundRobin,
    LeastRequest,
    Random,
}

/// What zones are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LocalityBasis {
    #[default]
    HealthyHostsNum,
    HealthyHostsWeight,
}

impl Config {
    /// The percentage of requests that consider zone-aware routing, whole, as Envoy uses it.
    pub fn enabled_percent(&self) -> u64 {
        self.runtime.zone_routing_enabled.unwrap_or_else(|| whole_percent(self.routing_enabled)).min(100)
    }

    /// The panic threshold, whole, as Envoy uses it.
    pub(super) fn panic_percent(&self) -> u64 {
        self.runtime.healthy_panic_threshold.unwrap_or_else(|| whole_percent(self.panic_threshold)).min(100)
    }

    pub fn min_cluster_size(&self) -> u64 {
        self.runtime.min_cluster_size.unwrap_or(self.min_cluster_size)
    }

    pub(super) fn force_local_zone(&self) -> Option<u64> {
        self.runtime.force_local_zone_min_size.filter(|&size| size > 0).or(self.force_local_zone).map(u64::from)
    }
}

/// Envoy's `PROTOBUF_PERCENT_TO_ROUNDED_INTEGER_OR_DEFAULT`, which in spite of its name cuts off, after a division and
/// a multiplication in doubles: 99.99 becomes 99, and 29, 57 and 58 become 28, 56 and 57.
fn whole_percent(percent: f64) -> u64 {
    (100.0 * (percent / 100.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::whole_percent;

    #[test]
    fn percentages_are_cut_off_with_envoys_floating_point_accident() {
        let accidents: Vec<u64> = (0..=100).filter(|&percent| whole_percent(percent as f64) != percent).collect();
        assert_eq!(accidents, [29, 57, 58]);
        assert_eq!(whole_percent(29.0), 28);
        assert_eq!(whole_percent(99.99), 99);
        assert_eq!(whole_percent(0.9), 0);
    }
}
