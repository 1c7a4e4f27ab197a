//! `local faults`: what goes wrong in the local cloud on purpose, and how often it has.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::outcome::Outcome;
use crate::report::page::Page;
use crate::report::table::{self, table};

/// The faults as the file has them that asks for them, each with how many calls it was about (`matched`) and met (`struck`).
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct LocalFaults(pub Value);

impl Outcome for LocalFaults {
    fn title(&self) -> &'static str {
        "local faults"
    }

    fn text(&self, page: &Page) -> String {
        let faults: Vec<_> = self.0["fault"].as_array().into_iter().flatten().filter_map(Value::as_object).collect();
        if faults.is_empty() {
            return "no faults".to_owned();
        }
        let mut table = table(page, ["KIND", "OPERATION", "DETAILS", "MATCHED", "STRUCK"]);
        for fault in faults {
            let said = |key| fault.get(key).map(words).unwrap_or_default();
            let operation = if fault.contains_key("operation") { said("operation") } else { "every call".to_owned() };
            table.add_row([said("kind"), operation, details(fault), said("matched"), said("struck")]);
        }
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        table::lines(&table)
    }
}

/// What else a fault's rule says: `after 3, zone us-east-1a`.
fn details(fault: &Map<String, Value>) -> String {
    let told = ["kind", "operation", "matched", "struck"];
    let said = fault.iter().filter(|(key, value)| !told.contains(&key.as_str()) && **value != 0);
    let details: Vec<_> = said.map(|(key, value)| format!("{key} {}", words(value))).collect();
    details.join(", ")
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_are_a_table_and_none_are_said_to_be_none() {
        let page = Page::default();
        assert_eq!(LocalFaults(json!({ "seed": 0, "fault": [] })).text(&page), "no faults");
        let text = LocalFaults(json!({ "seed": 1, "fault": [
            { "kind": "throttle", "operation": "ecs:Create*", "after": 3, "first": 2, "matched": 12, "struck": 2 },
            { "kind": "no-capacity", "after": 0, "zone": "us-east-1a", "matched": 4, "struck": 4 },
        ] }))
        .text(&page);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
        assert_eq!(lines[0], ["KIND", "OPERATION", "DETAILS", "MATCHED", "STRUCK"], "{text}");
        assert_eq!(lines[1], ["throttle", "ecs:Create*", "after 3, first 2", "12", "2"], "{text}");
        assert_eq!(lines[2], ["no-capacity", "every call", "zone us-east-1a", "4", "4"], "{text}");
    }
}
