//! The two roles that the article takes for granted: its step 4 names the instances', its step 6 the tasks'. Accounts have
//! them, have them under another name, with too little in them, or not at all. What serves is used; else they are made.
//!
//! They are looked for before anything is made, since AWS tells their absence late and in other words.

use std::collections::BTreeMap;
use std::fmt;

use super::identity::Identity;
use super::permissions::{self, MissingPermissions};
use super::roles::{NOT_LOOKED_FOR, find_role, own_execution_role, own_instance_role};
use super::{Context, Error};
use crate::aws::ErrorClass;
use crate::aws::error::optional;
use crate::events::Event;
use crate::plan::Step;

/// The names under which accounts have the instances' profile: AWS's console makes the first, its CLI guide the second.
const USUAL_INSTANCE_PROFILES: [&str; 2] = ["ecsInstanceRole", "ecsInstanceRole-profile"];
/// The names under which accounts have the execution role: the article's, which is the console's.
const USUAL_EXECUTION_ROLES: [&str; 1] = ["ecsTaskExecutionRole"];

/// What an instance's agent calls to join the cluster and to run tasks; part of AmazonEC2ContainerServiceforEC2Role.
const TO_JOIN: [&str; 4] =
    ["ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:RegisterContainerInstance", "ecs:SubmitTaskStateChange"];
/// What an instance's proxies call in its role, each for the task set that it is of. The call is of no cluster, so that a condition
/// on `ecs:cluster`, as the agent's may have, denies it (aws/aws-cdk#28594, aws/amazon-ecs-service-connect-agent#142).
const TO_POLL_TASK_SETS: &str =
    "ecs:Poll of task sets, which Service Connect's proxies need and no condition on ecs:cluster allows";
/// What lets SSM run `stats` on the instance; part of AmazonSSMManagedInstanceCore, which the former lacks.
const TO_BE_ASKED: [&str; 2] = ["ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel"];
/// What ECS calls in the execution role for a task that logs.
const TO_LOG: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

/// Where the roles that are used come from.
#[derive(Clone)]
pub(crate) struct RoleSources {
    /// None: there are to be no instances.
    pub(crate) instance_profile: Option<RoleSource>,
    pub(crate) execution_role: RoleSource,
    /// The ARN of the role in the account's own instance profile; None: it cannot be known, or the profile is the tool's.
    instance_role: Option<String>,
}

impl RoleSources {
    /// Whether any is the tool's own.
    pub(super) fn makes_any(&self) -> bool {
        let mut sources = self.instance_profile.iter().chain([&self.execution_role]);
        sources.any(|source| matches!(source, RoleSource::Own))
    }

    /// The ARNs of the roles that are handed on, as far as they are known, and the services to which they are.
    pub(super) fn passed(&self, ctx: &Context, identity: &Identity) -> Vec<(String, String)> {
        let own = |name: &str| identity.iam_arn(&format!("role/{name}"));
        let of_instances = match self.instance_profile {
            Some(RoleSource::Own) => Some(own(&own_instance_role(ctx))),
            Some(RoleSource::Existing(_)) => self.instance_role.clone(),
            None => None,
        };
        let of_tasks = match &self.execution_role {
            RoleSource::Own => own(&own_execution_role(ctx)),
            RoleSource::Existing(arn) => arn.clone(),
        };
        let of_instances = of_instances.map(|role| (role, identity.ec2_principal()));
        of_instances.into_iter().chain([(of_tasks, "ecs-tasks.amazonaws.com".to_owned())]).collect()
    }
}

/// Where a role comes from.
#[derive(Clone)]
pub(crate) enum RoleSource {
    /// The account has one that serves; holds its ARN.
    Existing(String),
    /// The role is the tool's own, made already or to be made.
    Own,
}

pub(crate) async fn choose_roles(ctx: &Context, identity: &Identity) -> Result<RoleSources, Error> {
    if ctx.is_on_fargate() {
        let execution_role = choose_execution_role(ctx, identity).await?;
        return Ok(RoleSources { instance_profile: None, execution_role, instance_role: None });
    }
    match tokio::join!(choose_instance_profile(ctx, identity), choose_execution_role(ctx, identity)) {
        (Err(Error::Prerequisite(one)), Err(Error::Prerequisite(other))) => {
            Err(Error::Prerequisite(format!("{one}; {other}")))
        }
        (instance_profile, execution_role) => {
            let (instance_profile, instance_role) = instance_profile?;
            Ok(RoleSources { instance_profile: Some(instance_profile), execution_role: execution_role?, instance_role })
        }
    }
}

/// A role that is there, and what it does not allow of what it should.
struct Candidate {
    /// The ARN of what stages take: the instance profile, or the role.
    arn: String,
    /// The ARN of the role in an instance profile, if it can be known.
    role: Option<String>,
    lacks: Vec<String>,
}

impl Candidate {
    /// Who may use a role may not always look at it: then it is taken to be there and to serve.
    fn unseen(arn: String) -> Self {
        Self { arn, role: None, lacks: vec![] }
    }
}

/// Gives the role's ARN, too, if it is the account's and can be known.
async fn choose_instance_profile(ctx: &Context, identity: &Identity) -> Result<(RoleSource, Option<String>), Error> {
    let settings = &ctx.settings;
    let names = settings.instance_profile.as_deref().map_or(USUAL_INSTANCE_PROFILES.to_vec(), |name| vec![name]);
    if settings.instance_profile.is_none() && is_made(ctx, &own_instance_role(ctx)).await? {
        return Ok((RoleSource::Own, None));
    }
    let mut shortcomings = vec![];
    for name in names {
        let Some(candidate) = find_instance_profile(ctx, identity, name).await? else { continue };
        let lacks = |needed: &[&str]| candidate.lacks.iter().any(|action| needed.contains(&action.as_str()));
        // What only `stats` needs is no reason to refuse a role that was asked for, or is the only one there may be.
        let may_make = settings.create_roles && settings.instance_profile.is_none();
        let doubted = is_used_despite_simulation(ctx, settings.instance_profile.as_deref(), name, &candidate);
        if doubted || !(lacks(&TO_JOIN) || lacks(&[TO_POLL_TASK_SETS]) || may_make && lacks(&TO_BE_ASKED)) {
            if !doubted && lacks(&TO_BE_ASKED) {
                ctx.events.note(format!(
                    "instance profile {name} does not allow {}: `zonewalk stats` will not work; attach \
                     AmazonSSMManagedInstanceCore to its role",
                    candidate.lacks.join(", ")
                ));
            }
            return Ok((found(ctx, Step::Instances, "instance profile", candidate.arn), candidate.role));
        }
        shortcomings.push(format!("{name} does not allow {}", candidate.lacks.join(", ")));
    }
    own_or_refuse(
        ctx,
        settings.instance_profile.as_deref(),
        "instance profile ecsInstanceRole, which lets instances join the cluster",
        &shortcomings,
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/instance_IAM_role.html",
    )
    .map(|source| (source, None))
}

async fn choose_execution_role(ctx: &Context, identity: &Identity) -> Result<RoleSource, Error> {
    let settings = &ctx.settings;
    let names = settings.execution_role.as_deref().map_or(USUAL_EXECUTION_ROLES.to_vec(), |name| vec![name]);
    if settings.execution_role.is_none() && is_made(ctx, &own_execution_role(ctx)).await? {
        return Ok(RoleSource::Own);
    }
    let mut shortcomings = vec![];
    for name in names {
        match find_execution_role(ctx, identity, name).await? {
            Some(candidate)
                if candidate.lacks.is_empty()
                    || is_used_despite_simulation(ctx, settings.execution_role.as_deref(), name, &candidate) =>
            {
                return Ok(found(ctx, Step::TaskDefinitions, "role", candidate.arn));
            }
            Some(candidate) => shortcomings.push(format!("{name} does not allow {}", candidate.lacks.join(", "))),
            None => {}
        }
    }
    own_or_refuse(
        ctx,
        settings.execution_role.as_deref(),
        "role ecsTaskExecutionRole, with which ECS starts tasks",
        &shortcomings,
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html",
    )
}

/// Whether a role is used though IAM's simulation says that it does not serve: nothing else may be, and who runs this
/// does not believe the simulation.
fn is_used_despite_simulation(ctx: &Context, asked_for: Option<&str>, name: &str, candidate: &Candidate) -> bool {
    let may_make = ctx.settings.create_roles && asked_for.is_none();
    let doubted = !ctx.settings.check_permissions && !may_make && !candidate.lacks.is_empty();
    if doubted {
        let lacks = candidate.lacks.join(", ");
        ctx.events
            .note(format!("{name} does not allow {lacks}, by IAM's simulation, which --no-check-permissions ignores"));
    }
    doubted
}

fn found(ctx: &Context, step: Step, what: &str, arn: String) -> RoleSource {
    ctx.events.send(Event::Found { step, what: format!("{what} {arn}") });
    RoleSource::Existing(arn)
}

/// Decides what to do if none of the account's serves.
fn own_or_refuse(
    ctx: &Context,
    named: Option<&str>,
    what: &str,
    shortcomings: &[String],
    guide: &str,
) -> Result<RoleSource, Error> {
    let (why, doubt) = if shortcomings.is_empty() {
        ("it does not exist".to_owned(), "")
    } else {
        (shortcomings.join("; "), ", or add --no-check-permissions if IAM's simulation is wrong about it")
    };
    match named {
        Some(name) => Err(Error::Prerequisite(format!(
            "{name} cannot be the {what}: {why}; fix it as {guide} says, or leave the name out{doubt}"
        ))),
        None if ctx.settings.create_roles => Ok(RoleSource::Own),
        None => Err(Error::Prerequisite(format!(
            "no {what}: {why}; create it as {guide} says, or let zonewalk create its own, without --no-create-roles{doubt}"
        ))),
    }
}

/// Whether a role of the tool's own is there.
async fn is_made(ctx: &Context, name: &str) -> Result<bool, Error> {
    Ok(ctx.unless_refused(find_role(ctx, name).await, NOT_LOOKED_FOR)?.flatten().is_some())
}

async fn find_instance_profile(ctx: &Context, identity: &Identity, name: &str) -> Result<Option<Candidate>, Error> {
    let request = ctx.clients.iam.get_instance_profile().instance_profile_name(name);
    let answer = optional(ctx.look("iam:GetInstanceProfile", request.send()).await);
    let Some(answer) = ctx.unless_refused(answer, &format!("assuming that {name} exists"))? else {
        return Ok(Some(Candidate::unseen(identity.iam_arn(&format!("instance-profile/{name}")))));
    };
    let Some(profile) = answer.and_then(|answer| answer.instance_profile) else { return Ok(None) };
    let needed: Vec<&str> = TO_JOIN.into_iter().chain(TO_BE_ASKED).collect();
    let role = profile.roles().first().map(|role| role.arn().to_owned());
    let lacks = match &role {
        Some(role) => {
            let mut lacks = find_missing(ctx, role, &needed).await?;
            if !may_poll_task_sets(ctx, identity, role).await? && !lacks.iter().any(|action| action == "ecs:Poll") {
                lacks.push(TO_POLL_TASK_SETS.to_owned());
            }
            lacks
        }
        None => needed.into_iter().map(str::to_owned).collect(),
    };
    Ok(Some(Candidate { arn: profile.arn, role, lacks }))
}

async fn find_execution_role(ctx: &Context, identity: &Identity, name: &str) -> Result<Option<Candidate>, Error> {
    let role = find_role(ctx, name).await;
    let Some(role) = ctx.unless_refused(role, &format!("assuming that {name} exists"))? else {
        return Ok(Some(Candidate::unseen(identity.iam_arn(&format!("role/{name}")))));
    };
    let Some(role) = role else { return Ok(None) };
    let lacks = find_missing(ctx, role.arn(), &TO_LOG).await?;
    Ok(Some(Candidate { arn: role.arn, role: None, lacks }))
}

/// Whether the proxies on an instance with this role can be told what to do. True if that cannot be known.
async fn may_poll_task_sets(ctx: &Context, identity: &Identity, role: &str) -> Result<bool, Error> {
    let Identity { account, partition, .. } = identity;
    let (region, cluster, service) = (&ctx.clients.region, &ctx.names.cluster, &ctx.names.backend.service);
    let task_set = format!("arn:{partition}:ecs:{region}:{account}:task-set/{cluster}/{service}/ecs-svc/1");
    match permissions::simulate(ctx, role, &["ecs:Poll".to_owned()], Some(task_set), &BTreeMap::new()).await {
        Ok(missing) => Ok(missing.denied.is_empty() && !missing.missing_context_keys.contains("ecs:cluster")),
        Err(Error::Cloud(error)) if matches!(error.class, ErrorClass::Refused | ErrorClass::Unsupported) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Which of the actions the role of this ARN is not allowed. Empty if that cannot be known.
async fn find_missing(ctx: &Context, arn: &str, needed: &[&str]) -> Result<Vec<String>, Error> {
    let needed: Vec<String> = needed.iter().map(|&action| action.to_owned()).collect();
    match permissions::simulate(ctx, arn, &needed, None, &BTreeMap::new()).await {
        Err(Error::Cloud(error)) if matches!(error.class, ErrorClass::Refused | ErrorClass::Unsupported) => {
            ctx.events.note(format!("what {arn} allows is not known: {error}"));
            Ok(vec![])
        }
        missing => {
            let MissingPermissions { denied, undetermined, missing_context_keys } = missing?;
            if !undetermined.is_empty() {
                let missing_context_keys = Vec::from_iter(missing_context_keys).join(", ");
                ctx.events.note(format!(
                    "assuming that {arn} allows {}: that depends on {missing_context_keys}",
                    undetermined.join(", ")
                ));
            }
            Ok(denied)
        }
    }
}

impl fmt::Display for RoleSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |choice: &RoleSource| match choice {
            RoleSource::Existing(arn) => arn.rsplit('/').next().unwrap_or(arn).to_owned(),
            RoleSource::Own => "created by `zonewalk up`".to_owned(),
        };
        if let Some(instance_profile) = &self.instance_profile {
            write!(f, "instance profile {}; ", name(instance_profile))?;
        }
        write!(f, "task execution role {}", name(&self.execution_role))
    }
}
