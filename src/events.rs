//! What happens while a command works, as typed events. Commands and stages emit them and know nothing of how they are
//! shown; progress lines, JSON, the report are consumers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::commands::failover::PhaseName;
use crate::plan::{Action, Kind, Step};
use crate::report::outcome::Outcome;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    StageStarted {
        step: Step,
        kind: Kind,
        name: String,
    },
    /// Looked up, not made: the account, the network, the machine image.
    Found {
        step: Step,
        what: String,
    },
    /// One look at something that is not ready yet.
    Waiting {
        step: Step,
        what: String,
        state: String,
        #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
        elapsed: Duration,
    },
    /// The wait for `what` is over, however it ended.
    Waited {
        what: String,
    },
    StageDone {
        step: Step,
        kind: Kind,
        id: String,
        action: Action,
        #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
        elapsed: Duration,
    },
    Removed {
        step: Step,
        kind: Kind,
        id: String,
        #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
        elapsed: Duration,
    },
    /// A removal failed; the others go on.
    RemovalFailed {
        step: Step,
        kind: Kind,
        id: String,
        reason: String,
    },
    /// Requests that have been sent and answered, of how many if that is known.
    Traffic {
        done: u64,
        total: Option<u64>,
    },
    /// A phase of a failover drill is over.
    Phase {
        phase: PhaseName,
        holds: bool,
        same_zone_share: Option<f64>,
    },
    /// A part of the whole walkthrough is over.
    Part {
        outcome: Box<Outcome>,
    },
    /// Something the user should know and need not act on.
    Note {
        message: String,
    },
}

fn as_millis<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(elapsed.as_millis() as u64)
}

/// Where events go. Cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    pub fn new(consumer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(consumer))
    }

    /// Nobody listens.
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    pub fn send(&self, event: Event) {
        (self.0)(event);
    }

    pub fn note(&self, message: impl Into<String>) {
        self.send(Event::Note { message: message.into() });
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
