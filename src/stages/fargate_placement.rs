//! Where the tasks of a service on Fargate may run: in the zones of its subnets, since Fargate knows no placement constraints. Another
//! choice of subnets is another deployment, which replaces all tasks.

use aws_sdk_ecs::types::{AwsVpcConfiguration, NetworkConfiguration, Service};

use super::launch_type::of_service;
use super::rollout::{describe, wait_for_tasks};
use super::{Context, Error};
use crate::aws::AzName;
use crate::plan::in_order;
use crate::settings::LaunchType;

/// The subnets of a service on Fargate. None: it is on instances.
pub(super) fn subnets(service: &Service) -> Option<&[String]> {
    vpc(service).filter(|_| of_service(service) == Some(LaunchType::Fargate)).map(AwsVpcConfiguration::subnets)
}

fn vpc(service: &Service) -> Option<&AwsVpcConfiguration> {
    service.network_configuration()?.awsvpc_configuration()
}

/// Takes the subnets of a zone away from a service.
pub(super) async fn close_zone(ctx: &Context, service: &str, zone: &AzName) -> Result<(), Error> {
    let Some(found) = describe(ctx, &ctx.names.cluster, &[service]).await?.pop() else { return Ok(()) };
    let subnets = vpc(&found).map(|vpc| vpc.subnets().to_vec()).unwrap_or_default();
    let request = ctx.clients.ec2.describe_subnets().set_subnet_ids(Some(subnets));
    let answer = ctx.look("ec2:DescribeSubnets", request.send()).await?;
    let others = answer.subnets().iter().filter(|subnet| subnet.availability_zone() != Some(zone.as_str()));
    change(ctx, service, &found, others.filter_map(|subnet| subnet.subnet_id().map(str::to_owned)).collect()).await
}

/// Gives a service just these subnets, and waits until its tasks are in them; at once if it has them.
pub(super) async fn set_subnets(ctx: &Context, service: &str, subnets: Vec<String>) -> Result<(), Error> {
    let Some(found) = describe(ctx, &ctx.names.cluster, &[service]).await?.pop() else { return Ok(()) };
    if self::subnets(&found).is_some_and(|has| in_order(has) != in_order(&subnets)) {
        change(ctx, service, &found, subnets).await?;
    }
    wait_for_tasks(ctx, service, found.desired_count().unsigned_abs()).await
}

async fn change(ctx: &Context, name: &str, service: &Service, subnets: Vec<String>) -> Result<(), Error> {
    let Some(vpc) = vpc(service) else { return Ok(()) };
    let mut vpc = vpc.clone();
    vpc.subnets = subnets;
    let network = NetworkConfiguration::builder().awsvpc_configuration(vpc).build();
    let request = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).service(name);
    ctx.change("ecs:UpdateService", request.network_configuration(network).send()).await
}
