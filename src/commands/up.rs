//! `up`: provisions what is missing, changes what differs, keeps the rest.

use std::fmt::Write;

use serde::Serialize;

use super::Error;
use super::cost::{self, Cost};
use super::outcome::Outcome;
use super::text::{findings, plans};
use crate::plan::{Action, PlannedChange};
use crate::report::page::Page;
use crate::stages::Context;
use crate::stages::finding::{Finding, Level};
use crate::walkthrough::{self, Examination, Up};

pub async fn run(ctx: &Context) -> Result<Up, Error> {
    ctx.events.patiently("the hosts to be ready", ctx.data_plane.resume()).await?;
    let mut up = tokio::select! {
        up = walkthrough::up(ctx) => up?,
        trouble = ctx.data_plane.trouble() => return Err(trouble.into()),
    };
    up.alb_url = ctx.events.patiently("the hosts to be ready", ctx.data_plane.ingress(up.alb_url)).await?;
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
    /// What it would cost on AWS.
    pub cost: Cost,
    /// The ranges of addresses that may reach the load balancer.
    pub reachable_from: Vec<String>,
}

/// Tells what `up` would do, and changes nothing.
pub async fn dry_run(ctx: &Context) -> Result<DryRun, Error> {
    let Examination { findings, plans, .. } = walkthrough::examine(ctx).await?;
    let reachable_from = ctx.settings.distinct_cidrs().iter().map(ToString::to_string).collect();
    Ok(DryRun { resources: plans, findings, cost: cost::hourly(&ctx.settings), reachable_from })
}

impl Outcome for Up {
    fn title(&self) -> &'static str {
        "up"
    }

    fn text(&self, _page: &Page) -> String {
        let count = |action| self.resources.iter().filter(|resource| resource.action == action).count();
        let actions = [Action::Created, Action::Changed, Action::Adopted, Action::Kept];
        let counts: Vec<String> = actions
            .into_iter()
            .map(|action| (count(action), action))
            .filter(|(count, _)| *count > 0)
            .map(|(count, action)| format!("{count} {action}"))
            .collect();
        format!("{} resources: {}\n{}", self.resources.len(), counts.join(", "), self.alb_url)
    }

    fn next(&self) -> Option<String> {
        Some("`zonewalk verify`; `zonewalk down` removes everything".to_owned())
    }
}

impl Outcome for DryRun {
    fn title(&self) -> &'static str {
        "plan"
    }

    fn text(&self, page: &Page) -> String {
        let mut text = plans(&self.resources, page);
        let matters = |finding: &&Finding| matches!(finding.level, Level::Problem | Level::Note);
        let problems: Vec<Finding> = self.findings.iter().filter(matters).cloned().collect();
        if !problems.is_empty() {
            let _ = write!(text, "\n{}", findings(&problems));
        }
        let _ = write!(
            text,
            "\ncost on AWS: {}\nthe load balancer can be reached from {}",
            self.cost.text,
            self.reachable_from.join(", ")
        );
        text
    }

    fn holds(&self) -> bool {
        !self.findings.iter().any(Finding::blocks)
    }
}
