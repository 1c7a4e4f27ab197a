//! `doctor`: what would stop `up`, told before it starts, with the way to fix it.

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::outcome::Outcome;
use super::text::{findings, ready_or_blocked};
use crate::report::page::Page;
use crate::stages::Context;
use crate::stages::finding::Finding;
use crate::walkthrough;

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Doctor {
    /// What was found, a finding for each subject.
    pub findings: Vec<Finding>,
}

pub async fn run(ctx: &Context) -> Result<Doctor, Error> {
    Ok(Doctor { findings: walkthrough::examine(ctx).await?.findings })
}

impl Outcome for Doctor {
    fn title(&self) -> &'static str {
        "doctor"
    }

    fn text(&self, page: &Page) -> String {
        format!("{}\n{}", findings(&self.findings, page), ready_or_blocked(&self.findings))
    }

    fn holds(&self) -> bool {
        !self.findings.iter().any(Finding::blocks)
    }
}
