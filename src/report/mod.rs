//! What happened: events while a command works, its outcome as JSON or as text worth looking at.

pub mod cost;
pub mod outcome;
pub mod progress;
mod text;
