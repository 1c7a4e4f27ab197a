//! Readers: one for each source, four calls at a time. None changes anything.

mod gaps;
mod hosts;
mod metrics;
mod namespaces;
mod proxies;
mod services;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_ecs::primitives::DateTime;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use self::gaps::Gaps;
use super::facts::{EvidenceSource, Facts, Window};
use crate::aws::{AzId, AzName};
use crate::stages::{Context, Error, identity, inventory};

/// So many calls are under way at a time: AWS throttles those who send more.
const AT_A_TIME: usize = 4;

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The clusters by name or ARN; without one, all of the region.
    pub clusters: Vec<String>,
    /// The namespaces by name or ARN.
    pub namespaces: Vec<String>,
    /// How far back traffic is looked at.
    pub since: Duration,
    /// What is measured, too.
    pub measure: Option<Measure>,
    /// The services whose calls are measured; empty: all.
    pub measured_services: Vec<String>,
}

/// What is measured on top of what the API tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Envoy's counters, through SSM.
    Proxies,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Read {
    pub facts: Facts,
    pub account: Option<String>,
    /// How many services there are without Service Connect.
    pub without_service_connect: usize,
    pub sources: Sources,
    /// What is not known, and why.
    pub unknown: Vec<String>,
}

/// What became of each source.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Sources {
    /// CloudWatch's metrics.
    pub metrics: Source,
    /// Envoy's counters.
    pub proxies: Source,
    /// Service Connect's access logs.
    pub access_logs: Source,
    /// VPC Flow Logs.
    pub flow_logs: Source,
}

/// What became of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Read,
    NotAskedFor,
    /// What it would tell is not known; `unknown` says why.
    NotRead,
}

/// What the readers work with.
struct Reader<'c> {
    ctx: &'c Context,
    gaps: Gaps,
}

/// Looks at everything within the scope.
pub async fn read(ctx: &Context, scope: &Scope) -> Result<Read, Error> {
    let reader = &Reader { ctx, gaps: Gaps::default() };
    let (account, zones) = tokio::try_join!(reader.account(), reader.zones())?;
    let mut found = services::read(reader, scope).await?;
    let drafts = &mut found.services;
    services::complete(reader, drafts).await?;
    tasks::read(reader, drafts, &zones).await?;
    hosts::read(reader, drafts).await?;
    let others = namespaces::read(reader, drafts, &zones).await?;
    let window = window(ctx, scope.since);
    let metrics = metrics::read(reader, drafts, window).await?;
    let evidence = match scope.measure {
        Some(Measure::Proxies) => proxies::read(reader, drafts, &scope.measured_services).await?,
        None => vec![],
    };
    let of = |source: EvidenceSource, is_asked_for: bool| match is_asked_for {
        true if evidence.iter().any(|evidence| evidence.source == source) => Source::Read,
        true => Source::NotRead,
        false => Source::NotAskedFor,
    };
    let sources = Sources {
        metrics: if metrics.is_some() { Source::Read } else { Source::NotRead },
        proxies: of(EvidenceSource::Proxies, scope.measure == Some(Measure::Proxies)),
        access_logs: Source::NotAskedFor,
        flow_logs: Source::NotAskedFor,
    };
    let services = found.services.into_iter().map(|draft| draft.service).collect();
    let facts = Facts { services, others, window, traffic: metrics, evidence };
    let (without_service_connect, unknown) = (found.without_service_connect, reader.gaps.told());
    Ok(Read { facts, account, without_service_connect, sources, unknown })
}

fn window(ctx: &Context, since: Duration) -> Window {
    let ahead = SignedDuration::from_secs_f64(ctx.clients.clock.ahead());
    let to = Timestamp::now().saturating_add(ahead).unwrap_or(Timestamp::MAX);
    let since = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
    Window { from: to.saturating_sub(since).unwrap_or(Timestamp::MIN), to }
}

impl Reader<'_> {
    async fn account(&self) -> Result<Option<String>, Error> {
        let account = identity::find_identity(self.ctx).await;
        Ok(self.gaps.unless_refused(account, "the account")?.map(|identity| identity.account))
    }

    async fn zones(&self) -> Result<BTreeMap<AzName, AzId>, Error> {
        let zones = inventory::find_zones(self.ctx).await;
        Ok(self.gaps.unless_refused(zones, "zones by their IDs, so names stand for them")?.unwrap_or_default())
    }

    /// Does work for each of these, some at a time, and gives what came of it in their order.
    async fn each<T, R, F: Future<Output = Result<R, Error>>>(
        &self,
        of: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> F,
    ) -> Result<Vec<R>, Error> {
        stream::iter(of.into_iter().map(work)).buffered(AT_A_TIME).try_collect().await
    }
}

/// In batches of so many, each once, sorted.
fn batches(of: impl IntoIterator<Item = String>, size: usize) -> Vec<Vec<String>> {
    let sorted: Vec<String> = of.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    sorted.chunks(size).map(<[String]>::to_vec).collect()
}

/// The last part of an ARN, or a name as it is.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}
