//! The ECS agents on EC2's instances: each starts with its instance, joins the cluster that the user data names, and goes
//! with its instance.

use std::time::Duration;

use serde_json::Map;

use super::container_instances::{InstanceStatus, deregister_terminated, join, lose};
use super::{clusters, lifecycle};
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::services::ec2::{self, Instance, InstanceState};
use crate::cloud::user_data;
use crate::cloud::wire::Params;

/// How far an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    Starting,
    /// It waits for its cluster, which may not be there yet, or out of reach: agents keep trying.
    WaitingFor(String),
    /// It has joined its cluster, or never will.
    Settled,
    /// The hardware under it has failed.
    Lost,
}

/// Follows what became of EC2's instances, and lets agents join the clusters that are there.
pub(super) fn follow_instances(region: &mut Region) {
    let ecs = region.ecs();
    let followed = ec2::instances(region).iter().map(|instance| {
        let joined = ecs.container_instances.iter().any(|joined| joined.ec2_instance_id == instance.id);
        (instance.id.clone(), instance.state, instance.has_failed(), joined)
    });
    for (id, state, has_failed, joined) in followed.collect::<Vec<_>>() {
        let agent = region.ecs().agents.get(&id).cloned();
        match (state, agent) {
            (InstanceState::Running, None) => start(region, id),
            (InstanceState::ShuttingDown, agent) if has_failed && agent != Some(Agent::Lost) => {
                lose(region, &id);
                region.ecs_mut().agents.insert(id, Agent::Lost);
            }
            (InstanceState::Terminated, agent) if joined || agent.is_some() => {
                deregister_terminated(region, &id);
                region.ecs_mut().agents.remove(&id);
            }
            _ => {}
        }
    }
    join_clusters(region);
}

/// An agent loses its connection to ECS for a while, and what runs goes on: agents do so several times an hour (ECS Developer
/// Guide, "Amazon ECS container instance state change events"). Of several in the zone, the one that joined first. Whether
/// there was one.
pub(crate) fn disconnect(region: &mut Region, zone: Option<&str>, time: Duration) -> bool {
    let mut instances = region.ecs_mut().container_instances.iter_mut();
    let here = |i: &&mut super::container_instances::ContainerInstance| {
        i.is_connected && i.status == InstanceStatus::Active && zone.is_none_or(|zone| zone == i.az_name)
    };
    let Some(instance) = instances.find(here) else { return false };
    instance.is_connected = false;
    let id = instance.ec2_instance_id.clone();
    region.after_real_time(time, move |region| reconnect(region, &id));
    true
}

/// All agents that can.
pub(crate) fn reconnect_all(region: &mut Region) {
    let cut_off = region.ecs().container_instances.iter().filter(|instance| !instance.is_connected);
    for id in cut_off.map(|instance| instance.ec2_instance_id.clone()).collect::<Vec<_>>() {
        reconnect(region, &id);
    }
}

/// The agent gets to hear what it is to start.
fn reconnect(region: &mut Region, id: &str) {
    if region.ecs().agents.get(id) == Some(&Agent::Lost) {
        return;
    }
    let instances = region.ecs_mut().container_instances.iter_mut();
    instances.filter(|instance| instance.ec2_instance_id == id).for_each(|instance| instance.is_connected = true);
    lifecycle::start_waiting(region, id);
}

fn start(region: &mut Region, id: String) {
    region.ecs_mut().agents.insert(id.clone(), Agent::Starting);
    region.after(Transition::AgentRegistration, move |region| {
        if region.ecs().agents.get(&id) != Some(&Agent::Starting) {
            return;
        }
        let cluster = ec2::instance(region, &id).and_then(|instance| cluster_to_join(region, instance));
        let agent = match cluster {
            None => Agent::Settled,
            Some(Some(cluster)) => Agent::WaitingFor(cluster),
            Some(None) => {
                make_default_cluster(region);
                Agent::WaitingFor(DEFAULT_CLUSTER.to_owned())
            }
        };
        region.ecs_mut().agents.insert(id, agent);
    });
}

/// The cluster, if one is named, of an agent that can join any: one whose instance has no profile with a role has no
/// credentials to register with.
fn cluster_to_join(region: &Region, instance: &Instance) -> Option<Option<String>> {
    let may_register = region.iam().role_of_instance_profile(instance.instance_profile.as_ref()?).is_some();
    (may_register && instance.state == InstanceState::Running)
        .then(|| user_data::cluster(instance.user_data.as_deref().unwrap_or_default()))
}

const DEFAULT_CLUSTER: &str = "default";

/// An agent that is told of no cluster makes the default one if there is none (aws/amazon-ecs-agent,
/// `RegisterContainerInstance` of its ECS client).
fn make_default_cluster(region: &mut Region) {
    if let Err(error) = clusters::create(region, Params::new(&Map::new())) {
        tracing::warn!(error = %error.message, "an agent could not make the default cluster");
    }
}

fn join_clusters(region: &mut Region) {
    let ecs = region.ecs();
    let waiting = ecs.agents.iter().filter_map(|(id, agent)| match agent {
        // Out of reach: without a way to ECS's endpoint it goes on trying.
        Agent::WaitingFor(_) if !ec2::instance(region, id).is_some_and(|it| ec2::reaches_internet(region, it)) => None,
        Agent::WaitingFor(cluster) => {
            ecs.cluster_by_reference(cluster).map(|cluster| (id.clone(), cluster.name.clone()))
        }
        _ => None,
    });
    for (id, cluster) in waiting.collect::<Vec<_>>() {
        region.ecs_mut().agents.insert(id.clone(), Agent::Settled);
        if let Err(error) = join(region, &cluster, &id, None) {
            tracing::warn!(instance = id, cluster, error = %error.message, "an instance could not join its cluster");
        }
    }
}
