//! `runs`: the runs that have been kept.

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::outcome::Outcome;
use crate::report::numbers::count;
use crate::report::page::Page;
use crate::report::style::{bad, faint};
use crate::report::table::{lines, table};
use crate::runs::{Document, Store};

/// A run that was kept.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Listed {
    /// The run's ID: when it ended, in UTC, and the command.
    pub id: String,
    /// The command. Null: its record cannot be read.
    pub command: Option<String>,
    /// The name of the walkthrough.
    pub name: Option<String>,
    /// The AWS region.
    pub region: Option<String>,
    /// The URL that AWS calls were sent to. Null for AWS itself.
    pub endpoint_url: Option<String>,
    /// When the command was started, in UTC (RFC 3339).
    pub started_at: Option<String>,
    /// How long it took, in seconds.
    pub duration_s: Option<f64>,
    /// What came of it: `pass`, `fail`, `interrupted` or `error`. Null: its record cannot be read.
    pub verdict: Option<&'static str>,
    /// Why its record cannot be read. Null: it can.
    pub problem: Option<String>,
    #[serde(skip)]
    when: String,
}

/// The runs that were kept, the newest first.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Runs {
    /// The directory of their records.
    pub directory: String,
    /// The runs.
    pub runs: Vec<Listed>,
    /// How many others there are, which were not asked for.
    #[serde(skip)]
    others: usize,
}

/// Which runs are listed: those of a command, and of a walkthrough.
#[derive(Clone, Debug, Default)]
pub struct Only {
    pub command: Option<String>,
    pub name: Option<String>,
}

pub fn run(only: &Only) -> Result<Runs, Error> {
    let store = Store::of_user()?;
    let mut runs: Vec<Listed> = store.ids()?.into_iter().rev().map(|id| listed(&store, id)).collect();
    let all = runs.len();
    let is = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
    runs.retain(|run| is(&only.command, &run.command) && is(&only.name, &run.name));
    Ok(Runs { directory: store.directory().display().to_string(), others: all - runs.len(), runs })
}

fn listed(store: &Store, id: String) -> Listed {
    let read = store.read(&id).map_err(|error| error.to_string()).and_then(|record| record.read());
    let (document, problem) = match read {
        Ok(document) => (document, None),
        Err(problem) => (Document::default(), Some(problem)),
    };
    Listed {
        id,
        verdict: problem.is_none().then(|| document.ending().word()),
        when: document.started(),
        command: document.command,
        name: document.name,
        region: document.region,
        endpoint_url: document.endpoint_url,
        started_at: document.started_at,
        duration_s: document.duration_s,
        problem,
    }
}

impl Outcome for Runs {
    fn title(&self) -> &'static str {
        "runs"
    }

    fn text(&self, page: &Page) -> String {
        if self.runs.is_empty() && self.others > 0 {
            let others = count(self.others as u64, "other");
            return format!("no such run has been kept, and {others}: `zonewalk runs` lists all");
        }
        if self.runs.is_empty() {
            return format!("no runs have been kept in {}", self.directory);
        }
        let mut table = table(page, ["RUN", "VERDICT", "STARTED", "TIME", "WALKTHROUGH"]);
        for run in &self.runs {
            let time = run.duration_s.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default();
            let place = [run.name.as_deref(), run.region.as_deref(), run.endpoint_url.as_deref()];
            let place = place.into_iter().flatten().collect::<Vec<_>>().join(", ");
            let place = run.problem.as_ref().map_or(place, bad);
            table.add_row([run.id.as_str(), run.verdict.unwrap_or("-"), &run.when, &time, &place]);
        }
        format!("{}\n{}", lines(&table), faint(format!("in {}", self.directory)))
    }

    fn next(&self) -> Option<String> {
        (!self.runs.is_empty())
            .then(|| "`zonewalk report` shows the last one, `zonewalk report RUN` another".to_owned())
    }
}
