//! How a local cloud is to be, and who looks on.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::faults::Faults;
use super::schedule::Pace;
use crate::mesh::{Conditions, Entrances, Proxies};

/// How a local cloud is to be.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where its load balancers listen.
    pub entrances: Entrances,
    pub pace: Pace,
    /// Without the two roles that the article takes for granted.
    pub bare_account: bool,
    /// An IAM policy, as JSON, that every call is checked against, by its action and what of its conditions is looked at. None:
    /// everything is allowed.
    pub policy: Option<String>,
    /// vCPU that running standard instances of a region may have, and as many that tasks on Fargate may have.
    pub vcpu_quota: u32,
    /// What goes wrong; can be changed while it runs, at `/_zonewalk/faults`.
    pub faults: Faults,
    /// The tasks' Service Connect proxies.
    pub proxies: Proxies,
    /// Under which requests are carried; can be changed while it runs, at `/_zonewalk/mesh`.
    pub conditions: Conditions,
    pub observer: Option<Observer>,
    pub on_request: Option<OnRequest>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            entrances: Entrances::default(),
            pace: Pace::default(),
            bare_account: false,
            policy: None,
            vcpu_quota: 256,
            faults: Faults::default(),
            proxies: Proxies::default(),
            conditions: Conditions::default(),
            observer: None,
            on_request: None,
        }
    }
}

/// Sees every AWS call: once when it has been carried out and is about to be answered.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// One AWS call and its answer, as they were on the wire.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The service's name in IAM actions, e.g. `elasticloadbalancing`.
    pub service: &'static str,
    pub operation: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    pub content_type: &'static str,
    /// The answer's body.
    pub body: Vec<u8>,
}

/// Is told of every request, once it is answered: also of those that are no AWS call, and of those that a fault leaves unanswered.
pub type OnRequest = Arc<dyn Fn(&Served) + Send + Sync>;

/// A request, and what became of it. Displays as a line of a log.
#[derive(Clone, Debug)]
pub struct Served {
    pub answered_at: Timestamp,
    /// `ecs:CreateService`; of what is no AWS call, method and path.
    pub what: String,
    pub region: Option<String>,
    /// HTTP status of the answer. None: there was no answer.
    pub status: Option<u16>,
    /// The code of the error that was the answer.
    pub error: Option<String>,
    pub took: Duration,
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered_at, what, region, status, error, took } = self;
        let status = status.map_or_else(|| "---".to_owned(), |status| status.to_string());
        write!(f, "{answered_at:.3}  {status}  {what}  {}", region.as_deref().unwrap_or("-"))?;
        write!(f, "  {:.1} ms", took.as_secs_f64() * 1_000.0)?;
        match error {
            Some(error) => write!(f, "  {error}"),
            None if status == "---" => f.write_str("  closed without an answer"),
            None => Ok(()),
        }
    }
}
