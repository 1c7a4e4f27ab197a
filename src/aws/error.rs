//! What went wrong in the cloud: AWS's hundreds of error codes sorted into the few classes that anything here acts on,
//! in one table, and an error that says what failed, why, and what to type next.

use std::fmt;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::unanswered::Unanswered;

/// What a request of the SDK's gives.
pub(crate) type SdkResult<T, E> = Result<T, SdkError<E>>;

/// An error of an operation's, as the SDK has it.
pub trait ServiceError: ProvideErrorMetadata + std::error::Error + 'static {}

impl<E: ProvideErrorMetadata + std::error::Error + 'static> ServiceError for E {}

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The resource does not exist: done, when it was to be deleted.
    Absent,
    /// The resource exists already: look at it.
    AlreadyExists,
    /// Something still uses the resource, or another change to it is under way: try again later.
    InUse,
    /// It is protected against deletion: somebody has to lift that.
    Protected,
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

/// The classes, by service (as IAM spells it; empty: all) and part of the message (empty: any), with the codes that are of
/// them. The first row that fits holds.
#[rustfmt::skip]
const CLASSES: &[(&str, ErrorClass, &str, &[&str])] = &[
    ("ec2", Absent, "", &["InvalidGroup.NotFound", "InvalidGroupId.Malformed", "InvalidInstanceID.NotFound",
        "InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException", "InvalidPermission.NotFound"]),
    ("ec2", AlreadyExists, "", &["InvalidGroup.Duplicate", "InvalidLaunchTemplateName.AlreadyExistsException",
        "InvalidPermission.Duplicate"]),
    ("ec2", InUse, "", &["DependencyViolation", "InvalidGroup.InUse"]),
    ("ec2", Protected, "disableApiTermination", &["OperationNotPermitted"]),
    ("ec2", NotReady, "Invalid IAM Instance Profile", &["InvalidParameterValue"]),
    ("ec2", NotReady, "has no associated IAM Roles", &["InvalidParameterValue"]),

    ("ecs", Absent, "", &["ClusterNotFoundException", "ServiceNotActiveException", "ServiceNotFoundException"]),
    ("ecs", Absent, "", &["TaskDefinitionNotFoundException"]), // emulators
    ("ecs", Absent, "Unable to describe task definition", &["ClientException"]),
    ("ecs", Absent, "task definition does not exist", &["ClientException"]),
    ("ecs", Refused, "is not authorized to perform", &["ClientException"]), // what ECS does in the caller's name
    ("ecs", NotReady, "Role is not valid", &["ClientException"]),
    ("ecs", NotReady, "unable to assume the role", &["ClientException"]),
    ("ecs", AlreadyExists, "Creation of service was not idempotent", &["InvalidParameterException"]),
    ("ecs", InUse, "still Draining", &["InvalidParameterException"]),
    ("ecs", InUse, "cannot be stopped while deployments are active", &["InvalidParameterException"]),
    ("ecs", InUse, "SC service is already used by", &["InvalidParameterException"]), // aws/copilot-cli#4337
    ("ecs", NotReady, "Unable to assume", &["InvalidParameterException"]), // the service linked role; a new one
    ("ecs", NotReady, "does not have an associated load balancer", &["InvalidParameterException"]),
    ("ecs", NotReady, "", &["NamespaceNotFoundException"]),
    ("ecs", InUse, "", &["ClusterContainsCapacityProviderException", "ClusterContainsContainerInstancesException",
        "ClusterContainsServicesException", "ClusterContainsTasksException", "UpdateInProgressException"]),

    ("elasticloadbalancing", Absent, "", &["ListenerNotFound", "LoadBalancerNotFound", "TargetGroupNotFound"]),
    ("elasticloadbalancing", AlreadyExists, "", &["DuplicateListener", "DuplicateLoadBalancerName",
        "DuplicateTargetGroupName"]),
    ("elasticloadbalancing", Protected, "eletion protection", &["OperationNotPermitted"]),
    ("elasticloadbalancing", InUse, "", &["OperationNotPermitted", "ResourceInUse"]),
    ("elasticloadbalancing", NotReady, "", &["InvalidSecurityGroup"]),

    ("autoscaling", Protected, "eletion protection", &["ResourceInUse", "ValidationError"]),
    ("autoscaling", Absent, "not found", &["ValidationError"]),
    ("autoscaling", NotReady, "Invalid IAM Instance Profile", &["ValidationError"]),
    ("autoscaling", NotReady, "has no associated IAM Roles", &["ValidationError"]),
    ("autoscaling", NotReady, "does not exist", &["ValidationError"]), // a launch template, or what it names
    ("autoscaling", AlreadyExists, "", &["AlreadyExists"]),
    ("autoscaling", InUse, "", &["InstanceRefreshInProgress", "ResourceContention", "ResourceInUse",
        "ScalingActivityInProgress"]),

    ("iam", Absent, "", &["NoSuchEntity"]),
    ("iam", AlreadyExists, "", &["EntityAlreadyExists"]),
    ("iam", AlreadyExists, "InstanceSessionsPerInstanceProfile", &["LimitExceeded"]), // a profile holds one role
    ("iam", InUse, "", &["ConcurrentModification", "DeleteConflict"]),
    ("iam", ServerFault, "", &["ServiceFailure"]),

    ("ssm", Absent, "", &["InvocationDoesNotExist", "ParameterNotFound"]),
    ("ssm", NotReady, "", &["InvalidInstanceId"]),

    ("servicediscovery", Absent, "", &["InstanceNotFound", "NamespaceNotFound", "OperationNotFound",
        "ResourceNotFoundException", "ServiceNotFound"]),
    ("servicediscovery", AlreadyExists, "", &["NamespaceAlreadyExists"]),
    ("servicediscovery", InUse, "", &["DuplicateRequest", "ResourceInUse"]),

    ("logs", Protected, "eletion protection", &["InvalidParameterException", "OperationAbortedException",
        "ValidationException"]),
    ("logs", Absent, "", &["ResourceNotFoundException"]),
    ("logs", AlreadyExists, "", &["ResourceAlreadyExistsException"]),
    ("logs", InUse, "", &["OperationAbortedException"]),

    ("", Throttled, "", &["EC2ThrottledException", "RequestLimitExceeded", "RequestLimitExceededException",
        "RequestThrottled", "Throttling", "ThrottlingException", "TooManyRequestsException"]),

    ("", Unsupported, "not yet been emulated", &["InternalFailure"]), // LocalStack
    ("", ServerFault, "", &["InternalError", "InternalFailure", "InternalServerError", "ServerException",
        "ServiceUnavailable", "ServiceUnavailableException", "Unavailable"]),
    ("", ServerFault, "", &["ServiceException"]), // Service Quotas

    ("", Refused, "", &["AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
        "InvalidClientTokenId", "InvalidSignatureException", "OptInRequired", "RequestExpired", "SignatureDoesNotMatch",
        "UnauthorizedOperation", "UnrecognizedClientException"]),

    ("", Unsupported, "", &["InvalidAction", "NotImplemented", "UnknownOperationException"]),
    ("", Unsupported, "", &["UnsupportedFeatureException"]), // the local cloud, for what it leaves out of an operation it has
];

fn classify(service: &str, code: &str, message: &str) -> ErrorClass {
    CLASSES
        .iter()
        .find(|(s, _, m, codes)| (s.is_empty() || *s == service) && codes.contains(&code) && message.contains(m))
        .map_or(Other, |(_, class, ..)| *class)
}

/// The refusals that a user can do something about.
enum Refusal {
    Denied,
    Expired,
    RegionOff,
    UnknownKey,
    Signature,
}

impl Refusal {
    fn of(code: &str) -> Self {
        match code {
            "ExpiredToken" | "ExpiredTokenException" => Self::Expired,
            "OptInRequired" => Self::RegionOff,
            "AuthFailure" | "InvalidClientTokenId" | "UnrecognizedClientException" => Self::UnknownKey,
            "InvalidSignatureException" | "RequestExpired" | "SignatureDoesNotMatch" => Self::Signature,
            _ => Self::Denied,
        }
    }
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
    /// Why there is no answer, if there is none.
    unanswered: Option<Box<Unanswered>>,
    endpoint_url: Option<String>,
}

impl CloudError {
    pub(super) fn from_sdk<E: ServiceError>(
        action: &'static str,
        endpoint_url: Option<&str>,
        error: &SdkError<E>,
    ) -> Self {
        let answered = error.as_service_error().map(|e| (e.code(), e.message()));
        Self::new(action, endpoint_url, answered, matches!(error, SdkError::TimeoutError(_)), error)
    }

    fn new(
        action: &'static str,
        endpoint_url: Option<&str>,
        answered: Option<(Option<&str>, Option<&str>)>,
        late: bool,
        error: &dyn std::error::Error,
    ) -> Self {
        let service = action.split(':').next().unwrap_or_default();
        let (code, message, class, unanswered) = match answered {
            Some((Some(code), message)) => {
                let message = message.unwrap_or("no further explanation");
                (Some(code.to_owned()), message.to_owned(), classify(service, code, message), None)
            }
            _ => {
                let reason = Unanswered::of(&causes(error), answered.is_some(), late);
                // A page of an emulator's own says that it lacks the operation; AWS sends none.
                let class =
                    if reason == Unanswered::Foreign && endpoint_url.is_none() { Other } else { reason.class() };
                (None, reason.to_string(), class, Some(Box::new(reason)))
            }
        };
        Self { action, code, message, class, unanswered, endpoint_url: endpoint_url.map(str::to_owned) }
    }

    /// The advice what to type next, where there is one.
    pub fn hint(&self) -> Option<String> {
        let action = self.action;
        if let Some(reason) = &self.unanswered {
            return Some(reason.hint(self.endpoint_url.as_deref()));
        }
        let code = self.code.as_deref().unwrap_or_default();
        Some(match (self.class, Refusal::of(code), &self.endpoint_url) {
            (Refused, Refusal::Expired, _) => "sign in again (`aws sso login`) and repeat the command".to_owned(),
            (Refused, Refusal::Denied, _) => {
                format!("allow the action {} to whom `aws sts get-caller-identity` names", refused_action(action, &self.message))
            }
            (Refused, Refusal::RegionOff, _) => {
                "enable the region for the account, or choose another with --region".to_owned()
            }
            (Refused, Refusal::UnknownKey, _) => {
                "`aws sts get-caller-identity --region us-east-1` tells if the key is valid; if it is, enable the region for \
                 the account, or choose another with --region, of those that `aws account list-regions` shows"
                    .to_owned()
            }
            (Refused, Refusal::Signature, _) => {
                "check this machine's clock, and the keys with `aws sts get-caller-identity`".to_owned()
            }
            (Throttled | ServerFault, ..) => "repeat the command in a minute: it resumes where it stopped".to_owned(),
            (Protected, ..) => self.how_to_lift_protection(),
            (Unsupported, _, Some(url)) => format!("the cloud at {url} does not offer {action}"),
            _ => return None,
        })
    }
}

impl CloudError {
    /// Whether other calls would fail for the same reason: nothing answers, or the caller is not known.
    pub(crate) fn concerns_all_calls(&self) -> bool {
        match &self.code {
            Some(code) => self.class == Refused && !matches!(Refusal::of(code), Refusal::Denied),
            None => self.class != Unsupported,
        }
    }

    /// What failed and why, without what to do about it.
    pub fn without_hint(&self) -> String {
        match self.sentence() {
            Some(sentence) => format!("{sentence}: {}", self.message.trim_end_matches('.')),
            None => self.plainly(),
        }
    }

    /// What failed in our words, where AWS's alone do not say it well.
    fn sentence(&self) -> Option<String> {
        let code = self.code.as_deref().filter(|_| self.class == Refused)?;
        let action = self.action;
        Some(match Refusal::of(code) {
            Refusal::Denied => format!("{action} is not allowed ({code})"),
            Refusal::Expired => format!("{action}: the session has expired ({code})"),
            Refusal::RegionOff => format!("{action}: the account has not enabled the region or the service ({code})"),
            Refusal::UnknownKey => {
                format!(
                    "{action}: AWS does not know the access key, or the account has not enabled the region ({code})"
                )
            }
            Refusal::Signature => format!("{action}: AWS does not accept the request's signature ({code})"),
        })
    }

    fn plainly(&self) -> String {
        let message = self.message.trim_end_matches('.');
        match (&self.code, self.class) {
            (Some(code), _) => format!("{}: {message} ({code})", self.action),
            // Whichever request it was.
            (None, Refused) => message.to_owned(),
            (None, _) => format!("{}: {message}", self.action),
        }
    }

    fn how_to_lift_protection(&self) -> String {
        let arn = self.message.split('\'').find(|part| part.starts_with("arn:")).unwrap_or("ARN");
        match self.action {
            "elasticloadbalancing:DeleteLoadBalancer" => format!(
                "switch that off and repeat the command: `aws elbv2 modify-load-balancer-attributes --load-balancer-arn \
                 {arn} --attributes Key=deletion_protection.enabled,Value=false`"
            ),
            _ => "switch its protection against deletion off, and repeat the command".to_owned(),
        }
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.sentence();
        f.write_str(sentence.as_ref().unwrap_or(&self.plainly()))?;
        if let Some(hint) = self.hint() {
            write!(f, "; {hint}")?;
        }
        if sentence.is_some() {
            write!(f, "; AWS says: {}", self.message.trim_end_matches('.'))?;
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

/// The action that was refused: a service may act in the caller's name, and then names what it was refused itself.
fn refused_action<'m>(called: &'m str, message: &'m str) -> &'m str {
    if message.contains("not authorized to use launch template") {
        // It is tried by a dry run, of which nothing is told.
        return "ec2:RunInstances, ec2:CreateTags and iam:PassRole of the instances' role";
    }
    let named = message.split_once("not authorized to perform: ").map_or("", |(_, rest)| rest);
    let named = named.split_ascii_whitespace().next().unwrap_or_default().trim_end_matches(['.', ',']);
    if named.contains(':') { named } else { called }
}

/// The texts of an error and of what caused it, each once.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = vec![];
    for text in chain.map(ToString::to_string) {
        if !texts.iter().any(|told| told.contains(&text)) {
            texts.push(text);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_means_different_things_by_its_message() {
        let ecs = |message| classify("ecs", "InvalidParameterException", message);
        assert_eq!(ecs("Creation of service was not idempotent."), AlreadyExists);
        assert_eq!(ecs("Unable to Start a service that is still Draining."), InUse);
        assert_eq!(ecs("The service cannot be stopped while deployments are active."), InUse);
        let elb = |message| classify("elasticloadbalancing", "OperationNotPermitted", message);
        assert_eq!(elb("Load balancer 'arn' cannot be deleted because deletion protection is enabled"), Protected);
        assert_eq!(elb("Load balancer 'arn' is currently in use"), InUse);
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
            unanswered: None,
            endpoint_url: None,
        };
        assert_eq!(
            error.to_string(),
            "ecs:CreateCluster is not allowed (AccessDeniedException); allow the action ecs:CreateCluster to whom `aws sts \
             get-caller-identity` names; AWS says: User is not authorized"
        );
    }

    fn refused(action: &'static str, code: &str, message: &str) -> String {
        let class = classify(action.split(':').next().unwrap(), code, message);
        let (code, message) = (Some(code.to_owned()), message.to_owned());
        CloudError { action, code, message, class, unanswered: None, endpoint_url: None }.hint().unwrap_or_default()
    }

    #[test]
    fn what_a_service_was_refused_in_the_callers_name_is_named() {
        let denied =
            "User: arn:aws:iam::1:user/u is not authorized to perform: servicediscovery:GetNamespace on resource: r";
        assert!(
            refused("ecs:CreateCluster", "ClientException", denied)
                .contains("allow the action servicediscovery:GetNamespace")
        );
        let template = "You are not authorized to use launch template: lt-1";
        let hint = refused("autoscaling:CreateAutoScalingGroup", "AccessDenied", template);
        assert!(hint.contains("ec2:RunInstances, ec2:CreateTags and iam:PassRole"), "{hint}");
        let plain = "User: u is not authorized to perform: iam:CreateServiceLinkedRole.";
        assert!(
            refused("elasticloadbalancing:CreateLoadBalancer", "AccessDenied", plain)
                .contains("iam:CreateServiceLinkedRole to")
        );
        assert_eq!(classify("ecs", "ClientException", "Role is not valid"), NotReady);
    }

    #[test]
    fn a_region_that_is_not_enabled_is_named_as_a_cause_beside_the_keys() {
        let hint = refused(
            "sts:GetCallerIdentity",
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        );
        assert!(hint.contains("key") && hint.contains("enable the region") && hint.contains("--region"), "{hint}");
    }
}
