//! The local cloud that runs: found, looked at, ended.

use std::io;
use std::path::PathBuf;

use super::error::Error;
use super::started::{Record, process};
use crate::plain;
use crate::processes::background::Found;
use crate::processes::{log, users};

/// The record of the local cloud that runs.
pub async fn find() -> Result<Record, Error> {
    match process().find().await? {
        Found::Running(record) => Ok(record),
        Found::Gone(process) => Err(Error::NotRunning(Some(process))),
        Found::Nothing => Err(Error::NotRunning(None)),
    }
}

/// The file by which commands find it.
pub fn state_file() -> Result<PathBuf, Error> {
    Ok(process().record_path()?)
}

/// The commands that use it.
pub fn users() -> Result<Vec<users::User>, Error> {
    Ok(process().list_users()?)
}

/// An error if a command uses it.
pub fn refuse_if_used() -> Result<(), Error> {
    Ok(process().refuse_if_used()?)
}

/// Ends it, unless a command uses it.
pub async fn stop(record: &Record) -> Result<(), Error> {
    Ok(process().end(record).await?)
}

/// The log of the local cloud that runs, or of the last one that did.
pub fn log(running: Option<&Record>) -> Result<log::Reader, Error> {
    let path = match running {
        Some(Record { log: None, process, .. }) => return Err(Error::LogOnTerminal(*process)),
        Some(Record { log: Some(path), .. }) => path.clone(),
        None => process().path("log")?,
    };
    Ok(log::Reader::new(path))
}

/// The error of a log that could not be read.
pub fn unreadable(log: &log::Reader, error: &io::Error) -> Error {
    Error::Log { path: log.path().to_owned(), reason: plain::of_io(error) }
}
