//! `up`: provisions what is missing, changes what differs, keeps the rest.

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cost::{self, Cost};
use super::outcome::Outcome;
use super::text::{findings, plans, ready_or_blocked, sum};
use crate::plan::{Action, PlannedChange};
use crate::report::numbers::count;
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
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct DryRun {
    /// What would become of each resource.
    pub resources: Vec<PlannedChange>,
    /// What was found beforehand.
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
    Ok(DryRun { resources: plans, findings, cost: cost::hourly(ctx), reachable_from })
}

impl Outcome for Up {
    fn title(&self) -> &'static str {
        "up"
    }

    fn text(&self, page: &Page) -> String {
        let number = |action| self.resources.iter().filter(|resource| resource.action == action).count();
        let actions = [Action::Created, Action::Changed, Action::Adopted, Action::Kept];
        let counts: Vec<String> = actions
            .into_iter()
            .map(|action| (number(action), action))
            .filter(|(number, _)| *number > 0)
            .map(|(number, action)| format!("{number} {action}"))
            .collect();
        let resources = count(self.resources.len() as u64, "resource");
        let url = &self.alb_url;
        [
            format!("{resources}: {}", counts.join(", ")),
            format!("address: {url}"),
            // Without the header, as in a browser, the frontend answers by itself and no backend is called.
            format!("try it: curl -H \"azAwareRouting: true\" {url}"),
        ]
        .map(|line| page.wrap(&line, 2))
        .join("\n")
    }

    fn next(&self) -> Option<String> {
        Some("`zonewalk verify` proves it with traffic; `zonewalk down` removes everything".to_owned())
    }
}

impl Outcome for DryRun {
    fn title(&self) -> &'static str {
        "plan"
    }

    fn text(&self, page: &Page) -> String {
        let mut lines = vec![];
        if !self.resources.is_empty() {
            lines.extend([plans(&self.resources, page), String::new(), sum(&self.resources)]);
        }
        let told = || self.findings.iter().filter(|finding| finding.level != Level::Fine);
        if told().next().is_some() {
            lines.push(findings(told(), page));
        }
        lines.push(page.wrap(&format!("cost on AWS: {}", self.cost.text), 2));
        let reachable_from = self.reachable_from.join(", ");
        lines.push(page.wrap(&format!("the load balancer can be reached from {reachable_from}"), 2));
        lines.push(ready_or_blocked(&self.findings));
        lines.join("\n")
    }

    fn holds(&self) -> bool {
        !self.findings.iter().any(Finding::blocks)
    }
}
