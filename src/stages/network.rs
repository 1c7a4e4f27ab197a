//! Step 1: the default VPC, and a public subnet in each of three zones. Nothing is made.
//!
//! The article takes the first three zones by name. That can be a Local Zone (`us-east-1-bos-1a` sorts before
//! `us-east-1a`), or a zone that does not offer the instance type (us-east-1e has no t3.medium): both are left out here.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::LocationType;

use super::subnets::{self, Subnets};
use super::{Context, Error};
use crate::aws::{AzId, AzName, ZoneNames, ec2_filter};
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
    /// `vpc-…: subnet-… in use1-az1 (us-east-1a), …`.
    pub(crate) fn text(&self, zones: &ZoneNames) -> String {
        let subnets = self.subnets.iter().map(|it| format!("{} in {}", it.id, zones.label(it.zone.as_str())));
        format!("{}: {}", self.vpc_id, subnets.collect::<Vec<_>>().join(", "))
    }

    pub(crate) fn subnet_ids(&self) -> Vec<String> {
        self.subnets.iter().map(|subnet| subnet.id.clone()).collect()
    }
}

pub(crate) async fn find_network(ctx: &Context) -> Result<Network, Error> {
    let vpc_id = find_default_vpc(ctx).await?;
    let tasks = ctx.settings.task_count.instances().div_ceil(ZONES as u32);
    let (zones, offering, subnets) =
        tokio::try_join!(find_zones(ctx), find_zones_offering_instances(ctx), Subnets::find(ctx, &vpc_id, tasks))?;
    let (region, instance_type) = (&ctx.clients.region, &ctx.settings.instance_type);
    let that_offer = if ctx.is_on_fargate() { String::new() } else { format!(" that offer {instance_type}") };
    let serves = |id: &AzId| !ctx.is_on_fargate() || has_fargate(region, id);
    let zones: Vec<AzName> = zones.into_iter().filter(|(_, id)| serves(id)).map(|(name, _)| name).collect();
    if zones.len() < ZONES {
        let with_fargate = if ctx.is_on_fargate() { " with Fargate" } else { "" };
        return Err(Error::Prerequisite(format!(
            "{region} has {} Availability Zones{with_fargate} for this account ({}), and {ZONES} are needed: choose another --region",
            zones.len(),
            listed(&zones, ctx)
        )));
    }
    let zones: Vec<AzName> =
        zones.into_iter().filter(|zone| offering.as_ref().is_none_or(|offering| offering.contains(zone))).collect();
    if zones.len() < ZONES {
        let offer = match zones.len() {
            0 => format!("no Availability Zone of {region} offers {instance_type}"),
            some => format!("{some} Availability Zones of {region} offer {instance_type} ({})", listed(&zones, ctx)),
        };
        return Err(Error::Prerequisite(format!(
            "{offer}, and {ZONES} are needed: choose another --instance-type or --region"
        )));
    }
    let (mut found, mut shortcomings) = (vec![], vec![]);
    for zone in zones {
        match subnets.choose(&zone) {
            Ok(choice) => found.push((!choice.is_in_use, Subnet { id: choice.id, zone })),
            Err(lacking) => shortcomings.extend(lacking),
        }
    }
    if found.len() < ZONES {
        return Err(Error::Prerequisite(format!(
            "{vpc_id} has a subnet that serves in {} Availability Zones{that_offer} ({}), and {ZONES} are \
             needed; {}; or choose another --region",
            found.len(),
            listed(&found.into_iter().map(|(_, subnet)| subnet.zone).collect::<Vec<_>>(), ctx),
            subnets::list(&shortcomings)
        )));
    }
    // Zones in use stay in use, too.
    found.sort_by_key(|(is_new, _)| *is_new);
    found.truncate(ZONES);
    let mut subnets: Vec<Subnet> = found.into_iter().map(|(_, subnet)| subnet).collect();
    subnets.sort_by(|a, b| a.zone.cmp(&b.zone));
    let network = Network { vpc_id, subnets };
    ctx.events.send(Event::Found { step: Step::Network, what: network.text(&ctx.zones()) });
    Ok(network)
}

/// The zones in which Fargate runs Linux containers, of the Regions where it is not in all (ECS Developer Guide, "Supported Regions for
/// Amazon ECS on AWS Fargate"). No call tells.
const FARGATE_ZONES: [(&str, &[&str]); 2] =
    [("us-west-1", &["usw1-az1", "usw1-az3"]), ("ap-northeast-1", &["apne1-az1", "apne1-az2", "apne1-az4"])];

fn has_fargate(region: &str, zone: &AzId) -> bool {
    let listed = FARGATE_ZONES.iter().find(|(of, _)| *of == region);
    listed.is_none_or(|(_, zones)| zones.contains(&zone.as_str()))
}

fn listed(zones: &[AzName], ctx: &Context) -> String {
    let names = ctx.zones();
    zones.iter().map(|zone| names.label(zone.as_str())).collect::<Vec<_>>().join(", ")
}

pub(super) async fn find_default_vpc(ctx: &Context) -> Result<String, Error> {
    let request = ctx.clients.ec2.describe_vpcs().filters(ec2_filter("is-default", ["true"]));
    let answer = ctx.look("ec2:DescribeVpcs", request.send()).await?;
    answer.vpcs().iter().find_map(|vpc| vpc.vpc_id().map(str::to_owned)).ok_or_else(|| {
        Error::Prerequisite(format!(
            "{} has no default VPC; create one with `aws ec2 create-default-vpc --region {0}`, or choose another --region",
            ctx.clients.region
        ))
    })
}

/// Finds the region's Availability Zones: no Local Zones and no Wavelength Zones, which have neither load balancers for all nor
/// the instance types.
pub(crate) async fn find_zones(ctx: &Context) -> Result<BTreeMap<AzName, AzId>, Error> {
    let request = ctx.clients.ec2.describe_availability_zones();
    let answer = ctx.look("ec2:DescribeAvailabilityZones", request.send()).await?;
    let zones = answer
        .availability_zones()
        .iter()
        .filter(|zone| zone.zone_type().is_none_or(|zone_type| zone_type == "availability-zone"))
        .filter_map(|zone| Some((AzName::new(zone.zone_name()?), AzId::new(zone.zone_id()?))))
        .collect();
    ctx.learn_zones(ZoneNames::new(&zones));
    Ok(zones)
}

/// None: the caller may not know, or there are to be no instances.
async fn find_zones_offering_instances(ctx: &Context) -> Result<Option<BTreeSet<AzName>>, Error> {
    if ctx.is_on_fargate() {
        return Ok(None);
    }
    let mut pages = ctx
        .clients
        .ec2
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .filters(ec2_filter("instance-type", [&ctx.settings.instance_type]))
        .into_paginator()
        .send();
    let pages = ctx.pages("ec2:DescribeInstanceTypeOfferings", async || pages.next().await).await;
    let instead = format!("assuming that all zones offer {}", ctx.settings.instance_type);
    Ok(ctx.unless_refused(pages, &instead)?.map(|pages| {
        let offerings = pages.iter().flat_map(|page| page.instance_type_offerings());
        offerings.filter_map(|offering| offering.location().map(AzName::new)).collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fargate_is_not_in_every_zone() {
        let has = |region, zone| has_fargate(region, &AzId::new(zone));
        assert!(has("ap-northeast-1", "apne1-az4") && !has("ap-northeast-1", "apne1-az3"));
        assert!(has("us-east-1", "use1-az3") && !has("us-west-1", "usw1-az2"));
    }
}
