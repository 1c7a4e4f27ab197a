//! `up`: everything is examined and planned before anything is made.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::order::{Mode, Run};
use crate::aws::ErrorClass;
use crate::aws::error::Classified;
use crate::events::Event;
use crate::plan::{Action, Kind, PlannedChange, ResourceReport};
use crate::stages::ecs_cluster::find_other_creator;
use crate::stages::finding::{Check, Finding, Level};
use crate::stages::preflight::{self, Prerequisites};
use crate::stages::{Context, Error};

/// How long it takes on AWS to make everything: docs/aws.md.
const USUALLY: &str = "3–6 min";

/// What exists after `up`.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Up {
    /// The URL that requests are to be sent to.
    #[serde(rename = "url")]
    pub alb_url: String,
    /// Everything that was looked at, created or changed.
    pub resources: Vec<ResourceReport>,
}

/// Makes what is missing, changes what differs, keeps the rest. If anything foreseeable would stop it, it makes nothing.
pub async fn up(ctx: &Context) -> Result<Up, Error> {
    let Examination { findings, prerequisites, plans } = examine(ctx).await?;
    let prerequisites = match prerequisites {
        Some(prerequisites) if !findings.iter().any(Finding::blocks) => prerequisites,
        _ => return Err(Error::Preflight(findings)),
    };
    for finding in findings.iter().filter(|finding| matches!(finding.level, Level::Note | Level::Unknown)) {
        ctx.events.note(format!("{}: {}", finding.check, finding.what));
    }
    ctx.events.send(Event::Planned { resources: Some(plans.len()), usually: USUALLY });
    let run = Run::new(ctx, Mode::Ensure);
    let address = Box::pin(run.all(prerequisites)).await;
    let mut resources = run.reports.into_inner();
    resources.sort();
    if address.is_err() {
        let ready: Vec<Kind> = resources.iter().map(|resource| resource.kind).collect();
        let under_way = run.under_way.into_inner();
        if let Some(note) = what_exists(&ready, &under_way) {
            ctx.events.note(note);
        }
    }
    Ok(Up { alb_url: format!("http://{}/", address?.dns_name), resources })
}

/// Says what exists after a run that failed: `5 resources are ready (3 security group, 1 namespace, 1 cluster), 1 is under way (1 load
/// balancer): …`; none if nothing was begun.
fn what_exists(ready: &[Kind], under_way: &[Kind]) -> Option<String> {
    let mut clauses = vec![];
    for (kinds, state) in [(ready, "ready"), (under_way, UNDER_WAY)] {
        let noun = match (clauses.is_empty(), kinds.len()) {
            (_, 0) => continue,
            (true, 1) => " resource",
            (true, _) => " resources",
            (false, _) => "",
        };
        let verb = if kinds.len() == 1 { "is" } else { "are" };
        clauses.push(format!("{}{noun} {verb} {state} ({})", kinds.len(), list(kinds, state)));
    }
    let all = clauses.join(", ");
    (!clauses.is_empty()).then(|| format!("{all}: `zonewalk up` goes on from there, `zonewalk down` removes them"))
}

const UNDER_WAY: &str = "under way";

fn list(kinds: &[Kind], state: &str) -> String {
    let mut by_kind: BTreeMap<Kind, u32> = BTreeMap::new();
    for kind in kinds {
        *by_kind.entry(*kind).or_default() += 1;
    }
    let texts = by_kind.iter().map(|(kind, count)| match kind {
        // They are what costs most.
        Kind::AutoScalingGroup if state == UNDER_WAY => format!("{count} {kind} and its instances"),
        _ => format!("{count} {kind}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// What `up` finds before it makes anything.
pub struct Examination {
    pub findings: Vec<Finding>,
    /// What `up` would do, in the order of the article; empty if a prerequisite is missing.
    pub plans: Vec<PlannedChange>,
    prerequisites: Option<Prerequisites>,
}

/// Looks at all that `up` builds on, and at what exists. Changes nothing.
pub async fn examine(ctx: &Context) -> Result<Examination, Error> {
    let (mut findings, prerequisites) = preflight::examine(ctx).await?;
    let mut plans = vec![];
    if let Some(prerequisites) = &prerequisites {
        let run = Run::new(ctx, Mode::Plan);
        match Box::pin(run.all(prerequisites.clone())).await {
            Ok(_) => {
                plans = run.plans.into_inner();
                plans.sort_by(|a, b| (a.stage, a.kind, &a.name).cmp(&(b.stage, b.kind, &b.name)));
                findings.push(names_finding(&plans));
                let name = &ctx.settings.name;
                let creator = find_other_creator(ctx, &prerequisites.identity).await?;
                findings.extend(creator.map(|creator| {
                    let what = format!(
                        "walkthrough {name} was created by {creator}: `zonewalk up` would change theirs; --name creates one of your own"
                    );
                    Finding::new(Check::Names, Level::Note, what)
                }));
            }
            // Whose it is has to be seen before it is changed.
            Err(error) if error.class() == Some(ErrorClass::Refused) => {
                findings.push(Finding::new(Check::Names, Level::Problem, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Examination { findings, plans, prerequisites })
}

fn names_finding(plans: &[PlannedChange]) -> Finding {
    let foreign = plans.iter().filter(|plan| plan.action == Action::Refused);
    let foreign: Vec<_> = foreign.map(|plan| format!("{} {}", plan.kind, plan.name)).collect();
    if foreign.is_empty() {
        return Finding::new(Check::Names, Level::Fine, "no name is taken");
    }
    let what = format!(
        "exists already and lacks this walkthrough's owner tag: {}; take over with `zonewalk up --adopt`, or choose other \
         names with --name",
        foreign.join(", ")
    );
    Finding::new(Check::Names, Level::Problem, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_ready_or_under_way() {
        let ready = [Kind::SecurityGroup, Kind::Cluster, Kind::SecurityGroup];
        let under_way = [Kind::LoadBalancer, Kind::AutoScalingGroup];
        let advice = "`zonewalk up` goes on from there, `zonewalk down` removes them";
        let ready_text = "3 resources are ready (2 security group, 1 cluster)";
        let under_way_text = "2 are under way (1 Auto Scaling group and its instances, 1 load balancer)";
        assert_eq!(what_exists(&ready, &under_way).unwrap(), format!("{ready_text}, {under_way_text}: {advice}"));
        assert_eq!(what_exists(&ready, &[]).unwrap(), format!("{ready_text}: {advice}"));
        let alone = "1 resource is under way (1 load balancer)";
        assert_eq!(what_exists(&[], &under_way[..1]).unwrap(), format!("{alone}: {advice}"));
        assert_eq!(what_exists(&[], &[]), None);
    }
}
