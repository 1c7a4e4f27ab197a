//! What goes wrong with a process in the background, in words.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::plain;

/// The variable that names the directory of the records, if it is not to be the user's own for state.
pub(super) const STATE_DIR_VARIABLE: &str = "ZONEWALK_STATE_DIR";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} did not start within {seconds} s; its output is in {}", .log.display())]
    NotStarted { what: &'static str, seconds: u64, log: PathBuf },
    #[error("{what} ended as it started ({status}); its output is in {}", .log.display())]
    Died { what: &'static str, status: ExitStatus, log: PathBuf },
    #[error("{what} did not stop within {seconds} s: end it with `kill {process}`")]
    NotStopped { what: &'static str, seconds: u64, process: u32 },
    #[error(
        "{what} runs and does not answer at {endpoint_url}: end it with `kill -9 {process}` and repeat the command"
    )]
    Silent { what: &'static str, endpoint_url: String, process: u32 },
    #[error(
        "{what} was started by another version of zonewalk, and may lack what this one asks of it: {cure} and repeat the command"
    )]
    OtherVersion { what: &'static str, cure: String },
    #[error("{what} is in use by {users}: repeat the command when that has ended")]
    InUse { what: &'static str, users: String },
    #[error(
        "other commands have been starting or stopping {what} for {seconds} s: repeat the command when they have ended"
    )]
    NoTurn { what: &'static str, seconds: u64 },
    #[error("{} cannot be used: {reason}; set {STATE_DIR_VARIABLE} to a directory that can be written", .path.display())]
    State { path: PathBuf, reason: String },
    #[error("HOME is not set: set it, or {STATE_DIR_VARIABLE}, so that what runs in the background can be found again")]
    NoStateDir,
}

impl Error {
    pub(super) fn state(path: &Path, error: &io::Error) -> Self {
        Self::State { path: path.to_owned(), reason: plain::of_io(error) }
    }
}
