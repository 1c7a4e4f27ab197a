//! What happened: events, progress, tables, JSON.
