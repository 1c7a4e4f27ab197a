//! How things are shown: events as progress while a command works; tables.

pub mod progress;
pub mod table;
