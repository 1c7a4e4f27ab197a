//! How a local cloud is to be, and who looks on.

use std::net::SocketAddr;
use std::sync::Arc;

use super::faults::Faults;
use super::schedule::Pace;
use crate::mesh::Proxies;

/// How a local cloud is to be.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    pub pace: Pace,
    /// Without the two roles that the article takes for granted.
    pub bare_account: bool,
    /// An IAM policy, as JSON, that every call is checked against, by its action and what of its conditions is looked at. None:
    /// everything is allowed.
    pub policy: Option<String>,
    /// vCPU that running standard instances of a region may have.
    pub vcpu_quota: u32,
    /// What goes wrong; can be changed while it runs, at `/_zonewalk/faults`.
    pub faults: Faults,
    /// The tasks' Service Connect proxies.
    pub proxies: Proxies,
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            pace: Pace::default(),
            bare_account: false,
            policy: None,
            vcpu_quota: 256,
            faults: Faults::default(),
            proxies: Proxies::default(),
            observer: None,
        }
    }
}

/// Sees every AWS call: once when it has been carried out and is about to be answered.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// One AWS call and its answer, as they were on the wire.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The name the service signs with, e.g. `elasticloadbalancing`.
    pub service: &'static str,
    pub operation: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    pub content_type: &'static str,
    /// The answer's body.
    pub body: Vec<u8>,
}
