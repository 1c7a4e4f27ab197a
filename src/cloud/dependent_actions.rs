//! What a service does in its caller's name when it is called: the caller needs these permissions, too, though he calls
//! nothing else, and is refused by the service that he called.

use super::error::AwsError;
use super::region::Region;
use super::request::Request;
use super::services::iam::Facts;
use super::services::{autoscaling, ec2, ecs, elbv2, logs, servicediscovery};
use super::wire::Params;

/// An action that the caller needs besides.
pub(super) struct Dependent {
    pub(super) action: &'static str,
    /// None: whatever resource.
    pub(super) resource: Option<String>,
    /// The service that a role is passed to.
    pub(super) passed_to: Option<&'static str>,
    /// How the service that was called refuses it.
    pub(super) refusal: fn(&Request, &str, &Dependent) -> AwsError,
}

impl Dependent {
    fn new(action: &'static str) -> Self {
        Self { action, resource: None, passed_to: None, refusal: in_the_services_words }
    }

    fn refused(self, refusal: fn(&Request, &str, &Self) -> AwsError) -> Self {
        Self { refusal, ..self }
    }

    fn pass_role(role: String, to: &'static str) -> Self {
        Self { resource: Some(role), passed_to: Some(to), ..Self::new("iam:PassRole") }
    }
}

fn in_the_services_words(request: &Request, caller: &str, dependent: &Dependent) -> AwsError {
    request.service.words.denied(caller, dependent.action, dependent.resource.as_deref())
}

/// ECS hands on what it was refused itself (Amazon ECS Developer Guide, "Troubleshooting Amazon ECS Service Connect with shared
/// AWS Cloud Map namespaces").
fn in_ecs_words(request: &Request, caller: &str, dependent: &Dependent) -> AwsError {
    AwsError::new("ClientException", in_the_services_words(request, caller, dependent).message)
}

/// Auto Scaling tries the launch template by a dry run, and says nothing of what that was refused for
/// (terraform-aws-modules/terraform-aws-eks#822, eksctl-io/eksctl#834).
fn in_auto_scalings_words(request: &Request, _: &str, _: &Dependent) -> AwsError {
    let template = request.params().object("LaunchTemplate");
    let named = |member| template.and_then(|template| template.opt_str(member));
    let template = named("LaunchTemplateId").or(named("LaunchTemplateName")).unwrap_or_default();
    let message = format!("You are not authorized to use launch template: {template}");
    AwsError { message, ..request.service.words.denied("", "", None) }
}

/// What the request asks for in the caller's name.
pub(super) fn of(region: &Region, request: &Request) -> Vec<Dependent> {
    let (operation, params) = (request.operation.name, request.params());
    let mut dependents: Vec<Dependent> = tagging(request).map(Dependent::new).into_iter().collect();
    if request.is_for(&ecs::SERVICE) {
        let of_cloud_map =
            cloud_map(operation, params).iter().map(|action| Dependent::new(action).refused(in_ecs_words));
        dependents.extend(of_cloud_map);
        if operation == "RegisterTaskDefinition" {
            let roles = ["executionRoleArn", "taskRoleArn"].into_iter().filter_map(|role| params.opt_str(role));
            // A role may be given by its name.
            let arns = roles.map(|role| if role.starts_with("arn:") { role.to_owned() } else { iam_arn(region, role) });
            let passed = arns.map(|arn| Dependent::pass_role(arn, "ecs-tasks.amazonaws.com").refused(in_ecs_words));
            dependents.extend(passed);
        }
    }
    if request.is_for(&autoscaling::SERVICE) {
        dependents.extend(launching(region, params).into_iter().map(|it| it.refused(in_auto_scalings_words)));
    }
    dependents
}

fn iam_arn(region: &Region, role: &str) -> String {
    region.iam().role_arn(role).unwrap_or_default()
}

/// ECS looks the namespace up, and makes and looks up the services in it (the same page of the ECS Developer Guide; the actions
/// are in AmazonECS_FullAccess, too).
fn cloud_map(operation: &str, params: Params<'_>) -> &'static [&'static str] {
    let connects = |parameter: &str, is_on: fn(Params<'_>) -> bool| params.object(parameter).is_some_and(is_on);
    match operation {
        "CreateCluster" | "UpdateCluster" if connects("serviceConnectDefaults", |_| true) => {
            &["servicediscovery:GetNamespace"]
        }
        "CreateService" | "UpdateService"
            if connects("serviceConnectConfiguration", |connect| connect.opt_bool("enabled") == Some(true)) =>
        {
            &[
                "servicediscovery:CreateService",
                "servicediscovery:GetNamespace",
                "servicediscovery:GetOperation",
                "servicediscovery:GetService",
            ]
        }
        _ => &[],
    }
}

/// What Auto Scaling asks of whoever gives it a launch template (Amazon EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling API
/// permissions", "Required permissions from other Amazon APIs").
fn launching(region: &Region, params: Params<'_>) -> Vec<Dependent> {
    let Some(template) = params.object("LaunchTemplate") else { return vec![] };
    let (id, name) = (template.opt_str("LaunchTemplateId"), template.opt_str("LaunchTemplateName"));
    let version = template.opt_str("Version").unwrap_or("$Default");
    // One that is not there is refused for that.
    let Ok(template) = ec2::resolve(region, id, name, version) else { return vec![] };
    let mut needed = vec![Dependent::new("ec2:RunInstances")];
    if template.tags_on_launch() {
        needed.push(Dependent::new("ec2:CreateTags"));
    }
    let iam = region.iam();
    let role = template.instance_profile().and_then(|profile| iam.role_of_instance_profile(&profile));
    if let Some(role) = role.and_then(|role| iam.role_arn(role)) {
        needed.push(Dependent::pass_role(role, "ec2.amazonaws.com"));
    }
    needed
}

/// What may be tagged when it is made asks for the permission to tag (each service's guide to tagging on creation, such as
/// "Grant permission to tag resources on creation" of ECS).
fn tagging(request: &Request) -> Option<&'static str> {
    let (operation, params) = (request.operation.name, request.params());
    let makes = operation.starts_with("Create") || matches!(operation, "RegisterTaskDefinition" | "RunTask");
    let tags = ["Tags", "tags", "TagSpecification"]
        .iter()
        .any(|parameter| params.get(parameter).is_some_and(|tags| tags.as_array().is_none_or(|tags| !tags.is_empty())));
    if !(makes && tags) {
        return None;
    }
    match (request.service.signing_name, operation) {
        ("ec2", "CreateTags") => None,
        ("ec2", _) => Some("ec2:CreateTags"),
        ("ecs", _) => Some("ecs:TagResource"),
        ("elasticloadbalancing", _) => Some("elasticloadbalancing:AddTags"),
        ("iam", "CreateInstanceProfile") => Some("iam:TagInstanceProfile"),
        ("iam", "CreateRole") => Some("iam:TagRole"),
        (name, _) if name == logs::SERVICE.signing_name => Some("logs:TagResource"),
        (name, _) if name == servicediscovery::SERVICE.signing_name => Some("servicediscovery:TagResource"),
        _ => None,
    }
}

/// What Elastic Load Balancing asks of whoever makes its service-linked role by using it for the first time ("Elastic Load
/// Balancing API permissions").
const FIRST_USE: &[(&str, &str)] = &[
    (
        "CreateLoadBalancer",
        "ec2:DescribeAccountAttributes ec2:DescribeAddresses ec2:DescribeInternetGateways ec2:DescribeSecurityGroups \
         ec2:DescribeSubnets ec2:DescribeVpcs iam:CreateServiceLinkedRole",
    ),
    ("CreateTargetGroup", "ec2:DescribeInternetGateways ec2:DescribeVpcs iam:CreateServiceLinkedRole"),
];

/// The service's own role is made by its first use, in the caller's name.
pub(super) fn make_service_linked_role(region: &Region, request: &Request, facts: &Facts<'_>) -> Result<(), AwsError> {
    let (service, operation) = (request.service.signing_name, request.operation.name);
    let mut iam = region.iam();
    if iam.service_linked_roles.contains(service) {
        return Ok(());
    }
    let needed = if request.is_for(&elbv2::SERVICE) {
        FIRST_USE.iter().find(|(first_use, _)| *first_use == operation).map_or("", |(_, needed)| needed)
    } else {
        match (service, operation) {
            ("autoscaling", "CreateAutoScalingGroup") | ("ecs", "CreateCluster") => "iam:CreateServiceLinkedRole",
            // Services are registered with load balancers in it.
            ("ecs", "CreateService") => return Err(ecs_role_is_missing()),
            _ => "",
        }
    };
    if needed.is_empty() {
        return Ok(());
    }
    match needed.split_ascii_whitespace().find(|action| !iam.allows(action, None, facts)) {
        None => drop(iam.service_linked_roles.insert(service)),
        // "if the user that makes the call doesn't have permissions to create the service-linked role, it isn't created" (ECS
        // API Reference, `CreateCluster`).
        Some(_) if service == "ecs" => {}
        Some(action) => return Err(request.service.words.denied(&iam.caller_arn(), action, None)),
    }
    Ok(())
}

fn ecs_role_is_missing() -> AwsError {
    let message = "Unable to assume the service linked role. Please verify that the ECS service linked role exists.";
    AwsError::new("InvalidParameterException", message)
}
