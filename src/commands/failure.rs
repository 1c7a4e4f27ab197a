//! Why a command could not do its work, in fields that a program can go by.

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use crate::aws::{CloudError, ErrorClass};
use crate::processes::local_cloud;
use crate::traffic::DriveError;
use crate::{runs, stages};

/// Why a command could not do its work.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What failed, and why.
    pub message: String,
    /// What to do about it, where that is not in the message.
    pub hint: Option<String>,
    /// The AWS action that failed, as IAM spells it: `ecs:CreateCluster`.
    pub action: Option<String>,
    /// AWS's error code, if AWS answered with one.
    pub code: Option<String>,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The command line, the settings or an input file is not valid.
    Usage,
    /// There are no credentials, or they are not valid.
    Credentials,
    /// A permission is missing.
    Refused,
    /// Problems were found beforehand; nothing was created.
    Blocked,
    /// Something that the command needs does not exist.
    NotFound,
    /// A resource of the same name is not this walkthrough's.
    NotOurs,
    /// The resource is in use, exists already, or is protected.
    Conflict,
    /// Something did not become ready, or was not deleted, in time.
    Timeout,
    /// AWS refused too many requests.
    Throttled,
    /// No answer came.
    Unreachable,
    /// AWS, or what stands in for it, failed.
    Server,
    /// What stands in for AWS lacks an operation.
    Unsupported,
    /// The user interrupted the command.
    Interrupted,
    /// Anything else that failed.
    Failed,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, action: None, code: None }
    }

    /// A command line that is not valid, of which the parser says: the error, perhaps a tip, and how it is used.
    pub fn misuse(said: &str) -> Self {
        let said = said.trim_start_matches("error: ");
        let said = said.split("\n\nUsage:").next().unwrap_or(said);
        let said = said.split("\n\nFor more information").next().unwrap_or(said);
        let (message, tip) = said.split_once("\n\n  tip: ").map_or((said, None), |(message, tip)| (message, Some(tip)));
        Self { hint: tip.map(in_one_line), ..Self::new(FailureKind::Usage, in_one_line(message)) }
    }

    /// The end of a command that was interrupted and shows what it has by then.
    pub fn interrupted() -> Self {
        Self::new(FailureKind::Interrupted, "interrupted")
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Stage(stages::Error::Cloud(cloud)) => Self {
                hint: cloud.hint(),
                action: Some(cloud.action.to_owned()),
                code: cloud.code.clone(),
                ..Self::new(kind_of_cloud(cloud), cloud.without_hint())
            },
            error => Self::new(kind(error), error.to_string()),
        }
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn kind(error: &Error) -> FailureKind {
    match error {
        Error::Stage(error) => kind_of_stage(error),
        Error::Stands(_) => FailureKind::Conflict,
        Error::NotShown(_) => FailureKind::Unsupported,
        Error::Missing(_)
        | Error::Runs(runs::Error::None | runs::Error::Unknown { .. })
        | Error::LocalCloud(local_cloud::Error::NotRunning(_)) => FailureKind::NotFound,
        Error::Drive(DriveError::OutOfReach { .. } | DriveError::OwnOutOfReach { .. })
        | Error::LocalCloud(local_cloud::Error::NoAnswer { .. }) => FailureKind::Unreachable,
        Error::LocalCloud(error) if error.is_in_use() => FailureKind::Conflict,
        error if error.exit_code() == 2 => FailureKind::Usage,
        _ => FailureKind::Failed,
    }
}

fn kind_of_stage(error: &stages::Error) -> FailureKind {
    match error {
        stages::Error::Cloud(error) => kind_of_cloud(error),
        stages::Error::Prerequisite(_) | stages::Error::Preflight(_) => FailureKind::Blocked,
        stages::Error::NotOurs { .. } => FailureKind::NotOurs,
        stages::Error::TimedOut { .. } | stages::Error::DeploymentGoesOn { .. } => FailureKind::Timeout,
        stages::Error::Interrupted => FailureKind::Interrupted,
        stages::Error::Template { .. } => FailureKind::Usage,
        stages::Error::Failed { .. } | stages::Error::NotDeleted { .. } => FailureKind::Failed,
    }
}

fn kind_of_cloud(error: &CloudError) -> FailureKind {
    match (error.class, error.code.as_deref()) {
        (ErrorClass::Refused, Some(code)) if code.contains("Denied") || code == "UnauthorizedOperation" => {
            FailureKind::Refused
        }
        (ErrorClass::Refused, Some("ClientException" | "OptInRequired")) => FailureKind::Refused,
        (ErrorClass::Refused, _) => FailureKind::Credentials,
        (ErrorClass::Absent, _) => FailureKind::NotFound,
        (ErrorClass::AlreadyExists | ErrorClass::InUse | ErrorClass::Protected | ErrorClass::NotReady, _) => {
            FailureKind::Conflict
        }
        (ErrorClass::Throttled, _) => FailureKind::Throttled,
        (ErrorClass::Unreachable, _) => FailureKind::Unreachable,
        (ErrorClass::ServerFault, _) => FailureKind::Server,
        (ErrorClass::Unsupported, _) => FailureKind::Unsupported,
        (ErrorClass::Other, _) => FailureKind::Failed,
    }
}
