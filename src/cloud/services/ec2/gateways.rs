//! Internet gateways, without which nothing in a VPC is public.

use serde_json::{Value, json};

use super::resources::{Filter, Kind, NAMESAKE, Resource, described, find, find_mut};
use super::{State, tags};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::LOWER;

#[derive(Clone, Debug)]
pub(super) struct InternetGateway {
    pub(super) id: String,
    pub(super) attached_to: Option<String>,
}

impl InternetGateway {
    pub(super) fn of_vpc(ids: &mut Ids, vpc_id: &str) -> Self {
        Self { id: ids.ec2("igw"), attached_to: Some(vpc_id.to_owned()) }
    }
}

impl Resource for InternetGateway {
    const KIND: Kind = Kind {
        prefix: "igw",
        resource_type: "internet-gateway",
        malformed: "InvalidInternetGatewayId.Malformed",
        not_found: "InvalidInternetGatewayID.NotFound",
        words: ("The internetGateway ID '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[
        ("internet-gateway-id owner-id", NAMESAKE),
        ("attachment.state", "attachmentSet.state"),
        ("attachment.vpc-id", "attachmentSet.vpcId"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        // AWS says "available" here, though its model has "attached".
        let attachments = self.attached_to.iter().map(|id| json!({ "vpcId": id, "state": "available" }));
        json!({
            "internetGatewayId": self.id,
            "ownerId": ACCOUNT_ID,
            "attachmentSet": attachments.collect::<Value>(),
            "tagSet": region.ec2().tags.of(&self.id).to_list(LOWER),
        })
    }
}

/// Whether this gateway is the VPC's way out.
pub(super) fn is_attached(state: &State, id: &str, vpc_id: &str) -> bool {
    state.internet_gateways.iter().any(|gateway| gateway.id == id && gateway.attached_to.as_deref() == Some(vpc_id))
}

pub(crate) fn has_internet_gateway(region: &Region, vpc_id: &str) -> bool {
    region.ec2().internet_gateways.iter().any(|gateway| gateway.attached_to.as_deref() == Some(vpc_id))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let ids = params.strings("InternetGatewayId");
    Ok(json!({ "internetGatewaySet": described(region, &region.ec2().internet_gateways, &ids, params)? }))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::of_specifications(params, &InternetGateway::KIND)?;
    let gateway = InternetGateway { id: region.ids.ec2("igw"), attached_to: None };
    region.ec2_mut().tags.add(&gateway.id, tags);
    let answer = gateway.wire(region);
    region.ec2_mut().internet_gateways.push(gateway);
    Ok(json!({ "internetGateway": answer }))
}

/// A VPC has one at most.
pub(super) fn attach(region: &mut Region, params: Params<'_>) -> Answer {
    let vpc_id = find(&region.ec2().vpcs, params.str("VpcId")?)?.id.clone();
    let has_one = has_internet_gateway(region, &vpc_id);
    let gateway = find_mut(&mut region.ec2_mut().internet_gateways, params.str("InternetGatewayId")?)?;
    if gateway.attached_to.is_some() {
        let message = format!("resource {} is already attached to network {vpc_id}", gateway.id);
        return Err(AwsError::new("Resource.AlreadyAssociated", message));
    }
    if has_one {
        let message = format!("Network {vpc_id} already has an internet gateway attached");
        return Err(AwsError::invalid_parameter(message));
    }
    gateway.attached_to = Some(vpc_id);
    Ok(json!({}))
}

pub(super) fn detach(region: &mut Region, params: Params<'_>) -> Answer {
    let (id, vpc_id) = (params.str("InternetGatewayId")?, params.str("VpcId")?);
    let gateway = find_mut(&mut region.ec2_mut().internet_gateways, id)?;
    if gateway.attached_to.as_deref() != Some(vpc_id) {
        return Err(AwsError::new("Gateway.NotAttached", format!("resource {id} is not attached to network {vpc_id}")));
    }
    gateway.attached_to = None;
    Ok(json!({}))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let state = region.ec2_mut();
    let gateway = find(&state.internet_gateways, params.str("InternetGatewayId")?)?.clone();
    if gateway.attached_to.is_some() {
        let message = format!("The internetGateway '{}' has dependencies and cannot be deleted.", gateway.id);
        return Err(AwsError::new("DependencyViolation", message));
    }
    state.internet_gateways.retain(|other| other.id != gateway.id);
    state.tags.forget(&gateway.id);
    Ok(json!({}))
}
