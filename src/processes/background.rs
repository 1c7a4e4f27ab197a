//! A process in the background: the command that starts it ends before it does. A record in a directory of the user's own
//! tells later commands where it listens; there it answers at `/_zonewalk/health` and `/_zonewalk/shutdown`.
//!
//! Commands share it. The process holds a lock on its record, so that a record without one is known to be stale; each command
//! holds one on the file of the users, so that the last one out is known, which ends the process if that is wanted.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::error::Error;
use super::record::Record;
use super::start::Starting;
use super::turn::{self, Turn};
use super::users::{Rest, User, Users};
use super::{log, state_dir};
use crate::http::{self, AskError};

/// How long a process may take to answer at one of its own paths.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// How long a process may take to listen, or to end: it needs a few milliseconds, far more on a machine under load.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A command's use of a running process: until it leaves, or ends, no other ends the process.
#[derive(Debug)]
pub(super) struct Use<T> {
    pub(super) record: Record<T>,
    /// Whether this command has started the process.
    pub(super) started: bool,
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
            Found::Running(record) => Found::Running(self.enter(record, false)?),
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
        match self.find_or_clear().await? {
            Found::Running(record) => self.enter(record, false),
            Found::Gone(_) | Found::Nothing => self.enter(self.start(args).await?, true),
        }
    }

    fn enter<T>(&self, record: Record<T>, started: bool) -> Result<Use<T>, Error> {
        let users = self.users()?;
        let locked = users.enter().map_err(|error| Error::state(&users.0, &error))?;
        Ok(Use { record, started, locked })
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
        let users = self.users()?;
        let Use { record, locked, .. } = used;
        match users.leave(locked, ends).map_err(|error| Error::state(&users.0, &error))? {
            Rest::Users => Ok(Left::InUse),
            Rest::Nobody { end } if !(ends || end) || needs(&record).await => Ok(Left::RunsOn),
            Rest::Nobody { .. } => self.stop(&record).await.map(|()| Left::Ended),
        }
    }

    /// Ends the process, unless a command uses it.
    pub(super) async fn end<T>(&self, record: &Record<T>) -> Result<(), Error> {
        let _turn = self.turn().await?;
        let users = self.users()?;
        match users.look().map_err(|error| Error::state(&users.0, &error))? {
            Rest::Nobody { .. } => self.stop(record).await,
            Rest::Users => Err(self.in_use(&self.list_users()?)),
        }
    }

    /// An error if a command uses the process.
    pub(super) fn refuse_if_used(&self) -> Result<(), Error> {
        let users = self.list_users()?;
        if users.is_empty() { Ok(()) } else { Err(self.in_use(&users)) }
    }

    fn in_use(&self, users: &[User]) -> Error {
        let users: Vec<_> = users.iter().map(ToString::to_string).collect();
        Error::InUse { what: self.what, users: users.join(", ") }
    }

    /// The commands that use the process.
    pub(super) fn list_users(&self) -> Result<Vec<User>, Error> {
        let users = self.users()?;
        users.list().map_err(|error| Error::state(&users.0, &error))
    }

    fn users(&self) -> Result<Users, Error> {
        self.path("users").map(Users)
    }

    async fn start<T: DeserializeOwned>(
        &self,
        args: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<Record<T>, Error> {
        let log = self.path("log")?;
        let state_error = |error| Error::state(&log, &error);
        let output = log::begin(&log).map_err(state_error)?;
        // What cannot be removed is known to be stale: nothing holds a lock on it.
        let forget = |process| drop(self.remove_record(process));
        let mut starting = Starting::spawn(args, output, forget).map_err(state_error)?;
        let began = Instant::now();
        while began.elapsed() < START_LIMIT {
            // It need not be this one: a command that was killed may have started another just before.
            if let Found::Running(record) = self.find().await? {
                starting.found_as(record.process);
                return Ok(record);
            }
            if let Some(status) = starting.ended().map_err(state_error)? {
                return Err(Error::Died { what: self.what, status, log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Error::NotStarted { what: self.what, seconds: START_LIMIT.as_secs(), log })
    }

    /// Stops the process of this record and waits until it is gone.
    async fn stop<T>(&self, record: &Record<T>) -> Result<(), Error> {
        ask(&record.endpoint_url, Method::POST, "shutdown").await;
        let asked = Instant::now();
        while self.is_alive(record)? {
            if asked.elapsed() >= START_LIMIT {
                let (seconds, process) = (START_LIMIT.as_secs(), record.process);
                return Err(Error::NotStopped { what: self.what, seconds, process });
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
        let file = write().map_err(|error| Error::state(&path, &error))?;
        // A process has one record.
        let _ = LOCKED.set(file);
        Ok(())
    }

    /// Removes the record of a process, unless a later process has put its own there.
    pub(super) fn remove_record(&self, process: u32) -> Result<(), Error> {
        if !self.is_recorded(process)? {
            return Ok(());
        }
        let path = self.record_path()?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::state(&path, &error)),
            _ => Ok(()),
        }
    }

    /// Waits until no other command starts or ends the process, and keeps others from it.
    async fn turn(&self) -> Result<Turn, Error> {
        let path = self.path("lock")?;
        let directory = state_dir::directory()?;
        std::fs::create_dir_all(&directory).map_err(|error| Error::state(&directory, &error))?;
        Turn::wait_for(path.clone()).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Error::NoTurn { what: self.what, seconds: turn::LIMIT.as_secs() },
            _ => Error::state(&path, &error),
        })
    }

    /// Whether the process of a record lives: it holds a lock on the record. A version without locks has its record removed
    /// when it ends.
    fn is_alive<T>(&self, record: &Record<T>) -> Result<bool, Error> {
        if !self.is_recorded(record.process)? || record.version.is_none() {
            return self.is_recorded(record.process);
        }
        let path = self.record_path()?;
        is_held(&path).map_err(|error| Error::state(&path, &error))
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
            Err(error) => Err(Error::state(&path, &error)),
        }
    }

    /// Where the record is: a process that an older version started, and that still runs, has it where that one had its files.
    pub(super) fn record_path(&self) -> Result<PathBuf, Error> {
        let path = self.path("json")?;
        if path.exists() {
            return Ok(path);
        }
        let older = state_dir::of_older_versions().into_iter().map(|older| older.join(self.file("json")));
        Ok(older.into_iter().find(|path| is_held(path).unwrap_or(false)).unwrap_or(path))
    }

    pub(super) fn path(&self, extension: &str) -> Result<PathBuf, Error> {
        Ok(state_dir::directory()?.join(self.file(extension)))
    }

    fn file(&self, extension: &str) -> String {
        format!("{}.{extension}", self.name)
    }
}

/// Whether a process holds a lock on its record.
fn is_held(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => Ok(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
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
