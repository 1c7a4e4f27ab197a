//! The words in which AWS refuses: each service has its own.

use hyper::StatusCode;

use super::Launch;
use crate::cloud::error::AwsError;
use crate::cloud::wire::Service;

/// EC2's is a 503, that of Service Quotas a 429, the others' a 400.
pub(super) fn throttled(service: Service, code: Option<&str>) -> AwsError {
    let (own, message, status) = match service {
        Service::Ec2 => ("RequestLimitExceeded", "Request limit exceeded.", StatusCode::SERVICE_UNAVAILABLE),
        Service::AutoScaling | Service::Elbv2 | Service::Iam | Service::Sts => {
            ("Throttling", "Rate exceeded", StatusCode::BAD_REQUEST)
        }
        Service::Quotas => ("TooManyRequestsException", "Rate exceeded", StatusCode::TOO_MANY_REQUESTS),
        Service::Ecs | Service::Logs | Service::CloudMap | Service::Ssm => {
            ("ThrottlingException", "Rate exceeded", StatusCode::BAD_REQUEST)
        }
    };
    AwsError::new(code.unwrap_or(own), message).with_status(status)
}

pub(super) fn server_error(service: Service, status: Option<u16>, code: Option<&str>) -> AwsError {
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let own = match (service, status == StatusCode::SERVICE_UNAVAILABLE) {
        (Service::Ec2, false) => "InternalError",
        (Service::Ec2, true) => "Unavailable",
        (Service::Ecs, _) => "ServerException",
        (Service::Iam, false) => "ServiceFailure",
        (Service::Ssm, false) => "InternalServerError",
        (Service::Quotas, _) => "ServiceException",
        (Service::Logs, _) => "ServiceUnavailableException",
        (_, false) => "InternalFailure",
        (_, true) => "ServiceUnavailable",
    };
    AwsError::new(code.unwrap_or(own), "An internal error has occurred. Try your query again at a later time.")
        .with_status(status)
}

/// What checks a role, or a profile, when it is handed over.
const ROLE_TAKERS: [&str; 6] = [
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "ec2:CreateLaunchTemplate",
    "ecs:CreateService",
    "ecs:RegisterTaskDefinition",
    "ecs:RunTask",
];

pub(super) fn takes_role(call: &str) -> bool {
    ROLE_TAKERS.contains(&call)
}

pub(super) fn role_refused(operation: &str) -> AwsError {
    match operation {
        "RegisterTaskDefinition" => AwsError::new("ClientException", "Role is not valid"),
        "CreateService" => AwsError::new(
            "InvalidParameterException",
            "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        ),
        "RunTask" => AwsError::new(
            "ClientException",
            "ECS was unable to assume the role that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.",
        ),
        "CreateLaunchTemplate" => AwsError::invalid_parameter(
            "Value for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
        ),
        _ => AwsError::new(
            "ValidationError",
            "You must use a valid fully-formed launch template. Value for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
        ),
    }
}

pub(super) fn no_capacity(launch: &Launch<'_>) -> AwsError {
    let Launch { zone, instance_type, .. } = launch;
    AwsError::new(
        "InsufficientInstanceCapacity",
        format!(
            "We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone}). Our system will be working on provisioning additional capacity. You can currently get {instance_type} capacity by not specifying an Availability Zone in your request or choosing another one."
        ),
    )
    .with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) fn vcpu_limit(limit: u32) -> AwsError {
    AwsError::new(
        "VcpuLimitExceeded",
        format!(
            "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
        ),
    )
}
