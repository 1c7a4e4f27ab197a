//! `up` and `down` as straight code: which stage needs which.
//!
//! What does not depend on each other goes on at the same time: the instances boot while the load balancer is made. A
//! failure lets the others finish the request they are at, so that nothing is made whose answer nobody reads.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::stages::auto_scaling_group::AutoScalingGroup;
use crate::stages::container_instances::{Capacity, Instance, Registration, wait_for_instances};
use crate::stages::ecs_cluster::{Cluster, EcsCluster};
use crate::stages::identity::find_identity;
use crate::stages::image::{ImageId, find_image};
use crate::stages::launch_template::LaunchTemplate;
use crate::stages::listener::{Entrance, Listener};
use crate::stages::load_balancer::{LoadBalancer, LoadBalancerAddress};
use crate::stages::log_groups::LogGroup;
use crate::stages::namespace::{DiscoveryService, Namespace};
use crate::stages::network::{Network, find_network};
use crate::stages::removal::{Outcome, Removal, Standing};
use crate::stages::roles::{Roles, find_roles};
use crate::stages::security_groups::{IngressRule, SecurityGroup, SecurityGroups, Source};
use crate::stages::services::Service;
use crate::stages::stage::Stage;
use crate::stages::target_group::TargetGroup;
use crate::stages::task_definitions::{TaskDefinition, TaskDefinitionArn};
use crate::stages::{Context, Error, Kind, Plan, ResourceReport, Step};

/// What stands after `up`.
#[derive(Clone, Debug, Serialize)]
pub struct Up {
    pub alb_url: String,
    pub resources: Vec<ResourceReport>,
}

/// Makes what is missing, mends what differs, keeps the rest.
pub async fn up(ctx: &Context) -> Result<Up, Error> {
    let walk = Walk::new(ctx, Mode::Ensure);
    let address = Box::pin(walk.all()).await?;
    let mut resources = walk.reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    resources.sort();
    Ok(Up { alb_url: format!("http://{}/", address.dns_name), resources })
}

/// What `up` would do, in the order of the article. Changes nothing.
pub async fn plan(ctx: &Context) -> Result<Vec<Plan>, Error> {
    let walk = Walk::new(ctx, Mode::Plan);
    Box::pin(walk.all()).await?;
    let mut plans = walk.plans.into_inner().unwrap_or_else(PoisonError::into_inner);
    plans.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(plans)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Ensure,
    Plan,
}

/// One walk through the stages, to do them or to foresee them.
struct Walk {
    ctx: Context,
    mode: Mode,
    reports: Mutex<Vec<ResourceReport>>,
    plans: Mutex<Vec<Plan>>,
}

impl Walk {
    fn new(ctx: &Context, mode: Mode) -> Self {
        // A failure stops this walk and nothing else that the caller's token stands for.
        let ctx = ctx.with_cancel(ctx.cancel.child_token());
        Self { ctx, mode, reports: Mutex::default(), plans: Mutex::default() }
    }

    /// Does a stage, or plans it, and gives what it makes.
    async fn stage<S: Stage>(&self, stage: S) -> Result<S::Output, Error> {
        match self.mode {
            Mode::Ensure => {
                let (report, output) = self.or_stop(Box::pin(stage.ensure(&self.ctx))).await?;
                self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
                Ok(output)
            }
            Mode::Plan => {
                let (plan, output) = self.or_stop(Box::pin(stage.plan(&self.ctx))).await?;
                self.plans.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
                Ok(output)
            }
        }
    }

    async fn or_stop<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let result = work.await;
        if result.is_err() {
            self.ctx.cancel.cancel();
        }
        result
    }

    async fn all(&self) -> Result<LoadBalancerAddress, Error> {
        let ctx = &self.ctx;
        // What is only looked up comes first: if something is lacking, nothing has been made.
        let (roles, image, network) = all3(
            self.or_stop(async { find_roles(ctx, &find_identity(ctx).await?).await }),
            self.or_stop(find_image(ctx)),
            self.or_stop(find_network(ctx)),
        )
        .await?;
        let groups = self.security_groups(&network).await?;
        // The backend does not wait for the load balancer, which is what takes longest.
        let backend = async {
            let ((cluster, capacity), (backend_task, frontend_task)) =
                all2(self.instances(&roles, &network, &groups, &image), self.task_definitions(&roles)).await?;
            let backend = Service::backend(ctx, &cluster, &capacity, &backend_task, &network, &groups.server);
            let backend = self.stage(backend).await?;
            Ok((cluster, capacity, frontend_task, backend))
        };
        let ((address, entrance), (cluster, capacity, frontend_task, backend)) =
            all2(self.entrance(&network, &groups), backend).await?;
        let frontend =
            Service::frontend(ctx, &cluster, &capacity, &frontend_task, &network, &groups.client, &entrance, &backend);
        self.stage(frontend).await?;
        Ok(address)
    }

    /// Step 2.
    async fn security_groups(&self, network: &Network) -> Result<SecurityGroups, Error> {
        let names = &self.ctx.names;
        let group = |name, description| self.stage(SecurityGroup { network, name, description });
        let (lb, client, server) = all3(
            group(&names.lb_security_group, "Security group for az aware routing LB"),
            group(&names.client_security_group, "Security group for az aware routing client"),
            group(&names.server_security_group, "Security group for az aware routing server"),
        )
        .await?;
        let rule = |group, port, source| self.stage(IngressRule { group, port, source });
        let anyone = Source::Cidr(self.ctx.settings.allow_cidr.clone());
        all3(
            rule(&lb, 80, anyone),
            rule(&client, names.frontend.port, Source::members(&lb)),
            rule(&server, names.backend.port, Source::members(&client)),
        )
        .await?;
        Ok(SecurityGroups { lb, client, server })
    }

    /// Steps 3 and 4.
    async fn instances(
        &self,
        roles: &Roles,
        network: &Network,
        groups: &SecurityGroups,
        image: &ImageId,
    ) -> Result<(EcsCluster, Capacity), Error> {
        let (ctx, names) = (&self.ctx, &self.ctx.names);
        let namespace = self.stage(Namespace { name: &names.namespace }).await?;
        let cluster = self.stage(Cluster { name: &names.cluster, namespace: &namespace }).await?;
        let launch_template = self.stage(LaunchTemplate::new(ctx, roles, groups, &cluster, image)?).await?;
        let fleet = self
            .stage(AutoScalingGroup {
                name: &names.auto_scaling_group,
                launch_template: &launch_template,
                network,
                instances: ctx.settings.task_count.instances(),
            })
            .await?;
        let capacity = match self.mode {
            Mode::Ensure => self.or_stop(wait_for_instances(ctx, &cluster, &fleet, network)).await?,
            Mode::Plan => Capacity::foreseen(),
        };
        Ok((cluster, capacity))
    }

    /// Step 5.
    async fn entrance(
        &self,
        network: &Network,
        groups: &SecurityGroups,
    ) -> Result<(LoadBalancerAddress, Entrance), Error> {
        let names = &self.ctx.names;
        let (load_balancer, target_group) = all2(
            self.stage(LoadBalancer { name: &names.load_balancer, network, groups }),
            self.stage(TargetGroup { name: &names.target_group, network }),
        )
        .await?;
        let entrance = self.stage(Listener { load_balancer: &load_balancer, target_group: &target_group }).await?;
        Ok((load_balancer, entrance))
    }

    /// Step 6.
    async fn task_definitions(&self, roles: &Roles) -> Result<(TaskDefinitionArn, TaskDefinitionArn), Error> {
        let (ctx, names) = (&self.ctx, &self.ctx.names);
        let backend = async {
            let log_group = self.stage(LogGroup { name: &names.backend.log_group }).await?;
            self.stage(TaskDefinition::backend(ctx, roles, &log_group)?).await
        };
        let frontend = async {
            let log_group = self.stage(LogGroup { name: &names.frontend.log_group }).await?;
            self.stage(TaskDefinition::frontend(ctx, roles, &log_group)?).await
        };
        all2(backend, frontend).await
    }
}

async fn all2<A, B>(
    a: impl Future<Output = Result<A, Error>>,
    b: impl Future<Output = Result<B, Error>>,
) -> Result<(A, B), Error> {
    match tokio::join!(a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => Err(first_cause([a.err(), b.err()])),
    }
}

async fn all3<A, B, C>(
    a: impl Future<Output = Result<A, Error>>,
    b: impl Future<Output = Result<B, Error>>,
    c: impl Future<Output = Result<C, Error>>,
) -> Result<(A, B, C), Error> {
    match tokio::join!(a, b, c) {
        (Ok(a), Ok(b), Ok(c)) => Ok((a, b, c)),
        (a, b, c) => Err(first_cause([a.err(), b.err(), c.err()])),
    }
}

/// The failure, rather than the interruptions of the others that it caused.
fn first_cause<const N: usize>(errors: [Option<Error>; N]) -> Error {
    errors.into_iter().flatten().min_by_key(Error::is_interrupted).unwrap_or(Error::Interrupted)
}

/// What `down` did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Down {
    pub removed: Vec<Removed>,
    /// Ours, and still there.
    pub leftovers: Vec<Leftover>,
    /// Has one of our names and not our tag, so it was left alone; `--adopt` removes it.
    pub not_ours: Vec<Leftover>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Removed {
    pub stage: Step,
    pub kind: Kind,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leftover {
    pub kind: Kind,
    pub id: String,
    pub reason: String,
}

/// Removes everything that carries the owner tag, whatever an earlier run has left of it, and then looks again.
pub async fn down(ctx: &Context) -> Result<Down, Error> {
    find_identity(ctx).await?; // is anyone there, and are we let in
    let outcome = Box::pin(remove_all(ctx)).await;
    if ctx.cancel.is_cancelled() {
        return Err(Error::Interrupted);
    }
    let mut down = Box::pin(look_again(ctx, &outcome)).await;
    down.removed = outcome.removed.into_iter().map(|(kind, id)| Removed { stage: kind.step(), kind, id }).collect();
    Ok(down)
}

/// Users before what they use. A load balancer stops sending before its interfaces detach; a cluster goes when no
/// instance is registered, a namespace when no service is in it, a log group when nobody writes to it any more.
async fn remove_all(ctx: &Context) -> Outcome {
    let mut outcome = Service::remove(ctx).await;
    let entrance = async {
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
    let (entrance, instances, names, tasks) = tokio::join!(entrance, instances, names, TaskDefinition::remove(ctx));
    [entrance, instances, names, tasks].into_iter().for_each(|part| outcome.merge(part));
    let (groups, logs) = tokio::join!(SecurityGroup::remove(ctx), LogGroup::remove(ctx));
    outcome.merge(groups);
    outcome.merge(logs);
    outcome
}

/// What is there now, asked of the cloud and not concluded from what was done.
async fn look_again(ctx: &Context, outcome: &Outcome) -> Down {
    let (a, b, c) = tokio::join!(
        async {
            tokio::join!(
                look::<Service>(ctx),
                look::<Listener>(ctx),
                look::<LoadBalancer>(ctx),
                look::<TargetGroup>(ctx)
            )
        },
        async {
            tokio::join!(
                look::<AutoScalingGroup>(ctx),
                look::<Instance>(ctx),
                look::<Registration>(ctx),
                look::<Cluster>(ctx)
            )
        },
        async {
            tokio::join!(
                look::<LaunchTemplate>(ctx),
                look::<DiscoveryService>(ctx),
                look::<Namespace>(ctx),
                look::<TaskDefinition>(ctx),
                look::<SecurityGroup>(ctx),
                look::<LogGroup>(ctx),
            )
        },
    );
    let mut down = Down::default();
    for (kind, found) in [a.0, a.1, a.2, a.3, b.0, b.1, b.2, b.3, c.0, c.1, c.2, c.3, c.4, c.5] {
        let reason =
            |id: &str| outcome.failed.iter().find(|(k, i, _)| *k == kind && i == id).map(|(.., e)| e.to_string());
        match found {
            Ok(standing) => {
                for resource in standing {
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
                down.leftovers.push(Leftover {
                    kind,
                    id: "(could not be listed)".to_owned(),
                    reason: error.to_string(),
                });
            }
        }
    }
    down.leftovers.sort();
    down.not_ours.sort();
    down
}

async fn look<R: Removal>(ctx: &Context) -> (Kind, Result<Vec<Standing>, Error>) {
    (R::KIND, R::standing(ctx).await)
}
