//! `down`: removes what carries our tag, users before what they use, and looks again for what is left.

use futures_util::FutureExt;
use futures_util::future::join_all;
use serde::Serialize;

use crate::plan::{Kind, Step};
use crate::stages::auto_scaling_group::AutoScalingGroup;
use crate::stages::container_instances::{Instance, Registration};
use crate::stages::ecs_cluster::Cluster;
use crate::stages::identity::find_identity;
use crate::stages::instance_profile::InstanceProfile;
use crate::stages::launch_template::LaunchTemplate;
use crate::stages::listener::Listener;
use crate::stages::load_balancer::LoadBalancer;
use crate::stages::log_groups::LogGroup;
use crate::stages::namespace::{DiscoveryService, Namespace};
use crate::stages::removal::{Outcome, Remaining, Removal, UNKNOWN_ID};
use crate::stages::roles::Role;
use crate::stages::security_groups::SecurityGroup;
use crate::stages::services::Service;
use crate::stages::target_group::TargetGroup;
use crate::stages::task_definitions::TaskDefinition;
use crate::stages::{Context, Error};

/// What `down` did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Down {
    pub removed: Vec<Removed>,
    /// Resources that are ours and still there.
    pub leftovers: Vec<Leftover>,
    /// Resources that have one of our names and not our tag, and were left alone; `--adopt` removes them.
    pub not_ours: Vec<Leftover>,
}

impl Down {
    fn found_nothing(&self) -> bool {
        self.removed.is_empty() && self.leftovers.is_empty() && self.not_ours.is_empty()
    }
}

/// A resource that was removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Removed {
    pub stage: Step,
    pub kind: Kind,
    pub id: String,
}

/// A resource that was not removed, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leftover {
    pub kind: Kind,
    pub id: String,
    pub reason: String,
}

/// Removes everything that carries the owner tag, whatever an earlier run has left of it, and then looks again.
pub async fn down(ctx: &Context) -> Result<Down, Error> {
    let identity = find_identity(ctx).await?; // is anyone there, and are we let in
    let outcome = Box::pin(remove_all(ctx)).await;
    if ctx.cancel.is_cancelled() {
        return Err(Error::Interrupted);
    }
    let mut down = Box::pin(look_again(ctx, &outcome)).await;
    down.removed = outcome.removed.into_iter().map(|(kind, id)| Removed { stage: kind.step(), kind, id }).collect();
    if down.found_nothing() {
        let at = ctx.clients.endpoint_url.as_deref().map(|url| format!(" at {url}")).unwrap_or_default();
        ctx.events.note(format!(
            "nothing of walkthrough {} was found in account {}, region {}{at}: --name, --profile and --region say where to look",
            ctx.settings.name, identity.account, ctx.clients.region,
        ));
    }
    Ok(down)
}

/// Users before what they use. A load balancer stops sending before its interfaces detach; a cluster goes when no
/// instance is registered, a namespace when no service is in it, a log group when nobody writes to it any more.
async fn remove_all(ctx: &Context) -> Outcome {
    let mut outcome = Service::remove(ctx).await;
    let load_balancer = async {
        let mut outcome = Listener::remove(ctx).await;
        outcome.merge(LoadBalancer::remove(ctx).await);
        outcome.merge(TargetGroup::remove(ctx).await);
        outcome
    };
    let instances = async {
        let mut outcome = AutoScalingGroup::remove(ctx).await;
        outcome.merge(Instance::remove(ctx).await);
        outcome.merge(Registration::remove(ctx).await);
        outcome.merge(Cluster::remove(ctx).await);
        outcome.merge(LaunchTemplate::remove(ctx).await);
        outcome
    };
    let names = async {
        let mut outcome = DiscoveryService::remove(ctx).await;
        outcome.merge(Namespace::remove(ctx).await);
        outcome
    };
    let (load_balancer, instances, names, tasks) =
        tokio::join!(load_balancer, instances, names, TaskDefinition::remove(ctx));
    [load_balancer, instances, names, tasks].into_iter().for_each(|part| outcome.merge(part));
    let (groups, logs) = tokio::join!(SecurityGroup::remove(ctx), LogGroup::remove(ctx));
    outcome.merge(groups);
    outcome.merge(logs);
    // No instance and no task acts in them any more.
    outcome.merge(InstanceProfile::remove(ctx).await);
    outcome.merge(Role::remove(ctx).await);
    outcome
}

/// What is there now, asked of the cloud and not concluded from what was done.
async fn look_again(ctx: &Context, outcome: &Outcome) -> Down {
    let looks = [
        look::<Service>(ctx).boxed_local(),
        look::<Listener>(ctx).boxed_local(),
        look::<LoadBalancer>(ctx).boxed_local(),
        look::<TargetGroup>(ctx).boxed_local(),
        look::<AutoScalingGroup>(ctx).boxed_local(),
        look::<Instance>(ctx).boxed_local(),
        look::<Registration>(ctx).boxed_local(),
        look::<Cluster>(ctx).boxed_local(),
        look::<LaunchTemplate>(ctx).boxed_local(),
        look::<DiscoveryService>(ctx).boxed_local(),
        look::<Namespace>(ctx).boxed_local(),
        look::<TaskDefinition>(ctx).boxed_local(),
        look::<SecurityGroup>(ctx).boxed_local(),
        look::<LogGroup>(ctx).boxed_local(),
        look::<InstanceProfile>(ctx).boxed_local(),
        look::<Role>(ctx).boxed_local(),
    ];
    let mut down = Down::default();
    for (kind, found) in join_all(looks).await {
        let reason =
            |id: &str| outcome.failed.iter().find(|(k, i, _)| *k == kind && i == id).map(|(.., e)| e.to_string());
        match found {
            Ok(remaining) => {
                for resource in remaining {
                    let (list, otherwise) = if resource.ours || ctx.settings.adopt {
                        (&mut down.leftovers, "it was made or found again after its removal; repeat `zonewalk down`")
                    } else {
                        (&mut down.not_ours, "it has our name and not our tag; `zonewalk down --adopt` removes it")
                    };
                    let reason = reason(&resource.id).unwrap_or_else(|| otherwise.to_owned());
                    list.push(Leftover { kind, id: resource.id, reason });
                }
            }
            Err(error) => {
                down.leftovers.push(Leftover { kind, id: UNKNOWN_ID.to_owned(), reason: error.to_string() });
            }
        }
    }
    down.leftovers.sort();
    down.not_ours.sort();
    down
}

async fn look<R: Removal>(ctx: &Context) -> (Kind, Result<Vec<Remaining>, Error>) {
    (R::KIND, R::list(ctx).await)
}
