//! One file per command, from a context to an outcome: what it does, what comes of it and how that reads. Arguments are parsed
//! and outcomes printed in `cli`; calls to AWS are in `stages`.

mod access_log;
pub mod application;
pub mod audit;
pub mod compare;
pub mod cost;
mod counters;
pub mod doctor;
pub mod down;
pub mod explain;
pub mod failover;
pub mod failure;
pub mod forecast;
pub(crate) mod limits;
pub mod local;
mod matrix;
pub mod outcome;
pub mod predict;
pub mod question;
pub mod redeploy;
pub mod report;
pub mod runs;
mod settling;
pub mod stats;
pub mod status;
mod status_text;
mod text;
pub mod up;
pub mod verify;
pub mod verify_watch;
pub mod walkthrough;
pub mod watch;

use crate::processes::{local_cloud, local_sidecar, local_traffic};
use crate::{aws, data_plane, runs as kept, stages, traffic};

/// Why a command could not do its work. A check that did not hold is an outcome, not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Stage(#[from] stages::Error),
    #[error(transparent)]
    Target(#[from] aws::TargetError),
    #[error(transparent)]
    Drive(#[from] traffic::DriveError),
    #[error(transparent)]
    LocalCloud(#[from] local_cloud::Error),
    #[error(transparent)]
    LocalTraffic(#[from] local_traffic::Error),
    #[error(transparent)]
    Sidecar(#[from] local_sidecar::Error),
    #[error(transparent)]
    DataPlane(#[from] data_plane::Error),
    #[error(transparent)]
    Runs(#[from] kept::Error),
    #[error(transparent)]
    Predict(#[from] predict::Error),
    /// The user asked for something that no cloud can do.
    #[error("{0}")]
    Usage(String),
    #[error("the terminal cannot be drawn on: {0}")]
    Terminal(std::io::Error),
    #[error("the program cannot start its threads: {0}")]
    Runtime(std::io::Error),
    /// What the command would remove at its end stood before it.
    #[error("{0}")]
    Stands(String),
    /// AWS does not show what the command asks for.
    #[error("{0}")]
    NotShown(String),
    /// The command needs something that is not there yet.
    #[error("{0}")]
    Missing(String),
}

impl Error {
    /// The exit code of a command that could not do its work.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stage(stages::Error::Interrupted) => 130,
            Self::Usage(_) | Self::Stands(_) | Self::Predict(_) | Self::Target(_) | Self::Sidecar(_) => 2,
            Self::LocalCloud(error) if error.is_usage() => 2,
            Self::LocalTraffic(error) if error.is_usage() => 2,
            Self::Runs(_) => 2,
            _ => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_balancers_address_that_is_no_url_is_the_clouds_fault() {
        let error = traffic::DriveError::Url { url: "http://[".to_owned(), reason: "invalid".to_owned() };
        assert_eq!(Error::from(error).exit_code(), 3);
        assert_eq!(Error::Usage(String::new()).exit_code(), 2);
    }
}
