//! The part of the agents on the instances: they register with the cluster, and tell their zone.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{Attribute, ContainerInstance, TargetType};
use serde_json::json;

use super::view::{Cluster, View, ZONE, zone};
use super::{RoundError, Worker};
use crate::aws::AzName;

impl Worker {
    /// Registers the group's instances and deregisters all others. The registrations of a deleted group are left to `down`,
    /// as on AWS those of instances that are terminated before their agents deregister them.
    pub(super) async fn sync_instances(&mut self, view: &View) -> Result<(), RoundError> {
        let (Some(group), Some(cluster), false) = (&view.group, &view.cluster, self.draining) else { return Ok(()) };
        let zones: Vec<AzName> = self.subnets.keys().cloned().collect();

        let instances = group.instances();
        let mut stay: Vec<&ContainerInstance> = vec![];
        for member in &cluster.members {
            if instances.iter().any(|instance| instance.instance_id() == member.ec2_instance_id()) {
                stay.push(member);
            } else {
                self.deregister(cluster, member).await?;
            }
        }
        let mut counts = count(&zones, stay.iter().filter_map(|member| zone(member)));
        // A group that shrank may be uneven over its zones; Auto Scaling would replace instances until it is even.
        while let Some(most) = overfull(&counts) {
            let Some(index) = stay.iter().position(|member| zone(member).as_ref() == Some(&most)) else { break };
            self.deregister(cluster, stay.swap_remove(index)).await?;
            *counts.entry(most).or_default() -= 1;
        }

        let own = count(&zones, instances.iter().filter_map(|instance| instance.availability_zone()).map(AzName::new));
        let spread = overfull(&own).is_none();
        for instance in instances {
            let Some(id) = instance.instance_id() else { continue };
            if cluster.members.iter().any(|member| member.ec2_instance_id() == Some(id)) {
                continue;
            }
            let least = counts.iter().min_by_key(|(_, count)| **count).map(|(zone, _)| zone.clone());
            let own = instance.availability_zone().map(AzName::new);
            let Some(zone) = (if spread { own } else { least }) else { continue };
            self.register(id, &zone).await?;
            *counts.entry(zone).or_default() += 1;
            self.round.changed = true;
            self.note("its instances join no cluster: the hosts register them (ecs:RegisterContainerInstance)");
            if !spread {
                let names = zones.iter().map(AzName::as_str).collect::<Vec<_>>().join(", ");
                self.note(format!(
                    "its Auto Scaling group does not spread instances over zones: their container instances say that \
                     they are in {names} (ecs:PutAttributes), ec2:DescribeInstances does not"
                ));
            }
        }
        Ok(())
    }

    async fn register(&self, instance: &str, at: &AzName) -> Result<(), RoundError> {
        let document = json!({
            "instanceId": instance,
            "availabilityZone": at.as_str(),
            "region": self.clients.region,
        });
        let ecs = &self.clients.ecs;
        let request = ecs
            .register_container_instance()
            .cluster(&self.names.cluster)
            .instance_identity_document(document.to_string())
            .instance_identity_document_signature("none");
        let answer = self.clients.call("ecs:RegisterContainerInstance", request.send()).await?;
        let Some(member) = answer.container_instance else { return Ok(()) };
        if zone(&member).as_ref() != Some(at) {
            let attribute = Attribute::builder()
                .name(ZONE)
                .value(at.as_str())
                .target_type(TargetType::ContainerInstance)
                .target_id(id_of(&member));
            let attribute = attribute.build().expect("its only required member, the name, is set");
            let request = ecs.put_attributes().cluster(&self.names.cluster).attributes(attribute);
            self.clients.call("ecs:PutAttributes", request.send()).await?;
        }
        Ok(())
    }

    /// Deregisters an instance and stops the tasks on it.
    async fn deregister(&mut self, cluster: &Cluster, member: &ContainerInstance) -> Result<(), RoundError> {
        let arn = member.container_instance_arn().unwrap_or_default();
        for task in cluster.tasks.iter().filter(|task| task.container_instance_arn() == Some(arn)) {
            self.stop(task, "its instance is gone").await?;
        }
        let request = self.clients.ecs.deregister_container_instance();
        let request = request.cluster(&self.names.cluster).container_instance(arn).force(true);
        self.clients.call("ecs:DeregisterContainerInstance", request.send()).await?;
        self.round.changed = true;
        Ok(())
    }
}

/// A container instance's ID: the last part of its ARN.
fn id_of(member: &ContainerInstance) -> &str {
    member.container_instance_arn().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}

fn count(zones: &[AzName], placed: impl Iterator<Item = AzName>) -> BTreeMap<AzName, u32> {
    let mut counts: BTreeMap<AzName, u32> = zones.iter().map(|zone| (zone.clone(), 0)).collect();
    for zone in placed {
        *counts.entry(zone).or_default() += 1;
    }
    counts
}

/// The zone with the most instances, if another has at least two fewer.
fn overfull(counts: &BTreeMap<AzName, u32>) -> Option<AzName> {
    let (zone, most) = counts.iter().max_by_key(|(_, count)| **count)?;
    let least = counts.values().min()?;
    (most - least > 1).then(|| zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_overfull_with_two_more_than_another() {
        let zones = |counts: &[(&str, u32)]| -> BTreeMap<AzName, u32> {
            counts.iter().map(|(zone, count)| (AzName::new(*zone), *count)).collect()
        };
        assert_eq!(overfull(&zones(&[("a", 4), ("b", 4), ("c", 3)])), None);
        assert_eq!(overfull(&zones(&[("a", 0), ("b", 12), ("c", 0)])), Some(AzName::new("b")));
        assert_eq!(overfull(&zones(&[])), None);
    }
}
