//! The JSON Schema of what the commands print, made of the types that they print.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::document::{Document, Line};
use crate::cloud::FaultsReport;
use crate::commands::Error;
use crate::commands::audit::Audit;
use crate::commands::compare::Comparison;
use crate::commands::doctor::Doctor;
use crate::commands::down::DownPlan;
use crate::commands::explain::Explained;
use crate::commands::failover::Failover;
use crate::commands::local::age::LocalAge;
use crate::commands::local::env::LocalEnv;
use crate::commands::local::logs::LocalLogs;
use crate::commands::local::mesh::LocalMesh;
use crate::commands::local::status::LocalStatus;
use crate::commands::local::stop::LocalStop;
use crate::commands::predict::Predicted;
use crate::commands::question::Declined;
use crate::commands::redeploy::Redeployment;
use crate::commands::report::Report;
use crate::commands::runs::Runs;
use crate::commands::stats::Stats;
use crate::commands::status::{Now, Status};
use crate::commands::up::DryRun;
use crate::commands::walkthrough::Walkthrough;
use crate::processes::local_cloud::Record;
use crate::processes::local_sidecar;
use crate::traffic::Verification;
use crate::walkthrough::{Down, Up};

/// The schema of a type, from the generator that collects the types that it is made of.
type Of = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The commands whose documents have a result, and what that can be.
const RESULTS: &[(&str, &[Of])] = &[
    ("walkthrough", &[of::<Walkthrough>, of::<Declined>]),
    ("up", &[of::<Up>, of::<DryRun>, of::<Declined>]),
    ("status", &[of::<Status>, of::<Now>]),
    ("verify", &[of::<Verification>, of::<Comparison>]),
    ("failover", &[of::<Failover>]),
    ("stats", &[of::<Stats>]),
    ("down", &[of::<Down>, of::<DownPlan>, of::<Declined>]),
    ("doctor", &[of::<Doctor>]),
    ("redeploy", &[of::<Redeployment>]),
    ("audit", &[of::<Audit>]),
    ("runs", &[of::<Runs>]),
    ("report", &[of::<Report>]),
    ("explain", &[of::<Explained>]),
    ("local status", &[of::<LocalStatus>]),
    ("local env", &[of::<LocalEnv>]),
    ("local stop", &[of::<LocalStop>]),
    ("local logs", &[of::<LocalLogs>]),
    ("local serve", &[of::<Record>]),
    ("local sidecar", &[of::<local_sidecar::Serving>]),
    ("local faults", &[of::<FaultsReport>]),
    ("local mesh", &[of::<LocalMesh>]),
    ("local age", &[of::<LocalAge>]),
    ("local operations", &[of::<super::console::Operations>]),
];

/// The one command that prints lines of its own, and a document only if it fails.
const PREDICT: &str = "predict";

/// The schema of what one command prints, or of what any does.
pub(super) fn print(command: &[String]) -> Result<String, Error> {
    let command = command.join(" ");
    let listed = || RESULTS.iter().map(|(command, _)| *command).chain([PREDICT]);
    if !command.is_empty() && !listed().any(|listed| listed == command) {
        let listed = listed().collect::<Vec<_>>().join(", ");
        return Err(Error::Usage(format!("there is no schema for `{command}`: name one of {listed}, or none for all")));
    }
    let schema = schema(|name| command.is_empty() || command == name);
    Ok(serde_json::to_string_pretty(&schema).expect("a schema has only text keys") + "\n")
}

fn schema(is_wanted: impl Fn(&str) -> bool) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut documents = Map::new();
    for (command, results) in RESULTS.iter().filter(|(command, _)| is_wanted(command)) {
        let results: Vec<Schema> = results.iter().map(|of| of(&mut generator)).collect();
        let name = format!("Document_{}", command.replace(' ', "_"));
        documents.insert(name, document(&mut generator, &json!({ "const": command }), &results));
    }
    // Also a command line that names no command, or one that is none.
    let others = json!({ "type": ["string", "null"], "not": { "enum": RESULTS.iter().map(|(name, _)| name).collect::<Vec<_>>() } });
    documents.insert("Document_other".to_owned(), document(&mut generator, &others, &[]));
    let mut printed: Vec<Value> = documents.keys().map(|name| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    if is_wanted(PREDICT) {
        printed.push(json!(generator.subschema_for::<Predicted>()));
    }
    printed.push(json!(generator.subschema_for::<Line>()));
    documents.extend(generator.take_definitions(true));
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What zonewalk prints with --output json and jsonl",
        "description": "Within a schema_version fields may be added, and values to those that name a kind of thing. None is \
            renamed, removed or changed in meaning without a new schema_version.",
        "oneOf": printed,
        "$defs": documents,
    });
    unwrap_descriptions(&mut schema);
    schema
}

/// Descriptions are comments, which are wrapped.
fn unwrap_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(description)) = members.get_mut("description") {
                *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            members.values_mut().for_each(unwrap_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}

/// The schema of a command's document, with what its result can be.
fn document(generator: &mut SchemaGenerator, command: &Value, results: &[Schema]) -> Value {
    let mut schema = Document::json_schema(generator).to_value();
    let properties = &mut schema["properties"];
    let describe = |property: &mut Value, shape: &Value| {
        let description = property["description"].take();
        *property = shape.clone();
        property["description"] = description;
    };
    describe(&mut properties["command"], command);
    describe(&mut properties["event"], &json!({ "const": "result" }));
    match results {
        [] => drop(properties.as_object_mut().and_then(|properties| properties.remove("result"))),
        results => describe(&mut properties["result"], &json!({ "anyOf": results })),
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::super::command_line;
    use super::*;

    /// The commands by their names, `local serve` with both.
    fn commands(command: &clap::Command, path: &str) -> Vec<String> {
        let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
        let inner: Vec<_> = inner.flat_map(|inner| commands(inner, &format!("{path} {}", inner.get_name()))).collect();
        if inner.is_empty() { vec![path.trim().to_owned()] } else { inner }
    }

    #[test]
    fn each_command_has_a_schema_or_a_form_of_its_own() {
        let own_form = [PREDICT, "policy", "schema", "completions", "man"];
        let listed: Vec<&str> = RESULTS.iter().map(|(command, _)| *command).chain(own_form).collect();
        let found = commands(&command_line::definition(), "");
        assert!(found.len() > 15, "{found:?}");
        let missing: Vec<_> = found.iter().filter(|command| !listed.contains(&command.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let gone: Vec<_> = listed.iter().filter(|command| !found.iter().any(|found| found == *command)).collect();
        assert!(gone.is_empty(), "{gone:?}");
    }
}
