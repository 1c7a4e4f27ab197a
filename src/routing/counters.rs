//! Envoy's counters of an upstream cluster, by Envoy's names and with Envoy's meaning.

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// A number that picks count up. Threads that share a load balancer need an [`AtomicU64`]; a worker that has one of its own, as
/// each of Envoy's does, counts in half the time with a [`Cell`].
pub trait Counter: Debug + Default + From<u64> {
    fn get(&self) -> u64;
    fn set(&self, value: u64);
    /// Adds one, and gives what was there before.
    fn next(&self) -> u64;
}

impl Counter for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(Relaxed)
    }

    fn set(&self, value: u64) {
        self.store(value, Relaxed);
    }

    fn next(&self) -> u64 {
        self.fetch_add(1, Relaxed)
    }
}

impl Counter for Cell<u64> {
    fn get(&self) -> u64 {
        Cell::get(self)
    }

    fn set(&self, value: u64) {
        Cell::set(self, value);
    }

    fn next(&self) -> u64 {
        self.replace(Cell::get(self).wrapping_add(1))
    }
}

/// [`CountersOf`] a load balancer that threads share.
pub type Counters = CountersOf<AtomicU64>;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What Envoy counts on the upstream cluster (`cluster.NAME.…` in its `/stats`). Counters outlive rebuilds.
        #[derive(Debug, Default)]
        pub struct CountersOf<C> {
            $($(#[$doc])* pub $name: C,)*
        }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct CounterSnapshot {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl<C: Counter> CountersOf<C> {
            /// Makes all of them zero, as a proxy that starts has them.
            pub fn reset(&self) {
                $(self.$name.set(0);)*
            }

            pub fn snapshot(&self) -> CounterSnapshot {
                CounterSnapshot { $($name: self.$name.get(),)* }
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
