//! One file per command: what is done and what comes of it, as typed values. No arguments and no printing (`cli`), no
//! AWS SDK (`stages`).

pub mod doctor;
pub mod down;
pub mod failover;
pub mod predict;
pub mod redeploy;
pub mod stats;
pub mod status;
pub mod up;
pub mod verify;
pub mod walkthrough;

use crate::processes::{local_cloud, local_traffic};
use crate::stages;
use crate::{aws, data_plane, envoy, traffic};

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
    LocalCloud(#[from] local_cloud::Error),
    #[error(transparent)]
    LocalTraffic(#[from] local_traffic::Error),
    #[error(transparent)]
    DataPlane(#[from] data_plane::Error),
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
            Self::Settings(_) | Self::Usage(_) | Self::Predict(_) | Self::Target(_) => 2,
            Self::LocalCloud(error) if error.is_usage() => 2,
            Self::LocalTraffic(error) if error.is_usage() => 2,
            Self::Stage(_)
            | Self::Proxy(_)
            | Self::Drive(_)
            | Self::LocalCloud(_)
            | Self::LocalTraffic(_)
            | Self::DataPlane(_)
            | Self::Missing(_) => 3,
        }
    }
}
