//! Which actions of the policy the caller is not allowed, and what each is needed for: only what `up` cannot go on without
//! stops it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::identity::{Caller, Identity};
use super::permissions::{MissingPermissions, policy, simulate};
use super::role_choice::RoleSources;
use super::{Context, Error};
use crate::settings::OWNER_TAG;

/// What `up` goes on without, by what it is needed for.
const LATER: &[(&str, &[&str])] = &[
    (
        "to tell more",
        &[
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:DescribeScalingActivities",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeInstances",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeRouteTables",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTargetHealth",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:SimulatePrincipalPolicy",
            "servicequotas:GetServiceQuota",
        ],
    ),
    (
        "to change what stands, and for `zonewalk failover`",
        &[
            "autoscaling:StartInstanceRefresh",
            "autoscaling:TerminateInstanceInAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:RevokeSecurityGroupIngress",
            "ecs:StopTask",
            "ecs:UpdateCluster",
            "ecs:UpdateService",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:ModifyTargetGroup",
            "elasticloadbalancing:SetSecurityGroups",
            "elasticloadbalancing:SetSubnets",
        ],
    ),
    ("for access logs in `zonewalk verify`", &["logs:GetQueryResults", "logs:StartQuery", "logs:StopQuery"]),
    ("for `zonewalk stats`", &["ssm:DescribeInstanceInformation", "ssm:GetCommandInvocation", "ssm:SendCommand"]),
    (
        "for `zonewalk down`",
        &[
            "autoscaling:DeleteAutoScalingGroup",
            "ec2:DeleteLaunchTemplate",
            "ec2:DeleteSecurityGroup",
            "ec2:TerminateInstances",
            "ecs:DeleteCluster",
            "ecs:DeleteService",
            "ecs:DeleteTaskDefinitions",
            "ecs:DeregisterContainerInstance",
            "ecs:DeregisterTaskDefinition",
            "ecs:ListTaskDefinitions",
            "elasticloadbalancing:DeleteListener",
            "elasticloadbalancing:DeleteLoadBalancer",
            "elasticloadbalancing:DeleteTargetGroup",
            "iam:DeleteInstanceProfile",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:RemoveRoleFromInstanceProfile",
            "logs:DeleteLogGroup",
            "servicediscovery:DeleteNamespace",
            "servicediscovery:DeleteService",
            "servicediscovery:DeregisterInstance",
            "servicediscovery:ListInstances",
            "servicediscovery:ListServices",
        ],
    ),
];

/// What is needed only to look at roles, and to see whether the tool's own stand: not where the account's are used.
const LOOKS_AT_ROLES: [&str; 2] = ["iam:GetInstanceProfile", "iam:GetRole"];

/// What is only done with instances, and on Fargate never.
const WITH_INSTANCES: &[&str] = &[
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:StartInstanceRefresh",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:DeleteLaunchTemplate",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
    "ecs:DeregisterContainerInstance",
    "ecs:StopTask",
    "iam:AddRoleToInstanceProfile",
    "iam:CreateInstanceProfile",
    "iam:DeleteInstanceProfile",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagInstanceProfile",
    "ssm:DescribeInstanceInformation",
    "ssm:GetCommandInvocation",
    "ssm:GetParameter",
    "ssm:SendCommand",
];

/// Who the caller is may always be asked, even where a policy denies it (STS API Reference, `GetCallerIdentity`).
const ALWAYS_ALLOWED: &str = "sts:GetCallerIdentity";

/// Statements needed only in an account that never used these services: AWS makes their roles once.
const FIRST_USE: [&str; 2] = ["FirstUseOfAService", "FirstUseOfLoadBalancing"];
/// The statement that nothing stops without: only what it would have warned of.
const OPTIONAL: &str = "AccountPlan";
/// Statements needed only where the account's own roles do not serve.
const OWN_ROLES: [&str; 2] = ["OwnRoles", "PoliciesOfOwnRoles"];
/// The statement that is about the roles that are handed on.
const PASSING: &str = "HandRolesToAws";
const PASSED_TO: &str = "iam:PassedToService";
/// The statement that only `down` needs. It asks for a tag of the resource, and IAM's simulation has been seen to deny such
/// an action though it was given the tag (aws/aws-sdk-java-v2#1751).
const OF_TAGGED: &str = "TerminateOwnInstances";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    action: OneOrMany,
    resource: OneOrMany,
    /// The values of each key, by operator.
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, OneOrMany>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn many(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// What the caller is not allowed.
pub(super) struct NeededPermissions {
    /// What `up` needs, as far as it can be known.
    pub(super) now: MissingPermissions,
    /// What it goes on without: a purpose, and the actions.
    pub(super) later: Vec<(&'static str, Vec<String>)>,
}

impl NeededPermissions {
    fn of(mut missing: MissingPermissions, makes_roles: bool) -> Self {
        let mut later = vec![];
        for (purpose, actions) in LATER {
            let is_later = |action: &String| {
                let tells_more = *purpose == LATER[0].0 && !makes_roles && LOOKS_AT_ROLES.contains(&action.as_str());
                actions.contains(&action.as_str()) || tells_more
            };
            let (dispensable, needed) = missing.denied.into_iter().partition(is_later);
            missing.denied = needed;
            later.push((*purpose, dispensable));
        }
        later.retain(|(_, actions): &(_, Vec<String>)| !actions.is_empty());
        Self { now: missing, later }
    }
}

/// Finds what the caller lacks; none if AWS cannot be asked about this kind of caller. `roles` are those that are used, if that
/// is known.
pub(super) async fn find_missing(
    ctx: &Context,
    identity: &Identity,
    roles: Option<&RoleSources>,
) -> Result<Option<NeededPermissions>, Error> {
    let arn = match identity.caller() {
        Caller::Root => return Ok(Some(NeededPermissions { now: MissingPermissions::default(), later: vec![] })),
        Caller::Other => return Ok(None),
        Caller::User(arn) => arn,
        Caller::Role(name) => {
            let request = ctx.clients.iam.get_role().role_name(name);
            ctx.look("iam:GetRole", request.send()).await?.role.map(|role| role.arn).unwrap_or_default()
        }
    };
    let makes_roles = roles.map_or(ctx.settings.create_roles, RoleSources::makes_any);
    let missing = find_missing_of_policy(ctx, identity, &arn, roles, makes_roles).await?;
    Ok(Some(NeededPermissions::of(missing, makes_roles)))
}

/// Finds which actions of the policy the caller of this ARN is not allowed.
async fn find_missing_of_policy(
    ctx: &Context,
    identity: &Identity,
    arn: &str,
    roles: Option<&RoleSources>,
    makes_roles: bool,
) -> Result<MissingPermissions, Error> {
    let policy: Policy = serde_json::from_str(&policy(&ctx.settings.name))
        .map_err(|error| Error::Template { name: "iam_policy.json", reason: error.to_string() })?;
    // Our requests have what its conditions ask for. Each question is given all of it, since IAM reports a key as missing
    // that any policy of the caller's asks for.
    let conditions = policy.statement.iter().flat_map(|statement| statement.condition.values()).flatten();
    let mut context: BTreeMap<&str, String> =
        conditions.map(|(key, values)| (key.as_str(), one_of(values, identity))).collect();
    let mut missing = MissingPermissions::default();
    for Statement { sid, action, resource, .. } in &policy.statement {
        let sid = sid.as_str();
        if sid == OPTIONAL || FIRST_USE.contains(&sid) || OWN_ROLES.contains(&sid) && !makes_roles {
            continue;
        }
        let is_asked = |action: &&String| {
            let never = ctx.is_on_fargate() && WITH_INSTANCES.contains(&action.as_str());
            *action != ALWAYS_ALLOWED && !never
        };
        let actions: Vec<String> = action.many().iter().filter(is_asked).cloned().collect();
        if actions.is_empty() {
            continue;
        }
        if sid == PASSING {
            for (role, service) in roles.map(|roles| roles.passed(ctx, identity)).unwrap_or_default() {
                context.insert(PASSED_TO, service);
                missing.merge(simulate(ctx, arn, &actions, Some(role), &context).await?);
            }
            continue;
        }
        let resource = Some(one_of(resource, identity)).filter(|resource| resource != "*");
        let mut found = simulate(ctx, arn, &actions, resource, &context).await?;
        if sid == OF_TAGGED && !found.denied.is_empty() {
            found.undetermined.append(&mut found.denied);
            found.missing_context_keys.insert(format!("aws:ResourceTag/{OWNER_TAG}"));
        }
        missing.merge(found);
    }
    Ok(missing)
}

/// The first of the resources or values that a policy names, as it is in this account.
fn one_of(patterns: &OneOrMany, identity: &Identity) -> String {
    match patterns.many().first().map_or("*", String::as_str) {
        "*" => "*".to_owned(),
        first => first.replacen('*', &identity.partition, 1).replacen('*', &identity.account, 1).replace('*', "x"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_that_is_needed_later_is_one_of_the_policys() {
        let policy: Policy = serde_json::from_str(&policy(&crate::settings::Settings::default().name)).unwrap();
        let allowed: BTreeSet<_> = policy.statement.iter().flat_map(|statement| statement.action.many()).collect();
        let named = LATER.iter().flat_map(|(_, actions)| actions.iter()).chain(&LOOKS_AT_ROLES).chain(WITH_INSTANCES);
        let unknown: Vec<_> = named.filter(|action| !allowed.iter().any(|allowed| allowed == *action)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
