//! The processes that outlive a command: found, started in the background, shared by commands, served and stopped.

mod background;
pub mod local_cloud;
pub mod local_traffic;
mod turn;
