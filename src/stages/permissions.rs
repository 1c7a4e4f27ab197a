//! Whether a role or user may do what it has to, as IAM itself simulates it; and the policy that allows what this tool
//! does. The policy is `templates/iam_policy.json`; tests keep it least and sufficient.

use std::collections::BTreeSet;

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

/// What of the policy the caller of this ARN is not allowed.
pub(super) async fn find_lacking_of_policy(
    ctx: &Context,
    identity: &Identity,
    arn: &str,
) -> Result<Vec<String>, Error> {
    let policy: Policy = serde_json::from_str(&policy(&ctx.settings.name))
        .map_err(|error| Error::Template { name: "iam_policy.json", reason: error.to_string() })?;
    let wanted = policy.statement.into_iter().filter(|statement| match statement.sid.as_str() {
        sid if FIRST_USE.contains(&sid) => false,
        OWN_ROLES => ctx.settings.create_roles,
        _ => true,
    });
    let mut lacking = vec![];
    for statement in wanted {
        // Where a policy speaks of some resources, it is asked about one of them.
        let resource = statement.resource.many().swap_remove(0);
        let resource = match resource.as_str() {
            "*" => None,
            pattern => Some(
                pattern.replacen('*', &identity.partition, 1).replacen('*', &identity.account, 1).replace('*', "x"),
            ),
        };
        lacking.extend(simulate(ctx, arn, &statement.action.many(), resource).await?);
    }
    Ok(lacking)
}

/// Which of these actions the role or user of this ARN is not allowed, on any resource or on the one that is given.
pub(super) async fn simulate(
    ctx: &Context,
    arn: &str,
    actions: &[String],
    resource: Option<String>,
) -> Result<Vec<String>, Error> {
    if ctx.settings.local_hosts.is_some() {
        return Ok(vec![]); // an emulator refuses nobody
    }
    let passed_to = ContextEntry::builder()
        .context_key_name("iam:PassedToService")
        .context_key_values("ecs-tasks.amazonaws.com")
        .context_key_type(ContextKeyTypeEnum::String);
    let request = ctx.clients.iam.simulate_principal_policy().policy_source_arn(arn);
    let request = request.set_action_names(Some(actions.to_vec())).set_resource_arns(resource.map(|arn| vec![arn]));
    let mut pages = request.context_entries(passed_to.build()).into_paginator().items().send();
    let mut denied = BTreeSet::new();
    while let Some(result) = pages.next().await {
        let result = ctx.call("iam:SimulatePrincipalPolicy", async { result }).await?;
        if *result.eval_decision() != PolicyEvaluationDecisionType::Allowed {
            denied.insert(result.eval_action_name);
        }
    }
    Ok(actions.iter().filter(|action| denied.contains(*action)).cloned().collect())
}
