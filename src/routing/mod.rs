//! Envoy's zone-aware routing algorithm. Pure: no tokio, no AWS, no HTTP, no clock, no global randomness.
//!
//! What lives where: [`hosts`] is what the algorithm is given, [`config`] what it is told. A rebuild ([`LoadBalancer::new`],
//! [`LoadBalancer::updated`]) shares load among priorities ([`priority`]), makes the [`plan`] for zones and compiles both into
//! [`routes`] to [`lists`] of hosts; a pick follows one. [`predict`] computes from the same routes what picks will come to.
//! [`topology`] is the JSON form of it all.
//!
//! The words are Envoy's. The *local cluster* is the service that the proxy belongs to, the *upstream* cluster the one
//! that it calls. A *zone* is a whole locality: region, zone and sub-zone. Everything here was read from Envoy's behaviour
//! and is held against recorded and live Envoys in `tests/it/routing_truth.rs` and `tests/it/envoy_live.rs`.
//!
//! Left out: hosts that are excluded from the counts (by a health check that fails at once), slow start, weighted priority
//! health, and priorities above 0 of the local cluster, which Envoy doesn't support either.

mod balancer;
mod config;
mod counters;
mod hosts;
mod lists;
mod plan;
mod predict;
mod priority;
mod routes;
mod schedule;
pub mod topology;

pub use balancer::LoadBalancer;
pub use config::{Config, LbPolicy, LocalityBasis, Runtime};
pub use counters::{Counter, CounterSnapshot, Counters, CountersOf};
pub use hosts::{Health, Host, HostIndex, HostSet, Locality, LocalityHosts, Tally};
pub use plan::{BASIS, LocalityRoutingState, Percent, Plan, PlannedLocality, Reason};
pub use predict::{PredictedState, Prediction, Simulation, Spread, predict, simulate};
pub use priority::PriorityLoad;
pub use topology::Topology;
