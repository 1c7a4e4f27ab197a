//! The tests of the routing engine that need nothing else.

#![allow(dead_code, reason = "what the tests share has more than these use")]

#[path = "../it/agreement.rs"]
mod agreement;
#[path = "../it/routing_cases.rs"]
mod routing_cases;
#[path = "../it/routing_draws.rs"]
mod routing_draws;
#[path = "../it/routing_laws.rs"]
mod routing_laws;
#[path = "../it/routing_outcomes.rs"]
mod routing_outcomes;
#[path = "../it/routing_recorded.rs"]
mod routing_recorded;
#[path = "../it/routing_topology.rs"]
mod routing_topology;
#[path = "../it/routing_truth.rs"]
mod routing_truth;
#[path = "../it/situations.rs"]
mod situations;
