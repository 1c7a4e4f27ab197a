//! Whether a role or user may do what it has to, as IAM itself simulates it; and the policy that allows what this tool
//! does. The policy is `templates/iam_policy.json`; tests keep it least and sufficient.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use serde::Deserialize;

use super::identity::Identity;
use super::{Context, Error};
use crate::settings::{Name, OWNER_TAG, Settings};

const POLICY: &str = include_str!("../../templates/iam_policy.json");

/// The IAM policy, as JSON, for whoever runs a walkthrough of this name.
pub fn policy(name: &Name) -> String {
    let default = Settings::default().name;
    // Names begin with it, and the owner tag's value is just it.
    POLICY
        .replace(&format!("/{default}-"), &format!("/{name}-"))
        .replace(&format!("\"{default}\""), &format!("\"{name}\""))
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

/// Statements needed only in an account that never used these services: AWS makes their roles once.
const FIRST_USE: [&str; 2] = ["FirstUseOfAService", "FirstUseOfLoadBalancing"];
/// The statement that nothing stops without: only what it would have warned of.
const OPTIONAL: &str = "AccountPlan";
/// Statements needed only where the account's own roles do not serve.
const OWN_ROLES: [&str; 2] = ["OwnRoles", "PoliciesOfOwnRoles"];
/// The statement that only `down` needs. It asks for a tag of the resource, and IAM's simulation has been seen to deny such
/// an action though it was given the tag (aws/aws-sdk-java-v2#1751).
const OF_TAGGED: &str = "TerminateOwnInstances";

/// The actions that a role or user has to take and is not allowed, as far as IAM's simulation knows.
#[derive(Default)]
pub(super) struct MissingPermissions {
    pub(super) denied: Vec<String>,
    /// Actions denied only because a condition needs a context key that the simulation was not given; the real call may be
    /// allowed.
    pub(super) undetermined: Vec<String>,
    /// Those keys, as IAM names them: `aws:MultiFactorAuthPresent`.
    pub(super) missing_context_keys: BTreeSet<String>,
}

impl MissingPermissions {
    fn merge(&mut self, other: Self) {
        self.denied.extend(other.denied);
        self.undetermined.extend(other.undetermined);
        self.missing_context_keys.extend(other.missing_context_keys);
    }
}

/// Finds which actions of the policy the caller of this ARN is not allowed.
pub(super) async fn find_missing_of_policy(
    ctx: &Context,
    identity: &Identity,
    arn: &str,
) -> Result<MissingPermissions, Error> {
    let policy: Policy = serde_json::from_str(&policy(&ctx.settings.name))
        .map_err(|error| Error::Template { name: "iam_policy.json", reason: error.to_string() })?;
    // Our requests have what its conditions ask for. Each question is given all of it, since IAM reports a key as missing
    // that any policy of the caller's asks for.
    let conditions = policy.statement.iter().flat_map(|statement| statement.condition.values()).flatten();
    let context: BTreeMap<&str, String> =
        conditions.map(|(key, values)| (key.as_str(), one_of(values, identity))).collect();
    let mut missing = MissingPermissions::default();
    for Statement { sid, action, resource, .. } in &policy.statement {
        let sid = sid.as_str();
        if sid == OPTIONAL || FIRST_USE.contains(&sid) || OWN_ROLES.contains(&sid) && !ctx.settings.create_roles {
            continue;
        }
        let resource = Some(one_of(resource, identity)).filter(|resource| resource != "*");
        let mut found = simulate(ctx, arn, action.many(), resource, &context).await?;
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

/// Which of these actions the role or user of this ARN is not allowed, on any resource or on the one that is given, in a
/// request whose context holds these keys and the region.
pub(super) async fn simulate(
    ctx: &Context,
    arn: &str,
    actions: &[String],
    resource: Option<String>,
    context: &BTreeMap<&str, String>,
) -> Result<MissingPermissions, Error> {
    let mut missing = MissingPermissions::default();
    if !ctx.data_plane.checks_permissions() {
        return Ok(missing);
    }
    let mut by_region: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for action in actions {
        by_region.entry(requested_region(ctx, arn, action)).or_default().push(action.clone());
    }
    for (region, actions) in by_region {
        let request = ctx.clients.iam.simulate_principal_policy().policy_source_arn(arn);
        let request = request.set_action_names(Some(actions)).set_resource_arns(resource.clone().map(|arn| vec![arn]));
        let entries = context.iter().map(|(key, value)| entry(key, value));
        let request = entries.fold(request, |request, entry| request.context_entries(entry));
        let request = request.context_entries(entry("aws:RequestedRegion", region));
        let mut pages = request.into_paginator().send();
        let pages = ctx.pages("iam:SimulatePrincipalPolicy", async || pages.next().await).await?;
        for result in pages.into_iter().flat_map(|page| page.evaluation_results.unwrap_or_default()) {
            // They are told of each resource where one was asked about.
            let of_resources = result.resource_specific_results().iter().flat_map(|r| r.missing_context_values());
            let keys: Vec<_> = result.missing_context_values().iter().chain(of_resources).cloned().collect();
            match result.eval_decision() {
                PolicyEvaluationDecisionType::Allowed => {}
                PolicyEvaluationDecisionType::ImplicitDeny if !keys.is_empty() => {
                    missing.undetermined.push(result.eval_action_name);
                    missing.missing_context_keys.extend(keys);
                }
                _ => missing.denied.push(result.eval_action_name),
            }
        }
    }
    let place = |action: &String| actions.iter().position(|other| other == action);
    missing.denied.sort_by_key(place);
    missing.undetermined.sort_by_key(place);
    Ok(missing)
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
