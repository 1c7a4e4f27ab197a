//! `up` and `down` as straight code: which stage needs which.
//!
//! What does not depend on each other goes on at the same time: the instances boot while the load balancer is made. A
//! failure lets the others finish the request they are at, so that nothing is made whose answer nobody reads.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::plan::{Action, Kind, PlannedChange, ResourceReport, Step};
use crate::stages::auto_scaling_group::AutoScalingGroup;
use crate::stages::container_instances::{Capacity, Instance, Registration, wait_for_instances};
use crate::stages::ecs_cluster::{Cluster, EcsCluster};
use crate::stages::finding::{Check, Finding, Level};
use crate::stages::identity::{Identity, find_identity};
use crate::stages::image::Image;
use crate::stages::instance_profile::InstanceProfile;
use crate::stages::launch_template::LaunchTemplate;
use crate::stages::listener::{Entrance, Listener};
use crate::stages::load_balancer::{LoadBalancer, LoadBalancerAddress};
use crate::stages::log_groups::LogGroup;
use crate::stages::namespace::{DiscoveryService, Namespace};
use crate::stages::network::Network;
use crate::stages::preflight::{self, Ground};
use crate::stages::removal::{Outcome, Removal, Standing};
use crate::stages::roles::{Choice, Choices, Role, Roles};
use crate::stages::security_groups::{IngressRule, SecurityGroup, SecurityGroups, Source};
use crate::stages::services::Service;
use crate::stages::stage::Stage;
use crate::stages::target_group::TargetGroup;
use crate::stages::task_definitions::{TaskDefinition, TaskDefinitionArn};
use crate::stages::{Context, Error};

/// What stands after `up`.
#[derive(Clone, Debug, Serialize)]
pub struct Up {
    pub alb_url: String,
    pub resources: Vec<ResourceReport>,
}

/// Makes what is missing, mends what differs, keeps the rest. If anything foreseeable would stop it, it makes nothing.
pub async fn up(ctx: &Context) -> Result<Up, Error> {
    let Examination { findings, ground, .. } = examine(ctx).await?;
    let ground = match ground {
        Some(ground) if !findings.iter().any(Finding::blocks) => ground,
        _ => return Err(Error::Preflight(findings)),
    };
    for finding in findings.iter().filter(|finding| finding.level == Level::Unknown) {
        ctx.events.note(format!("{}: {}", finding.check, finding.what));
    }
    let walk = Walk::new(ctx, Mode::Ensure);
    let walked = Box::pin(walk.all(ground)).await;
    let mut resources = walk.reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    resources.sort();
    if walked.is_err() {
        let ready: Vec<Kind> = resources.iter().map(|resource| resource.kind).collect();
        let under_way = walk.under_way.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(note) = what_stands(&ready, &under_way) {
            ctx.events.note(note);
        }
    }
    let address = walked?;
    Ok(Up { alb_url: format!("http://{}/", address.dns_name), resources })
}

/// Of a run that failed: `5 resources are ready (3 security group, 1 namespace, 1 cluster), 1 is under way (1 load
/// balancer): …`. None: nothing was begun.
fn what_stands(ready: &[Kind], under_way: &[Kind]) -> Option<String> {
    let mut clauses = vec![];
    for (kinds, state) in [(ready, "ready"), (under_way, UNDER_WAY)] {
        let noun = match (clauses.is_empty(), kinds.len()) {
            (_, 0) => continue,
            (true, 1) => " resource",
            (true, _) => " resources",
            (false, _) => "",
        };
        let verb = if kinds.len() == 1 { "is" } else { "are" };
        clauses.push(format!("{}{noun} {verb} {state} ({})", kinds.len(), list(kinds, state)));
    }
    let all = clauses.join(", ");
    (!clauses.is_empty()).then(|| format!("{all}: `zonewalk up` goes on from there, `zonewalk down` removes them"))
}

const UNDER_WAY: &str = "under way";

fn list(kinds: &[Kind], state: &str) -> String {
    let mut by_kind: BTreeMap<Kind, u32> = BTreeMap::new();
    for kind in kinds {
        *by_kind.entry(*kind).or_default() += 1;
    }
    let texts = by_kind.iter().map(|(kind, count)| match kind {
        // They are what costs most.
        Kind::AutoScalingGroup if state == UNDER_WAY => format!("{count} {kind} and its instances"),
        _ => format!("{count} {kind}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// What `up` finds before it makes anything.
pub struct Examination {
    pub findings: Vec<Finding>,
    /// What it would do, in the order of the article; empty if there is nothing to build on.
    pub plans: Vec<PlannedChange>,
    ground: Option<Ground>,
}

/// Looks at all that `up` builds on, and at what stands. Changes nothing.
pub async fn examine(ctx: &Context) -> Result<Examination, Error> {
    let (mut findings, ground) = preflight::examine(ctx).await?;
    let mut plans = vec![];
    if let Some(ground) = &ground {
        let walk = Walk::new(ctx, Mode::Plan);
        Box::pin(walk.all(ground.clone())).await?;
        plans = walk.plans.into_inner().unwrap_or_else(PoisonError::into_inner);
        plans.sort_by(|a, b| (a.stage, a.kind, &a.name).cmp(&(b.stage, b.kind, &b.name)));
        findings.push(names_finding(&plans));
    }
    Ok(Examination { findings, plans, ground })
}

fn names_finding(plans: &[PlannedChange]) -> Finding {
    let foreign = plans.iter().filter(|plan| plan.action == Action::Refused);
    let foreign: Vec<_> = foreign.map(|plan| format!("{} {}", plan.kind, plan.name)).collect();
    if foreign.is_empty() {
        return Finding::new(Check::Names, Level::Fine, "no resource of others is in the way");
    }
    let what = format!(
        "not this walkthrough's, for lack of the owner tag: {}; take them over with `zonewalk up --adopt`, or choose other \
         names with --name",
        foreign.join(", ")
    );
    Finding::new(Check::Names, Level::Problem, what)
}

/// What `up` would do, in the order of the article. Changes nothing.
pub async fn plan(ctx: &Context) -> Result<Vec<PlannedChange>, Error> {
    let Examination { findings, plans, ground } = examine(ctx).await?;
    if ground.is_some() { Ok(plans) } else { Err(Error::Preflight(findings)) }
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
    /// What stands, or may stand, of stages that have not come to their end.
    under_way: Mutex<Vec<Kind>>,
    plans: Mutex<Vec<PlannedChange>>,
}

impl Walk {
    fn new(ctx: &Context, mode: Mode) -> Self {
        // A failure stops this walk and nothing else that the caller's token stands for.
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
                    self.under_way.lock().unwrap_or_else(PoisonError::into_inner).push(S::KIND);
                }
                let (report, output) = done?;
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

    /// A resource is as it should be, and what makes it useful is not there yet.
    fn not_ready_yet(&self, kind: Kind) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).retain(|report| report.kind != kind);
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).push(kind);
    }

    async fn or_stop<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let result = work.await;
        if result.is_err() {
            self.ctx.cancel.cancel();
        }
        result
    }

    async fn all(&self, ground: Ground) -> Result<LoadBalancerAddress, Error> {
        let ctx = &self.ctx;
        let Ground { identity, choices, image, network } = ground;
        let (roles, groups) = all2(self.roles(&identity, choices), self.security_groups(&network)).await?;
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

    /// What steps 4 and 6 take for granted.
    async fn roles(&self, identity: &Identity, choices: Choices) -> Result<Roles, Error> {
        let instance_profile = async {
            match choices.instance_profile {
                Choice::Existing(arn) => Ok(arn),
                Choice::Own => {
                    let (role, _) = self.stage(Role::of_instances(&self.ctx, identity)).await?;
                    self.stage(InstanceProfile::new(identity, &role)).await
                }
            }
        };
        let execution_role = async {
            match choices.execution_role {
                Choice::Existing(arn) => Ok(arn),
                Choice::Own => Ok(self.stage(Role::of_task_execution(&self.ctx, identity)).await?.1),
            }
        };
        let (instance_profile_arn, execution_role_arn) = all2(instance_profile, execution_role).await?;
        Ok(Roles { instance_profile_arn, execution_role_arn })
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
        let rule = |group, port, sources| self.stage(IngressRule { group, port, sources });
        let callers = self.ctx.settings.allow_cidrs.iter().map(Source::range).collect();
        all3(
            rule(&lb, 80, callers),
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
        image: &Image,
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
            Mode::Ensure => {
                let joined = self.or_stop(wait_for_instances(ctx, &cluster, &fleet, network)).await;
                joined.inspect_err(|_| self.not_ready_yet(Kind::AutoScalingGroup))?
            }
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

impl Down {
    fn found_nothing(&self) -> bool {
        self.removed.is_empty() && self.leftovers.is_empty() && self.not_ours.is_empty()
    }
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
    // No instance and no task acts in them any more.
    outcome.merge(InstanceProfile::remove(ctx).await);
    outcome.merge(Role::remove(ctx).await);
    outcome
}

/// What is there now, asked of the cloud and not concluded from what was done.
async fn look_again(ctx: &Context, outcome: &Outcome) -> Down {
    let (a, b, c, d) = tokio::join!(
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
        async { tokio::join!(look::<InstanceProfile>(ctx), look::<Role>(ctx)) },
    );
    let mut down = Down::default();
    for (kind, found) in [a.0, a.1, a.2, a.3, b.0, b.1, b.2, b.3, c.0, c.1, c.2, c.3, c.4, c.5, d.0, d.1] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_ready_or_under_way() {
        let ready = [Kind::SecurityGroup, Kind::Cluster, Kind::SecurityGroup];
        let under_way = [Kind::LoadBalancer, Kind::AutoScalingGroup];
        let advice = "`zonewalk up` goes on from there, `zonewalk down` removes them";
        let ready_text = "3 resources are ready (2 security group, 1 cluster)";
        let under_way_text = "2 are under way (1 Auto Scaling group and its instances, 1 load balancer)";
        assert_eq!(what_stands(&ready, &under_way).unwrap(), format!("{ready_text}, {under_way_text}: {advice}"));
        assert_eq!(what_stands(&ready, &[]).unwrap(), format!("{ready_text}: {advice}"));
        let alone = "1 resource is under way (1 load balancer)";
        assert_eq!(what_stands(&[], &under_way[..1]).unwrap(), format!("{alone}: {advice}"));
        assert_eq!(what_stands(&[], &[]), None);
    }
}
