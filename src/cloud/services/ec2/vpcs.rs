//! VPCs: the default one that every account has in every region.

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::lacking_filters;
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, find};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::LOWER;
use crate::cloud::{ACCOUNT_ID, ids::Ids};

#[derive(Clone, Debug)]
pub(super) struct Vpc {
    pub(super) id: String,
    pub(super) cidr: Ipv4Net,
    pub(super) is_default: bool,
    dhcp_options_id: String,
    cidr_association_id: String,
}

impl Vpc {
    /// 172.31.0.0/16 (VPC User Guide, "Default VPCs").
    pub(super) fn default_of_region(ids: &mut Ids) -> Self {
        Self {
            id: ids.ec2("vpc"),
            cidr: Ipv4Net::new_assert([172, 31, 0, 0].into(), 16),
            is_default: true,
            dhcp_options_id: ids.ec2("dopt"),
            cidr_association_id: ids.ec2("vpc-cidr-assoc"),
        }
    }
}

impl Resource for Vpc {
    const KIND: Kind = Kind {
        prefix: "vpc",
        resource_type: "vpc",
        malformed: "InvalidVpcID.Malformed",
        not_found: "InvalidVpcID.NotFound",
        words: ("The vpc ID '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[
        (lacking_filters::VPCS, LACKING),
        // The article spells it `isDefault`, which AWS takes as well.
        ("dhcp-options-id is-default isDefault owner-id state vpc-id", NAMESAKE),
        ("cidr", "cidrBlock"),
        ("cidr-block-association.cidr-block", "cidrBlockAssociationSet.cidrBlock"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        json!({
            "vpcId": self.id,
            "ownerId": ACCOUNT_ID,
            "state": "available",
            "cidrBlock": self.cidr.to_string(),
            "cidrBlockAssociationSet": [{
                "associationId": self.cidr_association_id,
                "cidrBlock": self.cidr.to_string(),
                "cidrBlockState": { "state": "associated" },
            }],
            "dhcpOptionsId": self.dhcp_options_id,
            "instanceTenancy": "default",
            "isDefault": self.is_default,
            "tagSet": region.ec2().tags.of(&self.id).to_list(LOWER),
        })
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let vpcs = described(region, &region.ec2().vpcs, &params.strings("VpcId"), params)?;
    Ok(json!({ "vpcSet": vpcs }))
}

/// Deletes a VPC that has no subnets, security groups of its own and internet gateway any more.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let state = region.ec2_mut();
    let id = find(&state.vpcs, params.str("VpcId")?)?.id.clone();
    let own_groups = state.security_groups.iter().any(|group| group.vpc_id == id && !group.is_default());
    let gateway = state.internet_gateways.iter().any(|gateway| gateway.attached_to.as_ref() == Some(&id));
    if own_groups || gateway || state.subnets.iter().any(|subnet| subnet.vpc_id == id) {
        let message = format!("The vpc '{id}' has dependencies and cannot be deleted.");
        return Err(AwsError::new("DependencyViolation", message));
    }
    state.security_groups.retain(|group| group.vpc_id != id);
    state.route_tables.retain(|table| table.vpc_id != id);
    state.vpcs.retain(|vpc| vpc.id != id);
    state.tags.forget(&id);
    Ok(json!({}))
}

/// The attributes of a VPC, of which a default one has both DNS ones.
pub(super) fn describe_attribute(region: &Region, params: Params<'_>) -> Answer {
    let vpc = find(&region.ec2().vpcs, params.str("VpcId")?)?;
    let attribute = params.str("Attribute")?;
    let value = match attribute {
        "enableDnsSupport" | "enableDnsHostnames" => true,
        "enableNetworkAddressUsageMetrics" => false,
        other => {
            return Err(AwsError::invalid_parameter(format!("Value ({other}) for parameter attribute is invalid.")));
        }
    };
    Ok(json!({ "vpcId": vpc.id, attribute: { "value": value } }))
}

pub(super) fn describe_account_attributes(region: &Region, params: Params<'_>) -> Answer {
    let default_vpc = region.ec2().vpcs.iter().find(|vpc| vpc.is_default).map_or("none", |vpc| vpc.id.as_str());
    let known = [
        ("default-vpc", default_vpc),
        // The defaults of a new account (EC2 API Reference, `DescribeAccountAttributes`).
        ("max-instances", "20"),
        ("supported-platforms", "VPC"),
        ("vpc-max-security-groups-per-interface", "5"),
    ];
    let wanted = params.strings("AttributeName");
    if let Some(unknown) = wanted.iter().find(|name| !known.iter().any(|(known, _)| known == *name)) {
        return Err(AwsError::invalid_parameter(format!("Value ({unknown}) for parameter attributeName is invalid.")));
    }
    let attributes: Value = known
        .into_iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
        .map(|(name, value)| json!({ "attributeName": name, "attributeValueSet": [{ "attributeValue": value }] }))
        .collect();
    Ok(json!({ "accountAttributeSet": attributes }))
}
