//! What AWS does to its callers now and then, done on purpose: throttling, failing, losing answers, forgetting for a while
//! what it has just made, having no capacity, losing an instance.
//!
//! [`plan`] is what can be asked for; [`injector`] counts calls and decides which of them meets what. How a plan is read is in
//! [`super::fault_file`], how a change is hidden in [`super::states`], and the words of a refusal are its service's.

mod injector;
mod plan;

pub(crate) use injector::{
    Answering, Call, Confirmation, DEPLOYMENT_IS_ACTIVE, Injected, Injector, Launch, Refusal, SharedInjector,
};
pub use plan::{Fault, FaultKind, Faults, FaultsReport};
pub(crate) use plan::{RoleRefusal, matches};
