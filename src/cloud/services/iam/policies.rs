//! Policies of roles: AWS's managed ones, attached, and their own, inline.

use std::fmt::Write;

use serde_json::{Value, json};

use super::no_such_entity;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;

/// The managed policies that roles for ECS are given, without `arn:aws:iam::aws:policy/`, and what of each a walkthrough
/// needs (AWS Managed Policy Reference).
const MANAGED: &[(&str, &str)] = &[
    ("AdministratorAccess", "*"),
    ("AmazonEC2ContainerRegistryReadOnly", "ecr:Get* ecr:BatchGetImage"),
    ("AmazonECS_FullAccess", "ecs:*"),
    ("AmazonSSMManagedInstanceCore", "ssm:UpdateInstanceInformation ssm:GetDocument ssmmessages:* ec2messages:*"),
    ("CloudWatchAgentServerPolicy", "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents"),
    ("CloudWatchLogsFullAccess", "logs:*"),
    ("ReadOnlyAccess", "*:Describe* *:Get* *:List*"),
    (
        "service-role/AmazonEC2ContainerServiceforEC2Role",
        "ecs:DiscoverPollEndpoint ecs:Poll ecs:RegisterContainerInstance ecs:Submit* logs:CreateLogStream \
         logs:PutLogEvents",
    ),
    (
        "service-role/AmazonECSTaskExecutionRolePolicy",
        "ecr:GetAuthorizationToken ecr:BatchGetImage logs:CreateLogStream logs:PutLogEvents",
    ),
];

/// The patterns of the actions that a managed policy allows, given by its ARN.
pub(super) fn actions_of(policy: &str) -> impl Iterator<Item = &'static str> {
    let managed = MANAGED.iter().find(|(managed, _)| arn(managed) == policy);
    managed.map_or("", |(_, actions)| actions).split_ascii_whitespace()
}

pub(super) fn arn(managed: &str) -> String {
    format!("arn:aws:iam::aws:policy/{managed}")
}

/// A policy that allows one action everywhere.
pub(super) fn allowing(action: &str) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] })
        .to_string()
}

pub(super) fn check_document(document: &str) -> Result<(), AwsError> {
    let statements =
        serde_json::from_str::<Value>(document).ok().and_then(|document| document.get("Statement").cloned());
    match statements {
        Some(Value::Array(_) | Value::Object(_)) => Ok(()),
        Some(_) => Err(AwsError::new("MalformedPolicyDocument", "Syntax errors in policy.")),
        None => Err(AwsError::new("MalformedPolicyDocument", "This policy contains invalid Json")),
    }
}

/// A document as answers hold it: percent-encoded as RFC 3986 has it.
pub(super) fn encoded(document: &str) -> String {
    let mut encoded = String::new();
    for byte in document.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    encoded
}

pub(super) fn attach(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let role = iam.role_mut(params)?;
    let policy = params.str("PolicyArn")?;
    if !policy.starts_with("arn:") {
        return Err(AwsError::new("ValidationError", format!("ARN {policy} is not valid.")));
    }
    if !MANAGED.iter().any(|(managed, _)| arn(managed) == policy) {
        return Err(no_such_entity(format!("Policy {policy} does not exist or is not attachable.")));
    }
    role.attached.insert(policy.to_owned());
    Ok(Value::Null)
}

pub(super) fn detach(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let role = iam.role_mut(params)?;
    let policy = params.str("PolicyArn")?;
    if role.attached.remove(policy) {
        Ok(Value::Null)
    } else {
        Err(no_such_entity(format!("Policy {policy} was not found.")))
    }
}

pub(super) fn list_attached(region: &Region, params: Params<'_>) -> Answer {
    let iam = region.iam();
    let name = |arn: &String| arn.rsplit('/').next().map(str::to_owned);
    let prefix = arn(params.opt_str("PathPrefix").unwrap_or("/").trim_start_matches('/'));
    let policies = iam.role(params)?.attached.iter().filter(|arn| arn.starts_with(&prefix));
    let policies: Value = policies.map(|arn| json!({ "PolicyName": name(arn), "PolicyArn": arn })).collect();
    Ok(json!({ "AttachedPolicies": policies }))
}

pub(super) fn put_inline(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let role = iam.role_mut(params)?;
    let name = params.str("PolicyName")?;
    let document = params.str("PolicyDocument")?;
    check_document(document)?;
    role.put_inline(name, document.to_owned());
    Ok(Value::Null)
}

fn inline_not_found(name: &str) -> AwsError {
    no_such_entity(format!("The role policy with name {name} cannot be found."))
}

pub(super) fn get_inline(region: &Region, params: Params<'_>) -> Answer {
    let iam = region.iam();
    let role = iam.role(params)?;
    let name = params.str("PolicyName")?;
    let document = role.inline.get(name).ok_or_else(|| inline_not_found(name))?;
    Ok(json!({ "RoleName": role.name, "PolicyName": name, "PolicyDocument": encoded(document) }))
}

pub(super) fn delete_inline(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let role = iam.role_mut(params)?;
    let name = params.str("PolicyName")?;
    role.inline.remove(name).map(|_| Value::Null).ok_or_else(|| inline_not_found(name))
}

pub(super) fn list_inline(region: &Region, params: Params<'_>) -> Answer {
    Ok(json!({ "PolicyNames": region.iam().role(params)?.inline.keys().collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_percent_encoded() {
        assert_eq!(encoded(r#"{"a": "b*"}"#), "%7B%22a%22%3A%20%22b%2A%22%7D");
    }
}
