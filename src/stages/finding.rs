//! What is found before anything is made, and whether it stops `up`.

use schemars::JsonSchema;
use serde::Serialize;
use strum::IntoStaticStr;

use crate::plan::display_in_words;

/// A subject that is looked at before anything is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    Credentials,
    Permissions,
    Network,
    Image,
    Roles,
    Quota,
    LaunchType,
    NetworkMode,
    InstanceType,
    TaskCount,
    Names,
}

display_in_words!(Check);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    #[serde(rename = "ok")]
    Fine,
    /// `up` works, and something else does not.
    Note,
    /// The subject could not be looked at.
    Unknown,
    /// `up` refuses to start.
    Problem,
}

/// What was found of one subject, and what to do about it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub level: Level,
    /// The facts and, for a problem, what it breaks and how to fix it.
    #[serde(rename = "message")]
    pub what: String,
}

impl Finding {
    pub(crate) fn new(check: Check, level: Level, what: impl Into<String>) -> Self {
        Self { check, level, what: what.into() }
    }

    /// Whether `up` refuses to start because of it.
    pub fn blocks(&self) -> bool {
        self.level == Level::Problem
    }
}
