//! What the tasks that stand run on. AWS takes no other launch type for a service that exists, so that a walkthrough stays on what it
//! was made on.

use aws_sdk_ecs::types::{LaunchType as EcsLaunchType, Service};

use super::finding::{Check, Finding, Level};
use super::rollout::describe;
use super::{Context, Error, network_mode};
use crate::settings::LaunchType;

/// What a service's tasks run on. None: neither EC2 nor Fargate, or it is not told.
pub(super) fn of_service(service: &Service) -> Option<LaunchType> {
    let provider = service.capacity_provider_strategy().first().map(|item| item.capacity_provider());
    match (service.launch_type(), provider) {
        (Some(EcsLaunchType::Fargate), _) | (_, Some("FARGATE" | "FARGATE_SPOT")) => Some(LaunchType::Fargate),
        (Some(EcsLaunchType::Ec2), _) => Some(LaunchType::Ec2),
        _ => None,
    }
}

/// Looks what the services of our names run on and how they are reached, and remembers it. None: there are none.
pub async fn learn(ctx: &Context) -> Result<Option<LaunchType>, Error> {
    let names = [ctx.names.backend.service.as_str(), ctx.names.frontend.service.as_str()];
    let services = describe(ctx, &ctx.names.cluster, &names).await?;
    let mut services = services.iter().filter(|service| service.status() != Some("INACTIVE"));
    if let Some(service) = services.clone().next() {
        ctx.learn_network_mode(network_mode::of_service(ctx, service));
    }
    let standing = services.find_map(of_service);
    if let Some(standing) = standing {
        ctx.learn_launch_type(standing);
    }
    Ok(standing)
}

/// What stands against the launch type that is asked for.
pub(super) async fn find_problem(ctx: &Context) -> Result<Option<Finding>, Error> {
    let standing = learn(ctx).await?;
    let wanted = ctx.launch_type();
    let problem = |what| Some(Finding::new(Check::LaunchType, Level::Problem, what));
    if wanted == LaunchType::Fargate && !ctx.data_plane.runs_agents() {
        return Ok(problem(
            "an emulator's tasks run on its instances here, and not on Fargate: leave --launch-type out, or use --local".to_owned(),
        ));
    }
    Ok(match standing {
        // UpdateService takes no launch type (ECS API Reference). It takes Fargate's capacity providers, with which the instances, their
        // group and their template would stay behind, and nothing the other way but to where the service was made.
        Some(standing) if standing != wanted => problem(format!(
            "the services run on {standing}, and AWS changes no service's launch type: `zonewalk down`, then `zonewalk up --launch-type \
             {}`; or make a second walkthrough beside this one with --name",
            wanted.as_argument()
        )),
        _ => None,
    })
}
