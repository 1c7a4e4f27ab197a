//! What happens while a command works, as typed events. Commands and stages send them and know nothing of how they are
//! shown.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use strum::IntoStaticStr;

use crate::plan::{Action, Kind, Step, display_in_words};

/// How long a call may take before it is said that it is waited for: longer than nearly all of them.
const A_MOMENT: Duration = Duration::from_secs(2);

/// Something that happened while a command worked.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step of the walkthrough begins: its number, out of how many, and its name.
    #[serde(rename = "step_started")]
    Heading {
        /// Which step it is, from 1 on.
        number: usize,
        /// How many steps there are.
        of: usize,
        /// The command that the step is.
        title: &'static str,
    },
    /// It is known how many resources are to be seen to, if it can be, and how long all that takes on AWS.
    Planned {
        /// How many resources are to be seen to. Null: that is not known.
        resources: Option<usize>,
        /// How long all of it takes on AWS: `3–6 min`.
        usually: &'static str,
    },
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
    /// Something that is waited for was looked at, and is not ready yet.
    Waiting {
        /// What is waited for.
        what: String,
        /// How far it is, in words. May be empty.
        state: String,
        /// How long it has been waited for, in seconds.
        #[serde(rename = "elapsed_s", serialize_with = "in_seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
        /// How long that takes on AWS, if that is known: `2–3 min`.
        usually: Option<&'static str>,
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
        /// The name that the walkthrough gives it.
        name: String,
        /// The ID, ARN or name that AWS knows it by.
        id: String,
        /// What was done with it.
        action: Action,
        /// How long it took, in seconds.
        #[serde(rename = "elapsed_s", serialize_with = "in_seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
    },
    /// What belongs to a resource, and is not one that is made, is as it should be.
    Ready {
        /// What is as it should be, in words.
        what: String,
        /// How long it took, in seconds.
        #[serde(rename = "elapsed_s", serialize_with = "in_seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
    },
    /// A resource was removed.
    Removed {
        /// What kind of resource it is.
        kind: Kind,
        /// What it was called. Null: it had no name but its ID.
        name: Option<String>,
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
    /// So many requests have been sent and answered.
    Traffic(Traffic),
    /// No more requests are sent.
    TrafficEnded,
    /// A phase of a failover drill is over.
    Phase {
        /// Which phase it is.
        phase: PhaseName,
        /// Whether it was as it should be.
        holds: bool,
        /// The share of the answered requests that stayed in their zone. Null: none were answered.
        same_zone_share: Option<f64>,
        /// The share that was predicted. Null in the phase in which the placement changes.
        predicted: Option<f64>,
        /// The requests that failed.
        errors: u64,
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

/// How far traffic is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Traffic {
    /// The requests that have ended.
    pub done: u64,
    /// The requests that are to be sent. Null: traffic goes on until it is stopped.
    pub total: Option<u64>,
    /// The requests whose frontend and backend were in one zone.
    pub same_zone: u64,
    /// The requests that failed.
    pub errors: u64,
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
    /// The phase in which tasks come back, of which the same is asked.
    Restoring,
    Restored,
}

impl PhaseName {
    /// Whether tasks come and go in it, so that nothing can be predicted of where requests go.
    pub fn is_change(self) -> bool {
        matches!(self, Self::During | Self::Restoring)
    }
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

    /// Does `work`, and says that `what` is waited for if it takes more than a moment.
    pub async fn patiently<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = tokio::time::timeout(A_MOMENT, &mut work).await {
            return done;
        }
        let (what, state) = (what.to_owned(), String::new());
        self.send(Event::Waiting { what: what.clone(), state, elapsed: A_MOMENT, usually: None });
        let waited = Waited { events: self, what };
        let done = work.await;
        drop(waited);
        done
    }
}

/// Says that a wait is over, also if it is given up.
struct Waited<'e> {
    events: &'e Events,
    what: String,
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.events.send(Event::Waited { what: std::mem::take(&mut self.what) });
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
    async fn what_takes_more_than_a_moment_is_waited_for() {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let seer = Arc::clone(&seen);
        let events = Events::new(move |event| {
            seer.lock().unwrap().push(match event {
                Event::Waiting { what, elapsed, .. } => format!("waiting for {what} ({} s)", elapsed.as_secs()),
                Event::Waited { what } => format!("waited for {what}"),
                other => panic!("{other:?}"),
            });
        });
        let takes = |seconds| events.patiently("the answer", tokio::time::sleep(Duration::from_secs(seconds)));
        takes(1).await;
        assert_eq!(*seen.lock().unwrap(), [""; 0]);
        takes(100).await;
        let _ = tokio::time::timeout(Duration::from_secs(5), takes(100)).await;
        let once = ["waiting for the answer (2 s)", "waited for the answer"];
        assert_eq!(*seen.lock().unwrap(), [once, once].concat());
    }
}
