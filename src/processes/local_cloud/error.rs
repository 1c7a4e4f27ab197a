//! What goes wrong with the local cloud's process, in words.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::mesh::BinaryError;
use crate::processes::error;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no local cloud is running{}: start one with `zonewalk up --local`, or `zonewalk local serve`", gone(*.0))]
    NotRunning(Option<u32>),
    #[error(
        "{address} is in use: `zonewalk local status` tells whether your local cloud listens there; otherwise choose another address with \
         --listen, for example --listen 127.0.0.1:0 for a free port"
    )]
    InUse { address: SocketAddr },
    #[error("the local cloud cannot listen on {address}: {reason}; choose another address with --listen")]
    Listen { address: SocketAddr, reason: String },
    #[error(
        "{0} is not a loopback address: the local cloud accepts any credentials, so it is for this machine alone; use 127.0.0.1, or \
         --in-container in a container"
    )]
    NotLoopback(SocketAddr),
    #[error("faults file {}: {reason}", .path.display())]
    Faults { path: PathBuf, reason: String },
    #[error("the local cloud at {endpoint_url} did not answer: {reason}")]
    NoAnswer { endpoint_url: String, reason: String },
    #[error("{0}")]
    Refused(String),
    #[error("the local cloud runs in the foreground (process {0}): its log is in the terminal where it was started")]
    LogOnTerminal(u32),
    #[error("the log {} cannot be read: {reason}", .path.display())]
    Log { path: PathBuf, reason: String },
    #[error(transparent)]
    Background(#[from] error::Error),
    #[error(transparent)]
    Envoy(#[from] BinaryError),
    #[error("the running local cloud {running}; for {asked}, stop it first with `zonewalk local stop`")]
    OtherCloud { running: &'static str, asked: String },
}

impl Error {
    pub fn is_usage(&self) -> bool {
        use Error::{Envoy, Faults, InUse, NotLoopback, OtherCloud, Refused};
        matches!(self, InUse { .. } | NotLoopback(_) | Faults { .. } | Refused(_) | Envoy(_) | OtherCloud { .. })
    }

    /// Whether another command uses the cloud.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Background(error::Error::InUse { .. }))
    }
}

/// Says that a cloud has ended without having been told to, if that is known by its process.
pub(crate) fn gone(process: Option<u32>) -> String {
    process.map_or(String::new(), |process| format!(" (process {process} was killed, and everything in it is gone)"))
}
