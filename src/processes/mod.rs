//! The processes that outlive a command: found, started in the background, shared by commands, served and stopped.

mod background;
mod error;
pub mod local_cloud;
pub mod local_sidecar;
pub mod local_traffic;
pub mod log;
mod record;
mod start;
mod state_dir;
mod turn;
mod users;

pub use self::error::Error;
pub use self::state_dir::directory as state_directory;
pub use self::users::User;
