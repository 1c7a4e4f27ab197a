//! One region: its clock, its identifiers, its mesh and the states of its services, none of which is named here.

use std::time::Duration;

use super::faults::SharedInjector;
use super::ids::Ids;
use super::schedule::{Schedule, Transition};
use super::states::{State, States};
use super::trouble::Trouble;
use crate::mesh::Mesh;
use crate::mesh::topology::Topology;

/// What a timer does when it is due.
type Job = Box<dyn FnOnce(&mut Region) + Send>;

pub(crate) struct Region {
    /// `us-east-1`
    pub(crate) name: String,
    pub(crate) ids: Ids,
    pub(crate) schedule: Schedule<Job>,
    /// Carries the tasks and load balancers of this region.
    pub(crate) mesh: Mesh,
    /// What the mesh was told last.
    pub(super) published: Option<Topology>,
    /// The vCPU that running On-Demand Standard instances may have together; as many may tasks on Fargate.
    pub(crate) vcpu_quota: u32,
    pub(crate) faults: SharedInjector,
    pub(crate) trouble: Trouble,
    pub(crate) states: States,
}

impl Region {
    /// `arn:aws:<service>:<region>:<account>:<resource>`
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.name, super::ACCOUNT_ID)
    }

    /// A service's state together with the source of identifiers, for what makes new things in it.
    pub(crate) fn state_and_ids<T: State>(&mut self) -> (&mut T, &mut Ids) {
        (self.states.get_mut(), &mut self.ids)
    }

    /// Runs `job` when `transition` is over, at the region's pace.
    pub(crate) fn after(&mut self, transition: Transition, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.after_aws_time(transition.on_aws(), job);
    }

    /// The same for a time that a resource's settings give, e.g. a target group's deregistration delay.
    pub(crate) fn after_aws_time(&mut self, on_aws: Duration, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.schedule.set(self.schedule.pace.scale(on_aws), Box::new(job));
    }

    /// The same in real time: for what looks at the mesh again and again, whose pace is its own. Never zero.
    pub(crate) fn after_real_time(&mut self, delay: Duration, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.schedule.set(delay.max(Duration::from_millis(1)), Box::new(job));
    }
}
