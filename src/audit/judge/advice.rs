//! What to do, most worth first: what several pairs need is told once, with the sum of what it saves.

use std::collections::BTreeMap;

use super::Meeting;
use super::age::{Age, IMAGE, LAUNCH};
use super::pair::Server;
use crate::audit::facts::{ByZone, Launch, Offer, Rebalancing, Service, ServiceId};
use crate::audit::verdict::{Advice, Code, Pair, State};

/// A part of what a pair needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Of one cluster, the called service first.
    Redeploy(String, Vec<String>),
    Other {
        text: String,
        command: Option<String>,
        /// Whole cents a month, if that is known.
        cents: Option<u64>,
    },
}

impl Step {
    fn text(text: String) -> Self {
        Self::Other { text, command: None, cents: Some(0) }
    }

    fn command(text: String, command: String) -> Self {
        Self::Other { text, command: Some(command), cents: Some(0) }
    }

    fn advice(&self) -> (String, Option<String>, Option<f64>) {
        match self {
            Self::Redeploy(cluster, services) => {
                let flags: String = services.iter().map(|service| format!(" --service {service}")).collect();
                let text = format!("deploy {} again", services.join(", then "));
                (text, Some(format!("`zonewalk redeploy --cluster {cluster}{flags}`")), Some(0.0))
            }
            Self::Other { text, command, cents } => {
                let command = command.as_ref().map(|command| format!("`{command}`"));
                (text.clone(), command, cents.map(|cents| cents as f64 / 100.0))
            }
        }
    }
}

pub(super) fn of(judged: &[(Pair, Meeting<'_>)]) -> Vec<Advice> {
    let mut needs: BTreeMap<Vec<Step>, Option<f64>> = BTreeMap::new();
    // What talks comes first; without traffic, whatever could.
    let talks = judged.iter().any(|(pair, _)| !pair.idle);
    for (pair, meeting) in judged.iter().filter(|(pair, _)| !(talks && pair.idle)) {
        let steps = steps(pair, meeting);
        if !steps.is_empty() {
            let saves = pair.usd_per_month.filter(|_| pair.state != State::Unclear).map(|usd| usd.could_save);
            let sum = needs.entry(steps).or_default();
            *sum = match (*sum, saves) {
                (None, saves) => saves,
                (sum, None) => sum,
                (Some(sum), Some(saves)) => Some(sum + saves),
            };
        }
    }
    let mut advice: Vec<Advice> = needs.into_iter().map(|(steps, saves)| merged(&steps, saves)).collect();
    advice.sort_by(|a, b| {
        let saves = |advice: &Advice| advice.saves_usd_per_month.unwrap_or(-1.0);
        saves(b).total_cmp(&saves(a))
    });
    advice
}

fn merged(steps: &[Step], saves: Option<f64>) -> Advice {
    let parts: Vec<_> = steps.iter().map(Step::advice).collect();
    let texts: Vec<String> = parts.iter().map(|(text, ..)| text.clone()).collect();
    let commands: Vec<String> = parts.iter().filter_map(|(_, command, _)| command.clone()).collect();
    Advice {
        text: texts.join("; "),
        command: (!commands.is_empty()).then(|| commands.join(" && ")),
        saves_usd_per_month: saves,
        costs_usd_per_month: parts.iter().map(|(.., costs)| *costs).sum(),
    }
}

fn steps(pair: &Pair, meeting: &Meeting<'_>) -> Vec<Step> {
    let (client, server) = (meeting.client, meeting.server());
    let has = |codes: &[Code]| pair.reasons.iter().any(|reason| codes.contains(&reason.code));
    let mut steps = vec![];
    if has(&[Code::HostTooOld]) {
        steps.push(Step::text(format!(
            "{}: replace its instances by those of an ECS-optimized AMI of {IMAGE} or later, then deploy it again",
            client.id.service
        )));
    }
    if has(&[Code::ServerDeploymentOld, Code::ClientDeploymentOld, Code::Mixed, Code::LaunchDay]) {
        let old: Vec<&ServiceId> = server.into_iter().chain([client]).filter(|s| is_old(s)).map(|s| &s.id).collect();
        steps.extend(redeploy(&old));
    }
    let is_short = pair.endpoints.healthy < pair.endpoints.needed;
    if has(&[Code::Measured]) && pair.state == State::Off && !is_short {
        let both: Vec<&ServiceId> = server.into_iter().chain([client]).map(|service| &service.id).collect();
        steps.extend(redeploy(&both));
    }
    if let Some(server) = server {
        if has(&[Code::TooFewEndpoints, Code::Threshold]) || has(&[Code::Measured]) && is_short {
            steps.push(more_endpoints(pair, server));
        }
        if has(&[Code::NoLocalEndpoint, Code::Uneven]) {
            steps.push(even(pair, server));
        }
    }
    if let (Server::Other(name), true) = (meeting.server, has(&[Code::OtherAccount])) {
        let whose = name.account.as_ref().map_or("its owner".to_owned(), |account| format!("account {account}"));
        steps.push(Step::text(format!(
            "ask {whose} whether {} was deployed after {LAUNCH} and runs in every zone",
            name.discovery_name
        )));
    }
    let can_be_measured = pair.state == State::Unclear && !has(&[Code::LaunchDay, Code::OtherAccount]);
    if let Some(source) = measures(pair, client, server).filter(|_| can_be_measured) {
        let ServiceId { cluster, service } = &client.id;
        let command = format!("zonewalk audit --cluster {cluster} --service {service} --measure {source}");
        steps.push(Step::command(format!("{service}: measure, to be sure"), command));
    }
    steps
}

/// What `--measure` takes that tells of a pair: counters where they can be read, which cost nothing; else access logs, of HTTP the
/// caller's, of TCP the called one's.
fn measures(pair: &Pair, client: &Service, server: Option<&Service>) -> Option<&'static str> {
    if client.launch == Launch::Ec2 {
        return Some("proxies");
    }
    let offer = server.into_iter().flat_map(|server| &server.offers).find(|offer| offer.discovery_name == pair.server);
    let logs = match offer.is_some_and(Offer::is_tcp) {
        true => server.and_then(|server| server.access_logs.as_ref()).filter(|logs| logs.is_json),
        false => client.access_logs.as_ref(),
    };
    logs.map(|_| "logs")
}

fn is_old(service: &Service) -> bool {
    let newest = service.deployment.as_ref().and_then(|deployment| deployment.created_at);
    let is_old = |time| matches!(Age::of(time), Age::Before | Age::Around);
    is_old(newest) || service.tasks.iter().flatten().any(|task| is_old(task.deployed_at.or(newest)))
}

/// A step for each cluster, in the order of the services.
fn redeploy(services: &[&ServiceId]) -> Vec<Step> {
    let mut clusters: Vec<(String, Vec<String>)> = vec![];
    for ServiceId { cluster, service } in services {
        match clusters.last_mut().filter(|(last, _)| last == cluster) {
            Some((_, services)) => services.push(service.clone()),
            None => clusters.push((cluster.clone(), vec![service.clone()])),
        }
    }
    clusters.into_iter().map(|(cluster, services)| Step::Redeploy(cluster, services)).collect()
}

fn zone_count(pair: &Pair) -> u32 {
    let zones: std::collections::BTreeSet<_> = pair.callers.keys().chain(pair.endpoints.by_zone.keys()).collect();
    u32::try_from(zones.len()).unwrap_or(u32::MAX)
}

/// As many tasks as are needed, the same number for each zone.
fn more_endpoints(pair: &Pair, server: &Service) -> Step {
    let wanted = pair.endpoints.needed.next_multiple_of(zone_count(pair).max(1));
    let ServiceId { cluster, service } = &server.id;
    if server.desired >= wanted {
        let healthy = pair.endpoints.healthy;
        return Step::text(format!("{service}: {healthy} of {} tasks are healthy, find out why", server.desired));
    }
    let more = match wanted - server.desired {
        1 => "1 more task".to_owned(),
        more => format!("{more} more tasks"),
    };
    set_count(server, wanted, format!("{service}: {more}"), cluster)
}

fn set_count(server: &Service, wanted: u32, text: String, cluster: &str) -> Step {
    let service = &server.id.service;
    let more = f64::from(wanted - server.desired);
    let cents = server.task_usd_per_month.map(|usd| (usd * more * 100.0).round() as u64);
    let scaled = "; if it scales by itself, raise its minimum instead";
    let command = format!("aws ecs update-service --cluster {cluster} --service {service} --desired-count {wanted}");
    Step::Other { text: format!("{text}{scaled}"), command: Some(command), cents }
}

/// Endpoints where the callers are.
fn even(pair: &Pair, server: &Service) -> Step {
    let ServiceId { cluster, service } = &server.id;
    let zones = zone_count(pair).max(1);
    match &server.rebalancing {
        Some(Rebalancing::Disabled) => Step::command(
            format!("{service}: let ECS rebalance its tasks over the zones"),
            format!(
                "aws ecs update-service --cluster {cluster} --service {service} --availability-zone-rebalancing ENABLED"
            ),
        ),
        Some(Rebalancing::Impossible(why)) => {
            Step::text(format!("{service}: spread its tasks over the zones of its callers; ECS cannot do it ({why})"))
        }
        _ if !server.desired.is_multiple_of(zones) => {
            let wanted = server.desired.next_multiple_of(zones);
            set_count(server, wanted, format!("{service}: {wanted} tasks, the same number in each zone"), cluster)
        }
        _ => Step::text(format!(
            "{service} and {}: spread both alike over the zones {}",
            pair.client.service,
            listed(&pair.callers, &pair.endpoints.by_zone)
        )),
    }
}

fn listed(callers: &ByZone, endpoints: &ByZone) -> String {
    let zones: std::collections::BTreeSet<_> = callers.keys().chain(endpoints.keys()).collect();
    zones.iter().map(|zone| zone.as_str()).collect::<Vec<_>>().join(", ")
}
