//! When things happen: the times AWS takes, the pace at which they pass here, and the timers of a region.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};
use tokio::time::Instant;

/// How fast AWS's times pass.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    JsonSchema,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Pace {
    /// Every transition is over by the next request.
    Instant,
    /// A hundred times as fast as AWS: states can be watched, the whole walkthrough takes seconds.
    #[default]
    Fast,
    /// As AWS, for rehearsing the waits.
    Aws,
}

impl Pace {
    /// What a time on AWS is here.
    pub(crate) fn scale(self, on_aws: Duration) -> Duration {
        match self {
            Self::Instant => Duration::ZERO,
            Self::Fast => on_aws / 100,
            Self::Aws => on_aws,
        }
    }
}

/// What takes time on AWS. The times are rough, from practice (2026), the middle of the ranges seen in us-east-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// A group notices that it lacks, or has too many, instances.
    ScalingActivity,
    /// EC2 instance pending to running: 15 to 30 s.
    InstanceBoot,
    /// EC2 instance shutting-down to terminated.
    InstanceShutdown,
    /// Running instance to registered container instance: 30 to 90 s.
    AgentRegistration,
    /// Load balancer provisioning to active: 120 to 180 s.
    LoadBalancerProvisioning,
    /// Network interfaces of a deleted load balancer gone: 1 to 5 min.
    LoadBalancerInterfacesGone,
    /// A cluster is PROVISIONING while its namespace is made; also the namespace's own operations: 10 to 30 s.
    NamespaceOperation,
    /// Task PROVISIONING to PENDING (its network interface): 10 to 20 s.
    TaskProvisioning,
    /// Task PENDING to RUNNING (image, containers): 5 to 30 s.
    TaskStarting,
    /// Task DEACTIVATING (out of discovery and of target groups) to STOPPING.
    TaskDeactivating,
    /// Task STOPPING (SIGTERM) to DEPROVISIONING, and to STOPPED.
    TaskStopping,
    /// A service without tasks, DRAINING to INACTIVE.
    ServiceDrained,
    /// An SSM command on an instance.
    Command,
}

impl Transition {
    pub(crate) fn on_aws(self) -> Duration {
        Duration::from_secs(match self {
            Self::ScalingActivity => 5,
            Self::InstanceBoot => 20,
            Self::InstanceShutdown => 60,
            Self::AgentRegistration => 45,
            Self::LoadBalancerProvisioning => 150,
            Self::LoadBalancerInterfacesGone => 120,
            Self::NamespaceOperation => 15,
            Self::TaskProvisioning => 15,
            Self::TaskStarting => 15,
            Self::TaskDeactivating => 5,
            Self::TaskStopping => 10,
            Self::ServiceDrained => 5,
            Self::Command => 2,
        })
    }
}

/// The timers of a region, in the order they fall due, each with what it does then.
pub(crate) struct Schedule<J> {
    pub(crate) pace: Pace,
    /// The present; while timers run, the moment the running one fell due, so that chains of transitions keep their times.
    now: Instant,
    /// Keyed by due time, then by order of setting.
    timers: BTreeMap<(Instant, u64), J>,
    set: u64,
}

impl<J> Schedule<J> {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, now: Instant::now(), timers: BTreeMap::new(), set: 0 }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((due, _), _)| *due)
    }

    /// Sets a timer that falls due in `delay` from now.
    pub(super) fn set(&mut self, delay: Duration, job: J) {
        self.set += 1;
        self.timers.insert((self.now + delay, self.set), job);
    }

    /// A moment in the order of setting, for [`Schedule::forget_since`].
    pub(crate) fn mark(&self) -> u64 {
        self.set
    }

    /// Drops the timers that were set after a moment.
    pub(crate) fn forget_since(&mut self, mark: u64) {
        self.timers.retain(|(_, set), _| *set <= mark);
    }

    /// Takes the first timer that is due at `present`, and moves the clock to it.
    pub(super) fn pop_due(&mut self, present: Instant) -> Option<J> {
        let entry = self.timers.first_entry().filter(|entry| entry.key().0 <= present)?;
        self.now = self.now.max(entry.key().0);
        Some(entry.remove())
    }

    pub(super) fn catch_up(&mut self, present: Instant) {
        self.now = self.now.max(present);
    }
}
