//! The local cloud: an AWS endpoint for what the walkthrough uses.
