//! `up` and `down` as straight code: which stage needs which.

use serde::Serialize;

use crate::stages::{Kind, ResourceReport, Step};

/// What stands after `up`.
#[derive(Clone, Debug, Serialize)]
pub struct Up {
    pub alb_url: String,
    pub resources: Vec<ResourceReport>,
}

/// What `down` did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Down {
    pub removed: Vec<Removed>,
    /// Ours, and still there.
    pub leftovers: Vec<Leftover>,
    /// Has one of our names and not our tag, so it was left alone; `--adopt` removes it.
    pub not_ours: Vec<Leftover>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Removed {
    pub stage: Step,
    pub kind: Kind,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leftover {
    pub kind: Kind,
    pub id: String,
    pub reason: String,
}
