//! Envoy's own counters of the proxies of services on EC2, read on their hosts through SSM with the script of `stats`: they count the
//! requests of every pair of zones, whatever decided where they went.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::services::Draft;
use super::{Reader, first_and_others, last};
use crate::audit::facts::{Evidence, EvidenceSource, Launch, ServiceId, Unit};
use crate::aws::AzId;
use crate::envoy::script::{self, Script};
use crate::envoy::stats::ZoneStats;
use crate::stages::{Error, run_command};

/// How long agents, and then the script, may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Matrix = BTreeMap<(AzId, AzId), u64>;

/// What the proxies of these clients have counted since they started.
pub(super) async fn read(reader: &Reader<'_>, drafts: &[Draft], clients: &[&Draft]) -> Result<Vec<Evidence>, Error> {
    let (asked, others): (Vec<&Draft>, Vec<&Draft>) =
        clients.iter().partition(|draft| draft.service.launch == Launch::Ec2);
    if let Some(others) = first_and_others(&others) {
        reader.gaps.note(&format!("counters of the proxies of {others}"), "only tasks on EC2 instances show them");
    }
    Ok(reader.each(asked, |draft| of_service(reader, drafts, draft)).await?.concat())
}

async fn of_service(reader: &Reader<'_>, drafts: &[Draft], draft: &Draft) -> Result<Vec<Evidence>, Error> {
    let id = &draft.service.id;
    let tasks = || draft.service.tasks.iter().flatten();
    let hosts: BTreeSet<String> = tasks().filter_map(|task| Some(task.host.as_ref()?.instance.clone())).collect();
    let hosts: Vec<String> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
    let Some(family) = draft.family().filter(|_| !hosts.is_empty()) else { return Ok(vec![]) };
    let what = format!("counters of the proxies of {}", id.service);
    let script = Script { family: family.to_owned() }.render();
    let runs = match run_command::run_script(reader.ctx, async || Ok(hosts.clone()), &script, PATIENCE).await {
        Err(error @ (Error::TimedOut { .. } | Error::Failed { .. })) => {
            reader.gaps.note(&what, &error.to_string());
            return Ok(vec![]);
        }
        runs => reader.gaps.unless_refused(runs, &what)?.unwrap_or_default(),
    };
    let own: BTreeSet<&str> = tasks().map(|task| task.id.as_str()).collect();
    let (mut clusters, mut answered) = (BTreeMap::<String, ZoneStats>::new(), 0);
    for (task, stats) in runs.iter().flat_map(|run| script::parse_by_cluster(&run.output)) {
        let Ok(stats) = stats else { continue };
        // Another service may have tasks of the same family.
        if own.contains(last(&task)) {
            answered += 1;
            for (cluster, stats) in stats {
                clusters.entry(cluster).or_default().add(&stats);
            }
        }
    }
    if answered < own.len() {
        let why = runs.iter().find(|run| !run.complaint.is_empty()).map_or("they did not answer", |run| &run.complaint);
        reader.gaps.note(&format!("{what}, of {} of {} tasks", own.len() - answered, own.len()), why);
    }
    Ok(evidence(id, &clusters, &names(drafts, draft)))
}

/// The names that the service can call.
fn names<'d>(drafts: &'d [Draft], client: &Draft) -> Vec<&'d str> {
    let same = drafts.iter().filter(|draft| draft.service.namespace == client.service.namespace);
    same.flat_map(|draft| &draft.service.offers).map(|offer| offer.discovery_name.as_str()).collect()
}

/// Envoy's names of clusters have the discovery names in them. Where that cannot be told and there is one cluster only, it is of
/// whatever the service calls.
fn evidence(client: &ServiceId, clusters: &BTreeMap<String, ZoneStats>, names: &[&str]) -> Vec<Evidence> {
    let matrix = |stats: &ZoneStats| -> Matrix {
        let requests = stats.zone_requests.iter().filter(|entry| entry.requests > 0);
        requests.map(|entry| ((AzId::new(&*entry.from), AzId::new(&*entry.to)), entry.requests)).collect()
    };
    let counted: Vec<(&String, Matrix)> = clusters.iter().map(|(name, stats)| (name, matrix(stats))).collect();
    let counted: Vec<_> = counted.into_iter().filter(|(_, matrix)| !matrix.is_empty()).collect();
    let is_only = counted.len() == 1;
    let of = |(cluster, matrix): (&String, Matrix)| {
        let server = names.iter().filter(|name| has_name(cluster, name)).max_by_key(|name| name.len());
        let server = server.map(|name| (*name).to_owned());
        let (source, unit) = (EvidenceSource::Proxies, Unit::Requests);
        (server.is_some() || is_only).then(|| Evidence { client: client.clone(), server, source, unit, matrix })
    };
    counted.into_iter().filter_map(of).collect()
}

/// Whether a cluster's name has this name in it, and not a part of a longer one.
fn has_name(cluster: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    cluster
        .match_indices(name)
        .any(|(at, _)| !cluster[..at].ends_with(is_part) && !cluster[at + name.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::stats;

    #[test]
    fn a_cluster_is_of_the_name_that_it_has() {
        let text = "cluster.api.zone.a.a.upstream_rq_completed: 9\ncluster.api-v2.zone.a.b.upstream_rq_completed: 4\n\
                    cluster.x.zone.a.b.upstream_rq_completed: 1\ncluster.db.lb_zone_cluster_too_small: 3\n";
        let client = ServiceId::new("shop", "web");
        let found = evidence(&client, &stats::parse_by_cluster(text), &["api", "api-v2", "db"]);
        let told: Vec<_> = found.iter().map(|it| (it.server.as_deref(), it.total(), it.same_zone_share())).collect();
        assert_eq!(told, [(Some("api"), 9, Some(1.0)), (Some("api-v2"), 4, Some(0.0))]);
        let one = evidence(&client, &stats::parse_by_cluster(&text[text.find("cluster.x").unwrap()..]), &["api"]);
        assert_eq!((one[0].server.as_deref(), one[0].total()), (None, 1));
        assert!(!has_name("egress_api.shop:80", "api") && has_name("egress:api:80", "api"));
    }
}
