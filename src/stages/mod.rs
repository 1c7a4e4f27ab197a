//! The article's steps, one file per resource, each a [`Stage`]: `find`, `plan`, `ensure`, `remove`. What a stage makes is
//! the only way to get what a later one takes, so an order that AWS would refuse does not compile.
//!
//! Here are the words all of them use; the pattern itself is in `stage`, which stage needs which in [`crate::walkthrough`].

pub(crate) mod auto_scaling_group;
pub(crate) mod container_instances;
pub(crate) mod ecs_cluster;
mod error;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod instance_profile;
pub mod inventory;
pub(crate) mod launch_template;
pub(crate) mod listener;
pub(crate) mod load_balancer;
pub(crate) mod log_groups;
pub(crate) mod namespace;
pub(crate) mod network;
pub mod permissions;
pub mod preflight;
mod quota;
pub(crate) mod removal;
pub(crate) mod roles;
pub mod rollout;
pub mod run_command;
pub(crate) mod security_groups;
pub(crate) mod services;
pub(crate) mod stage;
pub(crate) mod target_group;
pub(crate) mod task_definitions;
mod task_spec;
mod tasks;
mod templates;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::primitives::DateTime;
use tokio_util::sync::CancellationToken;

use crate::aws::{Clients, CloudError, ErrorClass};
use crate::events::Events;
use crate::settings::{ResourceNames, Settings};

pub use error::Error;

/// What every stage works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    pub clients: Clients,
    pub settings: Arc<Settings>,
    pub names: Arc<ResourceNames>,
    pub events: Events,
    /// Cancelled: the request under way is awaited, and no further one is sent.
    pub cancel: CancellationToken,
    /// What AWS dates before it is history.
    started: SystemTime,
    /// Whether something of the stage that works with this context stands, finished or not.
    begun: Arc<AtomicBool>,
}

impl Context {
    pub fn new(clients: Clients, settings: Settings, events: Events, cancel: CancellationToken) -> Self {
        let names = Arc::new(settings.name.resources());
        let (started, begun) = (SystemTime::now(), Arc::default());
        Self { clients, settings: Arc::new(settings), names, events, cancel, started, begun }
    }

    /// The same with another token, for work that others do not interrupt, such as putting back what was changed.
    pub fn with_cancel(&self, cancel: CancellationToken) -> Self {
        Self { cancel, ..self.clone() }
    }

    /// The same, telling somebody else.
    pub fn with_events(&self, events: Events) -> Self {
        Self { events, ..self.clone() }
    }

    /// The same for one stage, which has begun nothing yet.
    pub(crate) fn for_stage(&self) -> Self {
        Self { begun: Arc::default(), ..self.clone() }
    }

    /// Whether the stage has found a resource of ours, or changed anything: should it fail, that stands all the same.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    fn set_begun(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// The value of the owner tag.
    fn owner(&self) -> &str {
        self.settings.name.as_str()
    }

    /// Sends one request, unless the user has interrupted. `action` is its name as IAM spells it.
    pub fn call<T, E, R>(
        &self,
        action: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> impl Future<Output = Result<T, Error>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug + 'static,
    {
        let call = self.clients.call(action, request);
        async {
            self.checkpoint()?;
            let answer = call.await;
            if is_change(action) && may_be_done(&answer) {
                self.set_begun();
            }
            Ok(answer?)
        }
    }

    /// A new token by which AWS knows a repetition of one request from a second request.
    fn client_token(&self) -> String {
        format!("zonewalk-{:016x}", rand::random::<u64>())
    }

    /// Whether something that AWS dates so is no history.
    fn is_of_this_run(&self, time: &DateTime) -> bool {
        *time >= DateTime::from(self.started)
    }

    fn checkpoint(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

fn is_change(action: &str) -> bool {
    let operation = action.split(':').nth(1).unwrap_or_default();
    !["Describe", "Get", "List", "Simulate"].iter().any(|look| operation.starts_with(look))
}

/// A refusal tells that nothing was done, unless it says that it was done already; a lost answer tells nothing.
fn may_be_done<T>(answer: &Result<T, CloudError>) -> bool {
    answer.as_ref().err().is_none_or(|error| {
        error.code.is_none() || matches!(error.class, ErrorClass::AlreadyExists | ErrorClass::ServerFault)
    })
}
