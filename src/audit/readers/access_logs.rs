//! Service Connect's access logs, asked by CloudWatch Logs Insights. Of HTTP the caller's proxy logs which address it has sent a
//! request to; of TCP it does not, and the called one's logs which address a connection came from (ECS Developer Guide, "Amazon ECS
//! Service Connect Envoy access logs").

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Counts;
use super::services::Draft;
use super::whereabouts::{Whereabouts, offers};
use super::{Reader, first_and_others, last};
use crate::audit::facts::{Evidence, EvidenceSource, Offer, Unit};
use crate::aws::{AzId, AzName};
use crate::logs_insights::Query;
use crate::logs_insights::access_logs::Accesses;
use crate::stages::Error;
use crate::stages::access_logs::AccessLogs;
use crate::stages::log_query::Span;

/// What the proxies of these clients, and of whom they call, have logged.
pub(super) async fn read(
    reader: &Reader<'_>,
    drafts: &[Draft],
    clients: &[&Draft],
    zones: &BTreeMap<AzName, AzId>,
    span: Span,
) -> Result<Vec<Evidence>, Error> {
    let without = clients.iter().copied().filter(|draft| draft.service.access_logs.is_none()).collect::<Vec<_>>();
    if let Some(without) = first_and_others(&without) {
        reader.gaps.note(&format!("access logs of {without}"), "no accessLogConfiguration with the log driver awslogs");
    }
    let called = |draft: &&Draft| draft.service.offers.iter().any(Offer::is_tcp);
    let groups = |of: &mut dyn Iterator<Item = &AccessLogs>| -> Vec<String> {
        of.map(|log| log.group.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let logs = || clients.iter().filter_map(|draft| draft.service.access_logs.as_ref());
    let tcp_logs = || drafts.iter().filter(called).filter_map(|draft| draft.service.access_logs.as_ref());
    if tcp_logs().any(|log| !log.is_json) {
        reader.gaps.note("connections of TCP in access logs of the format TEXT", "only those in JSON are asked about");
    }
    let queries = [
        (Accesses::Json, groups(&mut logs().filter(|log| log.is_json))),
        (Accesses::Text, groups(&mut logs().filter(|log| !log.is_json))),
        (Accesses::Tcp, groups(&mut tcp_logs().filter(|log| log.is_json))),
    ];
    let queries = queries.map(|(accesses, groups)| (Query::Accesses(accesses), groups));
    let Some(answers) = reader.ask("access logs", &queries, span).await? else { return Ok(vec![]) };

    let stream = |row: &BTreeMap<String, String>| row.get("@logStream").map(|stream| last(stream).to_owned());
    let mut whereabouts = Whereabouts::of(drafts);
    let clusters = drafts.iter().filter(|draft| draft.service.access_logs.is_some());
    let clusters = clusters.map(|draft| draft.service.id.cluster.clone()).collect();
    let ids = answers.iter().flatten().filter_map(stream);
    whereabouts.look_up(reader, &clusters, zones, ids.collect::<BTreeSet<_>>()).await?;

    let (mut counts, mut strangers) = (Counts::default(), 0);
    for (rows, (query, _)) in answers.iter().zip(&queries) {
        let by_server = *query == Query::Accesses(Accesses::Tcp);
        for row in rows {
            let number = |field: &str| row.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
            let own = stream(row).and_then(|id| whereabouts.task(&id));
            let other = row.get("ip").and_then(|ip| whereabouts.address(ip));
            let (Some(own), Some(other)) = (own, other) else {
                strangers += number("requests") as u64;
                continue;
            };
            let (client, server) = if by_server { (other, own) } else { (own, other) };
            let count = if by_server { number("down") + number("up") } else { number("requests") };
            let unit = if by_server { Unit::Bytes } else { Unit::Requests };
            // The proxy of a task is the same for all of its names, so each has what the task has got.
            for offer in offers(drafts, &client.0, &server.0).into_iter().filter(|offer| offer.is_tcp() == by_server) {
                counts.add(client, server, &offer.discovery_name, unit, count as u64);
            }
        }
    }
    if strangers > 0 {
        let what = format!("{strangers} accesses in the logs");
        reader.gaps.note(&what, "their other side is no running task with an address of its own");
    }
    Ok(counts.evidence(EvidenceSource::AccessLogs))
}
