//! What happens while a command works, as typed events. Commands and stages send them and know nothing of how they are
//! shown.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use strum::IntoStaticStr;
use tokio::time::Instant;

use crate::plan::{Action, Kind, Step, display_in_words};

/// How long something is waited for in silence; what takes longer is told again and again.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Something that happened while a command worked.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A resource is being created, or looked at if it exists.
    #[serde(rename = "resource_started")]
    StageStarted {
        /// What kind of resource it is.
        kind: Kind,
        /// The name that zonewalk gives it.
        name: String,
    },
    /// Something was looked up, not made: the account, the network, the machine image.
    Found {
        /// The article's step that it belongs to.
        step: Step,
        /// What was found, in words.
        what: String,
    },
    /// Something that is waited for was polled and is not ready yet.
    Waiting {
        /// The article's step that it belongs to.
        step: Step,
        /// What is waited for.
        what: String,
        /// How far it is, in words.
        state: String,
        /// How long it has been waited for, in seconds.
        #[serde(rename = "elapsed_s", serialize_with = "in_seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
    },
    /// The wait for `what` is over, however it ended.
    Waited {
        /// What was waited for.
        what: String,
    },
    /// A resource is as it should be.
    #[serde(rename = "resource_done")]
    StageDone {
        /// What kind of resource it is.
        kind: Kind,
        /// The ID, ARN or name that AWS knows it by.
        id: String,
        /// What was done with it.
        action: Action,
        /// How long it took, in seconds.
        #[serde(rename = "elapsed_s", serialize_with = "in_seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
    },
    /// A resource was removed.
    Removed {
        /// What kind of resource it is.
        kind: Kind,
        /// The ID, ARN or name that AWS knows it by.
        id: String,
        /// How long it took, in seconds.
        #[serde(rename = "elapsed_s", serialize_with = "in_seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
    },
    /// A removal failed; the others go on.
    RemovalFailed {
        /// What kind of resource it is.
        kind: Kind,
        /// The ID, ARN or name that AWS knows it by.
        id: String,
        /// Why it was not removed.
        reason: String,
    },
    /// Requests have been sent and answered; the total is none if it is not known.
    Traffic {
        /// The requests that have ended.
        done: u64,
        /// The requests that are to be sent. Null: traffic goes on until it is stopped.
        total: Option<u64>,
    },
    /// A phase of a failover drill is over.
    Phase {
        /// Which phase it is.
        phase: PhaseName,
        /// Whether it was as it should be.
        holds: bool,
        /// The share of the answered requests that stayed in their zone. Null: none were answered.
        same_zone_share: Option<f64>,
    },
    /// Something the user should know and need not act on.
    Note {
        /// The note.
        message: String,
    },
}

/// To the millisecond.
fn in_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// A phase of a failover drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PhaseName {
    Before,
    /// The phase in which tasks stop. It is only asked how many requests fail, since the placement changes under it.
    During,
    FailedOver,
    Restored,
}

display_in_words!(PhaseName);

/// The place where events go. Cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    pub fn new(consumer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(consumer))
    }

    /// Events that nobody listens to.
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// The same events without what is looked up on the way.
    pub fn without_findings(&self) -> Self {
        let events = self.clone();
        Self::new(move |event| {
            if !matches!(event, Event::Found { .. }) {
                events.send(event);
            }
        })
    }

    pub fn send(&self, event: Event) {
        (self.0)(event);
    }

    pub fn note(&self, message: impl Into<String>) {
        self.send(Event::Note { message: message.into() });
    }

    /// Does `work`, and says at intervals that `what` is waited for, and for how long, if it takes long.
    pub async fn patiently<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let (began, mut work) = (Instant::now(), std::pin::pin!(work));
        loop {
            match tokio::time::timeout(PATIENCE, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.note(format!("waiting for {what} ({:.0} s)", began.elapsed().as_secs_f64())),
            }
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_is_told_at_intervals() {
        let notes: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&notes);
        let events = Events::new(move |event| {
            if let Event::Note { message } = event {
                noted.lock().unwrap().push(message);
            }
        });
        let takes = |seconds| events.patiently("the answer", tokio::time::sleep(Duration::from_secs(seconds)));
        takes(29).await;
        assert_eq!(*notes.lock().unwrap(), [""; 0]);
        takes(100).await;
        assert_eq!(*notes.lock().unwrap(), [30, 60, 90].map(|s| format!("waiting for the answer ({s} s)")));
    }
}
