//! The local cloud: an AWS endpoint on loopback for what the walkthrough, its teardown and the article's own commands use.
//!
//! A request comes in at [`server`], is decoded by [`wire`] and handled by its service's module on the state of its
//! [`region`] under one lock. Services are state and rules: what AWS refuses is refused with AWS's code and words. What
//! takes time on AWS is a timer of the region's [`schedule`]; what one service wants of another (an Auto Scaling group its
//! instances, a service its tasks) is brought about by reconciling after every change. Running tasks and load balancers
//! are carried by [`crate::mesh`]. No command that a client sends is ever run.

mod account;
mod authorization;
mod carried;
mod catalog;
mod control;
mod dependent_actions;
mod error;
mod exchange;
mod fault_file;
mod faults;
mod ids;
mod operator;
mod options;
mod partition;
mod region;
mod request;
mod schedule;
mod server;
mod service;
mod services;
mod settle;
mod states;
mod trouble;
pub(crate) mod user_data;
mod wildcard;
pub(crate) mod wire;

pub use catalog::{OperationSummary, StructureSummary, operations, structures};
pub use faults::{Fault, FaultKind, Faults, FaultsReport};
pub use ids::ACCOUNT_ID;
pub use operator::{Operator, Pages};
pub use options::{Exchange, Observer, OnRequest, Options, Served};
pub use schedule::Pace;
pub use server::LocalCloud;
pub use trouble::Trouble;

/// The regions the local cloud has.
pub fn regions() -> &'static [&'static str] {
    &partition::REGIONS
}
