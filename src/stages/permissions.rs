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

/// Needed only in an account that never used these services: AWS makes their roles once.
const FIRST_USE: [&str; 2] = ["FirstUseOfAService", "FirstUseOfLoadBalancing"];
/// Needed only where the account's own roles do not serve.
const OWN_ROLES: [&str; 2] = ["OwnRoles", "PoliciesOfOwnRoles"];
/// Needed only by `down`, and asks for a tag of what it is done to: IAM's simulation has been seen to deny that though it
/// was told the tag (aws/aws-sdk-java-v2#1751).
const OF_TAGGED: &str = "TerminateOwnInstances";

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
    // What its conditions ask for, our requests have. All is told with each question: what any policy asks for is missed.
    let conditions = policy.statement.iter().flat_map(|statement| statement.condition.values()).flatten();
    let context: BTreeMap<&str, String> =
        conditions.map(|(key, values)| (key.as_str(), one_of(values, identity))).collect();
    let mut lacking = Lacking::default();
    for Statement { sid, action, resource, .. } in &policy.statement {
        let sid = sid.as_str();
        if FIRST_USE.contains(&sid) || OWN_ROLES.contains(&sid) && !ctx.settings.create_roles {
            continue;
        }
        let resource = Some(one_of(resource, identity)).filter(|resource| resource != "*");
        let mut found = simulate(ctx, arn, action.many(), resource, &context).await?;
        if sid == OF_TAGGED && !found.denied.is_empty() {
            found.unsure.append(&mut found.denied);
            found.untold.insert(format!("aws:ResourceTag/{OWNER_TAG}"));
        }
        lacking.merge(found);
    }
    Ok(lacking)
}

/// Of what a policy speaks of, the first, as it is in this account.
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
        let entries = context.iter().map(|(key, value)| entry(key, value));
        let request = entries.fold(request, |request, entry| request.context_entries(entry));
        let request = request.context_entries(entry("aws:RequestedRegion", region));
        let mut pages = request.into_paginator().send();
        let pages = ctx.pages("iam:SimulatePrincipalPolicy", async || pages.next().await).await?;
        for result in pages.into_iter().flat_map(|page| page.evaluation_results.unwrap_or_default()) {
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
