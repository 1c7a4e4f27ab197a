//! What comes before what, as straight code: all stages on the way up, done or foreseen, and on the way down.
//!
//! Independent stages run concurrently: the instances boot while the load balancer is made. A failure lets the others
//! finish the request they are at, so that nothing is made whose answer nobody reads.

use futures_util::FutureExt;
use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::plan::{Action, Kind, PlannedChange, ResourceReport, in_order};
use crate::stages::auto_scaling_group::AutoScalingGroup;
use crate::stages::container_instances::{Capacity, Instance, Registration, wait_for_instances};
use crate::stages::ecs_cluster::{Cluster, EcsCluster};
use crate::stages::identity::Identity;
use crate::stages::image::Image;
use crate::stages::instance_profile::InstanceProfile;
use crate::stages::launch_template::LaunchTemplate;
use crate::stages::listener::{Listener, ListeningTargetGroup};
use crate::stages::load_balancer::{LoadBalancer, LoadBalancerAddress};
use crate::stages::log_groups::LogGroup;
use crate::stages::namespace::{DiscoveryService, Namespace};
use crate::stages::network::Network;
use crate::stages::network_mode::target_type;
use crate::stages::placement::remove_surplus;
use crate::stages::preflight::Prerequisites;
use crate::stages::removal::{Outcome, Remaining, Removal};
use crate::stages::role_choice::{RoleSource, RoleSources};
use crate::stages::roles::{Role, Roles};
use crate::stages::security_groups::{IngressRule, Ports, SecurityGroup, SecurityGroups, Source};
use crate::stages::services::Service;
use crate::stages::stage::Stage;
use crate::stages::target_group::TargetGroup;
use crate::stages::task_definitions::{TaskDefinition, TaskDefinitionArn};
use crate::stages::{Context, Error};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Ensure,
    Plan,
}

/// One run through the stages, to do them or to foresee them.
pub(super) struct Run {
    ctx: Context,
    mode: Mode,
    pub(super) reports: Mutex<Vec<ResourceReport>>,
    /// The kinds of resources that exist, or may exist, of stages that have not come to their end.
    pub(super) under_way: Mutex<Vec<Kind>>,
    pub(super) plans: Mutex<Vec<PlannedChange>>,
}

impl Run {
    pub(super) fn new(ctx: &Context, mode: Mode) -> Self {
        // A failure cancels this run and nothing else that goes by the caller's token.
        let ctx = ctx.with_cancel(ctx.cancel.child_token());
        Self { ctx, mode, reports: Mutex::default(), under_way: Mutex::default(), plans: Mutex::default() }
    }

    /// Does a stage, or plans it, and gives what it makes.
    async fn stage<S: Stage>(&self, stage: S) -> Result<S::Output, Error> {
        match self.mode {
            Mode::Ensure => {
                let ctx = self.ctx.for_stage();
                let done = self.or_stop(Box::pin(stage.ensure(&ctx))).await;
                let is_ours = !matches!(&done, Err(Error::NotOurs { .. }));
                if done.is_err() && is_ours && ctx.has_begun() {
                    self.under_way.lock().push(S::KIND);
                }
                let (report, output) = done?;
                self.reports.lock().push(report);
                Ok(output)
            }
            Mode::Plan => {
                let (plan, output) = self.or_stop(Box::pin(stage.plan(&self.ctx))).await?;
                self.plans.lock().push(plan);
                Ok(output)
            }
        }
    }

    /// Notes that a resource is as it should be, but what makes it useful is not there yet.
    fn not_ready_yet(&self, kind: Kind) {
        self.reports.lock().retain(|report| report.kind != kind);
        self.under_way.lock().push(kind);
    }

    async fn or_stop<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let result = work.await;
        if result.is_err() {
            self.ctx.cancel.cancel();
        }
        result
    }

    /// Goes through all stages, and gives the address of what they make.
    pub(super) async fn all(&self, prerequisites: Prerequisites) -> Result<LoadBalancerAddress, Error> {
        let ctx = &self.ctx;
        let Prerequisites { identity, role_sources, image, network } = prerequisites;
        let image = image.as_ref();
        let (roles, groups) = all2(self.roles(&identity, role_sources), self.security_groups(&network)).await?;
        // The backend does not wait for the load balancer, which is what takes longest.
        let backend = async {
            let ((cluster, capacity), (backend_task, frontend_task)) =
                all2(self.capacity(&identity, &roles, &network, &groups, image), self.task_definitions(&roles)).await?;
            let backend = Service::backend(ctx, &cluster, &capacity, &backend_task, &network, &groups.server);
            let backend = self.stage(backend).await?;
            Ok((cluster, capacity, frontend_task, backend))
        };
        let ((address, listening), (cluster, capacity, frontend_task, backend)) =
            all2(self.load_balancer(&network, &groups), backend).await?;
        let frontend =
            Service::frontend(ctx, &cluster, &capacity, &frontend_task, &network, &groups.client, &listening, &backend);
        self.stage(frontend).await?;
        if self.mode == Mode::Ensure && image.is_some() {
            self.or_stop(self.remove_surplus()).await?;
        }
        Ok(address)
    }

    /// Takes away the instances that are too many, now that those with tasks are known.
    async fn remove_surplus(&self) -> Result<(), Error> {
        if Box::pin(remove_surplus(&self.ctx, self.ctx.settings.task_count.instances())).await? {
            let mut reports = self.reports.lock();
            let group = reports.iter_mut().find(|report| report.kind == Kind::AutoScalingGroup);
            if let Some(group) = group.filter(|group| group.action == Action::Kept) {
                group.action = Action::Changed;
            }
        }
        Ok(())
    }

    /// What steps 4 and 6 take for granted.
    async fn roles(&self, identity: &Identity, role_sources: RoleSources) -> Result<Roles, Error> {
        let instance_profile = async {
            Ok(match role_sources.instance_profile {
                Some(RoleSource::Existing(arn)) => Some(arn),
                Some(RoleSource::Own) => {
                    let (role, _) = self.stage(Role::of_instances(&self.ctx, identity)).await?;
                    Some(self.stage(InstanceProfile::new(identity, &role)).await?)
                }
                None => None,
            })
        };
        let execution_role = async {
            match role_sources.execution_role {
                RoleSource::Existing(arn) => Ok(arn),
                RoleSource::Own => Ok(self.stage(Role::of_task_execution(&self.ctx, identity)).await?.1),
            }
        };
        let (instance_profile_arn, execution_role_arn) = all2(instance_profile, execution_role).await?;
        Ok(Roles { instance_profile_arn, execution_role_arn })
    }

    /// Step 2.
    async fn security_groups(&self, network: &Network) -> Result<SecurityGroups, Error> {
        let names = &self.ctx.names;
        let group = |name, description, closed| self.stage(SecurityGroup { network, name, description, closed });
        let (to_frontends, to_backends) =
            ("the load balancer cannot reach the frontends", "the frontends cannot reach the backends");
        let (lb, client, server) = all3(
            group(&names.lb_security_group, "Security group for az aware routing LB", Some(to_frontends)),
            group(&names.client_security_group, "Security group for az aware routing client", Some(to_backends)),
            group(&names.server_security_group, "Security group for az aware routing server", None),
        )
        .await?;
        let rule = |way, group, ports, sources, closed| self.stage(IngressRule { way, group, ports, sources, closed });
        let of_tasks = |port| Ports::of_tasks(self.ctx.network_mode(), port);
        let callers: Vec<_> = self.ctx.settings.distinct_cidrs().iter().map(Source::range).collect();
        all3(
            rule(
                format!("{} → lb", in_order(&callers)),
                &lb,
                80.into(),
                callers,
                "callers cannot reach the load balancer",
            ),
            rule("lb → client".to_owned(), &client, of_tasks(names.frontend.port), Source::members(&lb), to_frontends),
            rule(
                "client → server".to_owned(),
                &server,
                of_tasks(names.backend.port),
                Source::members(&client),
                to_backends,
            ),
        )
        .await?;
        Ok(SecurityGroups { lb, client, server })
    }

    /// Steps 3 and 4. On Fargate, for which there is no image and no profile, a cluster is all that tasks need.
    async fn capacity(
        &self,
        identity: &Identity,
        roles: &Roles,
        network: &Network,
        groups: &SecurityGroups,
        image: Option<&Image>,
    ) -> Result<(EcsCluster, Capacity), Error> {
        let (ctx, names) = (&self.ctx, &self.ctx.names);
        let namespace = self.stage(Namespace { name: &names.namespace }).await?;
        let cluster = self.stage(Cluster { name: &names.cluster, namespace: &namespace, identity }).await?;
        let (Some(image), Some(profile)) = (image, &roles.instance_profile_arn) else {
            return Ok((cluster, Capacity::unlimited()));
        };
        let launch_template = self.stage(LaunchTemplate::new(ctx, profile, groups, &cluster, image)?).await?;
        let fleet = self
            .stage(AutoScalingGroup {
                name: &names.auto_scaling_group,
                launch_template: &launch_template,
                network,
                instances: ctx.settings.task_count.instances(),
                keeps_surplus: self.mode == Mode::Ensure,
            })
            .await?;
        let capacity = match self.mode {
            Mode::Ensure => {
                let joined = self.or_stop(wait_for_instances(ctx, &cluster, &fleet, network)).await;
                joined.inspect_err(|_| self.not_ready_yet(Kind::AutoScalingGroup))?
            }
            Mode::Plan => Capacity::foreseen(),
        };
        Ok((cluster, capacity))
    }

    /// Step 5.
    async fn load_balancer(
        &self,
        network: &Network,
        groups: &SecurityGroups,
    ) -> Result<(LoadBalancerAddress, ListeningTargetGroup), Error> {
        let names = &self.ctx.names;
        let (load_balancer, target_group) = all2(
            self.stage(LoadBalancer { name: &names.load_balancer, network, groups }),
            self.stage(TargetGroup {
                name: &names.target_group,
                network,
                target_type: target_type(self.ctx.network_mode()),
            }),
        )
        .await?;
        let listening = self.stage(Listener { load_balancer: &load_balancer, target_group: &target_group }).await?;
        Ok((load_balancer, listening))
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

/// Users before what they use. A load balancer stops sending before its interfaces detach; a cluster goes when no
/// instance is registered, a namespace when no service is in it, a log group when nobody writes to it any more.
pub(super) async fn remove_all(ctx: &Context) -> Outcome {
    let services = Service::remove(ctx).await;
    let load_balancer = async {
        let mut outcome = Listener::remove(ctx).await;
        outcome.merge(LoadBalancer::remove(ctx).await);
        outcome.merge(TargetGroup::remove(&after(ctx, &[&outcome])).await);
        outcome
    };
    let instances = async {
        let mut outcome = AutoScalingGroup::remove(ctx).await;
        outcome.merge(Instance::remove(&after(ctx, &[&outcome])).await);
        outcome.merge(Registration::remove(&after(ctx, &[&outcome])).await);
        outcome.merge(Cluster::remove(&after(ctx, &[&services, &outcome])).await);
        outcome.merge(LaunchTemplate::remove(ctx).await);
        outcome
    };
    let names = async {
        let mut outcome = DiscoveryService::remove(&after(ctx, &[&services])).await;
        outcome.merge(Namespace::remove(&after(ctx, &[&services, &outcome])).await);
        outcome
    };
    let (load_balancer, instances, names, tasks) =
        tokio::join!(load_balancer, instances, names, TaskDefinition::remove(ctx));
    let of_groups = after(ctx, &[&services, &load_balancer, &instances]);
    let (groups, logs) = tokio::join!(SecurityGroup::remove(&of_groups), LogGroup::remove(ctx));
    let mut outcome = services;
    [load_balancer, instances, names, tasks, groups, logs].into_iter().for_each(|part| outcome.merge(part));
    // No instance and no task acts in them any more.
    outcome.merge(InstanceProfile::remove(ctx).await);
    outcome.merge(Role::remove(ctx).await);
    outcome
}

/// Which part of the time-out what is used by something that could not be removed gets.
const AFTER_A_FAILURE: u32 = 20;

/// The context in which what these used is removed. If any of them could not be, AWS may refuse it for as long as it is
/// waited for: it is only given the time that what was deleted takes to be gone.
fn after(ctx: &Context, users: &[&Outcome]) -> Context {
    let failed = users.iter().any(|outcome| !outcome.failed.is_empty());
    if failed { ctx.with_timeout(ctx.settings.timeout / AFTER_A_FAILURE) } else { ctx.clone() }
}

/// What is there now of each kind, whose removal has been tried.
pub(super) async fn look_at_all(ctx: &Context) -> Vec<(Kind, Result<Vec<Remaining>, Error>)> {
    join_all([
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
    ])
    .await
}

async fn look<R: Removal>(ctx: &Context) -> (Kind, Result<Vec<Remaining>, Error>) {
    (R::KIND, R::list(ctx).await)
}
