//! Clients, error classes, owner tags, availability zone names and IDs.
