//! How it is shown: events as progress while a command works, its outcome as text worth looking at.

pub mod progress;
pub mod text;
