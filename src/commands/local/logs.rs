//! `local logs`: what the local cloud in the background has to tell, a line a request.

use std::io;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::outcome::Outcome;
use crate::processes::local_cloud::{self, Error};
use crate::processes::log::Reader;
use crate::report::page::Page;

/// The log of the local cloud that runs, or of the last one that did.
#[derive(Debug)]
pub struct Log {
    reader: Reader,
    /// Whether a local cloud runs.
    pub running: bool,
}

pub async fn open() -> Result<Log, Error> {
    match local_cloud::find().await {
        Ok(record) => Ok(Log { reader: local_cloud::log(Some(&record))?, running: true }),
        Err(error @ Error::NotRunning(_)) => match local_cloud::log(None)? {
            reader if reader.path().exists() => Ok(Log { reader, running: false }),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

impl Log {
    /// All that is in it.
    pub fn read(mut self) -> Result<LocalLogs, Error> {
        let lines = self.new_lines()?.lines().map(str::to_owned).collect();
        Ok(LocalLogs { running: self.running, log: self.reader.path().to_owned(), lines })
    }

    /// What is new in it since the last time.
    pub fn new_lines(&mut self) -> Result<String, Error> {
        match self.reader.read() {
            // A cloud of a dry run leaves none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read.map_err(|error| local_cloud::unreadable(&self.reader, &error)),
        }
    }

    /// Whether the local cloud that has been running still does.
    pub async fn goes_on(&mut self) -> Result<bool, Error> {
        self.running = match local_cloud::find().await {
            Ok(_) => true,
            Err(Error::NotRunning(_)) => false,
            Err(error) => return Err(error),
        };
        Ok(self.running)
    }
}

#[derive(Debug, JsonSchema, Serialize)]
pub struct LocalLogs {
    /// Whether a local cloud runs. If none does, this is the log of the last one.
    running: bool,
    /// The file.
    log: PathBuf,
    /// A line for each request, the oldest first, with what else it had to tell in between.
    lines: Vec<String>,
}

impl Outcome for LocalLogs {
    fn title(&self) -> &'static str {
        "local logs"
    }

    fn text(&self, _page: &Page) -> String {
        self.lines.join("\n")
    }
}
