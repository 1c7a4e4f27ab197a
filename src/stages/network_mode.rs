//! How the tasks that stand are reached. With bridge they are targets by their instances, with awsvpc by their addresses, and AWS changes
//! no target group's type: a walkthrough stays with the network mode that it was made with.

use aws_sdk_ecs::types::Service;
use aws_sdk_elasticloadbalancingv2::types::TargetTypeEnum;

use super::finding::{Check, Finding, Level};
use super::{Context, Error, target_group};
use crate::settings::NetworkMode;

/// Only tasks with awsvpc have a network configuration (ECS API Reference, "Service"). Emulators, on which all have, may not tell.
pub(super) fn of_service(ctx: &Context, service: &Service) -> NetworkMode {
    let is_awsvpc = service.network_configuration().is_some() || !ctx.data_plane.runs_agents();
    if is_awsvpc { NetworkMode::Awsvpc } else { NetworkMode::Bridge }
}

/// What kind of target a task is (ECS API Reference, "LoadBalancer").
pub(crate) fn target_type(mode: NetworkMode) -> TargetTypeEnum {
    match mode {
        NetworkMode::Awsvpc => TargetTypeEnum::Ip,
        NetworkMode::Bridge => TargetTypeEnum::Instance,
    }
}

/// What stands against the network mode that is asked for. To be asked when it is known what stands.
pub(super) async fn find_problem(ctx: &Context) -> Result<Option<Finding>, Error> {
    let wanted = ctx.network_mode();
    let problem = |what| Ok(Some(Finding::new(Check::NetworkMode, Level::Problem, what)));
    if wanted == NetworkMode::Bridge && !ctx.data_plane.runs_agents() {
        let what = "an emulator's tasks have network interfaces of their own here (awsvpc): leave --network-mode out, or use --local";
        return problem(what.to_owned());
    }
    if wanted == NetworkMode::Bridge && ctx.is_on_fargate() {
        let what = "Fargate knows no network mode but awsvpc: leave --network-mode out, or give --launch-type ec2";
        return problem(what.to_owned());
    }
    let way_out = format!(
        "`zonewalk down`, then `zonewalk up --network-mode {wanted}`; or make a second walkthrough beside this one with --name"
    );
    if let Some(standing) = ctx.standing_network_mode().filter(|standing| *standing != wanted) {
        let what = format!("the services have network mode {standing}, whose targets are of another type: {way_out}");
        return problem(what);
    }
    let group = target_group::find(ctx, &ctx.names.target_group).await?;
    match group.as_ref().and_then(|group| group.target_type()) {
        // What a run left that came to no service.
        Some(is) if *is != target_type(wanted) && ctx.data_plane.runs_agents() => problem(format!(
            "target group {} is of target type {is}, and tasks with network mode {wanted} are of type {}: {way_out}; or leave \
             --network-mode as it was",
            ctx.names.target_group,
            target_type(wanted)
        )),
        _ => Ok(None),
    }
}
