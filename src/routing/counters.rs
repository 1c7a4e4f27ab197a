//! Envoy's counters of an upstream cluster, by Envoy's names and with Envoy's meaning.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What Envoy counts on the upstream cluster (`cluster.NAME.…` in its `/stats`). Counters outlive rebuilds.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct CounterSnapshot {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub fn snapshot(&self) -> CounterSnapshot {
                CounterSnapshot { $($name: self.$name.load(Relaxed),)* }
            }
        }

        impl CounterSnapshot {
            /// Every counter's name and value.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Per request: its priority is in panic.
    lb_healthy_panic,
    /// Per rebuild: the local cluster has no host in the own locality; and, per request: the local cluster is in panic.
    lb_local_cluster_not_ok,
    /// Per rebuild, whatever its outcome.
    lb_recalculate_zone_structures,
    /// Per rebuild: fewer healthy hosts than `min_cluster_size`.
    lb_zone_cluster_too_small,
    /// Per request: no locality had capacity left, any one was taken. Also counted as cross-zone.
    lb_zone_no_capacity_left,
    /// Per request: to the own zone, as all are.
    lb_zone_routing_all_directly,
    /// Per request: to another zone, since the own one is short.
    lb_zone_routing_cross_zone,
    /// Per request: to the own zone, which is short, but had its turn.
    lb_zone_routing_sampled,
    /// Per request: there was no host to pick.
    upstream_cx_none_healthy,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
