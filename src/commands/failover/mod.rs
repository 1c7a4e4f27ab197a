//! `failover`: takes backends or a zone away under traffic, shows what that does to the requests, and always gives them back.

mod change;
mod phase;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::change::Change;
use super::Error;
use super::verify::{self, Options as VerifyOptions, expectation};
use crate::aws::AzId;
use crate::events::{Event, PhaseName};
use crate::settings::Settings;
use crate::stages::{Context, Error as StageError, inventory};
use crate::traffic::{self, Load, Point, RunningTasks, Timeline, Verdict, Verification};

pub use phase::{OnOrOff, Phase};

#[derive(Clone, Debug)]
pub struct Options {
    pub drill: Drill,
    pub restore: bool,
    /// The share of failed requests, in percent, from which on a phase fails in which tasks come and go.
    pub max_errors: f64,
    pub verify: VerifyOptions,
}

/// What is taken away. A zone is given by its ID or its name; without one, the first is taken.
#[derive(Clone, Debug)]
pub enum Drill {
    /// Backends, until so many are left.
    Scale {
        to: u32,
    },
    Spillover {
        zone: Option<String>,
    },
    ZoneLoss {
        zone: Option<String>,
    },
}

/// Which drill it is: what the command line takes, its help included, and what the outcome says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DrillName {
    /// The article's: fewer backends, below Envoy's threshold
    Scale,
    /// One zone without backends, as many as before in the others
    Spillover,
    /// One zone without anything, as in an outage
    ZoneLoss,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Failover {
    /// Which drill it was.
    pub drill: DrillName,
    /// The zone that was taken away, by its ID. Null: none as such.
    pub zone: Option<String>,
    /// The number of backends before.
    pub from: u32,
    /// The number of backends while failed over.
    pub to: u32,
    /// The phases in their order.
    pub phases: Vec<Phase>,
    /// The failed requests of all phases.
    pub errors: u64,
    /// The seconds from the beginning of the change to the last request that failed. Null: none failed from then on.
    pub recovered_after_s: Option<f64>,
    /// Where the requests went, zone by zone. Empty: nothing was changed.
    pub load: Vec<ZoneLoad>,
    /// What happened when: a point for each second from the first request on.
    pub timeline: Vec<Point>,
    /// Whether everything has been restored.
    pub restored: bool,
    /// Whether every phase was as it should be.
    pub verdict: Verdict,
    /// Why not, if not.
    pub reasons: Vec<String>,
}

/// What a zone had of all answered requests, before and while failed over. Null: none were answered.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct ZoneLoad {
    /// The zone, by its ID.
    pub zone: String,
    /// The share that its frontends answered before.
    pub frontend_share_before: Option<f64>,
    /// The share that its frontends answered while failed over.
    pub frontend_share_failed_over: Option<f64>,
    /// The share that its backends answered before.
    pub backend_share_before: Option<f64>,
    /// The share that its backends answered while failed over.
    pub backend_share_failed_over: Option<f64>,
}

impl ZoneLoad {
    /// For every zone of the matrices.
    fn of(before: &Verification, failed_over: &Verification) -> Vec<Self> {
        let cells = before.matrix.iter().chain(&failed_over.matrix);
        let zones: BTreeSet<&str> = cells.flat_map(|cell| [cell.frontend.as_str(), cell.backend.as_str()]).collect();
        let share = |of: &Verification, frontend: Option<&str>, backend: Option<&str>| {
            let is_wanted = |cell: &&traffic::Cell<u64>| {
                frontend.is_none_or(|zone| cell.frontend == zone) && backend.is_none_or(|zone| cell.backend == zone)
            };
            let answered: u64 = of.matrix.iter().map(|cell| cell.requests).sum();
            let wanted: u64 = of.matrix.iter().filter(is_wanted).map(|cell| cell.requests).sum();
            (answered > 0).then(|| wanted as f64 / answered as f64)
        };
        let load = |zone: &str| Self {
            zone: zone.to_owned(),
            frontend_share_before: share(before, Some(zone), None),
            frontend_share_failed_over: share(failed_over, Some(zone), None),
            backend_share_before: share(before, None, Some(zone)),
            backend_share_failed_over: share(failed_over, None, Some(zone)),
        };
        zones.into_iter().map(load).collect()
    }
}

/// The default of [`Options::max_errors`]. On AWS a few requests may fail while tasks stop. Service Connect takes two more tries for
/// each, and a task that stops is listed for a while (aws/containers-roadmap#1963); the agent means to have its proxy drained before,
/// and sends GET for what the proxy takes as POST (aws/amazon-ecs-agent `appnet/client_linux.go`,
/// aws/amazon-ecs-service-connect-agent `listener_draining.go`). So all are counted and told.
pub const MAX_ERRORS: f64 = 1.0;

/// The rate of the traffic while tasks come and go: steady and light, so that minutes of it cost next to nothing on AWS.
const PER_SECOND: u32 = 100;

/// The pause between two looks for the timeline at where tasks run, on AWS and elsewhere.
const BETWEEN_LOOKS_ON_AWS: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What cannot be drilled on a walkthrough with these settings: told before it is made.
pub fn check(options: &Options, settings: &Settings) -> Result<(), Error> {
    match options.drill {
        Drill::Scale { to } if to >= settings.task_count.get() => Err(Error::Usage(format!(
            "--to {to} takes nothing away where a service has {} tasks: ask for more with --task-count, or leave fewer with --to",
            settings.task_count.get()
        ))),
        _ => Ok(()),
    }
}

pub async fn run(ctx: &Context, options: Options) -> Result<Failover, Error> {
    let url = verify::load_balancer_url(ctx).await?;
    let change = Box::pin(Change::of(ctx, &options.drill)).await?;
    let timeline = Arc::new(Timeline::default());
    let to = match options.drill {
        Drill::Scale { to } => to,
        _ => change.backends,
    };
    let mut run = Run { ctx, url, options, change, to, timeline: Arc::clone(&timeline), phases: vec![], began: None };
    let drill = async {
        tokio::select! {
            restored = Box::pin(run.drill()) => restored,
            never = Box::pin(watch_tasks(ctx, &timeline)) => match never {},
        }
    };
    let restored = timeline.during(drill).await?;
    Ok(run.outcome(restored))
}

struct Run<'c> {
    ctx: &'c Context,
    url: String,
    options: Options,
    change: Change,
    to: u32,
    timeline: Arc<Timeline>,
    phases: Vec<Phase>,
    /// When the change was begun.
    began: Option<Instant>,
}

impl Run<'_> {
    /// Goes through the phases, and gives whether everything has been restored.
    async fn drill(&mut self) -> Result<bool, Error> {
        // A drill would show nothing if that did not hold, and in the end give back what does not do.
        if !self.steady_phase(PhaseName::Before).await? {
            return Ok(false);
        }
        let (wanted, from) = (self.ctx.settings.task_count.get(), self.change.backends);
        if self.options.restore && from != wanted {
            self.ctx.events.note(format!(
                "{} has {from} tasks and will be restored to that, though the settings say {wanted}",
                self.ctx.names.backend.service
            ));
        }
        self.began = Some(Instant::now());
        let failed_over = Box::pin(self.fail_over()).await;
        if !self.options.restore {
            return failed_over.map(|()| false);
        }
        // After an interruption or an error, too: so on a context of its own, which cannot be interrupted.
        let (uninterrupted, change) = (self.ctx.with_cancel(CancellationToken::new()), self.change.clone());
        let undo = async {
            change.undo(&uninterrupted).await.inspect_err(|_| {
                self.ctx.events.note("not everything is restored: `zonewalk up` does that");
            })
        };
        match failed_over {
            Ok(()) => Box::pin(self.changing_phase(PhaseName::Restoring, Box::pin(undo))).await?,
            Err(error) => {
                undo.await?;
                return Err(error);
            }
        }
        self.steady_phase(PhaseName::Restored).await?;
        Ok(true)
    }

    async fn fail_over(&mut self) -> Result<(), Error> {
        let (ctx, change) = (self.ctx, self.change.clone());
        self.changing_phase(PhaseName::During, Box::pin(change.make(ctx))).await?;
        if change.drill() == DrillName::ZoneLoss {
            self.to = inventory::tasks_by_zone(ctx, &ctx.names.backend.service).await?.values().sum();
        }
        self.steady_phase(PhaseName::FailedOver).await.map(drop)
    }

    /// A phase in which nothing changes: whether it is as it should be.
    async fn steady_phase(&mut self, name: PhaseName) -> Result<bool, Error> {
        self.timeline.set_phase(name);
        let result = Box::pin(verify::run(self.ctx, self.options.verify)).await?;
        Ok(self.end_phase(name, result))
    }

    /// A phase in which tasks come and go under traffic.
    async fn changing_phase(
        &mut self,
        name: PhaseName,
        work: impl Future<Output = Result<(), StageError>>,
    ) -> Result<(), Error> {
        self.timeline.set_phase(name);
        let done = CancellationToken::new();
        let load = Load {
            url: self.url.clone(),
            concurrency: self.options.verify.traffic.concurrency,
            per_second: Some(PER_SECOND),
            ..Load::default()
        };
        let work = async {
            let result = work.await;
            done.cancel();
            result
        };
        let (observed, result) = tokio::join!(verify::drive(self.ctx, &load, &done), work);
        result?;
        let expectation = expectation(self.ctx).await?;
        let counted = Err("tasks came and went meanwhile".to_owned());
        let demands = self.options.verify.demands(self.ctx);
        self.end_phase(name, traffic::verify(&observed?, &expectation, counted, demands));
        Ok(())
    }

    fn end_phase(&mut self, name: PhaseName, result: Verification) -> bool {
        let phase = Phase::new(name, result, self.options.max_errors);
        let Verification { same_zone_share, errors, ref expected, .. } = phase.result;
        // The placement changes during some of them, so that nothing can be predicted of them.
        let predicted = expected.same_zone_share.filter(|_| !name.is_change());
        let holds = phase.holds();
        self.ctx.events.send(Event::Phase { phase: name, holds, same_zone_share, predicted, errors });
        self.phases.push(phase);
        holds
    }

    fn outcome(self, restored: bool) -> Failover {
        let failed = self.phases.iter().filter(|phase| !phase.holds());
        let reasons: Vec<String> = failed.map(|phase| format!("{}: {}", phase.phase, phase.reasons())).collect();
        let result = |name: PhaseName| self.phases.iter().find(|phase| phase.phase == name).map(|phase| &phase.result);
        let load = result(PhaseName::Before).zip(result(PhaseName::FailedOver));
        let recovered_after = self.began.and_then(|began| self.timeline.last_failure_since(began));
        Failover {
            drill: self.change.drill(),
            zone: self.change.zone().map(ToString::to_string),
            from: self.change.backends,
            to: self.to,
            errors: self.phases.iter().map(|phase| phase.result.errors).sum(),
            recovered_after_s: recovered_after.map(|time| time.as_secs_f64()),
            load: load.map(|(before, failed_over)| ZoneLoad::of(before, failed_over)).unwrap_or_default(),
            timeline: self.timeline.points(),
            verdict: Verdict::of(reasons.is_empty()),
            phases: self.phases,
            restored,
            reasons,
        }
    }
}

/// Notes again and again in which zones tasks run, also while everything is restored after an interruption.
async fn watch_tasks(ctx: &Context, timeline: &Timeline) -> Infallible {
    let ctx = ctx.with_cancel(CancellationToken::new());
    let pause = if ctx.clients.is_aws() { BETWEEN_LOOKS_ON_AWS } else { BETWEEN_LOOKS };
    let (mut is_told, mut counts) = (false, TaskCounts::new());
    loop {
        match count_tasks(&ctx, &mut counts).await {
            Ok(()) => {
                let running = |((service, zone), running): (&(String, AzId), &u32)| RunningTasks {
                    service: service.clone(),
                    zone: zone.to_string(),
                    running: *running,
                };
                timeline.set_tasks(counts.iter().map(running).collect());
            }
            Err(error) if !is_told => {
                ctx.events.note(format!("the timeline lacks where tasks run: {error}"));
                is_told = true;
            }
            Err(error) => tracing::debug!(%error, "where tasks run is not known"),
        }
        tokio::time::sleep(pause).await;
    }
}

/// How many tasks run, by service and zone.
type TaskCounts = BTreeMap<(String, AzId), u32>;

/// Counts the tasks anew. A zone that has lost its tasks has none; it does not vanish.
async fn count_tasks(ctx: &Context, counts: &mut TaskCounts) -> Result<(), StageError> {
    for service in [&ctx.names.frontend.service, &ctx.names.backend.service] {
        let by_zone = inventory::tasks_by_zone(ctx, service).await?;
        counts.iter_mut().filter(|((of, _), _)| of == service).for_each(|(_, running)| *running = 0);
        counts.extend(by_zone.into_iter().map(|(zone, running)| ((service.clone(), zone), running)));
    }
    Ok(())
}
