//! `verify`: sends traffic and judges the zones of the answers by what the tasks' placement predicts.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Args;

use super::Error;
use super::outcome::Outcome;
use super::text::{latency, matrix, state_name, verdict};
use crate::aws::AzId;
use crate::events::Event;
use crate::report::table::percent;
use crate::stages::{Context, inventory};
use crate::traffic::{self, Expectation, Load, Observation, TasksByZone, Verification};

/// How many requests are sent: what the command line takes, its help included.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// Requests to send
    #[arg(long, default_value_t = Options::default().requests, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub requests: u64,
    /// Requests under way at once
    #[arg(long, default_value_t = Options::default().concurrency, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub concurrency: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { requests: 200, concurrency: 8 }
    }
}

pub async fn run(ctx: &Context, options: Options) -> Result<Verification, Error> {
    let url = load_balancer_url(ctx).await?;
    let expectation = expectation(ctx).await?;
    let observed = send(ctx, &url, options).await?;
    Ok(traffic::verify(&observed, &expectation))
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

pub(super) async fn send(ctx: &Context, url: &str, options: Options) -> Result<Observation, Error> {
    let load = Load {
        url: url.to_owned(),
        requests: Some(options.requests),
        concurrency: options.concurrency,
        per_second: None,
    };
    let (events, total) = (ctx.events.clone(), options.requests);
    let progress = move |done| events.send(Event::Traffic { done, total: Some(total) });
    let observed = traffic::drive(&load, &ctx.cancel, progress).await?;
    if ctx.cancel.is_cancelled() {
        return Err(crate::stages::Error::Interrupted.into());
    }
    Ok(observed)
}

impl Outcome for Verification {
    fn title(&self) -> &'static str {
        "verify"
    }

    fn text(&self) -> String {
        let mut text = matrix(self);
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
        text.push_str(&verdict(self.verdict, &self.reasons));
        text
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }
}
