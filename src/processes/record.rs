//! What a running process tells the commands that look for it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version that a record tells.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The record that a running process leaves for the commands that look for it.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Record<T> {
    /// The URL that AWS calls are to be sent to.
    pub endpoint_url: String,
    /// The process's ID.
    pub process: u32,
    /// The version of zonewalk that it was started by. Null: one that did not say.
    pub version: Option<String>,
    /// When it was started, in UTC (RFC 3339). Null: a version that did not say.
    pub started_at: Option<String>,
    /// The file that its output goes to. Null: its output goes to the terminal, or it did not say.
    pub log: Option<PathBuf>,
    /// What only this kind of process has to tell.
    #[serde(flatten)]
    pub own: T,
}

impl<T> Record<T> {
    /// The record of this very process.
    pub(super) fn new(endpoint_url: String, log: Option<PathBuf>, own: T) -> Self {
        let (process, version) = (std::process::id(), VERSION.to_owned());
        let started_at = format!("{:.3}", Timestamp::now());
        Self { endpoint_url, process, version: Some(version), started_at: Some(started_at), log, own }
    }

    /// How long the process has been running, if it has said when it started.
    pub fn age(&self) -> Option<Duration> {
        let started: Timestamp = self.started_at.as_deref()?.parse().ok()?;
        Duration::try_from(Timestamp::now().duration_since(started)).ok()
    }

    /// Whether the process was started by this version of zonewalk.
    pub(super) fn is_of_this_version(&self) -> bool {
        self.version.as_deref() == Some(VERSION)
    }
}
