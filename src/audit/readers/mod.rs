//! Readers: one for each source, four calls at a time. None changes anything.

mod access_logs;
mod evidence;
mod flow_logs;
mod gaps;
mod hosts;
mod log_queries;
mod metrics;
mod namespaces;
mod proxies;
mod services;
mod tasks;
mod whereabouts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_ecs::primitives::DateTime;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::gaps::Gaps;
use self::services::Draft;
use super::facts::{Evidence, EvidenceSource, Facts, Traffic, Window};
use crate::aws::{AzId, AzName};
use crate::stages::log_query::Span;
use crate::stages::{Context, Error, identity, inventory};

/// So many calls are under way at a time: AWS throttles those who send more.
const AT_A_TIME: usize = 4;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The clusters by name or ARN; without one, all of the region.
    pub clusters: Vec<String>,
    /// The namespaces by name or ARN.
    pub namespaces: Vec<String>,
    /// How far back traffic is looked at.
    pub since: Duration,
    /// What is measured, too.
    pub measure: Vec<Measure>,
    /// The services whose calls are measured, made and got; empty: all.
    pub measured_services: Vec<String>,
    /// The most that queries of logs may cost, in USD at list price.
    pub max_query_usd: f64,
}

/// What is measured on top of what the API tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Envoy's counters, through SSM.
    Proxies,
    /// The access logs of the last time.
    AccessLogs(Duration),
    /// The VPC Flow Logs of the last time.
    FlowLogs(Duration),
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
    max_query_usd: f64,
}

/// Looks at everything within the scope.
pub async fn read(ctx: &Context, scope: &Scope) -> Result<Read, Error> {
    let reader = &Reader { ctx, gaps: Gaps::default(), max_query_usd: scope.max_query_usd };
    let (account, zones) = tokio::try_join!(reader.account(), reader.zones())?;
    let mut found = services::read(reader, scope).await?;
    let drafts = &mut found.services;
    namespaces::resolve(reader, drafts).await?;
    services::complete(reader, drafts).await?;
    tasks::read(reader, drafts, &zones).await?;
    hosts::read(reader, drafts).await?;
    let others = namespaces::read(reader, drafts, &zones).await?;
    let Span { from, to } = Span::last(ctx, scope.since);
    let window = Window { from, to };
    let metrics = metrics::read(reader, drafts, window).await?;
    let clients = clients(drafts, metrics.as_deref(), &scope.measured_services);
    let (mut evidence, mut asked_for) = (vec![], BTreeSet::new());
    for measure in &scope.measure {
        let (source, found) = match measure {
            Measure::Proxies => (EvidenceSource::Proxies, proxies::read(reader, drafts, &clients).await?),
            Measure::AccessLogs(back) => {
                let span = Span::last(ctx, *back);
                let found = access_logs::read(reader, drafts, &clients, &zones, span).await?;
                (EvidenceSource::AccessLogs, found)
            }
            Measure::FlowLogs(back) => {
                let span = Span::last(ctx, *back);
                let found = flow_logs::read(reader, drafts, &clients, metrics.as_deref(), span).await?;
                (EvidenceSource::FlowLogs, found)
            }
        };
        asked_for.insert(source);
        evidence.extend(found);
    }
    let of = |source: EvidenceSource| match asked_for.contains(&source) {
        true if evidence.iter().any(|evidence: &Evidence| evidence.source == source) => Source::Read,
        true => Source::NotRead,
        false => Source::NotAskedFor,
    };
    let sources = Sources {
        metrics: if metrics.is_some() { Source::Read } else { Source::NotRead },
        proxies: of(EvidenceSource::Proxies),
        access_logs: of(EvidenceSource::AccessLogs),
        flow_logs: of(EvidenceSource::FlowLogs),
    };
    let services = found.services.into_iter().map(|draft| draft.service).collect();
    let facts = Facts { services, others, window, traffic: metrics, evidence };
    let (without_service_connect, unknown) = (found.without_service_connect, reader.gaps.told());
    Ok(Read { facts, account, without_service_connect, sources, unknown })
}

/// The services whose calls are measured: those that are named, and those that call them as far as metrics tell.
fn clients<'d>(drafts: &'d [Draft], traffic: Option<&[Traffic]>, named: &[String]) -> Vec<&'d Draft> {
    let is_named = |draft: &Draft| named.is_empty() || named.contains(&draft.service.id.service);
    let names: BTreeSet<(&str, &str)> = (drafts.iter().filter(|draft| is_named(draft)))
        .flat_map(|draft| {
            let namespace = draft.service.namespace.as_str();
            draft.service.offers.iter().map(move |offer| (namespace, offer.discovery_name.as_str()))
        })
        .collect();
    let calls = |draft: &Draft| {
        let mut sent = traffic.unwrap_or_default().iter().filter(|traffic| traffic.client == draft.service.id);
        sent.any(|traffic| names.contains(&(draft.service.namespace.as_str(), traffic.server.as_str())))
    };
    drafts.iter().filter(|draft| is_named(draft) || calls(draft)).collect()
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

/// The first of these services by its name, and how many others there are. None: there are none.
fn first_and_others(drafts: &[&Draft]) -> Option<String> {
    let name = &drafts.first()?.service.id.service;
    Some(match drafts.len() {
        1 => name.clone(),
        2 => format!("{name} and 1 other"),
        all => format!("{name} and {} others", all - 1),
    })
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
