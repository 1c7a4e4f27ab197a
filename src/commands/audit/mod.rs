//! `audit`: for any services with Service Connect, whether zone-aware routing is on, why not, and what it is worth. It changes
//! nothing.

mod text;

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::limits::{back, positive, wait, within};
use super::outcome::Outcome;
use crate::audit::facts::{ByZone, Launch, Offer, Rebalancing, Service, ServiceId, Window, by_zone};
use crate::audit::judge::{self, Judged, Question};
use crate::audit::readers::{self, Measure, Read, Scope, Sources};
use crate::audit::verdict::{Advice, Pair};
use crate::report::page::Page;
use crate::stages::Context;
use crate::traffic::Volume;

/// More pairs that could talk and do not are left out of the result.
const MOST_IDLE: usize = 1_000;

/// What is audited: what the command line takes, its help included.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Cluster to look at, by name or ARN; repeatable [default: every cluster of the region]
    #[arg(long = "cluster", value_name = "CLUSTER")]
    pub clusters: Vec<String>,
    /// Namespace to look at, by name or ARN; repeatable
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    pub namespaces: Vec<String>,
    /// Show only what this service sends and gets; repeatable
    #[arg(long = "service", value_name = "SERVICE")]
    pub services: Vec<String>,
    /// How far back to look at traffic, from 1h to 14d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = back)]
    pub since: Duration,
    /// Traffic of all pairs in a month, such as 500GB/month, where CloudWatch tells none
    #[arg(long = "traffic", value_name = "AMOUNT")]
    pub volume: Option<Volume>,
    /// Price of a GB that leaves a zone, and again of one that enters it, in USD
    #[arg(long, value_name = "USD", default_value_t = 0.01, value_parser = positive)]
    pub price: f64,
    /// Also measure, by `proxies` (Envoy's counters through SSM, on EC2), `logs` (Service Connect's access logs) or `flow-logs` (VPC
    /// Flow Logs), of the last hour or as in `logs:15m`; repeatable
    #[arg(long, value_name = "WHAT", value_parser = measure)]
    pub measure: Vec<Measure>,
    /// Most that CloudWatch may take for queries of logs, in USD at list price
    #[arg(long, value_name = "USD", default_value_t = MAX_QUERY_USD, value_parser = positive)]
    pub max_query_usd: f64,
    /// Exit with 1 if a pair keeps a smaller share than this in its zone
    #[arg(long, value_name = "PERCENT", value_parser = within::<u32>(1..=100))]
    pub min_same_zone: Option<u32>,
}

/// What queries may cost unless more is allowed.
const MAX_QUERY_USD: f64 = 1.0;

fn measure(text: &str) -> Result<Measure, String> {
    let (what, back) = text.split_once(':').map_or((text, None), |(what, back)| (what, Some(back)));
    let back = || back.map_or(Ok(Duration::from_secs(3_600)), wait);
    match what {
        "proxies" if text == what => Ok(Measure::Proxies),
        "logs" => Ok(Measure::AccessLogs(back()?)),
        "flow-logs" => Ok(Measure::FlowLogs(back()?)),
        _ => Err("what is to be measured is needed: proxies, logs, flow-logs, logs:15m".to_owned()),
    }
}

impl Options {
    /// The names of the clusters, which may be given as ARNs.
    fn cluster_names(&self) -> Vec<String> {
        let name = |cluster: &String| cluster.rsplit('/').next().unwrap_or(cluster).to_owned();
        self.clusters.iter().map(name).collect()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clusters: vec![],
            namespaces: vec![],
            services: vec![],
            since: Duration::from_secs(7 * 24 * 3_600),
            volume: None,
            price: 0.01,
            measure: vec![],
            max_query_usd: MAX_QUERY_USD,
            min_same_zone: None,
        }
    }
}

/// What an audit found.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Audit {
    /// The account. Null: it is not known.
    pub account: Option<String>,
    /// The region.
    pub region: String,
    /// The time that traffic was looked at for.
    pub window: Span,
    /// What became of each source.
    pub sources: Sources,
    /// The price of a GB that crosses zones, out of one and into the other, in USD.
    pub usd_per_gb: f64,
    /// The services with Service Connect.
    pub services: Vec<AuditedService>,
    /// How many services have no Service Connect.
    pub services_without_service_connect: usize,
    /// Who sends to whom, by what could be saved, most first; then those who could and do not.
    pub pairs: Vec<Pair>,
    /// How many possible pairs without traffic are not among the pairs, since they are too many.
    pub pairs_left_out: usize,
    /// What to do, most worth first.
    pub advice: Vec<Advice>,
    /// What is not known, and why.
    pub unknown: Vec<String>,
    pub totals: Totals,
    /// The least share that was asked for. Null: none was.
    pub min_same_zone: Option<f64>,
}

/// A span of time, in UTC (RFC 3339).
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Span {
    /// Its begin.
    pub from: String,
    /// Its end.
    pub to: String,
}

/// The sums over the pairs whose figures are known.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Totals {
    /// The share of the bytes that stays in its zone. Null: no traffic is known.
    pub same_zone_share: Option<f64>,
    /// What is sent in a month, in bytes. Null: no traffic is known.
    pub bytes_per_month: Option<f64>,
    /// What crosses zones, in USD a month. Null: no traffic is known.
    pub crossing: Option<f64>,
    /// What zone-aware routing saves now, in USD a month. Null: no traffic is known.
    pub saved: Option<f64>,
    /// What it could save on top, in USD a month. Null: no traffic is known.
    pub could_save: Option<f64>,
}

/// What a service is to others in its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Client,
    ClientServer,
}

/// A service with Service Connect.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct AuditedService {
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the service.
    pub service: String,
    /// The name of the namespace.
    pub namespace: String,
    pub role: Role,
    pub launch_type: Launch,
    /// How ECS deploys it: `ROLLING`, `BLUE_GREEN`, `LINEAR`, `CANARY`.
    pub strategy: String,
    /// The ID of the newest deployment. Null: it is not known.
    pub deployment: Option<String>,
    /// When the newest deployment was made, in UTC (RFC 3339). Null: it is not known.
    pub deployed_at: Option<String>,
    /// The running tasks by AZ ID. Null: they are not known.
    pub tasks: Option<ByZone>,
    /// The tasks that clients are told of, by AZ ID. Null: they are not known.
    pub healthy: Option<ByZone>,
    /// The tasks that are to run.
    pub desired: u32,
    /// Availability Zone rebalancing: `enabled`, `disabled`, or why it is impossible. Null: it is not known.
    pub rebalancing: Option<String>,
    /// The names that it offers.
    pub offers: Vec<Offer>,
    /// The log group of its proxies' access logs. Null: they write none.
    pub access_logs: Option<String>,
}

impl AuditedService {
    fn of(service: &Service) -> Self {
        let tasks = service.tasks.as_deref();
        let deployment = service.deployment.as_ref();
        Self {
            cluster: service.id.cluster.clone(),
            service: service.id.service.clone(),
            namespace: service.namespace_name.clone(),
            role: if service.offers.is_empty() { Role::Client } else { Role::ClientServer },
            launch_type: service.launch,
            strategy: service.strategy.clone(),
            deployment: deployment.map(|deployment| deployment.id.clone()),
            deployed_at: deployment.and_then(|deployment| deployment.created_at).map(|time| format!("{time:.0}")),
            tasks: tasks.map(|tasks| by_zone(tasks.iter())),
            healthy: tasks.map(|tasks| by_zone(tasks.iter().filter(|task| task.is_healthy))),
            desired: service.desired,
            rebalancing: service.rebalancing.as_ref().map(|rebalancing| match rebalancing {
                Rebalancing::Enabled => "enabled".to_owned(),
                Rebalancing::Disabled => "disabled".to_owned(),
                Rebalancing::Impossible(why) => why.clone(),
            }),
            offers: service.offers.clone(),
            access_logs: service.access_logs.as_ref().map(|logs| logs.group.clone()),
        }
    }
}

pub async fn run(ctx: &Context, options: &Options) -> Result<Audit, Error> {
    let ctx = &ctx.with_events(ctx.events.without_findings());
    let read = read(ctx, options).await?;
    let missing = options.services.iter().find(|name| !is_there(&read.facts.services, name));
    // Where something could not be looked at, it may be there; but a share that nobody has seen is not kept.
    if let Some(name) = missing.filter(|_| read.unknown.is_empty() || options.min_same_zone.is_some()) {
        return Err(Error::Missing(format!(
            "no service {name} has Service Connect in {}: `zonewalk audit` without --service lists those that have",
            ctx.clients.region
        )));
    }
    Ok(Audit::of(ctx, options, &read))
}

/// The services that are older than zone-aware routing, called ones before their callers, and what is not known.
pub(super) async fn stale(ctx: &Context, options: &Options) -> Result<(Vec<ServiceId>, Vec<String>), Error> {
    let read = read(&ctx.with_events(ctx.events.without_findings()), options).await?;
    let mut stale = judge::stale(&read.facts, &judged(options, &read));
    let clusters = options.cluster_names();
    stale.retain(|id| clusters.is_empty() || clusters.contains(&id.cluster));
    Ok((stale, read.unknown))
}

async fn read(ctx: &Context, options: &Options) -> Result<Read, Error> {
    let (clusters, namespaces) = (options.clusters.clone(), options.namespaces.clone());
    let (measure, measured_services) = (options.measure.clone(), options.services.clone());
    let Options { since, max_query_usd, .. } = *options;
    let scope = Scope { clusters, namespaces, since, measure, measured_services, max_query_usd };
    Ok(readers::read(ctx, &scope).await?)
}

/// What the judge finds in what was read.
fn judged(options: &Options, read: &Read) -> Judged {
    judge::judge(
        &read.facts,
        &Question {
            services: &options.services,
            clusters: &options.cluster_names(),
            usd_per_gb: 2.0 * options.price,
            gb_per_month: options.volume.map(Volume::gb),
            most_idle: MOST_IDLE,
        },
    )
}

impl Audit {
    fn of(ctx: &Context, options: &Options, read: &Read) -> Self {
        let Judged { pairs, advice, left_out } = judged(options, read);
        let mut unknown = read.unknown.clone();
        for name in options.services.iter().filter(|name| !is_there(&read.facts.services, name)) {
            unknown.push(format!("{name}: no service of this name has Service Connect"));
        }
        let Window { from, to } = read.facts.window;
        Self {
            account: read.account.clone(),
            region: ctx.clients.region.clone(),
            window: Span { from: format!("{from:.0}"), to: format!("{to:.0}") },
            sources: read.sources.clone(),
            usd_per_gb: 2.0 * options.price,
            services: read.facts.services.iter().map(AuditedService::of).collect(),
            services_without_service_connect: read.without_service_connect,
            totals: Totals::of(&pairs),
            pairs,
            pairs_left_out: left_out,
            advice,
            unknown,
            min_same_zone: options.min_same_zone.map(|percent| f64::from(percent) / 100.0),
        }
    }

    /// The pairs that are told of: those that talk, or all that could if none does.
    fn shown(&self) -> Vec<&Pair> {
        let talking: Vec<&Pair> = self.pairs.iter().filter(|pair| !pair.idle).collect();
        if talking.is_empty() { self.pairs.iter().collect() } else { talking }
    }

    /// The pairs that keep less in their zone than was asked for.
    fn below(&self) -> Vec<&Pair> {
        let Some(least) = self.min_same_zone else { return vec![] };
        let is_below = |pair: &&Pair| pair.same_zone.share.is_some_and(|share| share < least - 1e-9);
        self.shown().into_iter().filter(is_below).collect()
    }

    /// Whether a least share was asked for and no pair's is known: then nothing keeps it.
    fn judges_nothing(&self) -> bool {
        self.min_same_zone.is_some() && self.shown().iter().all(|pair| pair.same_zone.share.is_none())
    }

    fn namespaces(&self) -> usize {
        self.services.iter().map(|service| &service.namespace).collect::<BTreeSet<_>>().len()
    }
}

fn is_there(services: &[Service], name: &str) -> bool {
    let offers = |service: &Service| service.offers.iter().any(|offer| offer.discovery_name == name);
    services.iter().any(|service| service.id.service == name || offers(service))
}

impl Totals {
    fn of(pairs: &[Pair]) -> Self {
        let known = || pairs.iter().filter_map(|pair| Some((pair.traffic.as_ref()?.bytes, pair)));
        let shares = || known().filter_map(|(bytes, pair)| Some((bytes, pair.same_zone.share?)));
        let (bytes, judged) =
            (known().map(|(bytes, _)| bytes).sum::<f64>(), shares().map(|(bytes, _)| bytes).sum::<f64>());
        let usd = |amount: fn(&crate::audit::verdict::Dollars) -> f64| {
            let known: Vec<f64> = pairs.iter().filter_map(|pair| pair.usd_per_month.as_ref().map(amount)).collect();
            (!known.is_empty()).then(|| known.iter().sum())
        };
        Self {
            same_zone_share: (judged > 0.0).then(|| shares().map(|(bytes, share)| bytes * share).sum::<f64>() / judged),
            bytes_per_month: (bytes > 0.0).then_some(bytes),
            crossing: usd(|usd| usd.crossing),
            saved: usd(|usd| usd.saved),
            could_save: usd(|usd| usd.could_save),
        }
    }
}

impl Outcome for Audit {
    fn title(&self) -> &'static str {
        "audit"
    }

    fn text(&self, page: &Page) -> String {
        text::of(self, page)
    }

    fn holds(&self) -> bool {
        self.below().is_empty() && !self.judges_nothing()
    }
}
