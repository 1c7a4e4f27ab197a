//! `verify`: sends traffic and judges the zones of the answers: by what AWS promises and the proxies count, and by what the
//! tasks' placement predicts.

use std::time::Duration;

use clap::Args;
use clap::builder::ArgPredicate;
use tokio_util::sync::CancellationToken;

use super::application::Application;
use super::forecast::by_zone;
use super::limits::{wait, within};
use super::outcome::Outcome;
use super::text::{across_zones, logged, performance, proxy_times, shares, statements, verdict, zones};
use super::{Error, access_log, counters, matrix, settling};
use crate::envoy::times;
use crate::events::Event;
use crate::plan::Action;
use crate::processes::local_cloud;
use crate::report::numbers::milliseconds;
use crate::report::page::Page;
use crate::report::style::attention;
use crate::routing::{PredictedState, Runtime};
use crate::stages::log_query::Span;
use crate::stages::{Context, Error as StageError, inventory};
use crate::traffic::{self, Demands, Expectation, Load, Observation, RoutingState, Verification, Volume};
use crate::walkthrough;

/// The requests a second that are watched where no rate is asked for: enough for curves, and next to nothing on AWS.
const WATCHED_PER_SECOND: &str = "50";

/// How many requests are sent: what the command line takes, its help included.
#[derive(Clone, Copy, Debug, Args)]
pub struct Traffic {
    /// Requests to send; with --duration, the most
    #[arg(long, value_name = "COUNT", default_value = "200", default_value_ifs([("duration", ArgPredicate::IsPresent, None), ("watch", "true".into(), None::<&str>)]), value_parser = within::<u64>(1..=1_000_000))]
    pub requests: Option<u64>,
    /// Time for which requests are started, such as 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    pub duration: Option<Duration>,
    /// Requests under way at once; with --rate, more if the answers take too long for it
    #[arg(long, value_name = "COUNT", default_value_t = Traffic::default().concurrency, value_parser = within::<u32>(1..=256))]
    pub concurrency: u32,
    /// Requests a second, each started at its time, however long the others take
    #[arg(long, value_name = "PER_SECOND", default_value_if("watch", "true", WATCHED_PER_SECOND), value_parser = within::<u32>(1..=20_000))]
    pub rate: Option<u32>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self::of(200, 8)
    }
}

impl Traffic {
    /// So many requests, with so many under way at once.
    pub const fn of(requests: u64, concurrency: u32) -> Self {
        Self { requests: Some(requests), duration: None, concurrency, rate: None }
    }

    /// The load that this is on a URL.
    pub(super) fn load(self, url: &str) -> Load {
        Load {
            url: url.to_owned(),
            requests: self.requests,
            lasting: self.duration,
            concurrency: self.concurrency,
            per_second: self.rate,
            ..Load::default()
        }
    }
}

/// The traffic, and what is asked of it: what the command line takes, its help included.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    pub traffic: Traffic,
    /// Least share of the requests to stay in their zone, of those that could; AWS promises more than 80
    #[arg(long, value_name = "PERCENT", default_value_t = Options::default().min_same_zone, value_parser = within::<u32>(1..=100))]
    pub min_same_zone: u32,
    /// On AWS, too, fail if the traffic is not exactly what Envoy's algorithm would do
    #[arg(long)]
    pub strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { traffic: Traffic::default(), min_same_zone: 80, strict: false }
    }
}

impl Options {
    /// What is asked of the traffic. What is no AWS has our own proxies, or Envoys that we configure: there the algorithm's
    /// settings are known.
    pub(super) fn demands(&self, ctx: &Context) -> Demands {
        Demands { min_same_zone: f64::from(self.min_same_zone) / 100.0, exact: self.strict || !ctx.clients.is_aws() }
    }
}

/// How long the hosts' agents may take before the counters are done without: `verify` also judges by the answers alone.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What `verify` takes on the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct Asked {
    #[command(flatten)]
    pub options: Options,
    /// Traffic between the services in a month, such as 500GB/month: also tell what it costs across zones
    #[arg(long = "traffic", value_name = "AMOUNT")]
    pub volume: Option<Volume>,
    /// Show the traffic on the whole terminal while it goes: until q or Ctrl-C, or as --duration or --requests say; 50 requests a
    /// second unless --rate says otherwise
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub application: Application,
}

impl From<Options> for Asked {
    fn from(options: Options) -> Self {
        Self { options, ..Self::default() }
    }
}

/// Waits until traffic has settled, and measures it between two readings of the proxies' counters.
pub async fn run(ctx: &Context, options: Options) -> Result<Verification, Error> {
    whole(run_until_interrupted(ctx, options).await?)
}

/// The same. If the user interrupts the traffic, it is judged by the answers that came before.
pub async fn run_until_interrupted(ctx: &Context, asked: impl Into<Asked>) -> Result<Verification, Error> {
    let Asked { options, volume, watch: _, application } = &asked.into();
    let demands = options.demands(ctx);
    let (url, placed) = target(ctx, application).await?;
    let load = application.ask(options.traffic.load(&url));
    let verification = match placed {
        Some(placed) => judged(&placed, load, demands).await?,
        None => measure(ctx, &load, demands, &Expectation::unknown(), Some(Err(NO_SERVICES.to_owned()))).await?,
    };
    let verification = Verification { url: application.url.clone(), ..verification };
    Ok(match volume {
        Some(volume) => verification.in_a_month(*volume),
        None => verification,
    })
}

/// Why there are no counters of an application whose services were not named.
pub(super) const NO_SERVICES: &str = "the services are not known: name them with --services";

/// The URL that is asked, and the context in which its services are looked up. None: they are not known.
pub(super) async fn target(ctx: &Context, application: &Application) -> Result<(String, Option<Context>), Error> {
    Ok(match &application.url {
        None => (load_balancer_url(ctx).await?, Some(ctx.clone())),
        Some(url) => (url.clone(), application.context(ctx)),
    })
}

async fn judged(ctx: &Context, load: Load, demands: Demands) -> Result<Verification, Error> {
    // What is sent to see whether traffic has settled is not for the measure, so neither is its pace.
    let few = async |requests| {
        let load = Load { requests: Some(requests), lasting: None, per_second: None, ..load.clone() };
        whole(measure(ctx, &load, demands, &expectation(ctx).await?, None).await?)
    };
    settling::settle(ctx, few).await?;
    let before = counters::or_reason(counters::read(ctx, PATIENCE).await)?;
    let span = Span::last(ctx, Duration::ZERO);
    let mut verification = measure(ctx, &load, demands, &expectation(ctx).await?, Some(before)).await?;
    if !verification.interrupted {
        verification = with_logs(ctx, verification, span).await?;
    }
    if verification.errors > 0 && !verification.interrupted && !load.is_own {
        verification.reasons.extend(closed_ways(ctx).await?);
    }
    Ok(verification)
}

/// The same, held against the access logs, if there are any, from the begin of the span on.
async fn with_logs(ctx: &Context, verification: Verification, span: Span) -> Result<Verification, Error> {
    let span = Span { to: Span::last(ctx, Duration::ZERO).to, ..span };
    match access_log::read(ctx, span, verification.requests - verification.errors).await {
        Ok(Some(logged)) => Ok(verification.against_logs(&logged)),
        Ok(None) => Ok(verification),
        // The answers have all come: they are told without the logs.
        Err(Error::Stage(StageError::Interrupted)) => Ok(Verification { interrupted: true, ..verification }),
        Err(Error::Stage(error)) => {
            ctx.events.note(format!("the access logs were not read: {error}"));
            Ok(verification)
        }
        Err(error) => Err(error),
    }
}

/// The drift that is in a request's way.
pub(super) async fn closed_ways(ctx: &Context) -> Result<Vec<String>, Error> {
    let plans = match walkthrough::examine(ctx).await {
        Ok(examination) => examination.plans,
        Err(StageError::Interrupted) => return Err(StageError::Interrupted.into()),
        // The verdict stands without it.
        Err(error) => return Ok(vec![format!("whether there is drift is not known: {error}")]),
    };
    let closed = plans.into_iter().filter_map(|plan| {
        let differences = plan.differences.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let state = if plan.action == Action::Created { "is missing" } else { &differences };
        plan.effect.map(|effect| format!("{} {} {state}: {effect}", plan.kind, plan.name))
    });
    Ok(closed.collect())
}

/// The verification, if it was not interrupted.
pub(super) fn whole(verification: Verification) -> Result<Verification, Error> {
    if verification.interrupted { Err(StageError::Interrupted.into()) } else { Ok(verification) }
}

/// Sends traffic and judges it; also by the growth of the counters, if they have been read before it.
pub(super) async fn measure(
    ctx: &Context,
    load: &Load,
    demands: Demands,
    expectation: &Expectation,
    before: Option<Result<Vec<counters::Proxy>, String>>,
) -> Result<Verification, Error> {
    let observed = drive(ctx, load, &ctx.cancel).await?;
    judge(ctx, &observed, demands, expectation, before).await
}

/// Judges traffic that has ended; also by the growth of the counters, if they were read before it.
pub(super) async fn judge(
    ctx: &Context,
    observed: &Observation,
    demands: Demands,
    expectation: &Expectation,
    before: Option<Result<Vec<counters::Proxy>, String>>,
) -> Result<Verification, Error> {
    let interrupted = ctx.cancel.is_cancelled();
    if interrupted && observed.answered() == 0 {
        return Err(StageError::Interrupted.into());
    }
    let readings = match before {
        _ if interrupted => Err("interrupted".to_owned()),
        Some(Ok(before)) => {
            let after = counters::or_reason(counters::read(ctx, PATIENCE).await)?;
            after.map(|after| (before, after))
        }
        Some(Err(reason)) => Err(reason),
        None => Err("they were not asked for".to_owned()),
    };
    let counted = readings.as_ref().map_err(Clone::clone);
    let counted = counted.map(|(before, after)| counters::counted(&counters::growth(before, after)));
    let mut verification = traffic::verify(observed, expectation, counted, demands);
    if let Ok((before, after)) = readings {
        let times = times::by_zone(&counters::times_growth(&before, &after));
        verification.proxy_times = (!times.is_empty()).then_some(times);
        if counters::are_of_the_same_proxies(&before, &after) {
            verification = verification.against(&counters::zone_growth(&before, &after));
        }
    }
    let tasks = expectation.tasks(&ctx.names.frontend.service, &ctx.names.backend.service);
    Ok(Verification { interrupted, proxies: ctx.proxies.clone(), tasks, ..verification })
}

/// The zones of the answers that the placement of the running tasks predicts.
pub(super) async fn expectation(ctx: &Context) -> Result<Expectation, Error> {
    expectation_under(ctx, runtime(ctx).await?).await
}

/// The proxies' runtime keys that are known: those of a local cloud, where they can be changed.
pub(super) async fn runtime(ctx: &Context) -> Result<Runtime, Error> {
    match ctx.clients.endpoint_url.as_deref().filter(|_| ctx.has_local_proxies()) {
        Some(endpoint_url) => Ok(local_cloud::conditions(endpoint_url).await?.runtime),
        None => Ok(Runtime::NONE),
    }
}

/// The same, if the proxies have these runtime keys.
pub(super) async fn expectation_under(ctx: &Context, runtime: Runtime) -> Result<Expectation, Error> {
    let (frontends, backends) = tokio::try_join!(
        inventory::tasks_by_zone(ctx, &ctx.names.frontend.service),
        inventory::tasks_by_zone(ctx, &ctx.names.backend.service),
    )?;
    if frontends.is_empty() {
        return Err(nothing_answers(ctx));
    }
    Ok(Expectation::under(runtime, &by_zone(&frontends), &by_zone(&backends)))
}

pub(super) fn nothing_answers(ctx: &Context) -> Error {
    let names = &ctx.names;
    let what =
        format!("no task of {} runs in cluster {}, so nothing would answer", names.frontend.service, names.cluster);
    let is_ours = names.frontend.service == ctx.settings.name.resources().frontend.service;
    Error::Missing(if is_ours { format!("{what}: run `zonewalk up`") } else { what })
}

pub(super) async fn load_balancer_url(ctx: &Context) -> Result<String, Error> {
    let url = inventory::find_load_balancer_url(ctx).await?.ok_or_else(|| {
        Error::Missing(format!("there is no load balancer {}: run `zonewalk up` first", ctx.names.load_balancer))
    })?;
    Ok(ctx.events.patiently("the hosts to be ready", ctx.data_plane.ingress(url)).await?)
}

/// Sends requests until all are answered or the user interrupts.
pub(super) async fn send(ctx: &Context, url: &str, traffic: Traffic) -> Result<Observation, Error> {
    drive(ctx, &traffic.load(url), &ctx.cancel).await
}

/// Sends traffic, and tells how far it is.
pub(super) async fn drive(ctx: &Context, load: &Load, stop: &CancellationToken) -> Result<Observation, Error> {
    let events = ctx.events.clone();
    let observed = traffic::drive(load, stop, move |traffic| events.send(Event::Traffic(traffic))).await;
    ctx.events.send(Event::TrafficEnded);
    Ok(observed?)
}

impl Outcome for Verification {
    fn title(&self) -> &'static str {
        "verify"
    }

    fn text(&self, page: &Page) -> String {
        let head = if self.interrupted {
            let line = format!("{}  so far {}", attention("INTERRUPTED"), shares(self));
            page.wrap(&line, 13)
        } else if self.verdict.passed() {
            verdict(self.verdict, [shares(self)], page)
        } else {
            let shares = shares(self);
            let reasons = self.reasons.iter().map(String::as_str);
            verdict(self.verdict, reasons.clone().take(1).chain([shares.as_str()]).chain(reasons.skip(1)), page)
        };
        let mut lines = vec![head, matrix::of_verification(self, page)];
        lines.push(page.wrap(&performance(self), 2));
        if self.latency_ms.cross_zone.p50.is_some() && self.latency_ms.same_zone.p50.is_some() {
            let [same, cross] = [self.latency_ms.same_zone.p50, self.latency_ms.cross_zone.p50].map(milliseconds);
            lines.push(format!("p50 same-zone {same}, cross-zone {cross}"));
        }
        lines.extend(proxy_times(self).map(|line| page.wrap(&line, 2)));
        lines.extend(zones(self).into_iter().map(|zone| page.wrap(&page.name_zones(&zone), 2)));
        lines.extend(statements(self).map(|statement| page.wrap(&page.name_zones(&statement), 2)));
        lines.extend(logged(self).map(|line| page.wrap(&line, 2)));
        lines.extend(across_zones(self).map(|line| page.wrap(&line, 2)));
        lines.extend(self.url.iter().map(|url| page.wrap(&format!("application: {url}"), 2)));
        lines.extend(self.proxies.iter().map(|proxies| format!("proxies: {proxies}")));
        // Where all stay in their zone as predicted, the reasons say nothing that the matrix does not.
        let is_plain = self.as_predicted && self.expected.state == Some(PredictedState::LocalityDirect);
        if self.verdict.passed() && (page.verbose || !is_plain) {
            lines.extend(self.reasons.iter().map(|reason| page.wrap(&format!("  {}", page.name_zones(reason)), 4)));
        }
        lines.join("\n")
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    fn next(&self) -> Option<String> {
        match (self.verdict.passed(), self.zone_aware_routing.state) {
            _ if self.interrupted => None,
            // What is the user's own is not ours to drill or to fix.
            _ if self.url.is_some() => None,
            (true, _) => Some("`zonewalk failover`".to_owned()),
            (false, RoutingState::Off) => Some(format!(
                "{FIX}; if there is none, `zonewalk redeploy`: services that are older than zone-aware routing need that"
            )),
            (false, _) => Some(FIX.to_owned()),
        }
    }
}

/// What to type where the traffic is not as it should be.
pub(super) const FIX: &str = "`zonewalk status` shows the drift, `zonewalk up` fixes it";
