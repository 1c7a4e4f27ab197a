//! The document that `--output json` prints: one for every command, whatever comes of it.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::aws::ZoneNames;
use crate::commands::failure::Failure;
use crate::events::Event;

/// The version of the documents' shapes. Within one, fields may be added; none is renamed or removed.
const SCHEMA_VERSION: u32 = 1;

/// What is known of a run of the program, more and more as it goes on.
#[derive(Clone, Debug)]
pub(super) struct Run {
    command: Option<String>,
    started_at: Timestamp,
    began: Instant,
    pub(super) name: Option<String>,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint_url: Option<String>,
    pub(super) zones: ZoneNames,
    /// What was asked, if the run is to be kept.
    pub(super) asked: Option<Map<String, Value>>,
}

impl Run {
    pub(super) fn new(command: Option<String>) -> Self {
        Self {
            command,
            started_at: Timestamp::now(),
            began: Instant::now(),
            name: None,
            account: None,
            region: None,
            endpoint_url: None,
            zones: ZoneNames::default(),
            asked: None,
        }
    }
}

/// What a command prints with `--output json`.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(super) struct Document {
    /// With jsonl: when the line was printed, in UTC (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// With jsonl: `result`, which tells the document from the events before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    /// The version of the shape of this document. Within one version, fields are only added.
    schema_version: u32,
    /// The command, without its options: `verify`, or `local status`. Null if the command line names none.
    command: Option<String>,
    /// The version of zonewalk.
    version: &'static str,
    /// The name of the walkthrough. Null if the command looks at none, or ended before it was known.
    name: Option<String>,
    /// The AWS account. Null if the command did not ask for it.
    account: Option<String>,
    /// The AWS region. Null if it is not known.
    region: Option<String>,
    /// The URL that AWS calls were sent to. Null for AWS itself.
    endpoint_url: Option<String>,
    /// When the command was started, in UTC (RFC 3339).
    started_at: String,
    /// How long the command took, in seconds.
    duration_s: f64,
    /// The exit code. Null if the command goes on, as `local serve` does.
    exit_code: Option<u8>,
    /// What to type next, if there is something to do.
    next: Option<String>,
    /// The Availability Zones that the command has looked up, with this account's names of them. Everywhere else in the
    /// document a zone is its ID.
    zones: Vec<Zone>,
    /// What came of the command. Missing if it failed, unless it had something to show by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Why the command could not do its work. Missing if it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

/// An Availability Zone.
#[derive(Clone, Debug, JsonSchema, Serialize)]
struct Zone {
    /// The zone's ID, which is the same in every account, such as `use1-az1`.
    id: String,
    /// The zone's name in this account, such as `us-east-1a`.
    name: String,
}

/// What a run ends with.
#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) exit_code: Option<u8>,
    pub(super) next: Option<String>,
    pub(super) result: Option<Value>,
    pub(super) error: Option<Failure>,
}

/// A time as it is printed: to the millisecond.
fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// What is printed with jsonl for something that happened while the command worked.
#[derive(Debug, Serialize)]
pub(super) struct Line<'e> {
    time: String,
    #[serde(flatten)]
    event: &'e Event,
}

impl<'e> Line<'e> {
    pub(super) fn new(event: &'e Event) -> Self {
        Self { time: rfc3339(Timestamp::now()), event }
    }
}

/// By hand, so that the time is among the properties of each event.
impl JsonSchema for Line<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Event::json_schema(generator);
        let time = json!({ "type": "string", "description": "When it happened, in UTC (RFC 3339)." });
        for event in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
            event["properties"]["time"] = time.clone();
            if let Some(required) = event["required"].as_array_mut() {
                required.push("time".into());
            }
        }
        schema
    }
}

impl Document {
    /// The same as the last line of jsonl.
    pub(super) fn into_last_line(self) -> Self {
        Self { time: Some(rfc3339(Timestamp::now())), event: Some("result"), ..self }
    }

    pub(super) fn of(run: &Run, end: End) -> Self {
        let Run { command, started_at, began, name, account, region, endpoint_url, zones, asked: _ } = run.clone();
        let zones = zones.iter().map(|(name, id)| Zone { id: id.to_string(), name: name.to_string() });
        Self {
            time: None,
            event: None,
            schema_version: SCHEMA_VERSION,
            command,
            version: env!("CARGO_PKG_VERSION"),
            name,
            account,
            region,
            endpoint_url,
            started_at: rfc3339(started_at),
            duration_s: (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            exit_code: end.exit_code,
            next: end.next,
            zones: zones.collect(),
            result: end.result,
            error: end.error,
        }
    }
}
