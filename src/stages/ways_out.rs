//! Whether a subnet leads to the internet: its instances reach AWS's endpoints by it, and callers the load balancer.

use aws_sdk_ec2::types::{Route, RouteState, RouteTable};

use super::subnets::Shortcoming;
use super::{Context, Error};
use crate::aws::ec2_filter;

/// The routes of a VPC.
pub(super) struct WaysOut {
    region: String,
    vpc_id: String,
    /// The ID of the gateway that is attached to the VPC.
    gateway: Option<String>,
    tables: Vec<RouteTable>,
}

impl WaysOut {
    /// None where the caller may not look, or an emulator's instances go nowhere: all is taken to be in order.
    pub(super) async fn find(ctx: &Context, vpc_id: &str) -> Result<Option<Self>, Error> {
        if !ctx.data_plane.runs_agents() {
            return Ok(None);
        }
        let (client, instead) = (&ctx.clients.ec2, "subnets are taken to lead to the internet");
        let attached = client.describe_internet_gateways().filters(ec2_filter("attachment.vpc-id", [vpc_id]));
        let gateways = ctx.unless_refused(ctx.look("ec2:DescribeInternetGateways", attached.send()).await, instead)?;
        let request = client.describe_route_tables().filters(ec2_filter("vpc-id", [vpc_id]));
        let mut pages = request.into_paginator().send();
        let tables =
            ctx.unless_refused(ctx.pages("ec2:DescribeRouteTables", async || pages.next().await).await, instead)?;
        Ok(gateways.zip(tables).map(|(gateways, tables)| Self {
            region: ctx.clients.region.clone(),
            vpc_id: vpc_id.to_owned(),
            gateway: gateways.internet_gateways().iter().find_map(|it| it.internet_gateway_id().map(str::to_owned)),
            tables: tables.into_iter().flat_map(|page| page.route_tables.unwrap_or_default()).collect(),
        }))
    }

    /// What keeps a subnet from the internet.
    pub(super) fn obstacle(&self, subnet: &str) -> Option<Shortcoming> {
        let Self { region, vpc_id, gateway, .. } = self;
        let table = self.table_of(subnet);
        let id = table.and_then(|table| table.route_table_id()).unwrap_or("rtb-…");
        let route_by = |verb: &str, gateway: &str| {
            format!(
                "`aws ec2 {verb} --region {region} --route-table-id {id} --destination-cidr-block 0.0.0.0/0 --gateway-id \
                 {gateway}`"
            )
        };
        let route =
            table.and_then(|table| table.routes().iter().find(|it| it.destination_cidr_block() == Some("0.0.0.0/0")));
        let is_blackhole = route.is_some_and(|route| route.state() == Some(&RouteState::Blackhole));
        let verb = if is_blackhole { "replace-route" } else { "create-route" };
        let Some(gateway) = gateway else {
            return Some(Shortcoming {
                what: format!("{vpc_id} has no internet gateway"),
                fix: format!(
                    "`aws ec2 create-internet-gateway --region {region}`, then `aws ec2 attach-internet-gateway --region \
                     {region} --vpc-id {vpc_id} --internet-gateway-id igw-…`, then {}",
                    route_by(verb, "igw-…")
                ),
            });
        };
        let shortcoming = |what: &str, fix| Some(Shortcoming { what: format!("route table {id} {what}"), fix });
        match route.and_then(target) {
            _ if is_blackhole => shortcoming("leads 0.0.0.0/0 to what is not there any more", route_by(verb, gateway)),
            None => shortcoming("has no route 0.0.0.0/0 to an internet gateway", route_by(verb, gateway)),
            Some(target) if target.starts_with("igw-") => None,
            // Somebody wants it so.
            Some(target) => shortcoming(
                &format!("leads 0.0.0.0/0 to {target} and not to an internet gateway"),
                "add a public subnet there".to_owned(),
            ),
        }
    }

    /// A subnet without a table of its own follows the main one.
    fn table_of(&self, subnet: &str) -> Option<&RouteTable> {
        let has = |table: &&RouteTable, main: bool| {
            let mut associations = table.associations().iter();
            associations.any(|it| if main { it.main() == Some(true) } else { it.subnet_id() == Some(subnet) })
        };
        let tables = || self.tables.iter();
        tables().find(|table| has(table, false)).or_else(|| tables().find(|table| has(table, true)))
    }
}

fn target(route: &Route) -> Option<&str> {
    let targets = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.network_interface_id(),
        route.vpc_peering_connection_id(),
    ];
    targets.into_iter().flatten().next()
}
