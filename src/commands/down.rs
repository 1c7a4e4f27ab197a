//! `down`: removes everything that carries our tag, then looks for what is left; or tells what it would remove.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cost;
use super::outcome::Outcome;
use crate::plan::Kind;
use crate::report::numbers::{count, duration};
use crate::report::page::Page;
use crate::report::style::{attention, bad, good};
use crate::report::table::{lines, table};
use crate::stages::{Context, inventory};
use crate::walkthrough::{self, Down, Leftover, Resource, Standing};

pub async fn run(ctx: &Context) -> Result<Down, Error> {
    ctx.events.patiently("the hosts to be ready", ctx.data_plane.drain()).await?;
    let stood = Stood::find(ctx).await?;
    let down = walkthrough::down(ctx).await?;
    Ok(Down { up_s: stood.up_s, usd_spent: stood.usd, ..down })
}

/// For how long something has stood on AWS, and what that has cost.
#[derive(Clone, Copy, Debug, Default)]
struct Stood {
    up_s: Option<u64>,
    usd: Option<f64>,
}

impl Stood {
    async fn find(ctx: &Context) -> Result<Self, Error> {
        if !ctx.clients.is_aws() {
            return Ok(Self::default());
        }
        let group = inventory::find_group(ctx).await?;
        let (age, cost) = match &group {
            Some(group) => (group.age, cost::of_standing(Some(group), &[])),
            None => {
                let balancer = inventory::find_load_balancer(ctx).await?;
                let services = inventory::find_services(ctx).await?;
                let cost = cost::of_standing(None, &services);
                (balancer.and_then(|balancer| balancer.age).filter(|_| cost.is_some()), cost)
            }
        };
        let usd = age.zip(cost).and_then(|(age, cost)| cost.so_far(age));
        Ok(Self { up_s: age.map(|age| age.as_secs()), usd })
    }
}

/// `up for 3h12m, which has cost about 2.05 USD`; none if that is not known.
fn stood(up_s: Option<u64>, usd: Option<f64>) -> Option<String> {
    let usd = usd.map(|usd| format!(", which has cost about {usd:.2} USD")).unwrap_or_default();
    up_s.map(|seconds| format!("up for {}{usd}", duration(Duration::from_secs(seconds))))
}

/// What `down` would do.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct DownPlan {
    /// The resources that `down` would remove.
    pub would_remove: Vec<Resource>,
    /// The rules that would go with the security groups.
    pub rules: usize,
    /// Resources that have one of our names and not our tag, and would stay.
    pub not_ours: Vec<Leftover>,
    /// The kinds of which AWS did not tell what there is.
    pub unknown: Vec<Leftover>,
    /// The seconds since the Auto Scaling group was made; on Fargate, the load balancer. Null: it does not stand, or this is not AWS.
    pub up_s: Option<u64>,
    /// What that has cost, if nothing has changed meanwhile.
    pub usd_so_far: Option<f64>,
}

/// Tells what `down` would remove, and changes nothing.
pub async fn dry_run(ctx: &Context) -> Result<DownPlan, Error> {
    let ctx = &ctx.with_events(ctx.events.without_findings());
    let Standing { resources, rules, not_ours, unknown } = walkthrough::find_standing(ctx).await?;
    let stood = Stood::find(ctx).await?;
    Ok(DownPlan { would_remove: resources, rules, not_ours, unknown, up_s: stood.up_s, usd_so_far: stood.usd })
}

impl DownPlan {
    /// What would be removed, in words: `18 resources (2 services, …), up for 3h12m, …`.
    pub fn summary(&self) -> String {
        let mut kinds = BTreeMap::<Kind, u64>::new();
        self.would_remove.iter().for_each(|resource| *kinds.entry(resource.kind).or_default() += 1);
        let kinds: Vec<String> = kinds.iter().map(|(kind, n)| count(*n, &kind.to_string())).collect();
        let stood = stood(self.up_s, self.usd_so_far).map(|stood| format!("; {stood}")).unwrap_or_default();
        format!("{} ({}){stood}", count(self.would_remove.len() as u64, "resource"), kinds.join(", "))
    }
}

impl Outcome for DownPlan {
    fn title(&self) -> &'static str {
        "plan"
    }

    fn text(&self, page: &Page) -> String {
        let mut text = String::new();
        if !self.would_remove.is_empty() {
            let mut table = table(page, ["RESOURCE", "NAME", "ID"]);
            for resource in &self.would_remove {
                let name = resource.name.clone().unwrap_or_default();
                table.add_row([resource.kind.to_string(), name, resource.id.clone()]);
            }
            let _ = write!(text, "{}\n\n", lines(&table));
        }
        for other in &self.not_ours {
            let _ = writeln!(text, "{} {} {}: {}", attention("stays:"), other.kind, other.id, other.reason);
        }
        for left in &self.unknown {
            let _ = writeln!(text, "{} {}: {}", attention("not known:"), left.kind, left.reason);
        }
        let _ = write!(text, "Plan: {} to remove{}", self.would_remove.len(), with_rules(self.rules, "go"));
        if let Some(stood) = stood(self.up_s, self.usd_so_far) {
            let _ = write!(text, "\n{stood}");
        }
        text
    }

    fn next(&self) -> Option<String> {
        (!self.would_remove.is_empty()).then(|| "`zonewalk down`".to_owned())
    }
}

/// That rules go, or went, with their groups: `up` counts them, and `down` has nothing to do for them.
fn with_rules(rules: usize, go: &str) -> String {
    if rules == 0 { String::new() } else { format!(" ({} {go} with their groups)", count(rules as u64, "rule")) }
}

impl Outcome for Down {
    fn title(&self) -> &'static str {
        "down"
    }

    fn text(&self, _page: &Page) -> String {
        let rules = with_rules(self.rules_removed, "went");
        let left = format!("{} left over", self.leftovers.len());
        let left = if self.leftovers.is_empty() { good(left) } else { bad(left) };
        let mut text = format!("{} removed{rules}, {left}", self.removed.len());
        for left in &self.leftovers {
            let _ = write!(text, "\n  {} {}: {}", left.kind, left.id, left.reason);
        }
        for other in &self.not_ours {
            let _ = write!(text, "\n  not ours, left alone: {} {}: {}", other.kind, other.id, other.reason);
        }
        if let Some(stood) = stood(self.up_s, self.usd_spent) {
            let _ = write!(text, "\nit was {stood}");
        }
        text
    }

    fn holds(&self) -> bool {
        self.leftovers.is_empty()
    }

    fn left_nothing(&self) -> bool {
        self.leftovers.is_empty()
    }

    fn next(&self) -> Option<String> {
        (!self.leftovers.is_empty()).then(|| "`zonewalk down` again, once what keeps them is gone".to_owned())
    }
}
