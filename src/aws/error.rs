//! What went wrong in the cloud: AWS's hundreds of error codes sorted into the few classes that anything here acts on,
//! in one table, and an error that says what failed, why, and what to type next.

use std::fmt;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The resource does not exist: done, when it was to be deleted.
    Absent,
    /// The resource exists already: look at it.
    AlreadyExists,
    /// Something still uses the resource, or another change to it is under way: try again later.
    InUse,
    /// Something it needs is made but has not spread yet: try again soon.
    NotReady,
    /// Too many requests: try again later. The SDK has done so a few times already.
    Throttled,
    /// No credentials, expired ones, or a permission is missing.
    Refused,
    /// No connection, or no whole answer. The request may or may not have been carried out.
    Unreachable,
    /// AWS failed inside. The request may or may not have been carried out.
    ServerFault,
    /// An operation the (emulated) cloud does not know.
    Unsupported,
    Other,
}

impl ErrorClass {
    /// Whether a change refused so may go through later: something it needs is not seen everywhere yet (AWS is
    /// eventually consistent), or something else is under way.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Absent | AlreadyExists | InUse | NotReady)
    }
}

use ErrorClass::*;

/// The classes, by service (as IAM spells it; empty: all), code, part of the message (empty: any), class. The first row that fits holds.
#[rustfmt::skip]
const CLASSES: &[(&str, &str, &str, ErrorClass)] = &[
    ("ec2", "InvalidGroup.NotFound", "", Absent),
    ("ec2", "InvalidGroupId.Malformed", "", Absent),
    ("ec2", "InvalidLaunchTemplateName.NotFoundException", "", Absent),
    ("ec2", "InvalidLaunchTemplateId.NotFound", "", Absent),
    ("ec2", "InvalidPermission.NotFound", "", Absent),
    ("ec2", "InvalidInstanceID.NotFound", "", Absent),
    ("ec2", "InvalidGroup.Duplicate", "", AlreadyExists),
    ("ec2", "InvalidPermission.Duplicate", "", AlreadyExists),
    ("ec2", "InvalidLaunchTemplateName.AlreadyExistsException", "", AlreadyExists),
    ("ec2", "InvalidGroup.InUse", "", InUse),
    ("ec2", "DependencyViolation", "", InUse),
    ("ec2", "InvalidParameterValue", "Invalid IAM Instance Profile", NotReady),

    ("ecs", "ClusterNotFoundException", "", Absent),
    ("ecs", "ServiceNotFoundException", "", Absent),
    ("ecs", "ServiceNotActiveException", "", Absent),
    ("ecs", "TaskDefinitionNotFoundException", "", Absent), // emulators
    ("ecs", "ClientException", "Unable to describe task definition", Absent),
    ("ecs", "ClientException", "The specified task definition does not exist", Absent),
    ("ecs", "ClientException", "task definition does not exist", Absent),
    ("ecs", "ClientException", "Role is not valid", NotReady),
    ("ecs", "ClientException", "unable to assume the role", NotReady),
    ("ecs", "InvalidParameterException", "Creation of service was not idempotent", AlreadyExists),
    ("ecs", "InvalidParameterException", "still Draining", InUse),
    ("ecs", "InvalidParameterException", "Unable to assume", NotReady), // the service linked role; a new one
    ("ecs", "NamespaceNotFoundException", "", NotReady),
    ("ecs", "InvalidParameterException", "does not have an associated load balancer", NotReady),
    ("ecs", "ClusterContainsContainerInstancesException", "", InUse),
    ("ecs", "ClusterContainsServicesException", "", InUse),
    ("ecs", "ClusterContainsTasksException", "", InUse),
    ("ecs", "ClusterContainsCapacityProviderException", "", InUse),
    ("ecs", "UpdateInProgressException", "", InUse),

    ("elasticloadbalancing", "LoadBalancerNotFound", "", Absent),
    ("elasticloadbalancing", "TargetGroupNotFound", "", Absent),
    ("elasticloadbalancing", "ListenerNotFound", "", Absent),
    ("elasticloadbalancing", "DuplicateLoadBalancerName", "", AlreadyExists),
    ("elasticloadbalancing", "DuplicateTargetGroupName", "", AlreadyExists),
    ("elasticloadbalancing", "DuplicateListener", "", AlreadyExists),
    ("elasticloadbalancing", "ResourceInUse", "", InUse),
    ("elasticloadbalancing", "OperationNotPermitted", "", InUse),
    ("elasticloadbalancing", "InvalidSecurityGroup", "", NotReady),

    ("autoscaling", "ValidationError", "not found", Absent),
    ("autoscaling", "ValidationError", "Invalid IAM Instance Profile", NotReady),
    ("autoscaling", "ValidationError", "does not exist", NotReady), // a launch template, or what it names
    ("autoscaling", "AlreadyExists", "", AlreadyExists),
    ("autoscaling", "ScalingActivityInProgress", "", InUse),
    ("autoscaling", "ResourceInUse", "", InUse),
    ("autoscaling", "ResourceContention", "", InUse),
    ("autoscaling", "InstanceRefreshInProgress", "", InUse),

    ("iam", "NoSuchEntity", "", Absent),
    ("iam", "EntityAlreadyExists", "", AlreadyExists),
    ("iam", "LimitExceeded", "InstanceSessionsPerInstanceProfile", AlreadyExists), // a profile holds one role
    ("iam", "DeleteConflict", "", InUse),
    ("iam", "ConcurrentModification", "", InUse),
    ("iam", "ServiceFailure", "", ServerFault),

    ("ssm", "ParameterNotFound", "", Absent),
    ("ssm", "InvalidInstanceId", "", NotReady),
    ("ssm", "InvocationDoesNotExist", "", Absent),

    ("servicediscovery", "NamespaceNotFound", "", Absent),
    ("servicediscovery", "ServiceNotFound", "", Absent),
    ("servicediscovery", "InstanceNotFound", "", Absent),
    ("servicediscovery", "OperationNotFound", "", Absent),
    ("servicediscovery", "ResourceNotFoundException", "", Absent),
    ("servicediscovery", "NamespaceAlreadyExists", "", AlreadyExists),
    ("servicediscovery", "DuplicateRequest", "", InUse),
    ("servicediscovery", "ResourceInUse", "", InUse),

    ("logs", "ResourceNotFoundException", "", Absent),
    ("logs", "ResourceAlreadyExistsException", "", AlreadyExists),
    ("logs", "OperationAbortedException", "", InUse),

    ("", "Throttling", "", Throttled),
    ("", "ThrottlingException", "", Throttled),
    ("", "RequestLimitExceeded", "", Throttled),
    ("", "RequestLimitExceededException", "", Throttled),
    ("", "RequestThrottled", "", Throttled),
    ("", "TooManyRequestsException", "", Throttled),
    ("", "EC2ThrottledException", "", Throttled),

    ("", "InternalFailure", "not yet been emulated", Unsupported), // LocalStack
    ("", "InternalError", "", ServerFault),
    ("", "InternalFailure", "", ServerFault),
    ("", "InternalServerError", "", ServerFault),
    ("", "ServerException", "", ServerFault),
    ("", "ServiceException", "", ServerFault), // Service Quotas
    ("", "ServiceUnavailable", "", ServerFault),
    ("", "ServiceUnavailableException", "", ServerFault),
    ("", "Unavailable", "", ServerFault),

    ("", "AccessDenied", "", Refused),
    ("", "AccessDeniedException", "", Refused),
    ("", "AuthFailure", "", Refused),
    ("", "ExpiredToken", "", Refused),
    ("", "ExpiredTokenException", "", Refused),
    ("", "InvalidClientTokenId", "", Refused),
    ("", "InvalidSignatureException", "", Refused),
    ("", "OptInRequired", "", Refused),
    ("", "RequestExpired", "", Refused),
    ("", "SignatureDoesNotMatch", "", Refused),
    ("", "UnauthorizedOperation", "", Refused),
    ("", "UnrecognizedClientException", "", Refused),

    ("", "InvalidAction", "", Unsupported),
    ("", "UnknownOperationException", "", Unsupported),
    ("", "NotImplemented", "", Unsupported),
    ("", "UnsupportedFeatureException", "", Unsupported), // the local cloud, for what it leaves out of an operation it has
];

fn classify(service: &str, code: &str, message: &str) -> ErrorClass {
    CLASSES
        .iter()
        .find(|(s, c, m, _)| (s.is_empty() || *s == service) && *c == code && message.contains(m))
        .map_or(Other, |(.., class)| *class)
}

/// A request that the cloud refused, could not carry out, or did not answer.
#[derive(Clone, Debug)]
pub struct CloudError {
    /// The action as IAM spells it: `ecs:CreateCluster`.
    pub action: &'static str,
    /// AWS's error code; none if no answer came.
    pub code: Option<String>,
    pub message: String,
    pub class: ErrorClass,
    endpoint_url: Option<String>,
}

impl CloudError {
    pub(super) fn from_sdk<E, R>(action: &'static str, endpoint_url: Option<&str>, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug + 'static,
    {
        let answered = error.as_service_error().map(|e| (e.code(), e.message()));
        // No connection, a connection that broke, no answer in time, half an answer.
        let unanswered = match error {
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
            SdkError::DispatchFailure(failure) => !failure.is_user(),
            _ => false,
        };
        Self::new(action, endpoint_url, answered, unanswered, error)
    }

    fn new(
        action: &'static str,
        endpoint_url: Option<&str>,
        answered: Option<(Option<&str>, Option<&str>)>,
        unanswered: bool,
        error: &dyn std::error::Error,
    ) -> Self {
        let service = action.split(':').next().unwrap_or_default();
        let (code, message, class) = match answered {
            Some((Some(code), message)) => {
                let message = message.unwrap_or("no further explanation");
                (Some(code.to_owned()), message.to_owned(), classify(service, code, message))
            }
            _ => {
                let causes = causes(error);
                let class = if causes.contains("credential") {
                    Refused
                } else if unanswered {
                    Unreachable
                } else if answered.is_some() && endpoint_url.is_some() {
                    Unsupported // an emulator's own page, in place of an error of AWS's
                } else {
                    Other
                };
                (None, causes, class)
            }
        };
        Self { action, code, message, class, endpoint_url: endpoint_url.map(str::to_owned) }
    }

    /// The advice what to type next, where there is one.
    pub fn hint(&self) -> Option<String> {
        let action = self.action;
        Some(match (self.class, self.code.as_deref(), &self.endpoint_url) {
            (Unreachable, _, Some(url)) if is_loopback(url) => {
                format!(
                    "no local cloud is running at {url}: start it with `zonewalk up --local`, or `zonewalk local serve`"
                )
            }
            (Unreachable, _, Some(url)) => format!("check that {url} can be reached: `curl {url}`"),
            (Unreachable, _, None) => "check the network, and that --region names one of AWS's regions".to_owned(),
            (Refused, None, _) => "sign in first: `aws configure`, `aws sso login`, or name a --profile".to_owned(),
            (Refused, Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired"), _) => {
                "the session has expired: sign in again (`aws sso login`) and repeat the command".to_owned()
            }
            (Refused, Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation"), _) => {
                format!("allow the action {action} to whom `aws sts get-caller-identity` names")
            }
            (Refused, Some("OptInRequired"), _) => {
                "enable the region for the account, or choose another with --region".to_owned()
            }
            (Refused, Some(_), _) => "the keys are not valid here: check with `aws sts get-caller-identity`".to_owned(),
            (Throttled | ServerFault, ..) => "repeat the command in a minute: it resumes where it stopped".to_owned(),
            (Unsupported, _, Some(url)) => format!("the cloud at {url} does not offer {action}"),
            _ => return None,
        })
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.message.trim_end_matches('.'))?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(hint) = self.hint() {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CloudError {}

/// An error that may have come from the cloud.
pub(crate) trait Classified {
    /// The class of the cloud's error; none if it is an error of our own.
    fn class(&self) -> Option<ErrorClass>;
}

impl Classified for CloudError {
    fn class(&self) -> Option<ErrorClass> {
        Some(self.class)
    }
}

/// Makes "not found" an answer instead of an error.
pub(crate) fn optional<T, E: Classified>(result: Result<T, E>) -> Result<Option<T>, E> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class() == Some(Absent) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An error and what caused it, in one line, without saying anything twice.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = error.source();
    }
    text
}

fn is_loopback(url: &str) -> bool {
    let host = url.split("://").last().unwrap_or_default();
    ["127.", "localhost", "[::1]"].iter().any(|loopback| host.starts_with(loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_means_different_things_by_its_message() {
        let ecs = |message| classify("ecs", "InvalidParameterException", message);
        assert_eq!(ecs("Creation of service was not idempotent."), AlreadyExists);
        assert_eq!(ecs("Unable to Start a service that is still Draining."), InUse);
        assert_eq!(ecs("Container.image should not be null or empty."), Other);
        assert_eq!(classify("autoscaling", "ValidationError", "AutoScalingGroup name not found - null"), Absent);
        assert_eq!(classify("autoscaling", "ValidationError", "Max bound, 1, must be greater"), Other);
    }

    #[test]
    fn every_service_throttles_alike() {
        for service in ["ec2", "ecs", "logs", "anything"] {
            assert_eq!(classify(service, "RequestLimitExceeded", ""), Throttled);
        }
    }

    #[test]
    fn a_missing_permission_is_named() {
        let error = CloudError {
            action: "ecs:CreateCluster",
            code: Some("AccessDeniedException".to_owned()),
            message: "User is not authorized.".to_owned(),
            class: Refused,
            endpoint_url: None,
        };
        let text = error.to_string();
        assert!(
            text.starts_with(
                "ecs:CreateCluster: User is not authorized (AccessDeniedException); allow the action ecs:CreateCluster"
            ),
            "{text}"
        );
    }
}
