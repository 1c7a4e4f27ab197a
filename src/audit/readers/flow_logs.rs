//! VPC Flow Logs that go to CloudWatch, asked by Logs Insights: they see tasks of every launch type that have an address of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use super::evidence::Counts;
use super::services::Draft;
use super::whereabouts::{Whereabouts, offers};
use crate::audit::facts::{Evidence, EvidenceSource, ServiceId, Traffic, Unit};
use crate::aws::ec2_filter;
use crate::logs_insights::Query;
use crate::logs_insights::flow_logs::Flows;
use crate::stages::Error;
use crate::stages::log_query::Span;

/// What the flow logs have recorded between the tasks of these clients and those that they call.
pub(super) async fn read(
    reader: &Reader<'_>,
    drafts: &[Draft],
    clients: &[&Draft],
    traffic: Option<&[Traffic]>,
    span: Span,
) -> Result<Vec<Evidence>, Error> {
    let queries = queries(reader).await?;
    let Some(answers) = reader.ask("flow logs", &queries, span).await? else { return Ok(vec![]) };
    // Both ends of a flow record it, where both are within a flow log: the one that has seen more is taken.
    let mut flows: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in answers.iter().flatten() {
        let field = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
        let bytes = field("total").parse::<f64>().unwrap_or_default() as u64;
        let most = flows.entry((field("srcaddr"), field("dstaddr"))).or_default();
        *most = bytes.max(*most);
    }
    let whereabouts = Whereabouts::of(drafts);
    let clients: BTreeSet<&ServiceId> = clients.iter().map(|draft| &draft.service.id).collect();
    let calls = |client: &ServiceId, server: &ServiceId| -> Vec<&str> {
        let names = offers(drafts, client, server).into_iter().map(|offer| offer.discovery_name.as_str());
        let is_called = |name: &&str| {
            traffic.is_none_or(|traffic| traffic.iter().any(|it| it.client == *client && it.server == *name))
        };
        if clients.contains(client) { names.filter(is_called).collect() } else { vec![] }
    };
    let (mut counts, mut unclear) = (Counts::default(), BTreeSet::new());
    for ((source, destination), bytes) in flows {
        let ends = whereabouts.address(source).zip(whereabouts.address(destination));
        // Others are load balancers, AWS's own endpoints, the world.
        let Some((source, destination)) = ends else { continue };
        let (there, back) = (calls(&source.0, &destination.0), calls(&destination.0, &source.0));
        let (client, server, names) = match (&*there, &*back) {
            ([], []) => continue,
            (_, []) => (source, destination, there),
            ([], _) => (destination, source, back),
            _ => {
                let mut both = [source.0.to_string(), destination.0.to_string()];
                both.sort();
                unclear.insert(both);
                continue;
            }
        };
        for name in names {
            counts.add(client, server, name, Unit::Bytes, bytes);
        }
    }
    for [one, other] in unclear {
        let what = format!("bytes between {one} and {other} in the flow logs");
        reader.gaps.note(&what, "each calls the other, and a record does not tell which did");
    }
    Ok(counts.evidence(EvidenceSource::FlowLogs))
}

/// A query for each format, with the groups that have it.
async fn queries(reader: &Reader<'_>) -> Result<Vec<(Query, Vec<String>)>, Error> {
    let request = reader.ctx.clients.ec2.describe_flow_logs();
    let request = request.filter(ec2_filter("log-destination-type", ["cloud-watch-logs"]));
    let mut pages = request.into_paginator().send();
    let pages = reader.ctx.pages("ec2:DescribeFlowLogs", async || pages.next().await).await;
    let Some(pages) = reader.gaps.unless_refused(pages, "which flow logs there are")? else { return Ok(vec![]) };
    let found: Vec<_> = pages.into_iter().flat_map(|page| page.flow_logs.unwrap_or_default()).collect();
    if found.is_empty() {
        reader.gaps.note("flow logs", "none of this region goes to CloudWatch Logs");
    }
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for flow_log in found {
        let Some(group) = flow_log.log_group_name else { continue };
        groups.entry(flow_log.log_format.unwrap_or_default()).or_default().insert(group);
    }
    let mut queries = vec![];
    for (format, groups) in groups {
        let groups: Vec<String> = groups.into_iter().collect();
        match Flows::of_format(&format) {
            Ok(flows) => queries.push((Query::Flows(flows), groups)),
            Err(lacking) => {
                let what = format!("flow logs in {}", groups.join(", "));
                reader.gaps.note(&what, &format!("their format has no {}", lacking.join(", ")));
            }
        }
    }
    Ok(queries)
}
