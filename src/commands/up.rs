//! `up`: provisions what is missing, changes what differs, keeps the rest.

use serde::Serialize;

use super::{Error, cost};
use crate::plan::PlannedChange;
use crate::stages::Context;
use crate::stages::finding::Finding;
use crate::walkthrough::{self, Examination, Up};

pub async fn run(ctx: &Context) -> Result<Up, Error> {
    let mut up = walkthrough::up(ctx).await?;
    up.alb_url = ctx.data_plane.ingress(up.alb_url).await?;
    for note in ctx.data_plane.notes().await? {
        ctx.events.note(format!("the emulator: {note}"));
    }
    Ok(up)
}

/// What `up` would do.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    pub resources: Vec<PlannedChange>,
    pub findings: Vec<Finding>,
    /// What it would cost, as an estimate in words.
    pub cost: String,
    /// The ranges of addresses that may reach the load balancer.
    pub reachable_from: Vec<String>,
}

impl DryRun {
    /// Whether `up` would start.
    pub fn passed(&self) -> bool {
        !self.findings.iter().any(Finding::blocks)
    }
}

/// Tells what `up` would do, and changes nothing.
pub async fn dry_run(ctx: &Context) -> Result<DryRun, Error> {
    let Examination { findings, plans, .. } = walkthrough::examine(ctx).await?;
    let reachable_from = ctx.settings.allow_cidrs.iter().map(ToString::to_string).collect();
    Ok(DryRun { resources: plans, findings, cost: cost::hourly(&ctx.settings), reachable_from })
}
