//! What makes a subnet public: the VPC's internet gateway and its main route table, which leads there.

use serde_json::{Value, json};

use super::lacking_filters;
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, find, find_mut};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::LOWER;

#[derive(Clone, Debug)]
pub(super) struct InternetGateway {
    id: String,
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

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let ids = params.strings("InternetGatewayId");
    Ok(json!({ "internetGatewaySet": described(region, &region.ec2().internet_gateways, &ids, params)? }))
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

/// A VPC's main route table, which every subnet without one of its own follows; there are no others.
#[derive(Clone, Debug)]
pub(super) struct RouteTable {
    id: String,
    association_id: String,
    pub(super) vpc_id: String,
}

impl RouteTable {
    pub(super) fn main_of_vpc(ids: &mut Ids, vpc_id: &str) -> Self {
        Self { id: ids.ec2("rtb"), association_id: ids.ec2("rtbassoc"), vpc_id: vpc_id.to_owned() }
    }
}

impl Resource for RouteTable {
    const KIND: Kind = Kind {
        prefix: "rtb",
        resource_type: "route-table",
        malformed: "InvalidRouteTableId.Malformed",
        not_found: "InvalidRouteTableID.NotFound",
        words: ("The routeTable ID '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[
        (lacking_filters::ROUTE_TABLES, LACKING),
        ("owner-id route-table-id vpc-id", NAMESAKE),
        ("association.main", "associationSet.main"),
        ("association.route-table-association-id", "associationSet.routeTableAssociationId"),
        ("association.subnet-id", "associationSet.subnetId"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        let state = region.ec2();
        let vpc = state.vpcs.iter().find(|vpc| vpc.id == self.vpc_id);
        let local = vpc.map(|vpc| (vpc.cidr.to_string(), "local", "CreateRouteTable"));
        let gateway = state.internet_gateways.iter().find(|g| g.attached_to.as_ref() == Some(&self.vpc_id));
        let internet = gateway.map(|gateway| ("0.0.0.0/0".to_owned(), gateway.id.as_str(), "CreateRoute"));
        let routes = local.into_iter().chain(internet).map(|(destination, gateway, origin)| {
            json!({
                "destinationCidrBlock": destination,
                "gatewayId": gateway,
                "origin": origin,
                "state": "active",
            })
        });
        json!({
            "routeTableId": self.id,
            "vpcId": self.vpc_id,
            "ownerId": ACCOUNT_ID,
            "associationSet": [{
                "main": true,
                "routeTableAssociationId": self.association_id,
                "routeTableId": self.id,
                "associationState": { "state": "associated" },
            }],
            "propagatingVgwSet": [],
            "routeSet": routes.collect::<Value>(),
            "tagSet": state.tags.of(&self.id).to_list(LOWER),
        })
    }
}

pub(super) fn describe_route_tables(region: &Region, params: Params<'_>) -> Answer {
    let tables = described(region, &region.ec2().route_tables, &params.strings("RouteTableId"), params)?;
    Ok(json!({ "routeTableSet": tables }))
}
