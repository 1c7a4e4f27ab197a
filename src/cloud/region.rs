//! One region: the state of every service in it, its clock, and the loop that settles it after each change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::faults::{Lags, SharedInjector};
use super::ids::Ids;
use super::schedule::{Pace, Schedule};
use super::services::{autoscaling, ec2, ecs, elbv2, iam, logs, servicediscovery, ssm};
use super::topology;
use crate::mesh::Mesh;

/// IAM is the account's, not a region's.
pub(crate) type SharedIam = Arc<Mutex<iam::State>>;

pub(crate) struct Region {
    /// `us-east-1`
    pub(crate) name: String,
    pub(crate) ids: Ids,
    pub(crate) schedule: Schedule,
    /// Carries the tasks and load balancers of this region.
    pub(crate) mesh: Mesh,
    pub(crate) iam: SharedIam,
    /// Of running standard instances.
    pub(crate) vcpu_quota: u32,
    pub(crate) faults: SharedInjector,
    /// What readers do not see yet.
    pub(crate) lags: Lags,
    pub(crate) autoscaling: autoscaling::State,
    pub(crate) ec2: ec2::State,
    pub(crate) ecs: ecs::State,
    pub(crate) elbv2: elbv2::State,
    pub(crate) logs: logs::State,
    pub(crate) servicediscovery: servicediscovery::State,
    pub(crate) ssm: ssm::State,
    published: Option<crate::mesh::topology::Topology>,
}

impl Region {
    pub(crate) fn new(
        name: &str,
        pace: Pace,
        mesh: Mesh,
        iam: SharedIam,
        faults: SharedInjector,
        vcpu_quota: u32,
    ) -> Self {
        let mut ids = Ids::from_entropy();
        Self {
            name: name.to_owned(),
            schedule: Schedule::new(pace),
            mesh,
            iam,
            vcpu_quota,
            faults,
            lags: Lags::default(),
            autoscaling: autoscaling::State::default(),
            ec2: ec2::State::of_new_account(name, &mut ids),
            ecs: ecs::State::default(),
            elbv2: elbv2::State::default(),
            logs: logs::State::default(),
            servicediscovery: servicediscovery::State::default(),
            ssm: ssm::State::default(),
            published: None,
            ids,
        }
    }

    /// `arn:aws:<service>:<region>:<account>:<resource>`
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.name, super::ACCOUNT_ID)
    }

    pub(crate) fn iam(&self) -> MutexGuard<'_, iam::State> {
        self.iam.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the region to the present: runs every timer that is due, lets each service bring about what it is to have and
    /// hands the mesh what is to run, until nothing is left to do now. What the mesh has made of it is seen at once: no
    /// request finds a task running whose container has exited.
    pub(crate) fn settle(&mut self) {
        let present = Instant::now();
        loop {
            autoscaling::reconcile(self);
            ecs::reconcile(self);
            match self.schedule.pop_due(present) {
                Some(job) => job(self),
                None if self.publish() => {}
                None => break,
            }
        }
        self.schedule.catch_up(present);
    }

    /// Whether there was news for the mesh.
    fn publish(&mut self) -> bool {
        let wanted = topology::of(self);
        if self.published.as_ref() == Some(&wanted) {
            return false;
        }
        if let Err(error) = self.mesh.apply(&wanted) {
            tracing::error!(%error, "the mesh could not start what is to run; trying again");
            self.published = None;
            self.after_real_time(std::time::Duration::from_millis(200), |_| {});
            return false;
        }
        self.published = Some(wanted);
        true
    }
}

#[cfg(test)]
impl Region {
    /// One of its own, for a test that moves the clock itself.
    pub(crate) fn of_a_test(pace: Pace) -> Self {
        let mesh = Mesh::new(tokio::runtime::Handle::current(), crate::mesh::Proxies::default());
        let iam = Arc::new(Mutex::new(iam::State::with_article_roles()));
        Self::new("us-east-1", pace, mesh, iam, SharedInjector::default(), 256)
    }
}

/// A region that many requests share, and that moves on by itself between them.
pub(crate) struct SharedRegion {
    state: Mutex<Region>,
    /// A request may have set an earlier timer than the one being slept for.
    changed: Notify,
}

impl SharedRegion {
    pub(crate) fn new(region: Region) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(region), changed: Notify::new() })
    }

    /// Runs `f` on the settled region and settles it again.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Region) -> T) -> T {
        let mut region = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        region.settle();
        let result = f(&mut region);
        region.settle();
        drop(region);
        self.changed.notify_one();
        result
    }

    /// Sleeps from timer to timer, and until something happens in the mesh, for as long as it is polled.
    pub(crate) async fn run(&self) {
        let mesh = self.state.lock().unwrap_or_else(PoisonError::into_inner).mesh.clone();
        loop {
            let next = {
                let mut region = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                region.settle();
                region.schedule.next_due()
            };
            let due = async {
                match next {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
                () = mesh.changed() => {}
            }
        }
    }
}
