//! The judge: from facts to pairs with their state, reasons, shares, dollars and notes, and to advice. Pure: whatever the facts
//! are from, they give the same.

mod advice;
mod age;
#[cfg(test)]
mod cases;
mod notes;
mod pair;
mod shares;

use std::collections::{BTreeMap, BTreeSet};

pub use age::LAUNCH;

use self::pair::{Prediction, Server, predict, reason};
use super::facts::{Evidence, EvidenceSource, Facts, Service, ServiceId, Traffic, Unit};
use super::verdict::{Advice, Basis, Code, Dollars, Load, Measured, MonthlyTraffic, Pair, SameZone, State};
use crate::prices::HOURS_PER_MONTH;

/// What is asked of the judge.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Only pairs with one of these services; empty: with any.
    pub services: &'q [String],
    /// Only pairs with a service of one of these clusters; empty: of any.
    pub clusters: &'q [String],
    /// The price of a GB (10⁹ bytes) that crosses zones, for both directions together, in USD.
    pub usd_per_gb: f64,
    /// The traffic of all pairs in a month, in GB, if it was named: it is taken where none was read, in equal parts.
    pub gb_per_month: Option<f64>,
    /// More possible pairs than this are left out: they come to the square of the services.
    pub most_idle: usize,
}

/// What the judge finds.
#[derive(Clone, Debug)]
pub struct Judged {
    /// By what could be saved, most first.
    pub pairs: Vec<Pair>,
    /// Most worth first.
    pub advice: Vec<Advice>,
    /// Possible pairs that were left out, since they are too many.
    pub left_out: usize,
}

pub fn judge(facts: &Facts, question: &Question<'_>) -> Judged {
    let (meetings, left_out) = meetings(facts, question);
    let assumed = question.gb_per_month.filter(|_| meetings.iter().all(|meeting| meeting.traffic.is_none()));
    let assumed = assumed.map(|gb| gb * 1e9 / meetings.len().max(1) as f64);
    let mut judged: Vec<(Pair, Meeting<'_>)> =
        meetings.into_iter().map(|meeting| (judge_pair(facts, question, &meeting, assumed), meeting)).collect();
    let worth = |pair: &Pair| pair.usd_per_month.map_or(-1.0, |usd| usd.could_save + usd.crossing * 1e-6);
    judged.sort_by(|(a, _), (b, _)| {
        let by_traffic = |pair: &Pair| pair.traffic.as_ref().map_or(0.0, |traffic| traffic.bytes);
        (worth(b).total_cmp(&worth(a)))
            .then_with(|| by_traffic(b).total_cmp(&by_traffic(a)))
            .then_with(|| (&a.client, &a.server).cmp(&(&b.client, &b.server)))
    });
    let advice = advice::of(&judged);
    Judged { pairs: judged.into_iter().map(|(pair, _)| pair).collect(), advice, left_out }
}

/// Who calls whom.
struct Meeting<'f> {
    client: &'f Service,
    server: Server<'f>,
    name: &'f str,
    traffic: Option<&'f Traffic>,
}

impl<'f> Meeting<'f> {
    fn server(&self) -> Option<&'f Service> {
        match self.server {
            Server::Ours(service) => Some(service),
            Server::Other(_) => None,
        }
    }

    fn is_asked_for(&self, question: &Question<'_>) -> bool {
        let mut ends = [Some(&self.client.id), self.server().map(|server| &server.id)].into_iter().flatten();
        let is_one_of = |asked: &[String], name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
        let by_name = ends.clone().any(|id| is_one_of(question.services, &id.service));
        let is_named = by_name || is_one_of(question.services, self.name);
        is_named && ends.any(|id| is_one_of(question.clusters, &id.cluster))
    }
}

/// A name, who offers it, and when it was made.
type Named<'f> = (&'f str, Server<'f>, Option<jiff::Timestamp>);

/// The pairs that talk, and those that could, since the client knows the name: it is of its namespace and older than its
/// deployment (aws/containers-roadmap#2692).
fn meetings<'f>(facts: &'f Facts, question: &Question<'_>) -> (Vec<Meeting<'f>>, usize) {
    let traffic = || facts.traffic.iter().flatten();
    let talking: BTreeMap<(&ServiceId, &str), &Traffic> =
        traffic().map(|traffic| ((&traffic.client, traffic.server.as_str()), traffic)).collect();
    let mut names: BTreeMap<&str, Vec<Named<'_>>> = BTreeMap::new();
    for service in &facts.services {
        let offers = service.offers.iter();
        let named = offers.map(|offer| (&*offer.discovery_name, Server::Ours(service), offer.made_at));
        names.entry(&service.namespace).or_default().extend(named);
    }
    for other in &facts.others {
        let named = (&*other.discovery_name, Server::Other(other), other.made_at);
        names.entry(&other.namespace).or_default().push(named);
    }
    let (mut active, mut idle) = (vec![], vec![]);
    for client in &facts.services {
        let deployed = client.deployment.as_ref().and_then(|deployment| deployment.created_at);
        for &(name, server, made_at) in names.get(&*client.namespace).into_iter().flatten() {
            let traffic = talking.get(&(&client.id, name)).copied();
            let is_itself = matches!(server, Server::Ours(service) if service.id == client.id);
            let is_known = made_at.zip(deployed).is_none_or(|(made, deployed)| made <= deployed);
            let meeting = Meeting { client, server, name, traffic };
            match traffic {
                _ if !meeting.is_asked_for(question) => {}
                Some(_) => active.push(meeting),
                None if !is_itself && is_known => idle.push(meeting),
                None => {}
            }
        }
    }
    let left_out = idle.len().saturating_sub(question.most_idle);
    active.extend(idle.into_iter().take(question.most_idle));
    (active, left_out)
}

fn judge_pair(facts: &Facts, question: &Question<'_>, meeting: &Meeting<'_>, assumed: Option<f64>) -> Pair {
    let Meeting { client, server, name, traffic } = *meeting;
    let predicted = predict(client, server);
    let predicted_share = predicted.now.as_ref().map(|now| shares::same_zone(now, &predicted.callers));
    let counted = counted(facts, client, name);
    let measured: Vec<Measured> = counted.iter().map(|(measured, _)| measured.clone()).collect();
    let is_whole = |measured: &Measured| measured.source != EvidenceSource::Proxies || !predicted.has_old_callers;
    let decisive = counted.iter().find(|(measured, _)| is_enough(measured) && is_whole(measured));
    let settled = decisive.and_then(|(measured, _)| settle(&predicted, predicted_share, measured));
    let (state, reasons) = settled.clone().unwrap_or_else(|| (predicted.state, predicted.reasons.clone()));
    let matrix = match decisive {
        Some((_, evidence)) => Some(rows(evidence)),
        None => predicted.now.clone(),
    };
    let best_measured = decisive.map(|(measured, _)| measured);
    let share_of = |matrix: &shares::Matrix| shares::same_zone(matrix, &predicted.callers);
    let same_zone = SameZone {
        share: best_measured.map(|measured| measured.share).or(predicted_share),
        evidence: best_measured.map(|it| it.source.into()).or(predicted_share.map(|_| Basis::Predicted)),
        predicted: predicted_share,
        without: predicted.possible.as_ref().map(|possible| share_of(&possible.without)),
        best: predicted.possible.as_ref().map(|possible| possible.best),
        matrix: matrix.unwrap_or_default(),
        measured,
    };
    let monthly = monthly(facts, traffic, assumed);
    let usd_per_month = monthly.as_ref().and_then(|traffic| {
        let gb = traffic.bytes / 1e9;
        let cost = |share: f64| gb * (1.0 - share) * question.usd_per_gb;
        let (now, without, best) = (cost(same_zone.share?), cost(same_zone.without?), cost(same_zone.best?));
        Some(Dollars { crossing: now, saved: without - now, could_save: (now - best).max(0.0) })
    });
    let received = match decisive {
        Some((_, evidence)) => Some(received(evidence)),
        None => predicted.now.as_ref().map(|matrix| shares::received(matrix, &predicted.callers)),
    };
    let load = received.and_then(|received| shares::hottest(&received, &predicted.endpoints.by_zone));
    let load = load.map(|(hottest, times_mean)| Load { hottest, times_mean });
    let needed = f64::from(predicted.endpoints.needed);
    let hours = meeting.server().map(|server| &server.least_tasks).filter(|hours| !hours.is_empty() && needed > 0.0);
    let below = |hours: &Vec<f64>| hours.iter().filter(|least| **least < needed).count() as f64 / hours.len() as f64;
    let mut pair = Pair {
        client: client.id.clone(),
        server: name.to_owned(),
        server_service: meeting.server().map(|server| server.id.clone()),
        state,
        reasons,
        idle: facts.traffic.is_some() && traffic.is_none(),
        endpoints: predicted.endpoints,
        callers: predicted.callers,
        same_zone,
        load,
        below_threshold_share: hours.map(below),
        traffic: monthly,
        usd_per_month,
        notes: vec![],
    };
    pair.notes = notes::of(&pair, client, meeting.server(), best_measured.filter(|_| settled.is_none()));
    pair
}

/// What was counted of a pair, the best first: a proxy's counters are of requests and exact.
fn counted<'f>(facts: &'f Facts, client: &Service, name: &str) -> Vec<(Measured, &'f Evidence)> {
    let is_meant = |evidence: &&Evidence| {
        evidence.client == client.id && evidence.server.as_deref().is_none_or(|server| server == name)
    };
    let of = |evidence: &'f Evidence| {
        let (source, unit, count) = (evidence.source, evidence.unit, evidence.total());
        Some((Measured { source, unit, count, share: evidence.same_zone_share()? }, evidence))
    };
    let mut counted: Vec<_> = facts.evidence.iter().filter(is_meant).filter_map(of).collect();
    counted.sort_by_key(|(measured, _)| measured.source);
    counted
}

/// Of what was counted from each zone, the share that went to each.
fn rows(evidence: &Evidence) -> shares::Matrix {
    let mut rows = shares::Matrix::new();
    for ((from, to), count) in &evidence.matrix {
        *rows.entry(from.clone()).or_default().entry(to.clone()).or_default() += *count as f64;
    }
    for row in rows.values_mut() {
        let all: f64 = row.values().sum();
        row.values_mut().for_each(|count| *count /= all.max(1.0));
    }
    rows
}

fn received(evidence: &Evidence) -> BTreeMap<crate::aws::AzId, f64> {
    let mut received = BTreeMap::new();
    for ((_, to), count) in &evidence.matrix {
        *received.entry(to.clone()).or_default() += *count as f64;
    }
    received
}

/// So many requests tell, and so many bytes.
fn is_enough(measured: &Measured) -> bool {
    measured.count
        >= match measured.unit {
            Unit::Requests => 100,
            Unit::Bytes => 1_000_000,
        }
}

/// The share with zone-aware routing and without it must be this far apart for a measured one to tell which it is.
const APART: f64 = 0.1;

/// What was measured decides where it contradicts the prediction, or where there is none.
fn settle(
    predicted: &Prediction,
    share: Option<f64>,
    measured: &Measured,
) -> Option<(State, Vec<super::verdict::Reason>)> {
    let possible = predicted.possible.as_ref()?;
    let share_of = |matrix: &shares::Matrix| shares::same_zone(matrix, &predicted.callers);
    let (with, without) = (share_of(&possible.routed), share_of(&possible.without));
    if (with - without).abs() < APART || matches!(predicted.state, State::OneZone | State::NotRunning) {
        return None;
    }
    let off_by = |share: f64| (measured.share - share).abs();
    // Where some callers are older, it is neither.
    if share.is_some_and(|predicted| off_by(predicted) <= off_by(with).min(off_by(without))) {
        return None;
    }
    let is_on = off_by(with) < off_by(without);
    let says = says(measured);
    let state = if is_on { State::On } else { State::Off };
    let was_on = matches!(predicted.state, State::On | State::Partly);
    let text = match predicted.state {
        State::Unclear if is_on => format!("{says}: zone-aware routing is on"),
        State::Unclear => format!("{says}: zone-aware routing is not on"),
        _ if was_on == is_on => return None,
        _ => {
            let predicted = super::percent(share.unwrap_or_default());
            let not = if is_on { "" } else { " not" };
            format!("predicted {predicted}, {says}: zone-aware routing is{not} on, whatever the dates say")
        }
    };
    Some((state, vec![reason(Code::Measured, text)]))
}

fn says(measured: &Measured) -> String {
    let who = match measured.source {
        EvidenceSource::Proxies => "the proxies count",
        EvidenceSource::AccessLogs => "access logs say",
        EvidenceSource::FlowLogs => "flow logs say",
    };
    let what = match measured.unit {
        Unit::Requests => "requests",
        Unit::Bytes => "bytes",
    };
    format!("{who} {} of {} {what} in their zone", super::percent(measured.share), measured.count)
}

fn monthly(facts: &Facts, traffic: Option<&Traffic>, assumed: Option<f64>) -> Option<MonthlyTraffic> {
    let hours = (facts.window.to.as_second() - facts.window.from.as_second()) as f64 / 3600.0;
    let monthly = |count: f64| count * HOURS_PER_MONTH / hours;
    match traffic {
        Some(traffic) => {
            let (bytes, requests) = (monthly(traffic.bytes), traffic.requests.map(monthly));
            Some(MonthlyTraffic { bytes, requests, assumed: false })
        }
        None => assumed.map(|bytes| MonthlyTraffic { bytes, requests: None, assumed: true }),
    }
}

/// The services that were deployed before zone-aware routing, those that are called before their callers, as far as that is
/// known: of a circle, the one with the most callers first; those that offer no name, after those that do.
pub fn stale(facts: &Facts, judged: &Judged) -> Vec<ServiceId> {
    let is_old = |id: &ServiceId| {
        let service = facts.service(id);
        let made = service.and_then(|service| service.deployment.as_ref()).and_then(|it| it.created_at);
        matches!(age::Age::of(made), age::Age::Before | age::Age::Around)
    };
    let mut left: BTreeSet<&ServiceId> =
        facts.services.iter().map(|service| &service.id).filter(|id| is_old(id)).collect();
    let mut calls: BTreeMap<&ServiceId, BTreeSet<&ServiceId>> = BTreeMap::new();
    for pair in judged.pairs.iter().filter(|pair| !pair.idle) {
        if let Some(server) = pair.server_service.as_ref().filter(|server| **server != pair.client) {
            calls.entry(&pair.client).or_default().insert(server);
        }
    }
    let mut order = vec![];
    while !left.is_empty() {
        let waits_for =
            |id: &ServiceId| calls.get(id).into_iter().flatten().filter(|server| left.contains(*server)).count();
        let callers = |id: &ServiceId| calls.values().filter(|servers| servers.contains(id)).count();
        let offers_nothing = |id: &ServiceId| facts.service(id).is_some_and(|service| service.offers.is_empty());
        let rank = |id: &&&ServiceId| (waits_for(id), std::cmp::Reverse(callers(id)), offers_nothing(id));
        let Some(next) = left.iter().min_by_key(rank).copied() else { break };
        left.remove(next);
        order.push(next.clone());
    }
    order
}

/// Whether a pair has a note.
#[cfg(test)]
fn has(pair: &Pair, code: super::verdict::NoteCode) -> bool {
    pair.notes.iter().any(|note| note.code == code)
}
