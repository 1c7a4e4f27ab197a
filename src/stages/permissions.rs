//! Whether a role or user may do what it has to, as IAM itself simulates it; and the policy that allows what this tool
//! does. The policy is `templates/iam_policy.json`; tests keep it least and sufficient.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use serde::Deserialize;

use super::identity::Identity;
use super::{Context, Error};
use crate::settings::{Name, Settings};

const POLICY: &str = include_str!("../../templates/iam_policy.json");

/// The IAM policy, as JSON, for whoever runs a walkthrough of this name.
pub fn policy(name: &Name) -> String {
    POLICY.replace(&format!("/{}-", Settings::default().name), &format!("/{name}-"))
}

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
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn many(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// Needed only in an account that never used these services: AWS makes their roles once.
const FIRST_USE: [&str; 2] = ["FirstUseOfAService", "FirstUseOfLoadBalancing"];
/// Needed only where the account's own roles do not serve.
const OWN_ROLES: &str = "OwnRoles";

/// What a role or user is not allowed of what it has to do, as far as IAM's simulation knows.
#[derive(Default)]
pub(super) struct Lacking {
    pub(super) denied: Vec<String>,
    /// Denied, too, but for policies that ask for what the simulation was not told: perhaps not when it is earnest.
    pub(super) unsure: Vec<String>,
    /// What those policies ask for, as IAM names it: `aws:MultiFactorAuthPresent`.
    pub(super) untold: BTreeSet<String>,
}

impl Lacking {
    fn merge(&mut self, other: Self) {
        self.denied.extend(other.denied);
        self.unsure.extend(other.unsure);
        self.untold.extend(other.untold);
    }
}

/// What of the policy the caller of this ARN is not allowed.
pub(super) async fn find_lacking_of_policy(ctx: &Context, identity: &Identity, arn: &str) -> Result<Lacking, Error> {
    let policy: Policy = serde_json::from_str(&policy(&ctx.settings.name))
        .map_err(|error| Error::Template { name: "iam_policy.json", reason: error.to_string() })?;
    let wanted = policy.statement.into_iter().filter(|statement| match statement.sid.as_str() {
        sid if FIRST_USE.contains(&sid) => false,
        OWN_ROLES => ctx.settings.create_roles,
        _ => true,
    });
    let mut lacking = Lacking::default();
    for statement in wanted {
        // Where a policy speaks of some resources, it is asked about one of them.
        let resource = statement.resource.many().swap_remove(0);
        let resource = match resource.as_str() {
            "*" => None,
            pattern => Some(
                pattern.replacen('*', &identity.partition, 1).replacen('*', &identity.account, 1).replace('*', "x"),
            ),
        };
        lacking.merge(simulate(ctx, arn, &statement.action.many(), resource).await?);
    }
    Ok(lacking)
}

/// Which of these actions the role or user of this ARN is not allowed, on any resource or on the one that is given.
pub(super) async fn simulate(
    ctx: &Context,
    arn: &str,
    actions: &[String],
    resource: Option<String>,
) -> Result<Lacking, Error> {
    let mut lacking = Lacking::default();
    if ctx.settings.local_hosts.is_some() {
        return Ok(lacking); // an emulator refuses nobody
    }
    let mut by_region: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for action in actions {
        by_region.entry(requested_region(ctx, arn, action)).or_default().push(action.clone());
    }
    for (region, actions) in by_region {
        let request = ctx.clients.iam.simulate_principal_policy().policy_source_arn(arn);
        let request = request.set_action_names(Some(actions)).set_resource_arns(resource.clone().map(|arn| vec![arn]));
        let request = request
            .context_entries(entry("aws:RequestedRegion", region))
            .context_entries(entry("iam:PassedToService", "ecs-tasks.amazonaws.com"));
        let mut pages = request.into_paginator().items().send();
        while let Some(result) = pages.next().await {
            let result = ctx.call("iam:SimulatePrincipalPolicy", async { result }).await?;
            // They are told of each resource where one was asked about.
            let of_resources = result.resource_specific_results().iter().flat_map(|r| r.missing_context_values());
            let missing: Vec<_> = result.missing_context_values().iter().chain(of_resources).cloned().collect();
            match result.eval_decision() {
                PolicyEvaluationDecisionType::Allowed => {}
                PolicyEvaluationDecisionType::ImplicitDeny if !missing.is_empty() => {
                    lacking.unsure.push(result.eval_action_name);
                    lacking.untold.extend(missing);
                }
                _ => lacking.denied.push(result.eval_action_name),
            }
        }
    }
    let place = |action: &String| actions.iter().position(|other| other == action);
    lacking.denied.sort_by_key(place);
    lacking.unsure.sort_by_key(place);
    Ok(lacking)
}

/// What a request has for `aws:RequestedRegion`: calls to IAM, which is one for all regions of a partition, that of its
/// endpoint; a role is handed on in the call that hands it on.
fn requested_region<'c>(ctx: &'c Context, arn: &str, action: &str) -> &'c str {
    let of_iam = action.starts_with("iam:") && action != "iam:PassRole";
    match arn.split(':').nth(1) {
        Some("aws") if of_iam => "us-east-1",
        Some("aws-cn") if of_iam => "cn-north-1",
        Some("aws-us-gov") if of_iam => "us-gov-west-1",
        _ => &ctx.clients.region,
    }
}

fn entry(key: &str, value: &str) -> ContextEntry {
    let entry = ContextEntry::builder().context_key_name(key).context_key_values(value);
    entry.context_key_type(ContextKeyTypeEnum::String).build()
}
