//! The instances that tasks run on: their ECS agents and images.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::ContainerInstance;

use super::services::Draft;
use super::{Reader, batches};
use crate::audit::facts::{Host, HostImage, Launch};
use crate::aws::ec2_filter;
use crate::stages::Error;

/// `DescribeContainerInstances` takes as many (API Reference).
const HOSTS_A_CALL: usize = 100;

/// A filter takes as many values (EC2 API Reference, "Request parameters": 200 for each filter).
const IMAGES_A_CALL: usize = 200;

/// Fills in the hosts, of which the tasks know the ARNs. Managed Instances are ECS's own affair: it replaces them.
pub(super) async fn read(reader: &Reader<'_>, drafts: &mut [Draft]) -> Result<(), Error> {
    let mut arns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for draft in drafts.iter_mut() {
        let is_ours = draft.service.launch != Launch::ManagedInstances;
        for task in draft.service.tasks.iter_mut().flatten() {
            task.host = task.host.take().filter(|_| is_ours);
            let hosts = arns.entry(draft.service.id.cluster.clone()).or_default();
            hosts.extend(task.host.iter().map(|host| host.instance.clone()));
        }
    }
    let of_cluster = |(cluster, arns): (String, BTreeSet<String>)| {
        let batches = batches(arns, HOSTS_A_CALL);
        batches.into_iter().map(move |batch| (cluster.clone(), batch)).collect::<Vec<_>>()
    };
    let work = |(cluster, arns): (String, Vec<String>)| async move {
        let request = reader.ctx.clients.ecs.describe_container_instances().cluster(&cluster);
        let request = request.set_container_instances(Some(arns));
        let answer = reader.ctx.look("ecs:DescribeContainerInstances", request.send()).await;
        let answer = reader.gaps.unless_refused(answer, "ECS agents and images of instances")?;
        Ok(answer.and_then(|answer| answer.container_instances).unwrap_or_default())
    };
    let found = reader.each(arns.into_iter().flat_map(of_cluster), work).await?.concat();
    let images = images(reader, found.iter().filter_map(image_id).map(str::to_owned)).await?;
    let hosts: BTreeMap<&str, Host> =
        found.iter().filter_map(|found| Some((found.container_instance_arn()?, host(found, &images)))).collect();
    for task in drafts.iter_mut().flat_map(|draft| draft.service.tasks.iter_mut().flatten()) {
        if let Some(host) = &mut task.host {
            *host = hosts.get(&*host.instance).cloned().unwrap_or_default();
        }
    }
    Ok(())
}

fn image_id(host: &ContainerInstance) -> Option<&str> {
    let attribute = host.attributes().iter().find(|attribute| attribute.name() == "ecs.ami-id");
    attribute.and_then(|attribute| attribute.value())
}

fn host(found: &ContainerInstance, images: &BTreeMap<String, HostImage>) -> Host {
    Host {
        instance: found.ec2_instance_id().unwrap_or_default().to_owned(),
        agent: found.version_info().and_then(|version| version.agent_version()).map(str::to_owned),
        image: image_id(found).and_then(|id| images.get(id)).cloned(),
    }
}

/// By their IDs. Asked for by a filter, since an ID that is gone would be an error.
async fn images(reader: &Reader<'_>, ids: impl Iterator<Item = String>) -> Result<BTreeMap<String, HostImage>, Error> {
    let work = |ids: Vec<String>| async move {
        let request = reader.ctx.clients.ec2.describe_images().filters(ec2_filter("image-id", ids));
        let answer = reader.ctx.look("ec2:DescribeImages", request.include_deprecated(true).send()).await;
        let answer = reader.gaps.unless_refused(answer, "the dates of instances' images")?;
        Ok(answer.and_then(|answer| answer.images).unwrap_or_default())
    };
    let found = reader.each(batches(ids, IMAGES_A_CALL), work).await?.concat();
    let whose = |image: aws_sdk_ec2::types::Image| {
        let is_amazons = image.image_owner_alias() == Some("amazon");
        let name = image.name.filter(|_| is_amazons);
        Some((image.image_id?, name.map_or(HostImage::Custom, HostImage::Amazons)))
    };
    Ok(found.into_iter().filter_map(whose).collect())
}
