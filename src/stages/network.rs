//! Step 1: the default VPC, and a public subnet in each of three zones. Nothing is made.
//!
//! The article takes the first three zones by name. That can be a Local Zone (`us-east-1-bos-1a` sorts before
//! `us-east-1a`), or a zone that does not offer the instance type (us-east-1e has no t3.medium): both are left out here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_ec2::types::LocationType;

use super::{Context, Error};
use crate::aws::{AzId, AzName, ec2_filter};
use crate::events::Event;
use crate::plan::Step;

/// The number of zones that the article's zone-aware routing is about.
pub(crate) const ZONES: usize = 3;

#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) vpc_id: String,
    /// One subnet for each zone, sorted by zone.
    pub(crate) subnets: Vec<Subnet>,
}

#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) zone: AzName,
}

impl Network {
    pub(crate) fn subnet_ids(&self) -> Vec<String> {
        self.subnets.iter().map(|subnet| subnet.id.clone()).collect()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subnets: Vec<_> = self.subnets.iter().map(|subnet| format!("{} in {}", subnet.id, subnet.zone)).collect();
        write!(f, "{}: {}", self.vpc_id, subnets.join(", "))
    }
}

pub(crate) async fn find_network(ctx: &Context) -> Result<Network, Error> {
    let vpc_id = find_default_vpc(ctx).await?;
    let (zones, offering, public) =
        tokio::try_join!(find_zones(ctx), find_zones_offering_instances(ctx), find_public_subnets(ctx, &vpc_id))?;
    let subnets: Vec<Subnet> = public
        .into_iter()
        .filter(|(zone, _)| zones.contains_key(zone))
        .filter(|(zone, _)| offering.as_ref().is_none_or(|offering| offering.contains(zone)))
        .map(|(zone, id)| Subnet { id, zone })
        .take(ZONES)
        .collect();
    if subnets.len() < ZONES {
        let names = subnets.iter().map(|subnet| subnet.zone.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::Prerequisite(format!(
            "{vpc_id} has a public subnet in {} Availability Zones that offer {} ({names}), and {ZONES} are needed; \
             add one with `aws ec2 create-default-subnet --availability-zone …`, or choose another --region",
            subnets.len(),
            ctx.settings.instance_type,
        )));
    }
    let network = Network { vpc_id, subnets };
    ctx.events.send(Event::Found { step: Step::Network, what: network.to_string() });
    Ok(network)
}

pub(super) async fn find_default_vpc(ctx: &Context) -> Result<String, Error> {
    let request = ctx.clients.ec2.describe_vpcs().filters(ec2_filter("is-default", ["true"]));
    let answer = ctx.look("ec2:DescribeVpcs", request.send()).await?;
    answer.vpcs().iter().find_map(|vpc| vpc.vpc_id().map(str::to_owned)).ok_or_else(|| {
        Error::Prerequisite(format!(
            "{} has no default VPC; make one with `aws ec2 create-default-vpc --region {0}`, or choose another --region",
            ctx.clients.region
        ))
    })
}

/// Finds the region's Availability Zones: no Local Zones and no Wavelength Zones, which have neither load balancers for all nor
/// the instance types.
pub(crate) async fn find_zones(ctx: &Context) -> Result<BTreeMap<AzName, AzId>, Error> {
    let request = ctx.clients.ec2.describe_availability_zones();
    let answer = ctx.look("ec2:DescribeAvailabilityZones", request.send()).await?;
    Ok(answer
        .availability_zones()
        .iter()
        .filter(|zone| zone.zone_type().is_none_or(|zone_type| zone_type == "availability-zone"))
        .filter_map(|zone| Some((AzName::new(zone.zone_name()?), AzId::new(zone.zone_id()?))))
        .collect())
}

/// None: the caller may not know.
async fn find_zones_offering_instances(ctx: &Context) -> Result<Option<BTreeSet<AzName>>, Error> {
    let mut pages = ctx
        .clients
        .ec2
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .filters(ec2_filter("instance-type", [&ctx.settings.instance_type]))
        .into_paginator()
        .send();
    let pages = ctx.pages("ec2:DescribeInstanceTypeOfferings", async || pages.next().await).await;
    let instead = format!("all zones are taken to offer {}", ctx.settings.instance_type);
    Ok(ctx.unless_refused(pages, &instead)?.map(|pages| {
        let offerings = pages.iter().flat_map(|page| page.instance_type_offerings());
        offerings.filter_map(|offering| offering.location().map(AzName::new)).collect()
    }))
}

/// Finds the first public subnet of each zone.
async fn find_public_subnets(ctx: &Context, vpc_id: &str) -> Result<BTreeMap<AzName, String>, Error> {
    let request = ctx
        .clients
        .ec2
        .describe_subnets()
        .filters(ec2_filter("vpc-id", [vpc_id]))
        .filters(ec2_filter("map-public-ip-on-launch", ["true"]));
    let answer = ctx.look("ec2:DescribeSubnets", request.send()).await?;
    let mut ids: Vec<_> = answer
        .subnets()
        .iter()
        .filter_map(|subnet| Some((AzName::new(subnet.availability_zone()?), subnet.subnet_id()?.to_owned())))
        .collect();
    ids.sort();
    ids.reverse(); // of equal keys a map keeps the last
    Ok(ids.into_iter().collect())
}
