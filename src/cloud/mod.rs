//! The local cloud: an AWS endpoint on loopback for what the walkthrough, its teardown and the article's own commands use.
//!
//! A request comes in at [`server`], is decoded by [`wire`] and handled by its service's module on the state of its
//! [`region`] under one lock. Services are state and rules: what AWS refuses is refused with AWS's code and words. What
//! takes time on AWS is a timer of the region's [`schedule`]; what one service wants of another (an Auto Scaling group its
//! instances, a service its tasks) is brought about by reconciling after every change. Running tasks and load balancers
//! are carried by [`crate::mesh`]. No command that a client sends is ever run.

mod account;
mod authorization;
mod error;
mod exchange;
mod fault_file;
mod faults;
mod ids;
mod partition;
mod region;
mod schedule;
mod server;
mod service;
mod services;
mod settle;
mod states;
mod wildcard;
mod wire;

use serde::Serialize;

pub use faults::{Fault, FaultKind, Faults};
pub use schedule::Pace;
pub use server::{Exchange, LocalCloud, Observer, Options};

/// The account of the local cloud, the one LocalStack made customary.
pub const ACCOUNT_ID: &str = "000000000000";

/// The regions the local cloud has.
pub fn regions() -> &'static [&'static str] {
    &partition::REGIONS
}

/// An operation that the local cloud has.
#[derive(Clone, Debug, Serialize)]
pub struct OperationSummary {
    /// The service's name in IAM actions and signatures, e.g. `elasticloadbalancing`.
    pub service: &'static str,
    pub operation: &'static str,
    /// Whether it only looks, and changes nothing.
    pub read: bool,
    /// The parameters that it takes, by their names on the wire; any other is refused by its name.
    pub parameters: Vec<&'static str>,
}

/// Every operation of every service, in the services' alphabetical order.
pub fn operations() -> impl Iterator<Item = OperationSummary> {
    services::ALL.into_iter().flat_map(|service| {
        service.operations.iter().map(|operation| OperationSummary {
            service: service.signing_name,
            operation: operation.name,
            read: operation.is_read(),
            parameters: operation.taken(service).collect(),
        })
    })
}
