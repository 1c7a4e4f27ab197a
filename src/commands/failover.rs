//! `failover`: takes backends away under traffic, shows what that does to the zones, and always gives them back.

use std::fmt::Write;

use clap::ValueEnum;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::outcome::Outcome;
use super::text::{matrix, state_name, statements, verdict};
use super::verify::{self, Options as VerifyOptions};
use super::{Error, verify::expectation};
use crate::events::{Event, PhaseName};
use crate::report::numbers::percent;
use crate::report::page::Page;
use crate::routing::PredictedState;
use crate::settings::Settings;
use crate::stages::rollout::scale_service;
use crate::stages::{Context, Error as StageError, inventory};
use crate::traffic::{self, Load, Verdict, Verification};

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub mode: Mode,
    /// The number of backends that are left.
    pub to: u32,
    pub restore: bool,
    pub verify: VerifyOptions,
}

/// How the backends are taken away: what `--mode` takes, its help included, and what the outcome says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    // ECS chooses which tasks it stops, and so how those that are left are spread.
    /// The article's: fewer backends
    Scale,
}

#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    pub phase: PhaseName,
    #[serde(flatten)]
    pub result: Verification,
}

impl Phase {
    /// Whether the phase is as it should be. In the failed-over one zone-aware routing may be off, if that is predicted.
    pub fn holds(&self) -> bool {
        let (errors, requests) = (self.result.errors, self.result.requests);
        match self.phase {
            PhaseName::Before | PhaseName::Restored => self.result.verdict.passed(),
            PhaseName::During if self.result.exact => errors == 0,
            PhaseName::During => errors * FAILS_FROM_ONE_IN < requests.max(1),
            PhaseName::FailedOver => self.result.holds_whatever_the_design(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Failover {
    pub mode: Mode,
    /// The number of backends before.
    pub from: u32,
    /// The number of backends while failed over.
    pub to: u32,
    pub phases: Vec<Phase>,
    /// The failed requests of all phases.
    pub errors: u64,
    pub restored: bool,
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

/// On AWS a few requests may fail while tasks stop. Service Connect takes two more tries for each, and a task that stops is
/// listed for a while (aws/containers-roadmap#1963); the agent means to have its proxy drained before, and sends GET for what
/// the proxy takes as POST (aws/amazon-ecs-agent `appnet/client_linux.go`, aws/amazon-ecs-service-connect-agent
/// `listener_draining.go`). So all are counted and told, and the drill fails from this share on: one percent.
const FAILS_FROM_ONE_IN: u64 = 100;

/// The rate of the traffic while tasks stop: steady and light, so that minutes of it cost next to nothing on AWS.
const DURING_PER_SECOND: u32 = 100;

/// What cannot be drilled on a walkthrough with these settings: told before it is made.
pub fn check(options: Options, settings: &Settings) -> Result<(), Error> {
    let (to, tasks) = (options.to, settings.task_count.get());
    if to < tasks {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "--to {to} takes nothing away where a service has {tasks} tasks: ask for more with --task-count, or leave fewer with --to"
    )))
}

pub async fn run(ctx: &Context, options: Options) -> Result<Failover, Error> {
    let service = &ctx.names.backend.service;
    let url = verify::load_balancer_url(ctx).await?;
    let services = inventory::find_services(ctx).await?;
    let from = services
        .iter()
        .find(|found| found.name == *service)
        .ok_or_else(|| Error::Missing(format!("there is no service {service}: run `zonewalk up` first")))?
        .desired;
    if options.to >= from {
        return Err(Error::Usage(format!(
            "--to {} takes nothing away: {service} has {from} tasks (if an earlier drill left it so, `zonewalk up` restores it)",
            options.to
        )));
    }

    let mut phases = vec![];
    let drilled = drill(ctx, &url, options, &mut phases).await;
    let restored = if options.restore { restore(ctx, service, from).await } else { Ok(false) };
    drilled?;
    let restored = restored?;
    if restored {
        phases.push(phase(ctx, PhaseName::Restored, verify::run(ctx, options.verify).await?));
    }

    let reasons: Vec<String> = phases
        .iter()
        .filter(|phase| !phase.holds())
        .map(|phase| format!("{}: {}", phase.phase, phase.result.reasons.join("; ")))
        .collect();
    Ok(Failover {
        mode: options.mode,
        from,
        to: options.to,
        errors: phases.iter().map(|phase| phase.result.errors).sum(),
        verdict: Verdict::of(reasons.is_empty()),
        phases,
        restored,
        reasons,
    })
}

async fn drill(ctx: &Context, url: &str, options: Options, phases: &mut Vec<Phase>) -> Result<(), Error> {
    phases.push(phase(ctx, PhaseName::Before, verify::run(ctx, options.verify).await?));

    let scaled = CancellationToken::new();
    let load = Load {
        url: url.to_owned(),
        requests: None,
        concurrency: options.verify.traffic.concurrency,
        per_second: Some(DURING_PER_SECOND),
    };
    let traffic = verify::drive(ctx, &load, &scaled);
    let scaling = async {
        let result = scale_service(ctx, &ctx.names.backend.service, options.to).await;
        scaled.cancel();
        result
    };
    let (observed, result) = tokio::join!(traffic, scaling);
    result?;
    let failed_over = expectation(ctx).await?;
    let counted = Err("they stand for many placements".to_owned());
    let during = traffic::verify(&observed?, &failed_over, counted, options.verify.demands(ctx));
    phases.push(phase(ctx, PhaseName::During, during));

    phases.push(phase(ctx, PhaseName::FailedOver, verify::run(ctx, options.verify).await?));
    Ok(())
}

/// Gives the tasks back, after an interruption or an error, too: so on a context of its own, which cannot be interrupted.
async fn restore(ctx: &Context, service: &str, tasks: u32) -> Result<bool, StageError> {
    ctx.events.note(format!("restoring {service} to {tasks} tasks"));
    scale_service(&ctx.with_cancel(CancellationToken::new()), service, tasks).await.map(|()| true)
}

fn phase(ctx: &Context, name: PhaseName, result: Verification) -> Phase {
    let phase = Phase { phase: name, result };
    let Verification { same_zone_share, errors, ref expected, .. } = phase.result;
    // The placement changes during one of them, so that nothing can be predicted of it.
    let predicted = expected.same_zone_share.filter(|_| name != PhaseName::During);
    ctx.events.send(Event::Phase { phase: name, holds: phase.holds(), same_zone_share, predicted, errors });
    phase
}

impl Outcome for Failover {
    fn title(&self) -> &'static str {
        "failover"
    }

    fn text(&self, page: &Page) -> String {
        let mut text = format!("backends: {} → {}", self.from, self.to);
        for phase in &self.phases {
            let _ = write!(text, "\n\n{}", phase.phase);
            if phase.phase == PhaseName::During {
                // The placement changes meanwhile, so there is no one matrix to predict.
                let _ = write!(
                    text,
                    ": {} requests while tasks stopped, {} errors",
                    phase.result.requests, phase.result.errors
                );
                continue;
            }
            let _ = write!(
                text,
                ": {} in the same zone, {} predicted ({})\n{}",
                percent(phase.result.same_zone_share),
                percent(phase.result.expected.same_zone_share),
                phase.result.expected.state.map_or("differs by zone", state_name),
                matrix(&phase.result, page)
            );
            text.push_str(&statements(&phase.result));
            // Where all requests stay in their zone, the table says everything.
            if phase.result.expected.state != Some(PredictedState::LocalityDirect) || !phase.holds() {
                for reason in &phase.result.reasons {
                    let _ = write!(text, "\n  {reason}");
                }
            }
        }
        let end = if self.restored { "restored" } else { "not restored: `zonewalk up` does that" };
        let _ = write!(text, "\n\n{end}; {} errors in all", self.errors);
        text.push_str(&verdict(self.verdict, &self.reasons));
        text
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }
}
