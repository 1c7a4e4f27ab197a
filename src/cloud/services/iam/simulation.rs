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

/// A statement that decides, by the policy that it is in, as IAM names that.
pub(super) struct Matched {
    policy: String,
    /// Where it begins and ends in the document: line and column, both from 1.
    start: (usize, usize),
    end: (usize, usize),
}

impl Matched {
    fn wire(&self) -> Value {
        let position = |(line, column): (usize, usize)| json!({ "Line": line, "Column": column });
        json!({
            "SourcePolicyId": self.policy,
            "SourcePolicyType": "IAM Policy",
            "StartPosition": position(self.start),
            "EndPosition": position(self.end),
        })
    }
}

/// What the role's policies say of an action on this resource or, if none is given, on whatever resource; and the statements
/// that decide it: those that allow, or the one that denies.
pub(super) fn decide(role: &Role, action: &str, resource: Option<&str>, facts: &Facts<'_>) -> (Decision, Vec<Matched>) {
    let mut allowing = vec![];
    for (policy, document) in policies(role) {
        for (number, statement) in statements(&document).iter().enumerate() {
            if !(is_of(statement, "Action", |pattern| matches_action(pattern, action))
                && resource.is_none_or(|resource| is_of(statement, "Resource", |pattern| matches(pattern, resource)))
                && conditions::hold(statement, facts))
            {
                continue;
            }
            let (start, end) = place_of_statement(&document, number);
            let matched = Matched { policy: policy.clone(), start, end };
            match statement["Effect"].as_str() {
                Some("Deny") => return (Decision::ExplicitDeny, vec![matched]),
                Some("Allow") => allowing.push(matched),
                _ => {}
            }
        }
    }
    (if allowing.is_empty() { Decision::ImplicitDeny } else { Decision::Allowed }, allowing)
}

/// Whether a statement is about an action or a resource: it names those that it is about, or all that it is not about.
fn is_of(statement: &Value, element: &str, matches: impl Fn(&str) -> bool) -> bool {
    let any = |patterns: &Value| one_or_many(patterns).iter().any(|pattern| matches(pattern));
    match &statement[format!("Not{element}")] {
        Value::Null => any(&statement[element]),
        not => !any(not),
    }
}

/// The role's policies, its own and AWS's, by the names under which IAM tells of them, with their documents.
fn policies(role: &Role) -> impl Iterator<Item = (String, String)> {
    let own = role.inline.iter().map(|(name, document)| (format!("role_{}_{name}", role.name), document.clone()));
    own.chain(role.attached.iter().map(|arn| {
        let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        let actions: Vec<&str> = super::policies::actions_of(arn).collect();
        let statement = json!([{ "Effect": "Allow", "Action": actions, "Resource": "*" }]);
        (name, json!({ "Version": "2012-10-17", "Statement": statement }).to_string())
    }))
}

fn statements(document: &str) -> Vec<Value> {
    let parsed = serde_json::from_str::<Value>(document).unwrap_or_default();
    match &parsed["Statement"] {
        Value::Array(statements) => statements.clone(),
        statement => vec![statement.clone()],
    }
}

/// Where the statement of this number stands: its braces are counted, past texts.
fn place_of_statement(document: &str, number: usize) -> ((usize, usize), (usize, usize)) {
    let (mut line, mut column, mut depth, mut seen) = (1, 0, 0, 0);
    let (mut in_text, mut escaped, mut start) = (false, false, (1, 1));
    for c in document.chars() {
        column += 1;
        match c {
            '\n' => (line, column) = (line + 1, 0),
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '{' if !in_text => {
                depth += 1;
                if depth == 2 {
                    start = (line, column);
                }
            }
            '}' if !in_text => {
                depth -= 1;
                if depth == 1 {
                    if seen == number {
                        return (start, (line, column));
                    }
                    seen += 1;
                }
            }
            _ => {}
        }
    }
    (start, (line, column))
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
    let documents: Vec<String> = role.inline.values().cloned().collect();
    let statements: Vec<Value> = documents.iter().flat_map(|document| statements(document)).collect();
    let missing: BTreeSet<&str> =
        statements.iter().flat_map(conditions::keys).filter(|key| matches!(facts(key), Fact::Absent)).collect();
    let results = params.strings("ActionNames").into_iter().map(|action| {
        let (decision, matched) = decide(role, action, Some(resource), &facts);
        let decision = decision.into_str();
        let matched: Value = matched.iter().map(Matched::wire).collect();
        let mut result = json!({
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decision,
            "MatchedStatements": matched,
            "MissingContextValues": [],
            "EvalDecisionDetails": {},
            "OrganizationsDecisionDetail": { "AllowedByOrganizations": true },
        });
        if resource == "*" {
            result["MissingContextValues"] = json!(missing);
        } else {
            result["ResourceSpecificResults"] = json!([{
                "EvalResourceName": resource,
                "EvalResourceDecision": decision,
                "MatchedStatements": matched,
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

    #[test]
    fn a_statement_is_about_all_but_what_it_excepts() {
        let statement = json!({ "NotAction": ["iam:*", "organizations:*"], "Resource": "*" });
        let is_about = |action| is_of(&statement, "Action", |pattern| matches_action(pattern, action));
        assert!(is_about("ecs:CreateCluster") && !is_about("iam:GetRole"));
    }

    #[test]
    fn a_statement_stands_from_its_first_brace_to_its_last() {
        let document = "{\"Statement\": [\n  {\"Sid\": \"}{\", \"Condition\": {\"Null\": {}}},\n  {}]}";
        assert_eq!(place_of_statement(document, 0), ((2, 3), (2, 42)));
        assert_eq!(place_of_statement(document, 1), ((3, 3), (3, 4)));
    }
}
