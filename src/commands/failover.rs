//! `failover`: takes backends away under traffic, shows what that does to the zones, and always gives them back.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::outcome::Outcome;
use super::text::{errors, on_or_off, performance, statements, verdict};
use super::verify::{self, FIX, Options as VerifyOptions, expectation};
use super::{Error, matrix};
use crate::events::{Event, PhaseName};
use crate::report::numbers::{count, grouped, percent};
use crate::report::page::Page;
use crate::report::style::{bad, good, strong};
use crate::settings::Settings;
use crate::stages::rollout::scale_service;
use crate::stages::{Context, Error as StageError, inventory};
use crate::traffic::{self, Load, RoutingState, Verdict, Verification};

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub mode: Mode,
    /// The number of backends that are left.
    pub to: u32,
    pub restore: bool,
    pub verify: VerifyOptions,
}

/// How the backends are taken away: what `--mode` takes, its help included, and what the outcome says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    // ECS chooses which tasks it stops, and so how those that are left are spread.
    /// The article's: fewer backends
    Scale,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Phase {
    /// Which phase it is.
    pub phase: PhaseName,
    /// What zone-aware routing was to be in this phase. Null: that changes while tasks stop.
    pub expected_state: Option<OnOrOff>,
    /// Whether the phase is as it should be.
    pub holds: bool,
    /// What was seen. Its verdict is that of the phase.
    #[serde(flatten)]
    pub result: Verification,
}

/// What zone-aware routing is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOrOff {
    On,
    Off,
}

impl Phase {
    /// Judges what was seen in a phase. In the failed-over one zone-aware routing may be off, if that is predicted.
    pub fn new(phase: PhaseName, result: Verification) -> Self {
        let (errors, requests) = (result.errors, result.requests);
        let holds = match phase {
            PhaseName::Before | PhaseName::Restored => result.verdict.passed(),
            PhaseName::During if result.exact => errors == 0,
            PhaseName::During => errors * FAILS_FROM_ONE_IN < requests.max(1),
            PhaseName::FailedOver => result.holds_whatever_the_design(),
        };
        let expected_state = match phase {
            PhaseName::Before | PhaseName::Restored => Some(OnOrOff::On),
            PhaseName::During => None,
            PhaseName::FailedOver if result.zone_aware_routing.required_same_zone_share.is_some() => Some(OnOrOff::On),
            PhaseName::FailedOver => Some(OnOrOff::Off),
        };
        Self { phase, expected_state, holds, result: Verification { verdict: Verdict::of(holds), ..result } }
    }

    pub fn holds(&self) -> bool {
        self.holds
    }

    /// What speaks against it, if it does not hold.
    fn reasons(&self) -> String {
        match self.phase {
            // The prediction is for the placement at its end.
            PhaseName::During => format!("{} of {}", errors(&self.result), count(self.result.requests, "request")),
            _ => self.result.reasons.join("; "),
        }
    }

    /// A line, and what there is to see where requests crossed zones or more is wanted than usual.
    fn text(&self, page: &Page) -> String {
        let result = &self.result;
        let name = strong(format!("{:<11}", self.phase.to_string()));
        if self.phase == PhaseName::During {
            // The placement changes meanwhile, so there is no one matrix to predict.
            let requests = count(result.requests, "request");
            return page.wrap(&format!("{name}  {requests} while tasks stopped, {}", errors(result)), 13);
        }
        let state = result.zone_aware_routing.state;
        let [observed, predicted] = [result.same_zone_share, result.expected.same_zone_share].map(percent);
        let judged = match self.holds() {
            true if observed == predicted => good("as predicted"),
            true => format!("{} ({predicted})", good("as predicted")),
            false if state == RoutingState::Off || self.phase != PhaseName::FailedOver && state != RoutingState::On => {
                bad("expected zone-aware routing, found it off")
            }
            false => format!("{} ({predicted})", bad("not as predicted")),
        };
        let mut line = format!("{name}  {observed} same-zone, {judged}");
        if self.holds() {
            line.push_str(&format!("; zone-aware routing {}", on_or_off(state)));
        }
        let mut lines = vec![page.wrap(&line, 13)];
        if page.verbose || !self.holds() || state != RoutingState::On {
            lines.extend(result.reasons.iter().map(|reason| page.wrap(&format!("  {}", page.name_zones(reason)), 4)));
            lines.push(matrix::of_verification(result, page));
            lines.push(page.wrap(&performance(result), 2));
            lines.extend(statements(result).map(|statement| page.wrap(&page.name_zones(&statement), 2)));
        }
        lines.join("\n")
    }
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Failover {
    /// How the backends are taken away.
    pub mode: Mode,
    /// The number of backends before.
    pub from: u32,
    /// The number of backends while failed over.
    pub to: u32,
    /// The phases in their order.
    pub phases: Vec<Phase>,
    /// The failed requests of all phases.
    pub errors: u64,
    /// Whether the backends have been restored.
    pub restored: bool,
    /// Whether every phase was as it should be.
    pub verdict: Verdict,
    /// Why not, if not.
    pub reasons: Vec<String>,
}

impl Failover {
    fn of(options: Options, from: u32, phases: Vec<Phase>, restored: bool) -> Self {
        let failed = phases.iter().filter(|phase| !phase.holds());
        let reasons: Vec<String> = failed.map(|phase| format!("{}: {}", phase.phase, phase.reasons())).collect();
        Self {
            mode: options.mode,
            from,
            to: options.to,
            errors: phases.iter().map(|phase| phase.result.errors).sum(),
            verdict: Verdict::of(reasons.is_empty()),
            phases,
            restored,
            reasons,
        }
    }

    /// Whether backends were taken away: not if the phase before was not as it should be.
    fn was_scaled(&self) -> bool {
        self.phases.len() > 1
    }

    /// How many requests of all phases failed.
    fn failed(&self) -> String {
        let requests = self.phases.iter().map(|phase| phase.result.requests).sum();
        format!("{} of {} failed", grouped(self.errors), count(requests, "request"))
    }
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

    let before = phase(ctx, PhaseName::Before, verify::run(ctx, options.verify).await?);
    // A drill would show nothing then, and in the end give back what does not do.
    if !before.holds() {
        return Ok(Failover::of(options, from, vec![before], false));
    }
    if options.restore && from != ctx.settings.task_count.get() {
        ctx.events.note(format!(
            "{service} has {from} tasks and will be restored to that, though the settings say {}",
            ctx.settings.task_count.get()
        ));
    }
    let mut phases = vec![before];
    let drilled = drill(ctx, &url, options, &mut phases).await;
    let restored = if options.restore { restore(ctx, service, from).await } else { Ok(false) };
    drilled?;
    let restored = restored?;
    if restored {
        phases.push(phase(ctx, PhaseName::Restored, verify::run(ctx, options.verify).await?));
    }
    Ok(Failover::of(options, from, phases, restored))
}

async fn drill(ctx: &Context, url: &str, options: Options, phases: &mut Vec<Phase>) -> Result<(), Error> {
    let scaled = CancellationToken::new();
    let load = Load {
        url: url.to_owned(),
        concurrency: options.verify.traffic.concurrency,
        per_second: Some(DURING_PER_SECOND),
        ..Load::default()
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
    let counted = Err("tasks came and went meanwhile".to_owned());
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
    let phase = Phase::new(name, result);
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
        let head = match (self.was_scaled(), self.restored) {
            (false, _) => "nothing was scaled: a drill begins with zone-aware routing as predicted".to_owned(),
            (true, true) => format!("backends {} → {} → {0}, {}", self.from, self.to, self.failed()),
            (true, false) => {
                format!(
                    "backends {} → {}, {}; not restored: `zonewalk up` does that",
                    self.from,
                    self.to,
                    self.failed()
                )
            }
        };
        let reasons = self.reasons.iter().map(String::as_str);
        let mut lines = vec![verdict(self.verdict, [head.as_str()].into_iter().chain(reasons), page), String::new()];
        lines.extend(self.phases.iter().map(|phase| phase.text(page)));
        lines.join("\n")
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }

    fn next(&self) -> Option<String> {
        match (self.holds(), self.was_scaled() && !self.restored) {
            (_, true) => Some("`zonewalk up` restores the backends".to_owned()),
            (true, false) => Some("`zonewalk stats`".to_owned()),
            (false, false) => Some(FIX.to_owned()),
        }
    }
}
