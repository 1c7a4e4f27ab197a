//! `verify --watch`: shows traffic while it goes, with the tasks that ECS tells of, and judges it when it has ended.
//!
//! Tasks may come and go meanwhile, since that is worth watching. What is judged is the traffic since they last did, and from when
//! on it goes where it is predicted to, for which it has the time that `verify` waits for. A request that failed at any time
//! fails the run, as with `verify`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::forecast::by_zone;
use super::verify::{self, Asked, PATIENCE};
use super::{Error, counters, settling};
use crate::events::{Event, Events};
use crate::report::dashboard::{Scene, Service};
use crate::report::numbers::count;
use crate::routing::Runtime;
use crate::stages::inventory::{self, ServiceStatus};
use crate::stages::{Context, Error as StageError};
use crate::traffic::{self, Demands, Expectation, Load, Meter, Observation, TasksByZone, Verdict, Verification};

/// From one drawing to the next, and from one point of the curves to the next.
const FRAME: Duration = Duration::from_millis(250);
const SECOND: Duration = Duration::from_secs(1);

/// From one look at ECS to the next.
const BETWEEN_LOOKS_ON_AWS: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// How the user ends it: first the traffic, then what is still waited for.
#[derive(Clone, Debug)]
pub struct Stops {
    pub traffic: CancellationToken,
    pub counters: CancellationToken,
}

impl Stops {
    /// What interrupts the command ends all of it.
    pub fn of(ctx: &Context) -> Self {
        Self { traffic: ctx.cancel.child_token(), counters: ctx.cancel.child_token() }
    }

    /// Ends the traffic, or what comes after it if that has ended already.
    pub fn next(&self) {
        if self.traffic.is_cancelled() {
            self.counters.cancel();
        }
        self.traffic.cancel();
    }
}

/// Sends traffic until it is done or ended. `show` is given the scene some times a second.
pub async fn run(ctx: &Context, asked: &Asked, stops: &Stops, show: impl Fn(&Scene)) -> Result<Verification, Error> {
    let title = format!("{} · {} · verify", ctx.settings.name, ctx.clients.region);
    let scene = Arc::new(Mutex::new(Scene::new(title)));
    let told = Arc::clone(&scene);
    let events = Events::new(move |event| match event {
        Event::Note { message } => told.lock().tell(message),
        Event::Waiting { what, state, .. } if state.is_empty() => told.lock().tell(format!("waiting for {what}")),
        Event::Waiting { what, state, .. } => told.lock().tell(format!("{what}: {state}")),
        _ => {}
    });
    let ctx = &ctx.with_events(events);
    let show = async {
        loop {
            show(&scene.lock());
            tokio::time::sleep(FRAME).await;
        }
    };
    tokio::select! {
        verification = Box::pin(watch(ctx, asked, stops, &scene)) => verification,
        never = show => never,
    }
}

async fn watch(ctx: &Context, asked: &Asked, stops: &Stops, scene: &Mutex<Scene>) -> Result<Verification, Error> {
    let demands = asked.options.demands(ctx);
    let (url, placed) = verify::target(ctx, &asked.application).await?;
    let watch = Watch { scene, demands, limit: settling::limit(ctx), judged: Mutex::new(Judged::default()) };
    let begin = async {
        let Some(placed) = &placed else { return Ok(Err(verify::NO_SERVICES.to_owned())) };
        watch.look(placed).await?;
        if watch.judged.lock().frontends.is_empty() {
            return Err(verify::nothing_answers(placed));
        }
        scene.lock().tell("the proxies' counters are read".to_owned());
        counters::or_reason(counters::read(placed, PATIENCE).await)
    };
    let before = match stops.traffic.run_until_cancelled(begin).await {
        Some(before) => before?,
        None => return Err(StageError::Interrupted.into()),
    };
    let meter = Meter::default();
    let load = asked.application.ask(asked.options.traffic.load(&url));
    let load = Load { meter: Some(meter.clone()), ..load };
    let sent = tokio::select! {
        sent = traffic::drive(&load, &stops.traffic, |_| ()) => sent?,
        never = watch.note_traffic(&meter) => match never {},
        never = watch.look_again(placed.as_ref()) => match never {},
    };
    stops.traffic.cancel();
    watch.note(meter.take());
    let is_ours = asked.application.url.is_none();
    watch.end(ctx, stops, placed.as_ref(), before, sent.failed(), is_ours).await.map(|verification| Verification {
        url: asked.application.url.clone(),
        ..match asked.volume {
            Some(volume) => verification.in_a_month(volume),
            None => verification,
        }
    })
}

struct Watch<'s> {
    scene: &'s Mutex<Scene>,
    demands: Demands,
    /// How long it may take until traffic goes where it is predicted to.
    limit: Duration,
    judged: Mutex<Judged>,
}

/// The traffic that is judged, and what it is held against.
struct Judged {
    expectation: Expectation,
    frontends: TasksByZone,
    backends: TasksByZone,
    runtime: Runtime,
    observed: Observation,
    is_settled: bool,
    since: Instant,
    /// Whether tasks have come or gone since the beginning.
    has_changed: bool,
}

impl Default for Judged {
    fn default() -> Self {
        Self {
            expectation: Expectation::unknown(),
            frontends: TasksByZone::new(),
            backends: TasksByZone::new(),
            runtime: Runtime::NONE,
            observed: Observation::default(),
            is_settled: false,
            since: Instant::now(),
            has_changed: false,
        }
    }
}

impl Judged {
    fn is_of(&self, frontends: &TasksByZone, backends: &TasksByZone, runtime: Runtime) -> bool {
        (&self.frontends, &self.backends, self.runtime) == (frontends, backends, runtime)
    }

    fn verdict(&self, demands: Demands) -> Verification {
        let not_read = Err("the traffic goes on".to_owned());
        traffic::verify(&self.observed, &self.expectation, not_read, demands)
    }
}

impl Watch<'_> {
    /// Looks where tasks run.
    async fn look(&self, ctx: &Context) -> Result<(), Error> {
        let (found, runtime) =
            tokio::try_join!(async { Ok::<_, Error>(inventory::find_services(ctx).await?) }, verify::runtime(ctx),)?;
        let of = |name: &str, role| found.iter().find(|service| service.name == name).map(|it| service(it, role));
        let services = [(&ctx.names.frontend, "frontend"), (&ctx.names.backend, "backend")];
        let services: Vec<Service> = services.iter().filter_map(|(names, role)| of(&names.service, *role)).collect();
        let zones = |role: &str| {
            let service = services.iter().find(|service| service.role == role);
            service.map(|service| service.zones.clone()).unwrap_or_default()
        };
        let (frontends, backends) = (zones("frontend"), zones("backend"));
        let mut judged = self.judged.lock();
        if !judged.is_of(&frontends, &backends, runtime) {
            let is_first = judged.frontends.is_empty() && judged.observed.requests() == 0 && !judged.has_changed;
            let expectation = Expectation::under(runtime, &frontends, &backends);
            *judged = Judged { expectation, frontends, backends, runtime, has_changed: !is_first, ..Judged::default() };
        }
        self.scene.lock().set_tasks(services, &judged.expectation, ctx.zones());
        Ok(())
    }

    async fn look_again(&self, ctx: Option<&Context>) -> Infallible {
        let Some(ctx) = ctx else { return std::future::pending().await };
        let pause = if ctx.clients.is_aws() { BETWEEN_LOOKS_ON_AWS } else { BETWEEN_LOOKS };
        loop {
            tokio::time::sleep(pause).await;
            if let Err(error) = self.look(ctx).await {
                self.scene.lock().tell(format!("where tasks run is not known: {error}"));
            }
        }
    }

    async fn note_traffic(&self, meter: &Meter) -> Infallible {
        loop {
            tokio::time::sleep(SECOND).await;
            self.note(meter.take());
        }
    }

    fn note(&self, observed: Observation) {
        let (mut judged, mut scene) = (self.judged.lock(), self.scene.lock());
        scene.note_traffic(&observed);
        judged.observed.add(observed);
        let so_far = judged.verdict(self.demands);
        if !judged.is_settled && judged.observed.requests() >= settling::PROBES {
            judged.is_settled = so_far.as_predicted || so_far.verdict.passed();
            if !judged.is_settled && judged.since.elapsed() >= self.limit {
                judged.is_settled = true;
                scene.tell(format!("traffic does not go where it is predicted to: {}", so_far.reasons.join("; ")));
            } else if !judged.is_settled {
                judged.observed = Observation::default();
                return;
            }
        }
        scene.set_verdict_so_far(&so_far);
    }

    /// Reads the counters again, and judges.
    async fn end(
        self,
        ctx: &Context,
        stops: &Stops,
        placed: Option<&Context>,
        before: Result<Vec<counters::Proxy>, String>,
        failed: u64,
        is_ours: bool,
    ) -> Result<Verification, Error> {
        let judged = self.judged.into_inner();
        let before = if judged.has_changed { Err("tasks came and went meanwhile".to_owned()) } else { before };
        if before.is_ok() {
            self.scene.lock().end("reading the proxies' counters");
        }
        let of = placed.unwrap_or(ctx);
        let reading = of.with_cancel(stops.counters.clone());
        let judge = verify::judge(&reading, &judged.observed, self.demands, &judged.expectation, Some(before));
        let mut verification = match judge.await {
            // Their counters are not waited for.
            Err(Error::Stage(StageError::Interrupted)) if !ctx.cancel.is_cancelled() => {
                let not_read = Err("they were not waited for".to_owned());
                verify::judge(of, &judged.observed, self.demands, &judged.expectation, Some(not_read)).await?
            }
            judged => judged?,
        };
        let earlier = failed.saturating_sub(verification.errors);
        if earlier > 0 {
            verification.verdict = Verdict::Fail;
            let what = count(earlier, "request");
            verification.reasons.insert(
                0,
                format!("{what} failed before those that are judged: tasks came and went, or traffic had not settled"),
            );
        }
        if verification.errors > 0 && !verification.interrupted && is_ours {
            verification.reasons.extend(verify::closed_ways(of).await?);
        }
        Ok(verification)
    }
}

fn service(status: &ServiceStatus, role: &'static str) -> Service {
    let unhealthy = status.tasks.iter().filter(|task| !task.healthy).count();
    Service {
        role,
        running: status.running,
        desired: status.desired,
        pending: status.pending,
        zones: by_zone(&status.tasks_by_zone),
        unhealthy: u32::try_from(unhealthy).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Mutex<Scene> {
        Mutex::new(Scene::new(String::new()))
    }

    fn watch(scene: &Mutex<Scene>) -> Watch<'_> {
        let demands = Demands { min_same_zone: 0.8, exact: true };
        let tasks: TasksByZone = ["a", "b", "c"].map(|zone| (zone.to_owned(), 2)).into();
        let expectation = Expectation::of(&tasks, &tasks);
        let judged = Judged { expectation, frontends: tasks.clone(), backends: tasks, ..Judged::default() };
        Watch { scene, demands, limit: Duration::from_secs(60), judged: Mutex::new(judged) }
    }

    /// So many answers from each zone, to its own backends or to those of the next.
    fn answers(requests: u64, own: bool) -> Observation {
        let meter = Meter::default();
        for (zone, next) in [("a", "b"), ("b", "c"), ("c", "a")] {
            for _ in 0..requests {
                let to = if own { zone } else { next };
                meter.record(Ok((zone.to_owned(), to.to_owned())), Duration::from_millis(1), 1);
            }
        }
        meter.take()
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_before_traffic_has_settled_is_not_judged() {
        let scene = scene();
        let watch = watch(&scene);
        watch.note(answers(20, false));
        assert_eq!(watch.judged.lock().observed.requests(), 0);
        watch.note(answers(20, true));
        assert!(watch.judged.lock().is_settled);
        // From then on all is.
        watch.note(answers(1, false));
        let judged = watch.judged.lock();
        assert_eq!((judged.observed.requests(), judged.verdict(watch.demands).verdict), (63, Verdict::Fail));
    }

    #[tokio::test(start_paused = true)]
    async fn traffic_that_never_settles_is_judged_all_the_same() {
        let scene = scene();
        let watch = watch(&scene);
        tokio::time::advance(Duration::from_secs(61)).await;
        watch.note(answers(20, false));
        let judged = watch.judged.lock();
        assert_eq!((judged.observed.requests(), judged.verdict(watch.demands).verdict), (60, Verdict::Fail));
    }
}
