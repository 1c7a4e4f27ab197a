//! The two roles that the article takes for granted: its step 4 names the instances', its step 6 the tasks'. Accounts have
//! them, have them under another name, with too little in them, or not at all. What serves is used; else they are made.
//!
//! They are looked for before anything is made, since AWS tells their absence late and in other words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::identity::Identity;
use super::permissions::{self, Lacking};
use super::removal::{Removal, Standing};
use super::stage::{Owner, Presence, Stage};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::aws::{CloudError, ErrorClass};
use crate::events::Event;
use crate::plan::{Difference, Field, Kind, Step};

/// The names under which accounts have the instances' profile: AWS's console makes the first, its CLI guide the second.
const USUAL_INSTANCE_PROFILES: [&str; 2] = ["ecsInstanceRole", "ecsInstanceRole-profile"];
/// The article's, and the console's.
const USUAL_EXECUTION_ROLES: [&str; 1] = ["ecsTaskExecutionRole"];

/// What an instance's agent calls to join the cluster and to run tasks; part of AmazonEC2ContainerServiceforEC2Role.
const TO_JOIN: [&str; 4] =
    ["ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:RegisterContainerInstance", "ecs:SubmitTaskStateChange"];
/// What lets SSM run `stats` on the instance; part of AmazonSSMManagedInstanceCore, which the former lacks.
const TO_BE_ASKED: [&str; 2] = ["ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel"];
/// What ECS calls in the execution role for a task that logs.
const TO_LOG: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

/// The roles in use.
pub(crate) struct Roles {
    /// Lets instances join the cluster.
    pub(crate) instance_profile_arn: String,
    /// Lets ECS pull the image and write the logs.
    pub(crate) execution_role_arn: String,
}

/// Which roles are to be used.
#[derive(Clone)]
pub(crate) struct Choices {
    pub(crate) instance_profile: Choice,
    pub(crate) execution_role: Choice,
}

#[derive(Clone)]
pub(crate) enum Choice {
    /// The account has one that serves: its ARN.
    Existing(String),
    /// The tool's own, made already or to be made.
    Own,
}

pub(crate) async fn choose_roles(ctx: &Context, identity: &Identity) -> Result<Choices, Error> {
    match tokio::join!(choose_instance_profile(ctx, identity), choose_execution_role(ctx, identity)) {
        (Err(Error::Prerequisite(one)), Err(Error::Prerequisite(other))) => {
            Err(Error::Prerequisite(format!("{one}; {other}")))
        }
        (instance_profile, execution_role) => {
            Ok(Choices { instance_profile: instance_profile?, execution_role: execution_role? })
        }
    }
}

/// A role that is there, and what it does not allow of what it should.
struct Candidate {
    /// Of what stages take: the instance profile, or the role.
    arn: String,
    lacks: Vec<String>,
}

async fn choose_instance_profile(ctx: &Context, identity: &Identity) -> Result<Choice, Error> {
    let settings = &ctx.settings;
    let names = settings.instance_profile.as_deref().map_or(USUAL_INSTANCE_PROFILES.to_vec(), |name| vec![name]);
    if settings.instance_profile.is_none() && instance_role_is_made(ctx).await? {
        return Ok(Choice::Own);
    }
    let mut shortcomings = vec![];
    for name in names {
        let Some(candidate) = find_instance_profile(ctx, identity, name).await? else { continue };
        let lacks = |needed: &[&str]| candidate.lacks.iter().any(|action| needed.contains(&action.as_str()));
        // What only `stats` needs is no reason to refuse a role that was asked for, or is the only one there may be.
        let may_make = settings.create_roles && settings.instance_profile.is_none();
        let doubted = is_doubted(ctx, settings.instance_profile.as_deref(), name, &candidate);
        if doubted || !(lacks(&TO_JOIN) || may_make && lacks(&TO_BE_ASKED)) {
            if !doubted && lacks(&TO_BE_ASKED) {
                ctx.events.note(format!(
                    "instance profile {name} does not allow {}: `zonewalk stats` will not work; attach \
                     AmazonSSMManagedInstanceCore to its role",
                    candidate.lacks.join(", ")
                ));
            }
            return Ok(found(ctx, Step::Instances, "instance profile", candidate.arn));
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
}

async fn choose_execution_role(ctx: &Context, identity: &Identity) -> Result<Choice, Error> {
    let settings = &ctx.settings;
    let names = settings.execution_role.as_deref().map_or(USUAL_EXECUTION_ROLES.to_vec(), |name| vec![name]);
    if settings.execution_role.is_none() && find_role(ctx, &own_execution_role(ctx)).await?.is_some() {
        return Ok(Choice::Own);
    }
    let mut shortcomings = vec![];
    for name in names {
        match find_execution_role(ctx, identity, name).await? {
            Some(candidate)
                if candidate.lacks.is_empty()
                    || is_doubted(ctx, settings.execution_role.as_deref(), name, &candidate) =>
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
fn is_doubted(ctx: &Context, asked_for: Option<&str>, name: &str, candidate: &Candidate) -> bool {
    let may_make = ctx.settings.create_roles && asked_for.is_none();
    let doubted = !ctx.settings.check_permissions && !may_make && !candidate.lacks.is_empty();
    if doubted {
        let lacks = candidate.lacks.join(", ");
        ctx.events.note(format!("{name} does not allow {lacks} if IAM's simulation is right, which is not heeded"));
    }
    doubted
}

fn found(ctx: &Context, step: Step, what: &str, arn: String) -> Choice {
    ctx.events.send(Event::Found { step, what: format!("{what} {arn}") });
    Choice::Existing(arn)
}

/// None of the account's serves.
fn own_or_refuse(
    ctx: &Context,
    named: Option<&str>,
    what: &str,
    shortcomings: &[String],
    guide: &str,
) -> Result<Choice, Error> {
    let (why, doubt) = if shortcomings.is_empty() {
        ("there is none".to_owned(), "")
    } else {
        (shortcomings.join("; "), ", or add --no-check-permissions if IAM's simulation is wrong about it")
    };
    match named {
        Some(name) => Err(Error::Prerequisite(format!(
            "{name} cannot be the {what}: {why}; mend it as {guide} says, or leave the name away{doubt}"
        ))),
        None if ctx.settings.create_roles => Ok(Choice::Own),
        None => Err(Error::Prerequisite(format!(
            "no {what}: {why}; make it as {guide} says, or let zonewalk make its own, without --no-create-roles{doubt}"
        ))),
    }
}

async fn find_instance_profile(ctx: &Context, identity: &Identity, name: &str) -> Result<Option<Candidate>, Error> {
    let request = ctx.clients.iam.get_instance_profile().instance_profile_name(name);
    let profile = match optional(ctx.look("iam:GetInstanceProfile", request.send()).await) {
        Ok(answer) => answer.and_then(|answer| answer.instance_profile),
        Err(error) => {
            unseen(ctx, name, error)?;
            return Ok(Some(Candidate { arn: identity.iam_arn(&format!("instance-profile/{name}")), lacks: vec![] }));
        }
    };
    let Some(profile) = profile else { return Ok(None) };
    let needed: Vec<&str> = TO_JOIN.into_iter().chain(TO_BE_ASKED).collect();
    let lacks = match profile.roles().first() {
        Some(role) => find_lacking(ctx, role.arn(), &needed).await?,
        None => needed.into_iter().map(str::to_owned).collect(),
    };
    Ok(Some(Candidate { arn: profile.arn, lacks }))
}

async fn find_execution_role(ctx: &Context, identity: &Identity, name: &str) -> Result<Option<Candidate>, Error> {
    match find_role(ctx, name).await {
        Ok(Some(role)) => {
            let lacks = find_lacking(ctx, role.arn(), &TO_LOG).await?;
            Ok(Some(Candidate { arn: role.arn, lacks }))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            unseen(ctx, name, error)?;
            Ok(Some(Candidate { arn: identity.iam_arn(&format!("role/{name}")), lacks: vec![] }))
        }
    }
}

/// Who may use a role may not always look at it: then it is taken to be there and to serve.
fn unseen(ctx: &Context, name: &str, error: Error) -> Result<(), Error> {
    match error {
        Error::Cloud(CloudError { class: ErrorClass::Refused, action, code: Some(_), .. }) => {
            ctx.events.note(format!("{action} is not allowed: {name} is taken to be there"));
            Ok(())
        }
        error => Err(error),
    }
}

/// Which of the actions the role of this ARN is not allowed. Empty if that cannot be known.
async fn find_lacking(ctx: &Context, arn: &str, needed: &[&str]) -> Result<Vec<String>, Error> {
    let needed: Vec<String> = needed.iter().map(|&action| action.to_owned()).collect();
    match permissions::simulate(ctx, arn, &needed, None, &BTreeMap::new()).await {
        Err(Error::Cloud(error)) if matches!(error.class, ErrorClass::Refused | ErrorClass::Unsupported) => {
            ctx.events.note(format!("what {arn} allows cannot be known: {error}"));
            Ok(vec![])
        }
        lacking => {
            let Lacking { denied, unsure, untold } = lacking?;
            if !unsure.is_empty() {
                let untold = Vec::from_iter(untold).join(", ");
                ctx.events.note(format!("{arn} is taken to allow {}: that depends on {untold}", unsure.join(", ")));
            }
            Ok(denied)
        }
    }
}

/// IAM knows no regions, so the names of what is made there say which region's walkthrough it is for.
pub(super) fn own_instance_role(ctx: &Context) -> String {
    format!("{}-{}", ctx.names.instance_role, ctx.clients.region)
}

fn own_execution_role(ctx: &Context) -> String {
    format!("{}-{}", ctx.names.execution_role, ctx.clients.region)
}

async fn instance_role_is_made(ctx: &Context) -> Result<bool, Error> {
    match find_role(ctx, &own_instance_role(ctx)).await {
        Ok(role) => Ok(role.is_some()),
        Err(error) => unseen(ctx, USUAL_INSTANCE_PROFILES[0], error).map(|()| false),
    }
}

async fn find_role(ctx: &Context, name: &str) -> Result<Option<aws_sdk_iam::types::Role>, Error> {
    let request = ctx.clients.iam.get_role().role_name(name);
    Ok(optional(ctx.look("iam:GetRole", request.send()).await)?.and_then(|answer| answer.role))
}

/// A role of the tool's own.
pub(crate) struct Role {
    name: String,
    arn: String,
    description: &'static str,
    /// The service that acts in it.
    trusted: String,
    /// ARNs of AWS's policies.
    policies: BTreeSet<String>,
    /// An action more.
    also: Option<&'static str>,
}

/// The name of the one policy that is not AWS's.
const OWN_POLICY: &str = "zonewalk";

impl Role {
    /// For the instances: to join the cluster, and to be asked by SSM.
    pub(crate) fn of_instances(ctx: &Context, identity: &Identity) -> Self {
        let policies = ["service-role/AmazonEC2ContainerServiceforEC2Role", "AmazonSSMManagedInstanceCore"];
        let name = own_instance_role(ctx);
        Self::new(identity, name, "zonewalk: ECS container instances", &identity.ec2_principal(), &policies, None)
    }

    /// For ECS: to pull images and to write logs, into groups that need not be there yet.
    pub(crate) fn of_task_execution(ctx: &Context, identity: &Identity) -> Self {
        let policies = ["service-role/AmazonECSTaskExecutionRolePolicy"];
        let (name, also) = (own_execution_role(ctx), Some("logs:CreateLogGroup"));
        Self::new(identity, name, "zonewalk: ECS task execution", "ecs-tasks.amazonaws.com", &policies, also)
    }

    fn new(
        identity: &Identity,
        name: String,
        description: &'static str,
        trusted: &str,
        policies: &[&str],
        also: Option<&'static str>,
    ) -> Self {
        let policies = policies.iter().map(|policy| identity.managed_policy_arn(policy)).collect();
        let arn = identity.iam_arn(&format!("role/{name}"));
        Self { name, arn, description, trusted: trusted.to_owned(), policies, also }
    }

    async fn attach(&self, ctx: &Context, attached: &BTreeSet<String>, has_own: bool) -> Result<(), Error> {
        for policy in self.policies.difference(attached) {
            let request = ctx.clients.iam.attach_role_policy().role_name(&self.name).policy_arn(policy);
            ctx.change("iam:AttachRolePolicy", request.send()).await?;
        }
        if let Some(action) = self.also
            && !has_own
        {
            let statement = json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
            let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
            let request = ctx.clients.iam.put_role_policy().role_name(&self.name).policy_name(OWN_POLICY);
            ctx.change("iam:PutRolePolicy", request.policy_document(document.to_string()).send()).await?;
        }
        Ok(())
    }
}

pub(crate) struct FoundRole {
    role: aws_sdk_iam::types::Role,
    /// ARNs of managed policies.
    attached: BTreeSet<String>,
    has_own: bool,
}

pub(crate) struct RoleName(pub(super) String);

impl Stage for Role {
    const KIND: Kind = Kind::Role;
    type Found = FoundRole;
    /// Its name, and its ARN.
    type Output = (RoleName, String);

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn find(&self, ctx: &Context) -> Result<Presence<FoundRole>, Error> {
        let Some(role) = find_role(ctx, &self.name).await? else { return Ok(Presence::Absent) };
        let Some(attached) = optional(list_attached(ctx, &self.name).await)? else { return Ok(Presence::Absent) };
        let own = optional(list_own_policies(ctx, &self.name).await)?.unwrap_or_default();
        let has_own = own.iter().any(|name| name == OWN_POLICY);
        Ok(Presence::Present(FoundRole { role, attached: attached.into_iter().collect(), has_own }))
    }

    fn owner(&self, found: &FoundRole) -> Owner {
        Owner::Tag(found.role.owner())
    }

    fn id(&self, _found: &FoundRole) -> String {
        self.name.clone()
    }

    fn foreseen(&self) -> Self::Output {
        (RoleName(self.name.clone()), self.arn.clone())
    }

    fn differences(&self, found: &FoundRole) -> Vec<Difference> {
        let missing = self.policies.difference(&found.attached);
        let missing = missing.map(|policy| Difference::of(Field::Policy, "none", policy));
        let own = self.also.filter(|_| !found.has_own).map(|action| Difference::of(Field::Policy, "none", action));
        missing.chain(own).flatten().collect()
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let statement =
            json!({ "Effect": "Allow", "Principal": { "Service": self.trusted }, "Action": "sts:AssumeRole" });
        let trust = json!({ "Version": "2012-10-17", "Statement": [statement] });
        let request = ctx.clients.iam.create_role().role_name(&self.name).description(self.description);
        let request = request.assume_role_policy_document(trust.to_string()).tags(tags::iam(ctx.owner()));
        ctx.change("iam:CreateRole", request.send()).await?;
        self.attach(ctx, &BTreeSet::new(), false).await
    }

    async fn change(&self, ctx: &Context, found: &FoundRole) -> Result<(), Error> {
        self.attach(ctx, &found.attached, found.has_own).await
    }

    async fn adopt(&self, ctx: &Context, _found: &FoundRole) -> Result<(), Error> {
        let request = ctx.clients.iam.tag_role().role_name(&self.name).tags(tags::iam(ctx.owner()));
        ctx.change("iam:TagRole", request.send()).await
    }
}

/// The ARNs of the managed policies that are attached to a role.
async fn list_attached(ctx: &Context, role: &str) -> Result<Vec<String>, Error> {
    let mut pages = ctx.clients.iam.list_attached_role_policies().role_name(role).into_paginator().send();
    let pages = ctx.pages("iam:ListAttachedRolePolicies", async || pages.next().await).await?;
    let policies = pages.into_iter().flat_map(|page| page.attached_policies.unwrap_or_default());
    Ok(policies.filter_map(|policy| policy.policy_arn).collect())
}

/// The names of a role's inline policies.
async fn list_own_policies(ctx: &Context, role: &str) -> Result<Vec<String>, Error> {
    let mut pages = ctx.clients.iam.list_role_policies().role_name(role).into_paginator().send();
    let pages = ctx.pages("iam:ListRolePolicies", async || pages.next().await).await?;
    Ok(pages.into_iter().flat_map(|page| page.policy_names).collect())
}

impl Removal for Role {
    const KIND: Kind = Kind::Role;

    async fn standing(ctx: &Context) -> Result<Vec<Standing>, Error> {
        let mut standing = vec![];
        for name in [own_instance_role(ctx), own_execution_role(ctx)] {
            match find_role(ctx, &name).await {
                Ok(role) => standing.extend(role.map(|role| Standing::new(ctx, name, role.owner()))),
                Err(error) => may_not_look(ctx, error)?,
            }
        }
        Ok(standing)
    }

    /// A role goes when nothing hangs on it any more.
    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        for policy in list_attached(ctx, id).await? {
            let request = ctx.clients.iam.detach_role_policy().role_name(id).policy_arn(policy);
            optional(ctx.change("iam:DetachRolePolicy", request.send()).await)?;
        }
        for policy in list_own_policies(ctx, id).await? {
            let request = ctx.clients.iam.delete_role_policy().role_name(id).policy_name(policy);
            optional(ctx.change("iam:DeleteRolePolicy", request.send()).await)?;
        }
        ctx.change("iam:DeleteRole", ctx.clients.iam.delete_role().role_name(id).send()).await
    }
}

/// Who may not look at roles has not made any: `down` works without.
pub(super) fn may_not_look(ctx: &Context, error: Error) -> Result<(), Error> {
    match error {
        Error::Cloud(CloudError { class: ErrorClass::Refused, action, code: Some(_), .. }) => {
            ctx.events.note(format!("{action} is not allowed: roles of this walkthrough, if any, are not looked for"));
            Ok(())
        }
        error => Err(error),
    }
}
