//! `doctor`: what would stop `up`, told before it starts, with the way to fix it.

use serde::Serialize;

use super::Error;
use crate::stages::Context;
use crate::stages::finding::Finding;
use crate::walkthrough;

#[derive(Clone, Debug, Serialize)]
pub struct Doctor {
    pub findings: Vec<Finding>,
}

impl Doctor {
    /// Whether `up` would start.
    pub fn passed(&self) -> bool {
        !self.findings.iter().any(Finding::blocks)
    }
}

pub async fn run(ctx: &Context) -> Result<Doctor, Error> {
    Ok(Doctor { findings: walkthrough::examine(ctx).await?.findings })
}
