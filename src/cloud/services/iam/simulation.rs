//! What a role's policies allow: for `SimulatePrincipalPolicy`, and for a caller whose policy is to be rehearsed.
//!
//! An action is allowed if a statement allows it and none denies it, of those whose conditions hold. Resources count in a
//! simulation, where `*` is one that no pattern for others matches, as in IAM's.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::conditions::{self, Fact, Facts};
use super::no_such_entity;
use super::roles::Role;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wildcard::matches_policy as matches;
use crate::cloud::wire::Params;

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "camelCase")]
pub(super) enum Decision {
    Allowed,
    ExplicitDeny,
    ImplicitDeny,
}

/// What the role's policies say of an action on this resource or, if none is given, on whatever resource.
pub(super) fn decide(role: &Role, action: &str, resource: Option<&str>, facts: &Facts<'_>) -> Decision {
    let mut decision = Decision::ImplicitDeny;
    for statement in statements(role) {
        let of_action = one_or_many(&statement["Action"]).iter().any(|pattern| matches_action(pattern, action));
        let patterns = one_or_many(&statement["Resource"]);
        let of_resource = resource.is_none_or(|resource| patterns.iter().any(|pattern| matches(pattern, resource)));
        if !(of_action && of_resource && conditions::hold(&statement, facts)) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Deny") => return Decision::ExplicitDeny,
            Some("Allow") => decision = Decision::Allowed,
            _ => {}
        }
    }
    let managed = role.attached.iter().flat_map(|arn| super::policies::actions_of(arn));
    if managed.into_iter().any(|pattern| matches_action(pattern, action)) { Decision::Allowed } else { decision }
}

/// The statements of the role's own policies.
fn statements(role: &Role) -> impl Iterator<Item = Value> {
    let documents = role.inline.values().filter_map(|document| serde_json::from_str::<Value>(document).ok());
    documents.flat_map(|mut document| match document["Statement"].take() {
        Value::Array(statements) => statements,
        statement => vec![statement],
    })
}

fn one_or_many(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

/// Whether an action is one that the pattern means; the case of letters does not matter in actions.
fn matches_action(pattern: &str, action: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

pub(super) fn simulate(region: &Region, params: Params<'_>) -> Answer {
    let arn = params.str("PolicySourceArn")?;
    if arn.ends_with(":root") {
        return Err(AwsError::new("InvalidInput", "The root user's permissions cannot be simulated."));
    }
    let name = arn.rsplit('/').next().unwrap_or(arn);
    let iam = region.iam();
    let role = iam.roles.get(name).filter(|_| arn.contains(":role/"));
    let role = role.ok_or_else(|| no_such_entity(format!("The entity with ARN {arn} cannot be found.")))?;
    let resource = match params.strings("ResourceArns")[..] {
        [] => "*",
        [resource] => resource,
        _ => return Err(AwsError::unsupported("more than one of ResourceArns")),
    };
    let entries = params.objects("ContextEntries");
    let facts = |key: &str| {
        let named = |entry: &&Params<'_>| entry.opt_str("ContextKeyName").is_some_and(|k| k.eq_ignore_ascii_case(key));
        entries.iter().find(named).map_or(Fact::Absent, |entry| Fact::Is(entry.strings("ContextKeyValues")))
    };
    // Of all policies, whether they are about the action or not; that is what IAM does.
    let statements: Vec<Value> = statements(role).collect();
    let missing: BTreeSet<&str> =
        statements.iter().flat_map(conditions::keys).filter(|key| matches!(facts(key), Fact::Absent)).collect();
    let results = params.strings("ActionNames").into_iter().map(|action| {
        let decision = decide(role, action, Some(resource), &facts).into_str();
        let mut result = json!({
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decision,
            "MatchedStatements": [],
            "MissingContextValues": [],
        });
        if resource == "*" {
            result["MissingContextValues"] = json!(missing);
        } else {
            result["ResourceSpecificResults"] = json!([{
                "EvalResourceName": resource,
                "EvalResourceDecision": decision,
                "MatchedStatements": [],
                "MissingContextValues": missing,
            }]);
        }
        result
    });
    Ok(json!({ "EvaluationResults": results.collect::<Value>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_letters_does_not_matter_in_actions() {
        assert!(matches_action("ecs:poll", "ECS:Poll"));
    }
}
