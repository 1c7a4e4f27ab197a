//! Amazon EC2 Auto Scaling: groups that keep as many instances as they are to have, spread evenly over their zones.
//!
//! Requests change what a group is to be; [`reconcile`] brings it about, in scaling activities that can be looked up.

mod activities;
mod api;
mod groups;
mod members;
mod metrics;
mod refreshes;
mod scaling;
mod settings;
mod tags;

use self::activities::Activity;
use self::groups::Group;
use self::refreshes::Refresh;
use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::Service;
use crate::cloud::wire::Encoding;
use crate::cloud::wire::Params;

#[derive(Clone, Default)]
pub(crate) struct State {
    groups: Vec<Group>,
    /// Oldest first; those of groups that are gone too.
    activities: Vec<Activity>,
    refreshes: Vec<Refresh>,
}

impl State {
    fn group_mut(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.name == name)
    }
}

fn validation_error(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

/// The group that a request names.
fn find<'s>(state: &'s State, params: Params<'_>) -> Result<&'s Group, AwsError> {
    let name = params.str("AutoScalingGroupName")?;
    state.groups.iter().find(|group| group.name == name).ok_or_else(|| not_found(name))
}

fn find_mut<'s>(state: &'s mut State, name: &str) -> Result<&'s mut Group, AwsError> {
    state.group_mut(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> AwsError {
    validation_error(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

impl Region {
    fn autoscaling(&self) -> &State {
        self.states.get()
    }

    fn autoscaling_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "autoscaling",
    encoding: Encoding::Query("http://autoscaling.amazonaws.com/doc/2011-01-01/"),
    words: Words { invalid_parameter: Some("ValidationError"), too_many_tags: Some("LimitExceeded"), ..Words::QUERY },
    operations: api::OPERATIONS,
    structures: api::STRUCTURES,
    new_state: |_| Some(Box::new(State::default())),
    reconcile: scaling::reconcile,
    tagged: |region, key| region.autoscaling().groups.iter().filter_map(|group| tags::value(group, key)).collect(),
    ..Service::PLAIN
};
