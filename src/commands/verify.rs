//! `verify`: sends traffic and judges the zones of the answers: by what AWS promises and the proxies count, and by what the
//! tasks' placement predicts.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::outcome::Outcome;
use super::text::{latency, matrix, state_name, statements, verdict};
use super::{Error, counters, settling};
use crate::aws::AzId;
use crate::events::Event;
use crate::report::numbers::percent;
use crate::report::page::Page;
use crate::stages::{Context, inventory};
use crate::traffic::{self, Demands, Expectation, Load, Observation, TasksByZone, Verification};

/// How many requests are sent: what the command line takes, its help included.
#[derive(Clone, Copy, Debug, Args)]
pub struct Traffic {
    /// Requests to send
    #[arg(long, default_value_t = Traffic::default().requests, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub requests: u64,
    /// Requests under way at once
    #[arg(long, default_value_t = Traffic::default().concurrency, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub concurrency: u32,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { requests: 200, concurrency: 8 }
    }
}

/// The traffic, and what is asked of it: what the command line takes, its help included.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    pub traffic: Traffic,
    /// Percent of the requests that zone-aware routing is to keep in their zone at least, of those that it could: AWS promises
    /// more than 80
    #[arg(long, value_name = "PERCENT", default_value_t = Options::default().min_same_zone, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub min_same_zone: u32,
    /// Also fail if the traffic is not exactly what Envoy's algorithm would do, as is always asked of the local cloud and of
    /// emulators; on AWS that is only shown
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
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until traffic has settled, and measures it between two readings of the proxies' counters.
pub async fn run(ctx: &Context, options: Options) -> Result<Verification, Error> {
    let (url, demands) = (load_balancer_url(ctx).await?, options.demands(ctx));
    settling::settle(ctx, &url, options, demands).await?;
    let before = counters::or_reason(counters::read(ctx, PATIENCE).await)?;
    measure(ctx, &url, options.traffic, demands, Some(before)).await
}

/// Sends traffic and judges it; also by the growth of the counters, if they have been read before it.
pub(super) async fn measure(
    ctx: &Context,
    url: &str,
    traffic: Traffic,
    demands: Demands,
    before: Option<Result<Vec<counters::Proxy>, String>>,
) -> Result<Verification, Error> {
    let expectation = expectation(ctx).await?;
    let observed = send(ctx, url, traffic).await?;
    let counted = match before {
        Some(Ok(before)) => counters::or_reason(counters::read(ctx, PATIENCE).await)?
            .map(|after| counters::counted(&counters::growth(&before, &after))),
        Some(Err(reason)) => Err(reason),
        None => Err("they were not asked for".to_owned()),
    };
    Ok(traffic::verify(&observed, &expectation, counted, demands))
}

/// The zones of the answers that the placement of the running tasks predicts.
pub(super) async fn expectation(ctx: &Context) -> Result<Expectation, Error> {
    let (frontends, backends) = tokio::try_join!(
        inventory::tasks_by_zone(ctx, &ctx.names.frontend.service),
        inventory::tasks_by_zone(ctx, &ctx.names.backend.service),
    )?;
    if frontends.is_empty() {
        return Err(Error::Missing(format!(
            "no task of {} runs, so nobody would answer: run `zonewalk up`",
            ctx.names.frontend.service
        )));
    }
    let by_zone = |tasks: BTreeMap<AzId, u32>| -> TasksByZone {
        tasks.into_iter().map(|(zone, tasks)| (zone.as_str().to_owned(), tasks)).collect()
    };
    Ok(Expectation::of(&by_zone(frontends), &by_zone(backends)))
}

pub(super) async fn load_balancer_url(ctx: &Context) -> Result<String, Error> {
    let url = inventory::find_load_balancer_url(ctx).await?.ok_or_else(|| {
        Error::Missing(format!("there is no load balancer {}: run `zonewalk up` first", ctx.names.load_balancer))
    })?;
    Ok(ctx.events.patiently("the hosts to be ready", ctx.data_plane.ingress(url)).await?)
}

pub(super) async fn send(ctx: &Context, url: &str, traffic: Traffic) -> Result<Observation, Error> {
    let load = Load {
        url: url.to_owned(),
        requests: Some(traffic.requests),
        concurrency: traffic.concurrency,
        per_second: None,
    };
    let observed = drive(ctx, &load, &ctx.cancel).await?;
    if ctx.cancel.is_cancelled() {
        return Err(crate::stages::Error::Interrupted.into());
    }
    Ok(observed)
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
        let mut text = matrix(self, page);
        let _ = write!(
            text,
            "\nsame zone: {} observed, {} predicted ({})",
            percent(self.same_zone_share),
            percent(self.expected.same_zone_share),
            self.expected.state.map_or("differs by zone", state_name),
        );
        let _ = write!(text, "\nlatency: {}", latency("same zone", self.latency_ms.same_zone));
        if self.latency_ms.cross_zone.p50.is_some() {
            let _ = write!(text, "; {}", latency("cross-zone", self.latency_ms.cross_zone));
        }
        text.push_str(&statements(self));
        text.push_str(&verdict(self.verdict, &self.reasons));
        text
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }
}
