//! What a mesh is like beside its topology: what can be changed while tasks run, and is in nobody's account.

use serde::{Deserialize, Serialize};

use super::links::Links;
use crate::routing::Runtime;

/// The conditions under which a mesh carries requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    pub links: Links,
    /// The proxies' runtime keys. On AWS nobody can set them.
    pub runtime: Runtime,
}
