//! Blue/green deployments: the new tasks start beside the old ones, get all of the traffic at once when every one of them is healthy,
//! and the old ones stay for a while, in case it has to go back (ECS Developer Guide, "Amazon ECS blue/green deployments" and
//! "Amazon ECS Service Connect: blue/green deployments").

use std::time::Duration;

use super::services::{Deployment, Service};
use crate::cloud::region::Region;

/// How a deployment takes the place of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    Rolling,
    BlueGreen {
        /// How long the old tasks stay when the new ones have the traffic.
        bake: Duration,
    },
}

/// How far a deployment is. One that rolls is [`Stage::Live`] from its first task on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its tasks start, and nobody is sent to them.
    ScaleUp,
    /// It has the traffic, and the tasks that had it before are still there.
    BakeTime,
    Live,
    /// Another one has its traffic.
    Left,
}

impl Strategy {
    pub(super) fn first_stage(self) -> Stage {
        match self {
            Self::Rolling => Stage::Live,
            Self::BlueGreen { .. } => Stage::ScaleUp,
        }
    }

    /// As `DeploymentConfiguration` has it.
    pub(super) fn wire(self) -> (&'static str, u64) {
        match self {
            Self::Rolling => ("ROLLING", 0),
            Self::BlueGreen { bake } => ("BLUE_GREEN", bake.as_secs() / 60),
        }
    }
}

impl Stage {
    pub(super) fn has_traffic(self) -> bool {
        matches!(self, Self::BakeTime | Self::Live)
    }
}

/// Whether the tasks of a deployment that is to be replaced have to stay for now.
pub(super) fn keeps(service: &Service, deployment: &Deployment) -> bool {
    match service.primary().stage {
        Stage::ScaleUp => deployment.stage.has_traffic(),
        Stage::BakeTime => deployment.stage == Stage::Left,
        Stage::Live | Stage::Left => false,
    }
}

/// Gives the traffic to the newest deployment, whose tasks are all healthy now.
pub(super) fn shift(region: &mut Region, arn: &str) {
    let pace = region.schedule.pace;
    let Some(service) = region.ecs_mut().service_mut(arn) else { return };
    let Strategy::BlueGreen { bake } = service.rollout.strategy else { return };
    let Some((green, others)) = service.deployments.split_first_mut() else { return };
    if green.stage != Stage::ScaleUp {
        return;
    }
    let has_blue = others.iter().any(|deployment| deployment.stage.has_traffic());
    green.stage = if has_blue { Stage::BakeTime } else { Stage::Live };
    others.iter_mut().for_each(|deployment| deployment.stage = Stage::Left);
    if has_blue {
        let (arn, id) = (arn.to_owned(), green.id.clone());
        region.after_real_time(pace.scale(bake), move |region| end_bake_time(region, &arn, &id));
    }
}

fn end_bake_time(region: &mut Region, arn: &str, id: &str) {
    let deployments = region.ecs_mut().service_mut(arn).into_iter().flat_map(|service| &mut service.deployments);
    for deployment in deployments.filter(|deployment| deployment.id == id && deployment.stage == Stage::BakeTime) {
        deployment.stage = Stage::Live;
    }
}
