//! Application Load Balancers: provisioning, the network interfaces they hold, their end.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::attributes::{self, Attributes};
use super::{State, check_address_type, check_name, tags, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::service::Answer;
use crate::cloud::services::ec2::{self, Subnet};
use crate::cloud::wire::tags::Tags;
use crate::cloud::wire::{Params, timestamp};

/// The Route 53 zone of load balancers' names: us-east-1's, as there are no names here.
const HOSTED_ZONE: &str = "Z35SXDOTRQ7X7K";

#[derive(Clone, Debug)]
pub(super) struct LoadBalancer {
    pub(super) arn: String,
    name: String,
    /// Address of its listener on this machine.
    dns_name: String,
    created: jiff::Timestamp,
    /// Provisioning before.
    pub(super) active: bool,
    settings: Settings,
    vpc_id: String,
    /// Where it has an interface in each of its subnets.
    zones: Vec<Zone>,
    attributes: Attributes,
}

/// What a repeated creation must agree in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Settings {
    subnets: BTreeSet<String>,
    security_groups: BTreeSet<String>,
    scheme: String,
}

#[derive(Clone, Debug)]
struct Zone {
    az_name: String,
    subnet_id: String,
    interface_id: String,
}

impl LoadBalancer {
    pub(super) fn serves_zone(&self, az_name: &str) -> bool {
        self.zones.iter().any(|zone| zone.az_name == az_name)
    }

    /// Its network interfaces, one a zone.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.zones.iter().map(|zone| zone.interface_id.as_str())
    }

    /// `app/<name>/<hexadecimal digits>`, part of the ARNs of its listeners.
    pub(super) fn path(&self) -> &str {
        self.arn.split_once("loadbalancer/").map_or("", |(_, path)| path)
    }
}

pub(super) fn find<'s>(state: &'s State, arn: &str) -> Result<&'s LoadBalancer, AwsError> {
    state.load_balancers.iter().find(|load_balancer| load_balancer.arn == arn).ok_or_else(not_found)
}

fn find_mut<'s>(state: &'s mut State, params: Params<'_>) -> Result<&'s mut LoadBalancer, AwsError> {
    let arn = params.str("LoadBalancerArn")?;
    state.load_balancers.iter_mut().find(|load_balancer| load_balancer.arn == arn).ok_or_else(not_found)
}

fn not_found() -> AwsError {
    AwsError::new("LoadBalancerNotFound", "One or more load balancers not found")
}

fn wire(load_balancer: &LoadBalancer) -> Value {
    json!({
        "LoadBalancerArn": load_balancer.arn,
        "DNSName": load_balancer.dns_name,
        "CanonicalHostedZoneId": HOSTED_ZONE,
        "CreatedTime": timestamp(load_balancer.created),
        "LoadBalancerName": load_balancer.name,
        "Scheme": load_balancer.settings.scheme,
        "VpcId": load_balancer.vpc_id,
        "State": { "Code": if load_balancer.active { "active" } else { "provisioning" } },
        "Type": "application",
        "AvailabilityZones": zones_wire(load_balancer),
        "SecurityGroups": load_balancer.settings.security_groups,
        "IpAddressType": "ipv4",
    })
}

fn zones_wire(load_balancer: &LoadBalancer) -> Value {
    let zones = load_balancer.zones.iter();
    zones
        .map(|zone| json!({ "ZoneName": zone.az_name, "SubnetId": zone.subnet_id, "LoadBalancerAddresses": [] }))
        .collect()
}

/// The subnets of a request: at least two, each in another zone, all of one VPC.
fn requested_subnets(region: &Region, params: Params<'_>) -> Result<Vec<Subnet>, AwsError> {
    let mappings = params.objects("SubnetMappings");
    let ids = params.strings("Subnets").into_iter().chain(mappings.iter().filter_map(|m| m.opt_str("SubnetId")));
    let mut subnets: Vec<Subnet> = Vec::new();
    for id in ids {
        let subnet = ec2::subnet(region, id)
            .ok_or_else(|| AwsError::new("SubnetNotFound", format!("The subnet ID '{id}' does not exist")))?;
        if subnets.iter().any(|other| other.az_name == subnet.az_name) {
            let message = "A load balancer cannot be attached to multiple subnets in the same Availability Zone";
            return Err(AwsError::new("InvalidConfigurationRequest", message));
        }
        if subnets.iter().any(|other| other.vpc_id != subnet.vpc_id) {
            return Err(AwsError::new("InvalidSubnet", "All subnets must belong to the same VPC"));
        }
        subnets.push(subnet.clone());
    }
    if subnets.len() < 2 {
        return Err(validation_error("At least two subnets in two different Availability Zones must be specified"));
    }
    Ok(subnets)
}

/// What AWS checks where it puts a load balancer's interfaces (kubernetes-sigs/aws-load-balancer-controller#1233,
/// openshift/installer#1110).
fn check_room<'s>(
    region: &Region,
    scheme: &str,
    subnets: impl IntoIterator<Item = &'s Subnet>,
) -> Result<(), AwsError> {
    for subnet in subnets {
        if scheme == "internet-facing" && !ec2::has_internet_gateway(region, &subnet.vpc_id) {
            let message = format!("VPC {} has no internet gateway", subnet.vpc_id);
            return Err(AwsError::new("InvalidSubnet", message));
        }
        if ec2::free_addresses(region, subnet) < FREE_ADDRESSES {
            let message = format!(
                "Not enough IP space available in {}. ELB requires at least {FREE_ADDRESSES} free IP addresses in each subnet.",
                subnet.id
            );
            return Err(AwsError::new("InvalidSubnet", message));
        }
    }
    Ok(())
}

/// Elastic Load Balancing User Guide, "Subnets for your load balancer".
const FREE_ADDRESSES: usize = 8;

/// The security groups of a request; the VPC's default one if there are none.
fn requested_groups(region: &Region, vpc_id: &str, params: Params<'_>) -> Result<BTreeSet<String>, AwsError> {
    let ids = params.strings("SecurityGroups");
    for id in &ids {
        let missing = || AwsError::new("InvalidSecurityGroup", format!("Security group '{id}' does not exist"));
        if ec2::vpc_of_security_group(region, id).ok_or_else(missing)? != vpc_id {
            let message = format!("Security group '{id}' does not belong to VPC '{vpc_id}'");
            return Err(AwsError::new("InvalidConfigurationRequest", message));
        }
    }
    Ok(if ids.is_empty() {
        ec2::default_security_group(region, vpc_id).into_iter().collect()
    } else {
        ids.into_iter().map(str::to_owned).collect()
    })
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::listed(params)?;
    let name = params.str("Name")?;
    check_name("Load balancer", name)?;
    if name.starts_with("internal-") {
        return Err(validation_error(format!("Load balancer name '{name}' cannot begin with 'internal-'")));
    }
    if let Some(other) = params.opt_str("Type").filter(|kind| *kind != "application") {
        return Err(AwsError::unsupported(format_args!("load balancers of type {other}")));
    }
    check_address_type(params)?;
    let subnets = requested_subnets(region, params)?;
    let vpc_id = subnets.first().map(|subnet| subnet.vpc_id.clone()).unwrap_or_default();
    let settings = Settings {
        subnets: subnets.iter().map(|subnet| subnet.id.clone()).collect(),
        security_groups: requested_groups(region, &vpc_id, params)?,
        scheme: params.opt_str("Scheme").unwrap_or("internet-facing").to_owned(),
    };
    if let Some(there) = region.elbv2().load_balancers.iter().find(|other| other.name == name) {
        if there.settings == settings {
            return Ok(json!({ "LoadBalancers": [wire(there)] }));
        }
        let message = format!("A load balancer with the same name '{name}' exists, but with different settings");
        return Err(AwsError::new("DuplicateLoadBalancerName", message));
    }
    check_room(region, &settings.scheme, &subnets)?;
    let load_balancer = provision(region, name, &vpc_id, &subnets, settings, tags)?;
    Ok(json!({ "LoadBalancers": [wire(&load_balancer)] }))
}

fn provision(
    region: &mut Region,
    name: &str,
    vpc_id: &str,
    subnets: &[Subnet],
    settings: Settings,
    tags: Tags,
) -> Result<LoadBalancer, AwsError> {
    let path = format!("app/{name}/{}", region.ids.hex(16));
    let arn = region.arn("elasticloadbalancing", &format!("loadbalancer/{path}"));
    let zones = attach(region, subnets, &path, &settings.security_groups)?;
    let address = match region.mesh.open_load_balancer(&arn) {
        Ok(address) => address,
        Err(error) => {
            detach(region, &zones);
            let message = format!("the load balancer's listener could not be bound: {error}");
            let error = AwsError::new("InternalFailure", message);
            return Err(error.with_status(hyper::StatusCode::INTERNAL_SERVER_ERROR));
        }
    };
    let load_balancer = LoadBalancer {
        arn: arn.clone(),
        name: name.to_owned(),
        dns_name: address.to_string(),
        created: jiff::Timestamp::now(),
        active: false,
        settings,
        vpc_id: vpc_id.to_owned(),
        zones,
        attributes: Attributes::new(attributes::LOAD_BALANCER),
    };
    region.elbv2_mut().tags.add(&arn, tags);
    region.elbv2_mut().load_balancers.push(load_balancer.clone());
    region.after(Transition::LoadBalancerProvisioning, move |region| {
        if let Some(own) = region.elbv2_mut().load_balancers.iter_mut().find(|other| other.arn == arn) {
            own.active = true;
        }
    });
    Ok(load_balancer)
}

/// An interface in each of the subnets, described as AWS describes load balancers' ones; or in none, if one is full.
fn attach<'s>(
    region: &mut Region,
    subnets: impl IntoIterator<Item = &'s Subnet>,
    path: &str,
    groups: &BTreeSet<String>,
) -> Result<Vec<Zone>, AwsError> {
    let groups: Vec<String> = groups.iter().cloned().collect();
    let mut zones = Vec::new();
    for subnet in subnets {
        match ec2::create_interface(region, &subnet.id, &groups, &format!("ELB {path}")) {
            Ok(interface) => zones.push(Zone {
                az_name: subnet.az_name.clone(),
                subnet_id: subnet.id.clone(),
                interface_id: interface.id,
            }),
            Err(error) => {
                detach(region, &zones);
                return Err(error);
            }
        }
    }
    Ok(zones)
}

fn detach<'z>(region: &mut Region, zones: impl IntoIterator<Item = &'z Zone>) {
    for zone in zones {
        ec2::delete_interface(region, &zone.interface_id);
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let state = region.elbv2();
    let (arns, names) = (params.strings("LoadBalancerArns"), params.strings("Names"));
    for arn in &arns {
        find(state, arn)?;
    }
    let missing: Vec<_> =
        names.iter().copied().filter(|name| !state.load_balancers.iter().any(|other| other.name == *name)).collect();
    if !missing.is_empty() {
        let message = format!("Load balancers '[{}]' not found", missing.join(", "));
        return Err(AwsError::new("LoadBalancerNotFound", message));
    }
    let all = arns.is_empty() && names.is_empty();
    let described: Value = state
        .load_balancers
        .iter()
        .filter(|other| all || arns.contains(&other.arn.as_str()) || names.contains(&other.name.as_str()))
        .map(wire)
        .collect();
    Ok(json!({ "LoadBalancers": described }))
}

/// Deleting what is not there succeeds. The interfaces, and with them the hold on the security groups, stay for a while.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let arn = params.str("LoadBalancerArn")?;
    if !arn.contains(":loadbalancer/") {
        return Err(validation_error(format!("'{arn}' is not a valid load balancer ARN")));
    }
    let state = region.elbv2_mut();
    let Some(index) = state.load_balancers.iter().position(|other| other.arn == arn) else {
        return Ok(json!({}));
    };
    if state.load_balancers[index].attributes.deletion_protection() {
        let message = format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled");
        return Err(AwsError::new("OperationNotPermitted", message));
    }
    let load_balancer = state.load_balancers.remove(index);
    state.tags.forget(arn);
    let listeners = state.listeners.extract_if(.., |listener| listener.load_balancer_arn == arn);
    for listener in listeners {
        state.tags.forget(&listener.arn);
    }
    region.after(Transition::LoadBalancerInterfacesGone, move |region| {
        detach(region, &load_balancer.zones);
    });
    Ok(json!({}))
}

pub(super) fn set_security_groups(region: &mut Region, params: Params<'_>) -> Answer {
    let vpc_id = find(region.elbv2(), params.str("LoadBalancerArn")?)?.vpc_id.clone();
    let groups = requested_groups(region, &vpc_id, params)?;
    let load_balancer = find_mut(region.elbv2_mut(), params)?;
    load_balancer.settings.security_groups.clone_from(&groups);
    for zone in load_balancer.zones.clone() {
        ec2::set_security_groups(region, &zone.interface_id, groups.iter().cloned().collect());
    }
    Ok(json!({ "SecurityGroupIds": groups }))
}

pub(super) fn set_subnets(region: &mut Region, params: Params<'_>) -> Answer {
    check_address_type(params)?;
    let load_balancer = find(region.elbv2(), params.str("LoadBalancerArn")?)?.clone();
    let subnets = requested_subnets(region, params)?;
    if subnets.iter().any(|subnet| subnet.vpc_id != load_balancer.vpc_id) {
        return Err(AwsError::new("InvalidSubnet", "All subnets must belong to the load balancer's VPC"));
    }
    let is_new = |subnet: &&Subnet| !load_balancer.zones.iter().any(|zone| zone.subnet_id == subnet.id);
    let added = subnets.iter().filter(is_new);
    check_room(region, &load_balancer.settings.scheme, added.clone())?;
    let added = attach(region, added, load_balancer.path(), &load_balancer.settings.security_groups)?;
    let (mut zones, gone): (Vec<Zone>, Vec<Zone>) =
        load_balancer.zones.iter().cloned().partition(|zone| subnets.iter().any(|subnet| subnet.id == zone.subnet_id));
    detach(region, &gone);
    zones.extend(added);
    // In the request's order.
    zones.sort_by_key(|zone| subnets.iter().position(|subnet| subnet.id == zone.subnet_id));
    let load_balancer = find_mut(region.elbv2_mut(), params)?;
    load_balancer.settings.subnets = subnets.into_iter().map(|subnet| subnet.id).collect();
    load_balancer.zones = zones;
    Ok(json!({ "AvailabilityZones": zones_wire(load_balancer), "IpAddressType": "ipv4" }))
}

pub(super) fn describe_attributes(region: &Region, params: Params<'_>) -> Answer {
    Ok(find(region.elbv2(), params.str("LoadBalancerArn")?)?.attributes.wire())
}

pub(super) fn modify_attributes(region: &mut Region, params: Params<'_>) -> Answer {
    let attributes = &mut find_mut(region.elbv2_mut(), params)?.attributes;
    attributes.modify("Load balancer", params)?;
    Ok(attributes.wire())
}

#[cfg(test)]
mod tests {
    use super::super::SERVICE;
    use super::*;
    use crate::cloud::schedule::Pace;

    #[tokio::test]
    async fn a_load_balancer_with_one_full_subnet_leaves_no_interface_in_the_other() {
        let mut region = Region::of_a_test(Pace::Instant);
        let handle = |region: &mut Region, operation: &str, params: Value| SERVICE.call(region, operation, &params);
        let subnets = ec2::SERVICE.call(&mut region, "DescribeSubnets", &json!({})).unwrap();
        let ids: Vec<_> = (0..3).map(|n| subnets["subnetSet"][n]["subnetId"].as_str().unwrap().to_owned()).collect();
        let create = |name: &str, ids: &[String]| json!({ "Name": name, "Subnets": ids });
        let made =
            handle(&mut region, "CreateLoadBalancer", create("other", &[ids[0].clone(), ids[2].clone()])).unwrap();
        while ec2::create_interface(&mut region, &ids[1], &[], "of a test").is_ok() {}
        let interfaces = |region: &mut Region| {
            let filter = json!({ "Filter": [{ "Name": "description", "Value": ["ELB *"] }] });
            let found = ec2::SERVICE.call(region, "DescribeNetworkInterfaces", &filter);
            found.unwrap()["networkInterfaceSet"].as_array().unwrap().len()
        };
        let full = handle(&mut region, "CreateLoadBalancer", create("full", &ids[..2])).unwrap_err();
        assert_eq!((full.code.as_str(), interfaces(&mut region)), ("InvalidSubnet", 2));
        let moved = json!({
            "LoadBalancerArn": made["LoadBalancers"][0]["LoadBalancerArn"],
            "Subnets": [ids[0], ids[1]],
        });
        assert!(handle(&mut region, "SetSubnets", moved).is_err());
        assert_eq!(interfaces(&mut region), 2, "as it was");
    }
}
