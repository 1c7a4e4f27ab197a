//! What happened: events, progress, tables, JSON.

pub mod events;
