//! An error as AWS sends it: a code that clients branch on, and a message for people.

use hyper::StatusCode;

#[derive(Clone, Debug)]
pub(crate) struct AwsError {
    /// The code of the service's model, e.g. `InvalidGroup.Duplicate`, `ClusterNotFoundException`.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) status: StatusCode,
}

impl AwsError {
    /// The code of more tags than a resource can have, for which services have their own.
    pub(crate) const TOO_MANY_TAGS: &str = "TooManyTags";

    /// An error that is the client's: status 400, as nearly all of AWS's are.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: StatusCode::BAD_REQUEST }
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// An operation that AWS has and the local cloud does not, or nobody has.
    pub(crate) fn unknown_operation(service: &str, operation: &str) -> Self {
        Self::new(
            "UnknownOperationException",
            format!(
                "zonewalk's local cloud has no operation {service}:{operation}; `zonewalk local operations` lists what it has"
            ),
        )
    }

    /// What AWS can do and the local cloud cannot: refused, so that nobody takes it for done.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new("UnsupportedFeatureException", format!("zonewalk's local cloud does not support {what}"))
    }

    /// One of what AWS has and the local cloud has not: refused, so that nobody takes AWS for having none.
    pub(crate) fn lacking(what: impl std::fmt::Display) -> Self {
        Self::new("UnsupportedFeatureException", format!("zonewalk's local cloud has no {what}"))
    }

    /// With the name of its shape in the model as its code, where the Query protocol has another (CloudWatch API Reference, in
    /// botocore's model: `error.code` of its exceptions).
    pub(crate) fn with_shape_as_code(&self) -> Self {
        let code = match self.code.as_str() {
            "InternalServiceError" => "InternalServiceFault",
            "InvalidParameterCombination" => "InvalidParameterCombinationException",
            "InvalidParameterValue" => "InvalidParameterValueException",
            "MissingParameter" => "MissingRequiredParameterException",
            other => other,
        };
        Self { code: code.to_owned(), ..self.clone() }
    }

    /// Code and fault as `x-amzn-query-error` has them.
    pub(crate) fn query_error(&self) -> String {
        let whose = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        format!("{};{whose}", self.code)
    }

    /// With the code that a service has of its own, if it has one.
    pub(crate) fn in_words_of(mut self, words: &Words) -> Self {
        let code = match self.code.as_str() {
            "MissingParameter" | "InvalidParameterValue" => words.invalid_parameter,
            Self::TOO_MANY_TAGS => words.too_many_tags,
            _ => None,
        };
        if let Some(code) = code {
            code.clone_into(&mut self.code);
        }
        self
    }
}

/// The words in which a service refuses what it could do at another time, or for another caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// Code, message and status of a call too many.
    pub(crate) throttled: (&'static str, &'static str, StatusCode),
    /// Its code of an internal failure, and the one that goes with status 503.
    pub(crate) failure: (&'static str, &'static str),
    /// Code and status where the caller lacks a permission.
    pub(crate) denied: (&'static str, StatusCode),
    /// Its own code for a parameter that is missing or cannot be taken.
    pub(crate) invalid_parameter: Option<&'static str>,
    /// Its own code for more tags than a resource can have.
    pub(crate) too_many_tags: Option<&'static str>,
}

impl Words {
    /// The words of most services with a JSON protocol.
    pub(crate) const JSON: Self = Self {
        throttled: ("ThrottlingException", "Rate exceeded", StatusCode::BAD_REQUEST),
        failure: ("InternalFailure", "ServiceUnavailable"),
        denied: ("AccessDeniedException", StatusCode::BAD_REQUEST),
        invalid_parameter: None,
        too_many_tags: None,
    };

    /// The words of most services with a Query protocol.
    pub(crate) const QUERY: Self = Self {
        throttled: ("Throttling", "Rate exceeded", StatusCode::BAD_REQUEST),
        denied: ("AccessDenied", StatusCode::FORBIDDEN),
        ..Self::JSON
    };

    pub(crate) fn throttled(&self, code: Option<&str>) -> AwsError {
        let (own, message, status) = self.throttled;
        AwsError::new(code.unwrap_or(own), message).with_status(status)
    }

    pub(crate) fn failure(&self, status: StatusCode, code: Option<&str>) -> AwsError {
        let (failure, unavailable) = self.failure;
        let own = if status == StatusCode::SERVICE_UNAVAILABLE { unavailable } else { failure };
        AwsError::new(code.unwrap_or(own), "An internal error has occurred. Try your query again at a later time.")
            .with_status(status)
    }

    /// The caller may not take the action, on a resource that is told if it is known (IAM User Guide, "Troubleshoot access
    /// denied error messages").
    pub(crate) fn denied(&self, caller: &str, action: &str, resource: Option<&str>) -> AwsError {
        let (code, status) = self.denied;
        let resource = resource.map(|resource| format!(" on resource: {resource}")).unwrap_or_default();
        let message = format!(
            "User: {caller} is not authorized to perform: {action}{resource} because no identity-based policy allows the {action} action"
        );
        AwsError::new(code, message).with_status(status)
    }
}
