//! What commands found, in one form for all of them: how traffic went, once or in several phases, what a drill did meanwhile,
//! and what the proxies counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::audited::Audited;
use super::document::Document;
use crate::plain;

/// What one run of traffic showed: the `result` of `verify`, or a phase of a drill.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Verification {
    pub requests: u64,
    pub errors: u64,
    pub error_kinds: BTreeMap<String, u64>,
    pub proxies: Option<String>,
    pub duration_s: f64,
    pub requests_per_second: Option<f64>,
    pub matrix: Vec<Cell>,
    pub same_zone_share: Option<f64>,
    pub expected: Expected,
    pub latency_ms: LatencyMs,
    pub latency_buckets: Vec<Bucket>,
    pub zone_aware_routing: ZoneAwareRouting,
    pub zones: Vec<ZoneShare>,
    pub fit: Option<Fit>,
    /// Bytes and dollars across zones.
    pub transfer: Option<Transfer>,
    /// Where the tasks ran.
    pub tasks: Vec<Tasks>,
    pub as_predicted: bool,
    pub verdict: Option<String>,
    pub reasons: Vec<String>,
    // Of a phase alone.
    pub phase: Option<String>,
    pub expected_state: Option<String>,
    pub holds: Option<bool>,
}

/// Of the requests and their answers, those across zones; amounts are in USD.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Transfer {
    pub bytes: u64,
    pub cross_zone_bytes: u64,
    pub cross_zone_share: Option<f64>,
    pub cross_zone_share_without_zones: Option<f64>,
    pub usd_per_gb: Option<f64>,
    pub usd: Option<f64>,
    pub usd_without_zones: Option<f64>,
    pub per_month: Option<PerMonth>,
}

/// The traffic of a month, in GB, and its cost in USD.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PerMonth {
    pub gb: Option<f64>,
    pub usd: Option<f64>,
    pub usd_without_zones: Option<f64>,
}

/// The requests from a frontend's to a backend's zone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cell {
    pub frontend: String,
    pub backend: String,
    pub requests: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Expected {
    pub state: Option<String>,
    pub same_zone_share: Option<f64>,
    pub matrix: Vec<Cell>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LatencyMs {
    pub all: Percentiles,
    pub same_zone: Percentiles,
    pub cross_zone: Percentiles,
}

/// In milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Percentiles {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

/// How many requests took up to so many milliseconds, and more than the bucket before.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Bucket {
    pub up_to_ms: f64,
    pub same_zone: u64,
    pub cross_zone: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ZoneAwareRouting {
    pub state: Option<String>,
    pub required_same_zone_share: Option<f64>,
    pub counters: Option<BTreeMap<String, Value>>,
    pub counters_not_read: Option<String>,
}

/// The share of a frontend zone's requests that stayed there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ZoneShare {
    pub frontend: String,
    pub requests: u64,
    pub predicted_same_zone_share: Option<f64>,
    pub same_zone_share: Option<f64>,
    pub interval: Option<Interval>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub confidence: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fit {
    pub test: String,
    pub p_value: Option<f64>,
}

/// The tasks of a service that run in a zone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tasks {
    pub service: String,
    pub zone: String,
    pub running: u32,
}

/// A drill: the `result` of `failover`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Drill {
    pub drill: Option<String>,
    pub phases: Vec<Verification>,
    pub timeline: Vec<Moment>,
    pub errors: u64,
    pub restored: Option<bool>,
    pub verdict: Option<String>,
    pub reasons: Vec<String>,
}

/// A second of a drill.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Moment {
    /// Seconds since the drill's first request.
    pub at_s: f64,
    pub phase: String,
    pub requests: u64,
    pub errors: u64,
    pub same_zone_share: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub tasks: Vec<Tasks>,
}

/// What the proxies counted: the `result` of `stats`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Stats {
    pub totals: Totals,
    pub verdict: Option<String>,
    pub reasons: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Totals {
    pub counters: BTreeMap<String, u64>,
    pub growth: BTreeMap<String, u64>,
    pub zone_growth: Vec<Cell>,
    pub requests_sent: u64,
}

/// The latency with zone-aware routing beside that without: the `result` of `verify --compare`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Comparison {
    pub on: Verification,
    /// None: it cannot be switched off there.
    pub off: Option<Verification>,
    /// -0.24 is 24 % lower.
    pub median_change: Option<f64>,
    pub median_change_on_aws: Option<f64>,
}

/// A step of the walkthrough.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    pub step: String,
    pub verdict: Option<String>,
    pub duration_s: f64,
}

/// A part of what was found, and where in the document it is (a JSON pointer).
#[derive(Clone, Debug)]
pub struct Part<T> {
    pub at: String,
    pub title: String,
    pub found: T,
}

/// All that a run found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub steps: Vec<Step>,
    pub checks: Vec<Part<Verification>>,
    pub comparison: Option<Part<Comparison>>,
    pub drill: Option<Part<Drill>>,
    pub stats: Option<Part<Stats>>,
    /// The tasks of each service by zone.
    pub tasks: Vec<Tasks>,
    pub audited: Option<Audited>,
}

impl Findings {
    /// What a document says; of commands that find none of these, nothing.
    pub fn of(document: &Document) -> Result<Self, String> {
        let mut findings = Self::default();
        match document.command() {
            "verify" if document.result.get("median_change_on_aws").is_some() => {
                findings.add_comparison(&document.result)?
            }
            "verify" => findings.add_check(&document.result, "/result", "verify")?,
            "failover" => findings.add_drill(&document.result, "/result")?,
            "stats" => findings.add_stats(&document.result, "/result")?,
            "audit" => findings.audited = read(&document.result)?,
            "walkthrough" => {
                let result = &document.result;
                findings.steps = read(&result["steps"])?.unwrap_or_default();
                findings.add_check(&result["verify"], "/result/verify", "verify")?;
                findings.add_drill(&result["failover"], "/result/failover")?;
                findings.add_stats(&result["stats"], "/result/stats")?;
                findings.add_services(&result["status"]["services"])?;
            }
            _ => {}
        }
        if findings.tasks.is_empty() {
            let of_check = findings.checks.iter().map(|check| &check.found.tasks).find(|tasks| !tasks.is_empty());
            let of_drill =
                findings.drill.iter().flat_map(|drill| drill.found.timeline.first()).map(|first| &first.tasks);
            findings.tasks = of_check.into_iter().chain(of_drill).next().cloned().unwrap_or_default();
        }
        Ok(findings)
    }

    fn add_check(&mut self, value: &Value, at: &str, title: &str) -> Result<(), String> {
        let found = read(value)?;
        self.checks.extend(found.map(|found| Part { at: at.to_owned(), title: title.to_owned(), found }));
        Ok(())
    }

    /// Without zone-aware routing it holds if it is what is predicted then, though its own verdict asks for more.
    fn add_comparison(&mut self, value: &Value) -> Result<(), String> {
        let Some(mut found) = read::<Comparison>(value)? else { return Ok(()) };
        if let Some(off) = &mut found.off {
            off.holds = Some(off.as_predicted && off.errors == 0);
        }
        for (side, title, found) in
            [("on", "with zone-aware routing", Some(&found.on)), ("off", "without", found.off.as_ref())]
        {
            let part = found.map(|found| Part {
                at: format!("/result/{side}"),
                title: title.to_owned(),
                found: found.clone(),
            });
            self.checks.extend(part);
        }
        self.comparison = Some(Part { at: "/result".to_owned(), title: "comparison".to_owned(), found });
        Ok(())
    }

    fn add_drill(&mut self, value: &Value, at: &str) -> Result<(), String> {
        let Some(drill) = read::<Drill>(value)? else { return Ok(()) };
        for (index, phase) in drill.phases.iter().enumerate() {
            let title = phase.phase.as_deref().unwrap_or("phase").replace('_', " ");
            self.checks.push(Part { at: format!("{at}/phases/{index}"), title, found: phase.clone() });
        }
        self.drill = Some(Part { at: at.to_owned(), title: "failover".to_owned(), found: drill });
        Ok(())
    }

    fn add_stats(&mut self, value: &Value, at: &str) -> Result<(), String> {
        self.stats = read(value)?.map(|found| Part { at: at.to_owned(), title: "stats".to_owned(), found });
        Ok(())
    }

    fn add_services(&mut self, value: &Value) -> Result<(), String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Service {
            name: String,
            tasks_by_zone: BTreeMap<String, u32>,
        }

        for service in read::<Vec<Service>>(value)?.unwrap_or_default() {
            let tasks = service.tasks_by_zone.into_iter();
            self.tasks.extend(tasks.map(|(zone, running)| Tasks { service: service.name.clone(), zone, running }));
        }
        Ok(())
    }
}

impl Verification {
    /// Whether it is as it is to be.
    pub fn holds(&self) -> bool {
        self.holds.unwrap_or(self.verdict.as_deref() == Some("pass"))
    }

    /// Whether there is a prediction for all of it: not for a phase in which the placement changes.
    pub fn is_predicted(&self) -> bool {
        !matches!(self.phase.as_deref(), Some("during" | "restoring"))
    }

    /// All zones of its matrix.
    pub fn zone_ids(&self) -> BTreeSet<&str> {
        self.matrix.iter().flat_map(|cell| [cell.frontend.as_str(), &cell.backend]).collect()
    }

    /// The requests that were observed between two zones, and those that were predicted.
    pub fn cell(&self, frontend: &str, backend: &str) -> (u64, Option<f64>) {
        let of = |cells: &[Cell]| {
            cells.iter().find(|cell| cell.frontend == frontend && cell.backend == backend).map(|cell| cell.requests)
        };
        (of(&self.matrix).unwrap_or_default() as u64, of(&self.expected.matrix).filter(|_| self.is_predicted()))
    }
}

/// What a value says; nothing if there is none.
fn read<T: DeserializeOwned>(value: &Value) -> Result<Option<T>, String> {
    if value.is_null() { Ok(None) } else { plain::from_json(&value.to_string()).map(Some) }
}
