//! A process in the background: the command that starts it ends before it does. A record in a directory of the user's own
//! tells later commands where it listens; there it answers at `/_zonewalk/health` and `/_zonewalk/shutdown`.
//!
//! Commands share it. The process holds a lock on its record, so that a record without one is known to be stale; each command
//! holds one on the file of the users, so that the last one out is known, which ends the process if that is wanted.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::turn::Turn;
use crate::http::{self, AskError};
use crate::plain;

/// The variable that names the directory of the records, if it is not to be the user's runtime or cache directory.
const STATE_DIR_VARIABLE: &str = "ZONEWALK_STATE_DIR";

/// How long a process may take to answer at one of its own paths.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// How long a process may take to listen, or to end: it needs a few milliseconds, far more on a machine under load.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The version that a record tells.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} did not start within {} s; its output is in {}", START_LIMIT.as_secs(), .log.display())]
    NotStarted { what: &'static str, log: PathBuf },
    #[error("{what} ended as it started ({status}); its output is in {}", .log.display())]
    Died { what: &'static str, status: ExitStatus, log: PathBuf },
    #[error("{what} did not stop within {} s: end it with `kill {process}`", START_LIMIT.as_secs())]
    NotStopped { what: &'static str, process: u32 },
    #[error(
        "{what} runs and does not answer at {endpoint_url}: end it with `kill -9 {process}` and repeat the command"
    )]
    Silent { what: &'static str, endpoint_url: String, process: u32 },
    #[error(
        "{what} that runs was started by another version of zonewalk, and may lack what this one asks of it: {first}end it with `kill {process}` and repeat the command"
    )]
    OtherVersion { what: &'static str, first: &'static str, process: u32 },
    #[error("{}: {}; set {STATE_DIR_VARIABLE} to a directory that can be written", .path.display(), plain::of_io(.source))]
    State { path: PathBuf, source: io::Error },
    #[error("HOME is not set: set it, or {STATE_DIR_VARIABLE}, so that what runs in the background can be found again")]
    NoStateDir,
}

/// The record that a running process leaves for the commands that look for it.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Record<T> {
    pub endpoint_url: String,
    pub process: u32,
    /// Of zonewalk. None: one that did not say.
    pub version: Option<String>,
    /// What only this kind of process has to tell.
    #[serde(flatten)]
    pub own: T,
}

impl<T> Record<T> {
    /// The record of this very process.
    pub(super) fn new(endpoint_url: String, own: T) -> Self {
        Self { endpoint_url, process: std::process::id(), version: Some(VERSION.to_owned()), own }
    }

    /// Whether the process was started by this version of zonewalk.
    pub(super) fn is_of_this_version(&self) -> bool {
        self.version.as_deref() == Some(VERSION)
    }
}

/// A command's use of a running process: until it leaves, or ends, no other ends the process.
#[derive(Debug)]
pub(super) struct Use<T> {
    pub(super) record: Record<T>,
    locked: File,
}

/// What is known of a process.
pub(super) enum Found<T> {
    Nothing,
    /// It has ended and left its record: it was killed, or the machine was switched off.
    Gone(u32),
    Running(T),
}

/// What a command that leaves a process leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Ended,
    /// Another command uses it, and will end it if nothing is left.
    InUse,
    RunsOn,
}

/// A kind of process, of which one runs at a time.
#[derive(Clone, Debug)]
pub(super) struct Background {
    /// What messages call it.
    pub(super) what: &'static str,
    /// The name of its files, without extension.
    pub(super) name: String,
}

impl Background {
    /// The process that runs, if one does.
    pub(super) async fn find<T: DeserializeOwned>(&self) -> Result<Found<Record<T>>, Error> {
        let asked = Instant::now();
        loop {
            let Some(record) = self.read_record::<T>()? else { return Ok(Found::Nothing) };
            let answers = ask(&record.endpoint_url, Method::GET, "health").await;
            let is_alive = self.is_alive(&record)? && (answers || record.version.is_some());
            match (is_alive, answers) {
                (true, true) => return Ok(Found::Running(record)),
                (false, _) => return Ok(Found::Gone(record.process)),
                (true, false) => {}
            }
            // It may be about to end.
            if asked.elapsed() >= ANSWER_LIMIT {
                let Record { endpoint_url, process, .. } = record;
                return Err(Error::Silent { what: self.what, endpoint_url, process });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Uses the process that runs, if one does.
    pub(super) async fn join<T: DeserializeOwned>(&self) -> Result<Found<Use<T>>, Error> {
        // Nothing is to be made where nothing ever ran.
        if self.read_record::<T>()?.is_none() {
            return Ok(Found::Nothing);
        }
        let _turn = self.turn().await?;
        Ok(match self.find_or_clear().await? {
            Found::Running(record) => Found::Running(self.enter(record)?),
            Found::Gone(process) => Found::Gone(process),
            Found::Nothing => Found::Nothing,
        })
    }

    /// The process that runs, if one does; a record that a process has left is removed. For a command whose turn it is.
    async fn find_or_clear<T: DeserializeOwned>(&self) -> Result<Found<Record<T>>, Error> {
        let found = self.find().await?;
        if let Found::Gone(process) = found {
            self.remove_record(process)?;
        }
        Ok(found)
    }

    /// Puts the record of this process in place, unless another process of the kind runs. False: one does.
    pub(super) async fn register<T: Serialize + DeserializeOwned>(&self, record: &Record<T>) -> Result<bool, Error> {
        let _turn = self.turn().await?;
        match self.find_or_clear::<T>().await? {
            Found::Running(_) => Ok(false),
            Found::Gone(_) | Found::Nothing => self.write_record(record).map(|()| true),
        }
    }

    /// Uses the process that runs, or starts this program with `args` and waits until it has written its record.
    pub(super) async fn join_or_start<T: DeserializeOwned>(
        &self,
        args: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<Use<T>, Error> {
        let _turn = self.turn().await?;
        let record = match self.find_or_clear().await? {
            Found::Running(record) => record,
            Found::Gone(_) | Found::Nothing => self.start(args).await?,
        };
        self.enter(record)
    }

    fn enter<T>(&self, record: Record<T>) -> Result<Use<T>, Error> {
        let path = self.path("users")?;
        let open = || {
            let file = File::options().create(true).append(true).open(&path)?;
            // At once: nobody looks for other users but in its turn, and this turn is ours.
            file.lock_shared().map(|()| file)
        };
        let locked = open().map_err(|source| Error::State { path: path.clone(), source })?;
        Ok(Use { record, locked })
    }

    /// Ends a command's use of the process. The last one out ends the process too, if that is wanted, by this command or by one
    /// that has left already, and nothing `needs` it.
    pub(super) async fn leave<T>(
        &self,
        used: Use<T>,
        ends: bool,
        needs: impl AsyncFnOnce(&Record<T>) -> bool,
    ) -> Result<Left, Error> {
        let _turn = self.turn().await?;
        let path = self.path("users")?;
        let state_error = |source| Error::State { path: path.clone(), source };
        let Use { record, mut locked } = used;
        if ends {
            // For whoever is the last one out.
            locked.write_all(b"end\n").map_err(state_error)?;
        }
        drop(locked);
        let mut wish = String::new();
        match File::open(&path) {
            Ok(mut users) => {
                match users.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => return Ok(Left::InUse),
                    Err(TryLockError::Error(source)) => return Err(state_error(source)),
                }
                users.read_to_string(&mut wish).map_err(state_error)?;
                std::fs::remove_file(&path).map_err(state_error)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(state_error(source)),
        }
        if (!ends && wish.is_empty()) || needs(&record).await {
            return Ok(Left::RunsOn);
        }
        self.stop(&record).await?;
        Ok(Left::Ended)
    }

    async fn start<T: DeserializeOwned>(
        &self,
        args: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<Record<T>, Error> {
        let log = self.path("log")?;
        let state_error = |source| Error::State { path: log.clone(), source };
        let output = File::create(&log).map_err(state_error)?;
        let errors = output.try_clone().map_err(state_error)?;
        let program = std::env::current_exe().map_err(state_error)?;
        let mut command = std::process::Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(output).stderr(errors);
        {
            // In a process group of its own: Ctrl-C at the command that started it is not meant for it.
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(state_error)?;
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            // It need not be this one: a command that was killed may have started another just before.
            if let Found::Running(record) = self.find().await? {
                return Ok(record);
            }
            if let Some(status) = child.try_wait().map_err(state_error)? {
                return Err(Error::Died { what: self.what, status, log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // No command would find it.
        child.kill().map_err(state_error)?;
        Err(Error::NotStarted { what: self.what, log })
    }

    /// Stops the process of this record and waits until it is gone.
    async fn stop<T>(&self, record: &Record<T>) -> Result<(), Error> {
        ask(&record.endpoint_url, Method::POST, "shutdown").await;
        let asked = Instant::now();
        while self.is_alive(record)? {
            if asked.elapsed() >= START_LIMIT {
                return Err(Error::NotStopped { what: self.what, process: record.process });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Writes the record of this process, and locks it. Whoever started it has the turn.
    pub(super) fn write_record<T: Serialize>(&self, record: &Record<T>) -> Result<(), Error> {
        /// Held until this process ends, however it ends: whoever finds it free knows that nothing is left of it.
        static LOCKED: OnceLock<File> = OnceLock::new();
        let path = self.path("json")?;
        let write = || {
            // Renamed into place, so that no command reads half of it.
            let partial = path.with_extension(format!("{}.partial", record.process));
            let mut file = File::create(&partial)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            file.try_lock()?;
            std::fs::rename(&partial, &path)?;
            Ok(file)
        };
        let file = write().map_err(|source| Error::State { path: path.clone(), source })?;
        // A process has one record.
        let _ = LOCKED.set(file);
        Ok(())
    }

    /// Removes the record of a process, unless a later process has put its own there.
    pub(super) fn remove_record(&self, process: u32) -> Result<(), Error> {
        if !self.is_recorded(process)? {
            return Ok(());
        }
        let path = self.path("json")?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::State { path, source: error }),
            _ => Ok(()),
        }
    }

    /// Waits until no other command starts or ends the process, and keeps others from it.
    async fn turn(&self) -> Result<Turn, Error> {
        let path = self.path("lock")?;
        let directory = state_dir()?;
        let turn = async {
            std::fs::create_dir_all(&directory)?;
            Turn::wait_for(path.clone()).await
        };
        turn.await.map_err(|source| Error::State { path: path.clone(), source })
    }

    /// Whether the process of a record lives: it holds a lock on the record. A version without locks has its record removed
    /// when it ends.
    fn is_alive<T>(&self, record: &Record<T>) -> Result<bool, Error> {
        if !self.is_recorded(record.process)? || record.version.is_none() {
            return self.is_recorded(record.process);
        }
        let path = self.path("json")?;
        match File::open(&path) {
            Ok(file) => Ok(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::State { path, source }),
        }
    }

    /// Whether the record is this process's, whatever it tells of its own.
    fn is_recorded(&self, process: u32) -> Result<bool, Error> {
        Ok(self.read_record::<()>()?.is_some_and(|current| current.process == process))
    }

    fn read_record<T: DeserializeOwned>(&self) -> Result<Option<Record<T>>, Error> {
        let path = self.path("json")?;
        match std::fs::read(&path) {
            // A half-written or foreign file is no record.
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::State { path, source }),
        }
    }

    fn path(&self, extension: &str) -> Result<PathBuf, Error> {
        Ok(state_dir()?.join(format!("{}.{extension}", self.name)))
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
