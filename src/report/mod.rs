//! How things are shown: events as progress while a command works; tables, numbers and colors of what comes of it.

pub mod numbers;
pub mod page;
pub mod progress;
pub mod style;
pub mod table;
