//! `report`: the short of runs that were kept, or a web page of them.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::{Error, explain};
use crate::plain;
use crate::report::page::Page;
use crate::report::style::attention;
use crate::report::{html, summary};
use crate::runs::store::LAST;
use crate::runs::{Record, Run, Store};

/// The runs that are shown.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Report {
    /// The records of the runs.
    pub runs: Vec<Record>,
    /// The web page that was written. Null: none was asked for.
    pub html: Option<PathBuf>,
    #[serde(skip)]
    pub read: Vec<Run>,
}

/// Reads the runs of these IDs, or the last one, and writes the page if it has somewhere to go: beside the records, if it is only
/// to be opened.
pub fn run(ids: &[String], html: Option<&Path>, open: bool) -> Result<Report, Error> {
    let store = Store::of_user()?;
    let beside = store.directory().join("report.html");
    let html = html.or(open.then_some(beside.as_path()));
    let last = [LAST.to_owned()];
    let ids = if ids.is_empty() { &last } else { ids };
    let records: Vec<Record> = ids.iter().map(|id| store.find(id)).collect::<Result<_, _>>()?;
    let unreadable =
        |record: &Record, reason| Error::Usage(format!("what run {} found cannot be read: {reason}", record.id));
    let read = records.iter().map(|record| Run::of(record).map_err(|reason| unreadable(record, reason)));
    let read: Vec<Run> = read.collect::<Result<_, _>>()?;
    if let Some(file) = html {
        std::fs::write(file, html::page(&read, explain::in_short))
            .map_err(|error| Error::Usage(format!("{} cannot be written: {}", file.display(), plain::of_io(&error))))?;
    }
    Ok(Report { runs: records, html: html.map(Path::to_owned), read })
}

impl Outcome for Report {
    fn title(&self) -> &'static str {
        "report"
    }

    fn text(&self, page: &Page) -> String {
        let notes = self.read.iter().filter_map(|run| run.note.as_ref());
        let mut blocks: Vec<String> =
            notes.map(|note| page.wrap(&format!("{}: {note}", attention("note")), 2)).collect();
        blocks.extend(self.read.iter().map(|run| summary::of(run, page)));
        blocks.extend(self.html.iter().map(|file| format!("written to {}: open it in a browser", file.display())));
        blocks.join("\n\n")
    }
}
