//! `predict`: topologies in, routing out. No cloud, no traffic.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::plain;
use crate::routing::{PredictedState, Prediction, Simulation, Topology, predict, simulate};
use crate::text_file::without_mark;

/// One line of input. A record of a measurement is one, too: its numbers of requests and observations are ignored. Any other
/// field is an error: most likely it belongs to the topology.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    topology: Topology,
    #[serde(default, rename = "n")]
    _n: IgnoredAny,
    #[serde(default, rename = "observed")]
    _observed: IgnoredAny,
    #[serde(default, rename = "envoy_version")]
    _envoy_version: IgnoredAny,
}

/// One line of output.
#[derive(Clone, Debug, Serialize)]
pub struct Predicted {
    pub id: String,
    #[serde(flatten)]
    pub prediction: Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulation>,
}

/// By hand: `routing` is pure, and describes nothing.
impl JsonSchema for Predicted {
    fn schema_name() -> Cow<'static, str> {
        "Predicted".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let whole = json_schema!({ "type": "integer", "minimum": 0 });
        let share = json_schema!({ "type": "number", "minimum": 0 });
        json_schema!({
            "description": "A line of `predict`'s output: what Envoy would do in the situation that a line of its input describes.",
            "type": "object",
            "properties": {
                "id": { "description": "The ID of the line in the input.", "type": "string" },
                "state": { "description": "What zone-aware routing would be.", "enum": PredictedState::ALL },
                "reason": { "description": "Why, in words.", "type": "string" },
                "local_percent_to_route": {
                    "description": "Of 10,000 requests, how many stay in their own zone, if some must leave it.",
                    "type": ["integer", "null"],
                },
                "zone_share": {
                    "description": "The share of the requests that goes to each zone with backends.",
                    "type": "object",
                    "additionalProperties": share,
                },
                "failed_share": { "description": "The share of the requests that fail.", "type": "number" },
                "simulated": {
                    "description": "What came of the requests that `--simulate` made.",
                    "type": "object",
                    "properties": {
                        "requests": { "description": "The number of requests.", "type": "integer" },
                        "zone_requests": {
                            "description": "The requests that went to each zone.",
                            "type": "object",
                            "additionalProperties": whole,
                        },
                        "failed": { "description": "The requests that failed.", "type": "integer" },
                        "counters": {
                            "description": "What Envoy's counters would read.",
                            "type": "object",
                            "additionalProperties": whole,
                        },
                    },
                    "required": ["requests", "zone_requests", "failed", "counters"],
                },
            },
            "required": ["id", "state", "reason", "local_percent_to_route", "zone_share", "failed_share"],
        })
    }
}

/// How many picks to simulate, and the seed of their random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Simulate {
    pub requests: u64,
    pub seed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {}", .path.display(), plain::of_io(.reason))]
    Open { path: PathBuf, reason: io::Error },
    #[error(
        "line {line}: {reason}; a line is {{\"id\": \"…\", \"topology\": {{\"self_zone\": \"a\", \"local\": {{\"a\": 2}}, \"upstream\": {{\"a\": 3, \"b\": 3}}}}}}"
    )]
    Line { line: usize, reason: String },
    #[error("line {line} cannot be read: {}", plain::of_io(.reason))]
    Read { line: usize, reason: io::Error },
}

/// Predicts line by line, so that the predictions before a malformed line are given out.
pub fn run(input: impl BufRead, simulation: Option<Simulate>) -> impl Iterator<Item = Result<Predicted, Error>> {
    input.lines().enumerate().filter_map(move |(index, text)| {
        let line = index + 1;
        let text = match text {
            Ok(text) if without_mark(&text).trim().is_empty() => return None,
            Ok(text) => text,
            Err(reason) => return Some(Err(Error::Read { line, reason })),
        };
        Some(plain::from_json::<Line>(without_mark(&text)).map_err(|reason| Error::Line { line, reason }).map(|line| {
            Predicted {
                id: line.id,
                simulated: simulation.map(|simulation| simulate(&line.topology, simulation.requests, simulation.seed)),
                prediction: predict(&line.topology),
            }
        }))
    })
}
