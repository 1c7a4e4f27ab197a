//! What AWS does to its callers now and then, done on purpose: throttling, failing, losing answers, forgetting for a while
//! what it has just made, being out of machines, losing one.
//!
//! [`plan`] is what can be asked for and how it is read; [`injector`] counts calls and decides which of them meets what;
//! [`errors`] are AWS's words; [`lag`] answers reads from the past.

mod errors;
mod injector;
mod lag;
mod plan;

pub(crate) use injector::{Answering, Counted, Extent, Injector, Launch, SharedInjector, Strike};
pub(crate) use lag::{Lags, Snapshot, is_read};
pub use plan::{Fault, FaultKind, Faults};
