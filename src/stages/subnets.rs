//! Which subnet of a zone is chosen, and what those lack that are not: public addresses, a way out, room.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::ways_out::WaysOut;
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::{AzName, ec2_filter};
use crate::settings::NetworkMode;

/// What AWS asks for in each subnet of a load balancer (Elastic Load Balancing User Guide, "Subnets for your load balancer").
const FREE_FOR_A_LOAD_BALANCER: i32 = 8;

/// The subnets of a VPC, with what is known about them.
pub(super) struct Subnets {
    region: String,
    all: Vec<Candidate>,
    /// Those that this walkthrough's load balancer or instances are in already.
    in_use: BTreeSet<String>,
    ways_out: Option<WaysOut>,
    /// Whether a subnet has to give public addresses by itself, as to instances: tasks on Fargate ask for theirs.
    gives_addresses: bool,
    /// How many addresses are needed.
    needed: i32,
}

struct Candidate {
    id: String,
    zone: AzName,
    gives_public_addresses: bool,
    free_addresses: i32,
}

/// What subnets lack, and what to type.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Shortcoming {
    pub(super) what: String,
    pub(super) fix: String,
}

/// A subnet that serves.
pub(super) struct Choice {
    pub(super) id: String,
    pub(super) is_in_use: bool,
}

impl Subnets {
    /// Those of the VPC, each of which is to hold the load balancer and so many tasks, each on an instance of its own or on Fargate.
    pub(super) async fn find(ctx: &Context, vpc_id: &str, tasks: u32) -> Result<Self, Error> {
        let request = ctx.clients.ec2.describe_subnets().filters(ec2_filter("vpc-id", [vpc_id]));
        let subnets = async { ctx.look("ec2:DescribeSubnets", request.send()).await };
        let (answer, in_use, ways_out) = tokio::try_join!(subnets, find_in_use(ctx), WaysOut::find(ctx, vpc_id))?;
        let candidate = |subnet: &aws_sdk_ec2::types::Subnet| {
            Some(Candidate {
                id: subnet.subnet_id()?.to_owned(),
                zone: AzName::new(subnet.availability_zone()?),
                gives_public_addresses: subnet.map_public_ip_on_launch() == Some(true),
                free_addresses: subnet.available_ip_address_count().unwrap_or(i32::MAX),
            })
        };
        // An address for the load balancer, and one each for the tasks and their instances, as far as there are instances and tasks
        // have addresses of their own.
        let is_on_fargate = ctx.is_on_fargate();
        let each = if is_on_fargate || ctx.network_mode() == NetworkMode::Bridge { 1 } else { 2 };
        let ours = i32::try_from(1 + tasks * each).unwrap_or(i32::MAX);
        Ok(Self {
            region: ctx.clients.region.clone(),
            all: answer.subnets().iter().filter_map(candidate).collect(),
            in_use,
            ways_out,
            gives_addresses: !is_on_fargate,
            needed: if ctx.data_plane.runs_agents() { FREE_FOR_A_LOAD_BALANCER.max(ours) } else { 0 },
        })
    }

    /// The subnet of a zone that serves best: what is in use stays so, else the one with most room; or what they all lack.
    pub(super) fn choose(&self, zone: &AzName) -> Result<Choice, Vec<(String, Shortcoming)>> {
        let mut here: Vec<_> = self.all.iter().filter(|subnet| subnet.zone == *zone).collect();
        here.sort_by_key(|subnet| (!self.in_use.contains(&subnet.id), Reverse(subnet.free_addresses), &subnet.id));
        let region = &self.region;
        let mut closest: Option<(&Candidate, Vec<Shortcoming>)> = None;
        for subnet in here {
            let lacks = self.lacks(subnet);
            if lacks.is_empty() {
                return Ok(Choice { id: subnet.id.clone(), is_in_use: self.in_use.contains(&subnet.id) });
            }
            if closest.as_ref().is_none_or(|(_, fewest)| lacks.len() < fewest.len()) {
                closest = Some((subnet, lacks));
            }
        }
        let none = || Shortcoming {
            what: format!("no subnet in {zone}"),
            fix: format!("`aws ec2 create-default-subnet --region {region} --availability-zone {zone}`"),
        };
        Err(match closest {
            Some((subnet, lacks)) => lacks.into_iter().map(|lack| (format!("{} in {zone}", subnet.id), lack)).collect(),
            None => vec![(zone.to_string(), none())],
        })
    }

    fn lacks(&self, subnet: &Candidate) -> Vec<Shortcoming> {
        let Candidate { id, free_addresses, gives_public_addresses, .. } = subnet;
        let (region, needed) = (&self.region, self.needed);
        let private = (self.gives_addresses && !gives_public_addresses).then(|| Shortcoming {
            what: "instances get no public address".to_owned(),
            fix: format!(
                "`aws ec2 modify-subnet-attribute --region {region} --subnet-id {id} --map-public-ip-on-launch`"
            ),
        });
        // Of a subnet in use, our own have taken some.
        let full = (*free_addresses < needed && !self.in_use.contains(id)).then(|| Shortcoming {
            what: format!(
                "{free_addresses} free addresses, and {needed} are needed (AWS places no load balancer where fewer than \
                 {FREE_FOR_A_LOAD_BALANCER} are free)"
            ),
            fix: format!(
                "free some, which `aws ec2 describe-network-interfaces --region {region} --filters \
                 Name=subnet-id,Values={id}` lists, or add a larger subnet with `aws ec2 create-subnet`"
            ),
        });
        let obstacle = self.ways_out.as_ref().and_then(|ways_out| ways_out.obstacle(id));
        [private, obstacle, full].into_iter().flatten().collect()
    }
}

/// What zones lack, each thing once: `no route (subnet-1 in us-east-1a, subnet-2 in us-east-1b): …`.
pub(super) fn list(shortcomings: &[(String, Shortcoming)]) -> String {
    let mut told: Vec<(&Shortcoming, Vec<&str>)> = vec![];
    for (place, shortcoming) in shortcomings {
        match told.iter_mut().find(|(other, _)| *other == shortcoming) {
            Some((_, places)) => places.push(place),
            None => told.push((shortcoming, vec![place])),
        }
    }
    let texts = told.iter().map(|(it, places)| format!("{} ({}): {}", it.what, places.join(", "), it.fix));
    texts.collect::<Vec<_>>().join("; ")
}

/// The subnets that resources of our names are in.
async fn find_in_use(ctx: &Context) -> Result<BTreeSet<String>, Error> {
    let (group, balancer) = (&ctx.names.auto_scaling_group, &ctx.names.load_balancer);
    let groups = ctx.clients.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(group);
    let groups = ctx.look("autoscaling:DescribeAutoScalingGroups", groups.send());
    let balancers = ctx.clients.elbv2.describe_load_balancers().names(balancer);
    let balancers = ctx.look("elasticloadbalancing:DescribeLoadBalancers", balancers.send());
    let (groups, balancers) = tokio::join!(groups, balancers);
    let instead = "assuming that no subnet is in use";
    let (groups, balancers) =
        (ctx.unless_refused(groups, instead)?, ctx.unless_refused(optional(balancers), instead)?.flatten());
    let groups = groups.iter().flat_map(|answer| answer.auto_scaling_groups());
    let of_groups = groups.filter_map(|group| group.vpc_zone_identifier());
    let of_groups = of_groups.flat_map(|subnets| subnets.split(',')).map(str::to_owned);
    let balancers = balancers.iter().flat_map(|answer| answer.load_balancers());
    let zones = balancers.flat_map(|balancer| balancer.availability_zones());
    let of_balancers = zones.filter_map(|zone| zone.subnet_id().map(str::to_owned));
    Ok(of_groups.chain(of_balancers).collect())
}
