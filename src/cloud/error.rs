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
                "zonewalk's local cloud has no operation {service}:{operation}; it speaks only what the walkthrough uses"
            ),
        )
    }

    /// What AWS can do and the local cloud cannot: refused, so that nobody takes it for done.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new("UnsupportedFeatureException", format!("zonewalk's local cloud does not support {what}"))
    }

    /// With the code that a service has of its own for parameters it cannot take.
    pub(crate) fn with_parameter_code(mut self, code: &str) -> Self {
        if matches!(self.code.as_str(), "MissingParameter" | "InvalidParameterValue") {
            code.clone_into(&mut self.code);
        }
        self
    }
}
