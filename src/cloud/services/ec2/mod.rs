//! Amazon EC2: the default VPC with its subnets, zones, security groups, network interfaces, launch templates, instances.
//!
//! What an account has before anybody did anything is made by [`State::of_new_account`]. The other services launch and
//! terminate instances and hold network interfaces through the functions re-exported here.

mod api;
mod cidr;
pub(crate) mod ecs_optimized;
mod flow_logs;
mod gateways;
mod images;
mod instance_types;
mod instances;
mod interfaces;
mod key_pairs;
mod lacking_filters;
mod launch_data;
mod launch_templates;
mod launching;
mod permissions;
mod reach;
mod resources;
mod route_tables;
mod rules;
mod security_groups;
mod subnets;
mod tags;
mod vpcs;
mod zones;

use std::net::Ipv4Addr;

use hyper::StatusCode;

use self::resources::Resource;
use crate::cloud::error::{AwsError, Words};
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::{DRY_RUN, Service};
use crate::cloud::wire::Encoding;
use crate::cloud::wire::tags::{TagStore, Tags};

pub(crate) use self::flow_logs::record_flows;
pub(crate) use self::gateways::has_internet_gateway;
pub(crate) use self::instance_types::{architecture, instance_capacity};
pub(crate) use self::instances::{Instance, InstanceState, instance, instances, lose as lose_instance, terminate};
pub(crate) use self::interfaces::{
    Interface, create_interface, delete_interface, give_public_address, set_security_groups,
};
pub(crate) use self::launch_templates::{Resolved, resolve};
pub(crate) use self::launching::{Location, check as check_launch, launch};
pub(crate) use self::reach::Reach;
pub(crate) use self::route_tables::{interface_reaches_internet, reaches_internet};
pub(crate) use self::subnets::{Subnet, free_addresses};

/// Of any resource, by its identifier.
pub(crate) fn tags_of<'r>(region: &'r Region, id: &str) -> &'r Tags {
    region.ec2().tags.of(id)
}

#[derive(Clone, Default)]
pub(crate) struct State {
    vpcs: Vec<vpcs::Vpc>,
    subnets: Vec<Subnet>,
    security_groups: Vec<security_groups::SecurityGroup>,
    flow_logs: Vec<flow_logs::FlowLog>,
    internet_gateways: Vec<gateways::InternetGateway>,
    route_tables: Vec<route_tables::RouteTable>,
    interfaces: Vec<Interface>,
    launch_templates: Vec<launch_templates::LaunchTemplate>,
    instances: Vec<Instance>,
    tags: TagStore,
}

impl State {
    /// A default VPC with a subnet in every zone, a way out, and its default security group.
    pub(crate) fn of_new_account(region: &str, ids: &mut Ids) -> Self {
        let vpc = vpcs::Vpc::default_of_region(ids);
        let gateway = gateways::InternetGateway::of_vpc(ids, &vpc.id);
        Self {
            subnets: Subnet::defaults(region, &vpc, ids),
            security_groups: vec![security_groups::SecurityGroup::default_of_vpc(ids, &vpc.id)],
            route_tables: vec![route_tables::RouteTable::main_of_vpc(ids, &vpc.id, &gateway.id)],
            internet_gateways: vec![gateway],
            vpcs: vec![vpc],
            ..Self::default()
        }
    }

    fn default_vpc(&self) -> Result<&vpcs::Vpc, AwsError> {
        self.vpcs.iter().find(|vpc| vpc.is_default).ok_or_else(|| {
            let message = "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.";
            AwsError::new("VPCIdNotSpecified", message)
        })
    }

    /// Of all security groups.
    fn rules(&self) -> Vec<rules::Rule> {
        self.security_groups.iter().flat_map(|group| group.rules.clone()).collect()
    }
}

pub(crate) fn subnet<'r>(region: &'r Region, id: &str) -> Option<&'r Subnet> {
    region.ec2().subnets.iter().find(|subnet| subnet.id == id)
}

/// The subnet of a VPC that an address belongs to.
pub(crate) fn subnet_with_address<'r>(region: &'r Region, vpc_id: &str, ip: Ipv4Addr) -> Option<&'r Subnet> {
    region.ec2().subnets.iter().find(|subnet| subnet.vpc_id == vpc_id && subnet.cidr.contains(&ip))
}

/// The instance whose own interface has an address.
pub(crate) fn instance_at<'r>(region: &'r Region, vpc_id: &str, ip: Ipv4Addr) -> Option<&'r str> {
    let mut interfaces = region.ec2().interfaces.iter();
    let interface = interfaces.find(|it| it.subnet.vpc_id == vpc_id && it.private_ip == ip)?;
    interface.instance_id.as_deref()
}

pub(crate) fn has_vpc(region: &Region, id: &str) -> bool {
    region.ec2().vpcs.iter().any(|vpc| vpc.id == id)
}

/// The default subnet of a zone, where instances go whose Auto Scaling group names only zones.
pub(crate) fn default_subnet<'r>(region: &'r Region, az_name: &str) -> Option<&'r Subnet> {
    region.ec2().subnets.iter().find(|subnet| subnet.az_name == az_name && subnet.default_for_az)
}

/// `None`: no such group.
pub(crate) fn vpc_of_security_group<'r>(region: &'r Region, id: &str) -> Option<&'r str> {
    let group = region.ec2().security_groups.iter().find(|group| group.id == id)?;
    Some(&group.vpc_id)
}

/// The group that belongs to a VPC itself.
pub(crate) fn default_security_group(region: &Region, vpc_id: &str) -> Option<String> {
    let mut groups = region.ec2().security_groups.iter();
    groups.find(|group| group.vpc_id == vpc_id && group.is_default()).map(|group| group.id.clone())
}

/// Checks that the resource is there; answers with its type.
fn resource_type(region: &Region, id: &str) -> Result<&'static str, AwsError> {
    fn check<R: Resource>(resources: &[R], id: &str) -> Option<Result<&'static str, AwsError>> {
        id.strip_prefix(R::KIND.prefix)
            .is_some_and(|rest| rest.starts_with('-'))
            .then(|| resources::find(resources, id).map(|_| R::KIND.resource_type))
    }
    let state = region.ec2();
    check(&state.vpcs, id)
        .or_else(|| check(&state.subnets, id))
        .or_else(|| check(&state.security_groups, id))
        .or_else(|| check(&state.rules(), id))
        .or_else(|| check(&state.internet_gateways, id))
        .or_else(|| check(&state.route_tables, id))
        .or_else(|| check(&state.launch_templates, id))
        .or_else(|| check(&state.instances, id))
        .or_else(|| check(&state.interfaces, id))
        .or_else(|| check(&state.flow_logs, id))
        .unwrap_or_else(|| Err(AwsError::new("InvalidID", format!("The ID '{id}' is not valid"))))
}

impl Region {
    fn ec2(&self) -> &State {
        self.states.get()
    }

    fn ec2_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "ec2",
    encoding: Encoding::Ec2Query("http://ec2.amazonaws.com/doc/2016-11-15/"),
    words: Words {
        throttled: ("RequestLimitExceeded", "Request limit exceeded.", StatusCode::SERVICE_UNAVAILABLE),
        failure: ("InternalError", "Unavailable"),
        denied: ("UnauthorizedOperation", StatusCode::FORBIDDEN),
        too_many_tags: Some("TagLimitExceeded"),
        ..Words::QUERY
    },
    operations: api::OPERATIONS,
    new_state: |founding| Some(Box::new(State::of_new_account(founding.region, founding.ids))),
    structures: api::STRUCTURES,
    tagged: |region, key| {
        let is_ending = |id: &str| instance(region, id).is_some_and(|instance| instance.state.is_ending());
        let tags = region.ec2().tags.iter().filter(|(id, _)| !is_ending(id));
        tags.filter_map(|(_, tags)| tags.get(key)).collect()
    },
    common_parameters: &[DRY_RUN],
    ..Service::PLAIN
};
