//! What else is to be known of a pair.

use crate::audit::facts::{ByZone, Offer, Rebalancing, Service};
use crate::audit::percent;
use crate::audit::verdict::{Measured, Note, NoteCode, Pair, State};

/// Endpoints of a zone that get this many times the mean are worth a word.
const HOT: f64 = 1.5;

/// `agreeing`: what was measured, if it was enough and does not contradict the prediction.
pub(super) fn of(pair: &Pair, client: &Service, server: Option<&Service>, agreeing: Option<&Measured>) -> Vec<Note> {
    let mut notes = vec![];
    let mut note = |code: NoteCode, text: String| notes.push(Note { code, text });
    let is_on = matches!(pair.state, State::On | State::Partly);
    let (healthy, needed) = (pair.endpoints.healthy, pair.endpoints.needed);
    if is_on && healthy == needed {
        note(NoteCode::NoMargin, format!("{} has just the {healthy} endpoints that are needed", pair.server));
    }
    if let Some(below) = pair.below_threshold_share.filter(|below| *below > 0.0) {
        let text = format!("{} had fewer than {needed} endpoints for {} of the time", pair.server, percent(below));
        note(NoteCode::BelowThreshold, text);
    }
    if let Some(server) = server {
        let least = server.desired * server.minimum_healthy_percent / 100;
        if is_on && least < needed {
            let text = format!(
                "a deployment of {} may leave {least} endpoints of {needed} (minimumHealthyPercent {})",
                server.id.service, server.minimum_healthy_percent
            );
            note(NoteCode::OffDuringDeployments, text);
        }
        let offer = server.offers.iter().find(|offer| offer.discovery_name == pair.server);
        if offer.is_some_and(Offer::is_tcp) {
            let text =
                format!("{} has no appProtocol: a connection stays with its endpoint, whatever the zone", pair.server);
            note(NoteCode::NoAppProtocol, text);
        }
        let why = match &server.rebalancing {
            Some(Rebalancing::Disabled) => Some("is switched off".to_owned()),
            Some(Rebalancing::Impossible(why)) => Some(format!("is not possible ({why})")),
            Some(Rebalancing::Enabled) | None => None,
        };
        if let Some(why) = why.filter(|_| is_uneven(&pair.endpoints.by_zone, &pair.callers)) {
            let text = format!("endpoints of {0} are uneven, and its rebalancing {why}", server.id.service);
            note(NoteCode::NoRebalancing, text);
        }
    }
    if let Some(load) = pair.load.as_ref().filter(|load| is_on && load.times_mean >= HOT) {
        let text =
            format!("each endpoint of {} in {} gets {:.1} times the mean", pair.server, load.hottest, load.times_mean);
        note(NoteCode::HotZone, text);
    }
    for service in [Some(client), server].into_iter().flatten() {
        if service.deployment.as_ref().is_some_and(|deployment| deployment.is_under_way) {
            note(NoteCode::DeploymentUnderWay, format!("a deployment of {} is under way", service.id.service));
        }
    }
    if let Some(measured) = agreeing {
        note(NoteCode::Confirmed, super::says(measured));
    }
    notes
}

/// Whether zones differ by two endpoints or more.
fn is_uneven(endpoints: &ByZone, callers: &ByZone) -> bool {
    let zones = callers.keys().chain(endpoints.keys());
    let counts: Vec<u32> = zones.map(|zone| endpoints.get(zone).copied().unwrap_or(0)).collect();
    counts.iter().max().zip(counts.iter().min()).is_some_and(|(most, least)| most - least >= 2)
}
