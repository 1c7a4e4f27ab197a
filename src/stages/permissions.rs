//! Whether a role or user may do what it has to, as IAM itself simulates it; and the policy that allows what this tool
//! does. The policy is `templates/iam_policy.json`; tests keep it least and sufficient.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};

use super::{Context, Error};
use crate::settings::{Name, Settings};

const POLICY: &str = include_str!("../../templates/iam_policy.json");

/// The IAM policy, as JSON, for whoever audits: it only looks.
pub const AUDIT_POLICY: &str = include_str!("../../templates/audit_policy.json");

/// The IAM policy, as JSON, for whoever runs a walkthrough of this name.
pub fn policy(name: &Name) -> String {
    let default = Settings::default().name;
    // Names begin with it, and the owner tag's value is just it.
    POLICY
        .replace(&format!("/{default}-"), &format!("/{name}-"))
        .replace(&format!("\"{default}\""), &format!("\"{name}\""))
}

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
    pub(super) fn merge(&mut self, other: Self) {
        let new = |known: &[String], actions: Vec<String>| {
            actions.into_iter().filter(|action| !known.contains(action)).collect::<Vec<_>>()
        };
        self.denied.extend(new(&self.denied, other.denied));
        self.undetermined.extend(new(&self.undetermined, other.undetermined));
        self.missing_context_keys.extend(other.missing_context_keys);
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
