//! Subnets: a public default one in every Availability Zone, and in the Local Zone one that is not public.

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::State;
use super::cidr;
use super::lacking_filters;
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, find, find_mut, invalid_value};
use super::tags;
use super::vpcs::Vpc;
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::ids::Ids;
use crate::cloud::partition::{self, Zone, ZoneType};
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::LOWER;

#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    /// `us-east-1a`
    pub(crate) az_name: String,
    /// `use1-az4`
    pub(crate) az_id: String,
    pub(super) cidr: Ipv4Net,
    pub(super) default_for_az: bool,
    pub(super) map_public_ip_on_launch: bool,
}

impl Subnet {
    /// The subnets of a default VPC: a /20 in every zone.
    pub(super) fn defaults(region: &str, vpc: &Vpc, ids: &mut Ids) -> Vec<Self> {
        let blocks = (0..16).map(|n| Ipv4Net::new_assert([172, 31, n << 4, 0].into(), 20));
        partition::zones(region)
            .into_iter()
            .zip(blocks)
            .map(|(zone, cidr)| Self::of_zone(ids.ec2("subnet"), vpc, zone, cidr))
            .collect()
    }

    /// The default one of a zone; public, but in a Local Zone.
    fn of_zone(id: String, vpc: &Vpc, zone: Zone, cidr: Ipv4Net) -> Self {
        let public = zone.zone_type == ZoneType::AvailabilityZone;
        Self {
            id,
            vpc_id: vpc.id.clone(),
            az_name: zone.name,
            az_id: zone.id,
            cidr,
            default_for_az: public,
            map_public_ip_on_launch: public,
        }
    }
}

impl Resource for Subnet {
    const KIND: Kind = Kind {
        prefix: "subnet",
        resource_type: "subnet",
        malformed: "InvalidSubnetID.Malformed",
        not_found: "InvalidSubnetID.NotFound",
        words: ("The subnet ID '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[
        (lacking_filters::SUBNETS, LACKING),
        (
            "availability-zone availabilityZone availability-zone-id availabilityZoneId cidr-block cidrBlock default-for-az",
            NAMESAKE,
        ),
        ("defaultForAz map-public-ip-on-launch owner-id state subnet-id vpc-id", NAMESAKE),
        ("cidr", "cidrBlock"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        json!({
            "subnetId": self.id,
            "subnetArn": region.arn("ec2", &format!("subnet/{}", self.id)),
            "ownerId": ACCOUNT_ID,
            "state": "available",
            "vpcId": self.vpc_id,
            "cidrBlock": self.cidr.to_string(),
            "availableIpAddressCount": free_addresses(region, self),
            "availabilityZone": self.az_name,
            "availabilityZoneId": self.az_id,
            "defaultForAz": self.default_for_az,
            "mapPublicIpOnLaunch": self.map_public_ip_on_launch,
            "mapCustomerOwnedIpOnLaunch": false,
            "assignIpv6AddressOnCreation": false,
            "enableDns64": false,
            "ipv6Native": false,
            "privateDnsNameOptionsOnLaunch": {
                "hostnameType": "ip-name",
                "enableResourceNameDnsARecord": false,
                "enableResourceNameDnsAAAARecord": false,
            },
            "tagSet": region.ec2().tags.of(&self.id).to_list(LOWER),
        })
    }
}

/// How many addresses nobody has.
pub(crate) fn free_addresses(region: &Region, subnet: &Subnet) -> usize {
    let taken = region.ec2().interfaces.iter().filter(|interface| interface.subnet.id == subnet.id).count();
    cidr::hosts(subnet.cidr).count() - taken
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let subnets = described(region, &region.ec2().subnets, &params.strings("SubnetId"), params)?;
    Ok(json!({ "subnetSet": subnets }))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::of_specifications(params, &Subnet::KIND)?;
    let vpc = find(&region.ec2().vpcs, params.str("VpcId")?)?.clone();
    let text = params.opt_str("CidrBlock").ok_or_else(|| {
        AwsError::new("MissingParameter", "Either 'ipv6CidrBlock' or 'cidrBlock' should be provided.")
    })?;
    let block = cidr::parse(text).ok_or_else(|| invalid_value("cidrBlock", text, "This is not a valid CIDR block."))?;
    if !vpc.cidr.contains(&block) || !(16..=28).contains(&block.prefix_len()) {
        return Err(AwsError::new("InvalidSubnet.Range", format!("The CIDR '{block}' is invalid.")));
    }
    if region.ec2().subnets.iter().any(|subnet| subnet.vpc_id == vpc.id && cidr::overlap(subnet.cidr, block)) {
        let message = format!("The CIDR '{block}' conflicts with another subnet");
        return Err(AwsError::new("InvalidSubnet.Conflict", message));
    }
    let zone = wanted_zone(&region.name, params)?;
    let subnet = Subnet {
        id: region.ids.ec2("subnet"),
        vpc_id: vpc.id.clone(),
        az_name: zone.name,
        az_id: zone.id,
        cidr: block,
        default_for_az: false,
        map_public_ip_on_launch: false,
    };
    region.ec2_mut().tags.add(&subnet.id, tags);
    let answer = subnet.wire(region);
    region.ec2_mut().subnets.push(subnet);
    Ok(json!({ "subnet": answer }))
}

/// As those that an account begins with: a zone has one at most.
pub(super) fn create_default(region: &mut Region, params: Params<'_>) -> Answer {
    if params.opt_str("AvailabilityZone").or(params.opt_str("AvailabilityZoneId")).is_none() {
        return Err(AwsError::missing_parameter("availabilityZone"));
    }
    let zone = wanted_zone(&region.name, params)?;
    let vpc = region.ec2().vpcs.iter().find(|vpc| vpc.is_default).cloned().ok_or_else(|| {
        AwsError::new("DefaultVpcDoesNotExist", "There is no default VPC in this region. Create a default VPC first.")
    })?;
    let state = region.ec2();
    if state.subnets.iter().any(|subnet| subnet.default_for_az && subnet.az_name == zone.name) {
        let message = format!("A default subnet already exists in the Availability Zone '{}'.", zone.name);
        return Err(AwsError::new("DefaultSubnetAlreadyExistsInAvailabilityZone", message));
    }
    let is_free = |block: &Ipv4Net| {
        !state.subnets.iter().any(|subnet| subnet.vpc_id == vpc.id && cidr::overlap(subnet.cidr, *block))
    };
    let block = vpc.cidr.subnets(20).into_iter().flatten().find(is_free).ok_or_else(|| {
        AwsError::new("InsufficientCidrBlocks", "There is no room for a default subnet in the default VPC.")
    })?;
    let id = region.ids.ec2("subnet");
    let subnet = Subnet::of_zone(id, &vpc, zone, block);
    let answer = subnet.wire(region);
    region.ec2_mut().subnets.push(subnet);
    Ok(json!({ "subnet": answer }))
}

/// The zone that a request names by name or ID; the first one if it names none.
fn wanted_zone(region: &str, params: Params<'_>) -> Result<Zone, AwsError> {
    let zones = partition::zones(region);
    let wanted = params.opt_str("AvailabilityZone").or(params.opt_str("AvailabilityZoneId"));
    let is_wanted = |zone: &&Zone| wanted.is_none_or(|wanted| zone.name == wanted || zone.id == wanted);
    zones.iter().find(is_wanted).cloned().ok_or_else(|| {
        let known = zones.iter().map(|zone| zone.name.as_str()).collect::<Vec<_>>().join(", ");
        let why = format!("Subnets can currently only be created in the following availability zones: {known}.");
        invalid_value("availabilityZone", wanted.unwrap_or_default(), &why)
    })
}

pub(super) fn modify_attribute(region: &mut Region, params: Params<'_>) -> Answer {
    let subnet = find_mut(&mut region.ec2_mut().subnets, params.str("SubnetId")?)?;
    let public = params
        .object("MapPublicIpOnLaunch")
        .and_then(|attribute| attribute.opt_bool("Value"))
        .ok_or_else(|| AwsError::missing_parameter("mapPublicIpOnLaunch"))?;
    subnet.map_public_ip_on_launch = public;
    Ok(json!({}))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let state: &mut State = region.ec2_mut();
    let id = find(&state.subnets, params.str("SubnetId")?)?.id.clone();
    if state.interfaces.iter().any(|interface| interface.subnet.id == id) {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(AwsError::new("DependencyViolation", message));
    }
    state.subnets.retain(|subnet| subnet.id != id);
    state.tags.forget(&id);
    Ok(json!({}))
}
