//! What a document says that `--output json` prints, as much of it as is shown later.

use serde::Deserialize;
use serde_json::Value;

/// The document of a command. What one lacks, it does not say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Document {
    pub command: Option<String>,
    pub version: Option<String>,
    pub name: Option<String>,
    pub account: Option<String>,
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    /// RFC 3339, in UTC.
    pub started_at: Option<String>,
    /// In seconds.
    pub duration_s: Option<f64>,
    pub exit_code: Option<u8>,
    pub next: Option<String>,
    pub zones: Vec<Zone>,
    pub result: Value,
    pub error: Option<Failure>,
}

/// An Availability Zone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Zone {
    pub id: String,
    pub name: String,
}

/// Why the command could not do its work.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub kind: String,
    pub message: String,
    pub hint: Option<String>,
}

/// What came of a run, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Pass,
    Fail,
    Interrupted,
    /// It could not do its work.
    Error,
}

impl Ending {
    /// The word, as texts and JSON have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Interrupted => "interrupted",
            Self::Error => "error",
        }
    }
}

impl Document {
    /// Exit codes are the same for every command.
    pub fn ending(&self) -> Ending {
        match self.exit_code {
            Some(0) => Ending::Pass,
            Some(1) => Ending::Fail,
            Some(130) => Ending::Interrupted,
            _ => Ending::Error,
        }
    }

    pub fn command(&self) -> &str {
        self.command.as_deref().unwrap_or("zonewalk")
    }

    /// Where it ran: `az-aware, us-east-1, http://127.0.0.1:4566`.
    pub fn place(&self) -> String {
        let parts = [&self.name, &self.region, &self.endpoint_url];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// A zone with its name in the account: `use1-az1 (us-east-1a)`.
    pub fn zone(&self, id: &str) -> String {
        let name = self.zones.iter().find(|zone| zone.id == id).map(|zone| &zone.name);
        name.map_or_else(|| id.to_owned(), |name| format!("{id} ({name})"))
    }

    /// When it was started, to the second: `2026-11-26 09:03:01 UTC`.
    pub fn started(&self) -> String {
        let time = self.started_at.as_deref().unwrap_or_default();
        let time: Result<jiff::Timestamp, _> = time.parse();
        time.map_or_else(|_| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
    }
}
