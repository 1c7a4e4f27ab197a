//! A process in the background: the command that starts it ends before it does. A record in a directory of the user's own
//! tells later commands where it listens; there it answers at `/_zonewalk/health` and `/_zonewalk/shutdown`.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::http::{self, AskError};

/// The variable that names the directory of the records, if it is not to be the user's runtime or cache directory.
const STATE_DIR_VARIABLE: &str = "ZONEWALK_STATE_DIR";

/// How long a process may take to answer at one of its own paths.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How long a process may take to listen, or to end: it needs a few milliseconds, more on a machine under load.
const START_LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} did not start within {} s; its output is in {}", START_LIMIT.as_secs(), .log.display())]
    NotStarted { what: &'static str, log: PathBuf },
    #[error("{what} ended as it started ({status}); its output is in {}", .log.display())]
    Died { what: &'static str, status: ExitStatus, log: PathBuf },
    #[error("{what} did not stop within {} s: end it with `kill {process}`", START_LIMIT.as_secs())]
    NotStopped { what: &'static str, process: u32 },
    #[error("{}: {source}; set {STATE_DIR_VARIABLE} to a directory that can be written", .path.display())]
    State { path: PathBuf, source: io::Error },
    #[error("no directory for records: set {STATE_DIR_VARIABLE}")]
    NoStateDir,
}

/// The record that a running process leaves for the commands that look for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record<T> {
    pub endpoint_url: String,
    pub process: u32,
    /// What only this kind of process has to tell.
    #[serde(flatten)]
    pub own: T,
}

impl<T> Record<T> {
    /// The record of this very process.
    pub(super) fn new(endpoint_url: String, own: T) -> Self {
        Self { endpoint_url, process: std::process::id(), own }
    }
}

/// A kind of process, of which one runs at a time.
#[derive(Clone, Debug)]
pub(super) struct Background {
    /// What messages call it.
    pub(super) what: &'static str,
    /// The name of its record and its log, without extension.
    pub(super) name: String,
}

impl Background {
    /// The record of the process that runs, if one does.
    pub(super) async fn find<T: DeserializeOwned>(&self) -> Result<Option<Record<T>>, Error> {
        match self.read_record()? {
            Some(record) if ask(&record.endpoint_url, Method::GET, "health").await => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    /// Starts this program with `args`, and waits until it has written its record.
    pub(super) async fn start<T: DeserializeOwned>(
        &self,
        args: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<Record<T>, Error> {
        let directory = state_dir()?;
        let log = directory.join(format!("{}.log", self.name));
        let state_error = |source| Error::State { path: log.clone(), source };
        std::fs::create_dir_all(&directory).map_err(state_error)?;
        let output = std::fs::File::create(&log).map_err(state_error)?;
        let errors = output.try_clone().map_err(state_error)?;
        let program = std::env::current_exe().map_err(state_error)?;
        let mut command = std::process::Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(output).stderr(errors);
        #[cfg(unix)]
        {
            // In a process group of its own: Ctrl-C at the command that started it is not meant for it.
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(state_error)?;
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            if let Some(record) = self.find().await?
                && record.process == child.id()
            {
                return Ok(record);
            }
            if let Some(status) = child.try_wait().map_err(state_error)? {
                return Err(Error::Died { what: self.what, status, log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Error::NotStarted { what: self.what, log })
    }

    /// Stops the process of this record and waits until it is gone.
    pub(super) async fn stop<T>(&self, record: &Record<T>) -> Result<(), Error> {
        ask(&record.endpoint_url, Method::POST, "shutdown").await;
        let asked = Instant::now();
        while self.is_recorded(record.process)? {
            if asked.elapsed() >= START_LIMIT {
                return Err(Error::NotStopped { what: self.what, process: record.process });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    pub(super) fn write_record<T: Serialize>(&self, record: &Record<T>) -> Result<(), Error> {
        let path = self.record_path()?;
        let write = || {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            // Renamed into place, so that no command reads half of it.
            let partial = path.with_extension(format!("{}.partial", record.process));
            std::fs::write(&partial, serde_json::to_vec(record)?)?;
            std::fs::rename(&partial, &path)
        };
        write().map_err(|source| Error::State { path: path.clone(), source })
    }

    /// Removes the record of this process, unless a later process has put its own there.
    pub(super) fn remove_record(&self, process: u32) -> Result<(), Error> {
        if !self.is_recorded(process)? {
            return Ok(());
        }
        let path = self.record_path()?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::State { path, source: error }),
            _ => Ok(()),
        }
    }

    /// Whether the record is this process's, whatever it tells of its own.
    fn is_recorded(&self, process: u32) -> Result<bool, Error> {
        Ok(self.read_record::<()>()?.is_some_and(|current| current.process == process))
    }

    fn read_record<T: DeserializeOwned>(&self) -> Result<Option<Record<T>>, Error> {
        let path = self.record_path()?;
        match std::fs::read(&path) {
            // A half-written or foreign file is no record.
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::State { path, source }),
        }
    }

    fn record_path(&self) -> Result<PathBuf, Error> {
        Ok(state_dir()?.join(format!("{}.json", self.name)))
    }
}

/// Whether a process answers `200` at one of its own paths.
async fn ask(url: &str, method: Method, path: &str) -> bool {
    matches!(send(url, method, path, Bytes::new()).await, Ok((StatusCode::OK, _)))
}

/// The answer to a request at one of a process's own paths, or why there is none.
pub(super) async fn send(url: &str, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), AskError> {
    http::ask(method, &format!("{url}/_zonewalk/{path}"), body, ANSWER_LIMIT).await
}

fn state_dir() -> Result<PathBuf, Error> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(STATE_DIR_VARIABLE)
        .or_else(|| variable("XDG_RUNTIME_DIR").map(|base| base.join("zonewalk")))
        .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("zonewalk")))
        .or_else(|| variable("HOME").map(|base| base.join(".cache").join("zonewalk")))
        .ok_or(Error::NoStateDir)
}
