//! One file per command: what is done and what comes of it, as typed values. No arguments and no printing (`cli`), no
//! AWS SDK (`stages`).

mod background;
pub mod cost;
pub mod doctor;
pub mod down;
pub mod failover;
pub mod hosts;
pub mod local;
pub mod outcome;
pub mod predict;
pub mod redeploy;
pub mod stats;
pub mod status;
pub mod up;
pub mod verify;
pub mod walkthrough;

use crate::stages;
use crate::{aws, envoy, traffic};

/// Why a command could not do its work. That a check did not hold is no error but an outcome.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Stage(#[from] stages::Error),
    #[error(transparent)]
    Target(#[from] aws::TargetError),
    #[error(transparent)]
    Drive(#[from] traffic::DriveError),
    #[error(transparent)]
    Proxy(#[from] envoy::script::ScriptError),
    #[error(transparent)]
    Local(#[from] local::Error),
    #[error(transparent)]
    Hosts(#[from] hosts::Error),
    #[error(transparent)]
    Predict(#[from] predict::Error),
    #[error("{0}")]
    Settings(#[from] crate::settings::InvalidSetting),
    /// What the user asked for cannot be, whatever the cloud.
    #[error("{0}")]
    Usage(String),
    /// The command needs something that is not there yet.
    #[error("{0}")]
    Missing(String),
}

/// The exit code of a command that could not do its work.
impl Error {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stage(stages::Error::Interrupted) => 130,
            Self::Settings(_) | Self::Usage(_) | Self::Predict(_) | Self::Drive(_) | Self::Target(_) => 2,
            Self::Local(error) if error.is_usage() => 2,
            Self::Hosts(error) if error.is_usage() => 2,
            Self::Stage(_) | Self::Proxy(_) | Self::Local(_) | Self::Hosts(_) | Self::Missing(_) => 3,
        }
    }
}
