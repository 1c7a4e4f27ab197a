//! Service revisions: what each deployment of a service is of. They stay when the deployment has gone (ECS Developer Guide,
//! "Amazon ECS service revisions").

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::definition::Definition;
use super::service_answers::wire_network;
use super::service_connect::{self, ServiceConnect};
use super::services::{LoadBalancer, Network, Service};
use super::{check_count, describe_each};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone)]
pub(super) struct Revision {
    /// `arn:aws:ecs:<region>:<account>:service-revision/<cluster>/<service>/<number>`
    pub(super) arn: String,
    pub(super) definition: Arc<Definition>,
    pub(super) network: Network,
    pub(super) load_balancers: Vec<LoadBalancer>,
    pub(super) service_connect_configuration: Option<Value>,
    pub(super) service_connect: Option<ServiceConnect>,
    pub(super) created_at: Timestamp,
}

/// The most that a request may name (API Reference, "DescribeServiceRevisions").
const MOST: usize = 20;

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let references = params.strings("serviceRevisionArns");
    check_count("serviceRevisionArns", &references, MOST)?;
    Ok(describe_each(region, ("serviceRevisions", "service-revision"), &references, |reference| {
        let mut services = region.ecs().services.iter();
        services.find_map(|service| {
            let revision = service.revisions.iter().find(|revision| revision.arn == reference)?;
            Some(wire(region, service, revision))
        })
    }))
}

fn wire(region: &Region, service: &Service, revision: &Revision) -> Value {
    let images = revision.definition.containers().into_iter().map(|container| {
        let image = container.opt_str("image").unwrap_or_default();
        json!({ "containerName": container.opt_str("name"), "image": image, "imageDigest": super::image_digest(image) })
    });
    let load_balancers = revision.load_balancers.iter().map(LoadBalancer::wire);
    let connect = revision.service_connect.as_ref();
    let configuration = revision.service_connect_configuration.as_ref();
    json!({
        "serviceRevisionArn": revision.arn,
        "serviceArn": service.arn,
        "clusterArn": region.arn("ecs", &format!("cluster/{}", service.cluster)),
        "taskDefinition": revision.definition.arn,
        "launchType": "EC2",
        "loadBalancers": load_balancers.collect::<Value>(),
        "networkConfiguration": wire_network(&revision.network),
        "containerImages": images.collect::<Value>(),
        "guardDutyEnabled": false,
        "serviceConnectConfiguration": configuration.map(|given| service_connect::wire(given, connect)),
        "createdAt": timestamp(revision.created_at),
    })
}
