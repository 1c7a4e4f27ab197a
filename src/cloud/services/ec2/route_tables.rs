//! Route tables: the VPC's main one, which every subnet without one of its own follows, and others; and who gets out by them.

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::instances::Instance;
use super::interfaces::Interface;
use super::lacking_filters;
use super::permissions::{Direction, Peer};
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, find, find_mut, invalid_value};
use super::subnets::Subnet;
use super::{State, cidr, gateways, tags};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::LOWER;

#[derive(Clone, Debug)]
pub(super) struct RouteTable {
    id: String,
    pub(super) vpc_id: String,
    associations: Vec<Association>,
    /// Beside the one within the VPC, which each table has.
    routes: Vec<Route>,
    /// Of the request that made it.
    client_token: Option<String>,
}

#[derive(Clone, Debug)]
struct Association {
    id: String,
    /// None: it makes the table the VPC's main one.
    subnet_id: Option<String>,
}

#[derive(Clone, Debug)]
struct Route {
    destination: Ipv4Net,
    gateway_id: String,
}

impl RouteTable {
    /// A default VPC's, which leads to its internet gateway (VPC User Guide, "Default VPCs").
    pub(super) fn main_of_vpc(ids: &mut Ids, vpc_id: &str, gateway_id: &str) -> Self {
        let associations = vec![Association { id: ids.ec2("rtbassoc"), subnet_id: None }];
        let routes = vec![Route { destination: Ipv4Net::default(), gateway_id: gateway_id.to_owned() }];
        Self { id: ids.ec2("rtb"), vpc_id: vpc_id.to_owned(), associations, routes, client_token: None }
    }

    fn is_main(&self) -> bool {
        self.associations.iter().any(|association| association.subnet_id.is_none())
    }

    fn is_of_subnet(&self, id: &str) -> bool {
        self.associations.iter().any(|association| association.subnet_id.as_deref() == Some(id))
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
        ("route.destination-cidr-block", "routeSet.destinationCidrBlock"),
        ("route.gateway-id", "routeSet.gatewayId"),
        ("route.state", "routeSet.state"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        let state = region.ec2();
        let vpc = state.vpcs.iter().find(|vpc| vpc.id == self.vpc_id);
        let local = vpc.map(|vpc| (vpc.cidr.to_string(), "local", "CreateRouteTable", true));
        let others = self.routes.iter().map(|route| {
            let leads = gateways::is_attached(state, &route.gateway_id, &self.vpc_id);
            (route.destination.to_string(), route.gateway_id.as_str(), "CreateRoute", leads)
        });
        let routes = local.into_iter().chain(others).map(|(destination, gateway, origin, leads)| {
            json!({
                "destinationCidrBlock": destination,
                "gatewayId": gateway,
                "origin": origin,
                "state": if leads { "active" } else { "blackhole" },
            })
        });
        let associations = self.associations.iter().map(|association| {
            json!({
                "main": association.subnet_id.is_none(),
                "routeTableAssociationId": association.id,
                "routeTableId": self.id,
                "subnetId": association.subnet_id,
                "associationState": { "state": "associated" },
            })
        });
        json!({
            "routeTableId": self.id,
            "vpcId": self.vpc_id,
            "ownerId": ACCOUNT_ID,
            "associationSet": associations.collect::<Value>(),
            "propagatingVgwSet": [],
            "routeSet": routes.collect::<Value>(),
            "tagSet": state.tags.of(&self.id).to_list(LOWER),
        })
    }
}

/// Whether a subnet's packets get to the internet: its own table, or else the VPC's main one, leads there.
fn leads_out(state: &State, subnet: &Subnet) -> bool {
    let own = state.route_tables.iter().find(|table| table.is_of_subnet(&subnet.id));
    let main = || state.route_tables.iter().find(|table| table.vpc_id == subnet.vpc_id && table.is_main());
    let routes = own.or_else(main).map_or(&[][..], |table| &table.routes);
    let everywhere = |route: &&Route| route.destination == Ipv4Net::default();
    routes.iter().filter(everywhere).any(|route| gateways::is_attached(state, &route.gateway_id, &subnet.vpc_id))
}

/// Whether an instance reaches AWS's endpoints, as its agents must.
pub(crate) fn reaches_internet(region: &Region, instance: &Instance) -> bool {
    reaches(region.ec2(), &instance.interface, instance.public_ip.is_some())
}

/// The same of a task with an interface of its own; not of one that is gone.
pub(crate) fn interface_reaches_internet(region: &Region, id: &str) -> bool {
    let state = region.ec2();
    let interface = state.interfaces.iter().find(|interface| interface.id == id);
    interface.is_some_and(|interface| reaches(state, interface, interface.public_address(state).is_some()))
}

/// By a public address, a route to an internet gateway, and a security group that lets HTTPS out. (No VPC here has endpoints or NAT
/// gateways.)
fn reaches(state: &State, interface: &Interface, has_public_address: bool) -> bool {
    let groups = &interface.security_groups;
    let mut rules = state.security_groups.iter().filter(|group| groups.contains(&group.id)).flat_map(|it| &it.rules);
    let lets_out = rules.any(|rule| {
        let permission = &rule.permission;
        let https = match (permission.from_port, permission.to_port) {
            (Some(from), Some(to)) => permission.protocol == "tcp" && (from..=to).contains(&443),
            _ => permission.protocol == "-1",
        };
        let anywhere = permission.peer == Peer::Ipv4("0.0.0.0/0".to_owned());
        permission.direction == Direction::Egress && https && anywhere
    });
    lets_out && has_public_address && leads_out(state, &interface.subnet)
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let tables = described(region, &region.ec2().route_tables, &params.strings("RouteTableId"), params)?;
    Ok(json!({ "routeTableSet": tables }))
}

/// A repetition with the same token gives the table that is there.
pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::of_specifications(params, &RouteTable::KIND)?;
    let vpc_id = find(&region.ec2().vpcs, params.str("VpcId")?)?.id.clone();
    let client_token = params.opt_str("ClientToken").map(str::to_owned);
    let repeated = |table: &&RouteTable| client_token.is_some() && table.client_token == client_token;
    if let Some(there) = region.ec2().route_tables.iter().find(repeated) {
        return Ok(json!({ "routeTable": there.wire(region), "clientToken": client_token }));
    }
    let id = region.ids.ec2("rtb");
    let table = RouteTable { id, vpc_id, associations: vec![], routes: vec![], client_token: client_token.clone() };
    region.ec2_mut().tags.add(&table.id, tags);
    let answer = table.wire(region);
    region.ec2_mut().route_tables.push(table);
    Ok(json!({ "routeTable": answer, "clientToken": client_token }))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let state = region.ec2_mut();
    let table = find(&state.route_tables, params.str("RouteTableId")?)?.clone();
    if !table.associations.is_empty() {
        let message = format!("The routeTable '{}' has dependencies and cannot be deleted.", table.id);
        return Err(AwsError::new("DependencyViolation", message));
    }
    state.route_tables.retain(|other| other.id != table.id);
    state.tags.forget(&table.id);
    Ok(json!({}))
}

pub(super) fn associate(region: &mut Region, params: Params<'_>) -> Answer {
    let id = region.ids.ec2("rtbassoc");
    let state = region.ec2_mut();
    let subnet = find(&state.subnets, params.str("SubnetId")?)?.clone();
    let table_id = params.str("RouteTableId")?;
    if find(&state.route_tables, table_id)?.vpc_id != subnet.vpc_id {
        let message = format!("route table {table_id} and subnet {} belong to different networks", subnet.id);
        return Err(AwsError::invalid_parameter(message));
    }
    if state.route_tables.iter().any(|table| table.is_of_subnet(&subnet.id)) {
        let message =
            format!("the specified association for route table {table_id} conflicts with an existing association");
        return Err(AwsError::new("Resource.AlreadyAssociated", message));
    }
    let association = Association { id: id.clone(), subnet_id: Some(subnet.id) };
    find_mut(&mut state.route_tables, table_id)?.associations.push(association);
    Ok(json!({ "associationId": id, "associationState": { "state": "associated" } }))
}

pub(super) fn disassociate(region: &mut Region, params: Params<'_>) -> Answer {
    let id = params.str("AssociationId")?;
    let tables = &mut region.ec2_mut().route_tables;
    let with_it = |table: &&mut RouteTable| table.associations.iter().any(|association| association.id == id);
    let table = tables.iter_mut().find(with_it).ok_or_else(|| {
        let message = format!("The association ID '{id}' does not exist");
        AwsError::new("InvalidAssociationID.NotFound", message)
    })?;
    if table.associations.iter().any(|association| association.id == id && association.subnet_id.is_none()) {
        let message = format!("cannot disassociate the main route table association {id}");
        return Err(AwsError::invalid_parameter(message));
    }
    table.associations.retain(|association| association.id != id);
    Ok(json!({ "return": true }))
}

fn destination(params: Params<'_>) -> Result<Ipv4Net, AwsError> {
    let text = params.str("DestinationCidrBlock")?;
    cidr::parse(text).ok_or_else(|| invalid_value("destinationCidrBlock", text, "This is not a valid CIDR block."))
}

pub(super) fn create_route(region: &mut Region, params: Params<'_>) -> Answer {
    let (destination, gateway_id) = (destination(params)?, params.str("GatewayId")?);
    let state = region.ec2();
    let table = find(&state.route_tables, params.str("RouteTableId")?)?;
    find(&state.internet_gateways, gateway_id)?;
    if !gateways::is_attached(state, gateway_id, &table.vpc_id) {
        let message = format!("route table {} and network gateway {gateway_id} belong to different networks", table.id);
        return Err(AwsError::invalid_parameter(message));
    }
    let table = find_mut(&mut region.ec2_mut().route_tables, params.str("RouteTableId")?)?;
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("The route identified by {destination} already exists.");
        return Err(AwsError::new("RouteAlreadyExists", message));
    }
    table.routes.push(Route { destination, gateway_id: gateway_id.to_owned() });
    Ok(json!({ "return": true }))
}

pub(super) fn replace_route(region: &mut Region, params: Params<'_>) -> Answer {
    let (destination, gateway_id) = (destination(params)?, params.str("GatewayId")?);
    let state = region.ec2_mut();
    let table = find_mut(&mut state.route_tables, params.str("RouteTableId")?)?;
    let Some(route) = table.routes.iter_mut().find(|route| route.destination == destination) else {
        return Err(AwsError::invalid_parameter(format!(
            "There is no route defined for '{destination}' in the route table. Use CreateRoute instead."
        )));
    };
    find(&state.internet_gateways, gateway_id)?;
    gateway_id.clone_into(&mut route.gateway_id);
    Ok(json!({}))
}

pub(super) fn delete_route(region: &mut Region, params: Params<'_>) -> Answer {
    let destination = destination(params)?;
    let state = region.ec2_mut();
    let table = find_mut(&mut state.route_tables, params.str("RouteTableId")?)?;
    if state.vpcs.iter().any(|vpc| vpc.id == table.vpc_id && vpc.cidr == destination) {
        let message = format!("cannot remove local route {destination} in route table {}", table.id);
        return Err(AwsError::invalid_parameter(message));
    }
    if !table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("no route with destination-cidr-block {destination} in route table {}", table.id);
        return Err(AwsError::new("InvalidRoute.NotFound", message));
    }
    table.routes.retain(|route| route.destination != destination);
    Ok(json!({}))
}
