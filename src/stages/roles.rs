//! Roles of the tool's own, made where the account has none that serve.

use std::collections::BTreeSet;

use serde_json::json;

use super::identity::Identity;
use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::{Context, Error};
use crate::aws::ErrorClass;
use crate::aws::error::{Classified, optional};
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind};

/// The roles that are used, made or found.
pub(crate) struct Roles {
    /// The profile that lets instances join the cluster. None: there are to be no instances.
    pub(crate) instance_profile_arn: Option<String>,
    /// The role that lets ECS pull the image and write the logs.
    pub(crate) execution_role_arn: String,
}

/// IAM knows no regions, so the names of what is made there say which region's walkthrough it is for.
pub(super) fn own_instance_role(ctx: &Context) -> String {
    format!("{}-{}", ctx.names.instance_role, ctx.clients.region)
}

pub(super) fn own_execution_role(ctx: &Context) -> String {
    format!("{}-{}", ctx.names.execution_role, ctx.clients.region)
}

pub(super) async fn find_role(ctx: &Context, name: &str) -> Result<Option<aws_sdk_iam::types::Role>, Error> {
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
    /// The ARNs of AWS's policies that it gets.
    policies: BTreeSet<String>,
    /// An action that it is allowed besides.
    also: Option<&'static str>,
}

/// The name of the one policy that is not AWS's.
const OWN_POLICY: &str = "zonewalk";

impl Role {
    /// The role of the instances: to join the cluster, and to be asked by SSM.
    pub(crate) fn of_instances(ctx: &Context, identity: &Identity) -> Self {
        let policies = ["service-role/AmazonEC2ContainerServiceforEC2Role", "AmazonSSMManagedInstanceCore"];
        let name = own_instance_role(ctx);
        Self::new(identity, name, "zonewalk: ECS container instances", &identity.ec2_principal(), &policies, None)
    }

    /// The role in which ECS starts tasks: to pull images and to write logs, into groups that need not be there yet.
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
            match ctx.change("iam:AttachRolePolicy", request.send()).await {
                Err(error) if error.class() == Some(ErrorClass::Absent) && !ctx.data_plane.checks_permissions() => {
                    ctx.events.note(format!("the emulator: it has no {policy}, and checks none"));
                }
                attached => attached?,
            }
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

pub(crate) struct Policies {
    /// The ARNs of the managed policies that are attached.
    attached: BTreeSet<String>,
    /// Whether the role has the one that is not AWS's.
    has_own: bool,
}

pub(crate) struct RoleName(pub(super) String);

impl Stage for Role {
    const KIND: Kind = Kind::Role;
    type Facts = Policies;
    /// The role's name and its ARN.
    type Output = (RoleName, String);

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Policies>>, Error> {
        let Some(role) = find_role(ctx, &self.name).await? else { return Ok(None) };
        let instead = format!("assuming that the policies of {} are as needed", self.name);
        let attached = match ctx.unless_refused(optional(list_attached(ctx, &self.name).await), &instead)? {
            Some(Some(attached)) if ctx.data_plane.checks_permissions() => attached.into_iter().collect(),
            // An emulator may not have the policies, and makes no difference.
            Some(Some(attached)) => attached.into_iter().chain(self.policies.iter().cloned()).collect(),
            Some(None) => return Ok(None),
            None => self.policies.clone(),
        };
        let own = ctx.unless_refused(optional(list_own_policies(ctx, &self.name).await), &instead)?;
        let has_own = own.is_none_or(|own| own.unwrap_or_default().iter().any(|name| name == OWN_POLICY));
        let policies = Policies { attached, has_own };
        Ok(Some(Found::new(&self.name, role.owner(), policies)))
    }

    fn output(&self, _found: Option<Found<Policies>>) -> Self::Output {
        (RoleName(self.name.clone()), self.arn.clone())
    }

    fn compare(&self, policies: &Policies) -> Vec<Option<Difference>> {
        let missing = self.policies.difference(&policies.attached).map(String::as_str);
        let own = self.also.filter(|_| !policies.has_own);
        missing.chain(own).map(|policy| Difference::of(Field::Policy, "none", policy)).collect()
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

    async fn change(&self, ctx: &Context, found: &Found<Policies>) -> Result<(), Error> {
        self.attach(ctx, &found.facts.attached, found.facts.has_own).await
    }

    async fn adopt(&self, ctx: &Context, _found: &Found<Policies>) -> Result<(), Error> {
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

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let mut remaining = vec![];
        for name in [own_instance_role(ctx), own_execution_role(ctx)] {
            let role = ctx.unless_refused(find_role(ctx, &name).await, NOT_LOOKED_FOR)?.flatten();
            remaining.extend(role.map(|role| {
                let details = Details::named(&name).arn(Some(role.arn())).created(Some(role.create_date()));
                Remaining::new(ctx, name, role.owner()).with(details)
            }));
        }
        Ok(remaining)
    }

    /// Deletes a role after its policies, as IAM demands.
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
pub(super) const NOT_LOOKED_FOR: &str = "roles of this walkthrough, if any, are not looked for";
