//! The second proof: what the proxies counted between zones, beside what the answers say. Applications say where they are, and
//! may be wrong; a proxy counts a request by the zones that it was told of, whatever the answer says. Others' requests and
//! failed ones are counted, too, so there may be more than were answered here, and never fewer.

use std::collections::BTreeMap;

use super::observation::Pair;
use super::verdict::{Cell, Verdict, Verification};
use super::zone_aware_routing::RoutingState;
use crate::envoy::stats::ZoneRequests;

/// Where AWS's proxies are read, one in so many requests may be missing from their counters: one may start anew.
const TOLERATED_ONE_IN: u64 = 100;

impl Verification {
    /// Holds the answers against what the proxies counted meanwhile. If those deny them, it fails.
    pub fn against(mut self, counted: &[ZoneRequests]) -> Self {
        let counted: BTreeMap<Pair, u64> =
            counted.iter().map(|pair| ((pair.from.clone(), pair.to.clone()), pair.requests)).collect();
        let answers: BTreeMap<Pair, u64> =
            self.matrix.iter().map(|cell| ((cell.frontend.clone(), cell.backend.clone()), cell.requests)).collect();
        let answered = self.requests - self.errors;
        let tolerated = if self.exact { 0 } else { answered / TOLERATED_ONE_IN };
        let missing: u64 = short(&answers, &counted).iter().map(|(_, said, counted)| said - counted).sum();
        let agree = missing <= tolerated;
        if !agree {
            self.verdict = Verdict::Fail;
            self.reasons.insert(0, format!("answers and counters disagree: {}", disagreement(&answers, &counted)));
        }
        let by_zone = self.zone_aware_routing.counters.map(|counters| counters.kept() + counters.cross_zone);
        if agree && self.zone_aware_routing.state == RoutingState::Off && by_zone == Some(0) {
            let why = "the proxies counted the requests and routed none of them by zone: zone-aware routing is switched off in \
                       them, or they know of fewer backends than run";
            self.reasons.insert(usize::from(!self.reasons.is_empty()), why.to_owned());
        }
        self.counted_matrix =
            Some(counted.iter().map(|((from, to), requests)| Cell::new(from, to, *requests)).collect());
        self.proofs_agree = Some(agree);
        self
    }
}

/// What has fewer requests than the answers say, with what they say and what was counted.
fn short<K: Ord + Clone>(answers: &BTreeMap<K, u64>, counted: &BTreeMap<K, u64>) -> Vec<(K, u64, u64)> {
    let counted = |key: &K| counted.get(key).copied().unwrap_or(0);
    let found = answers.iter().map(|(key, said)| (key.clone(), *said, counted(key)));
    found.filter(|(_, said, counted)| counted < said).collect()
}

/// What would explain it.
fn disagreement(answers: &BTreeMap<Pair, u64>, counted: &BTreeMap<Pair, u64>) -> String {
    if counted.values().all(|requests| *requests == 0) {
        let answered: u64 = answers.values().sum();
        return format!("{answered} requests were answered, and the proxies' counters stood still");
    }
    let rows = short(&by_frontend(answers), &by_frontend(counted)).into_iter().map(|(zone, said, counted)| {
        format!("{said} answers came from frontends that say they are in {zone}, whose proxies counted {counted}")
    });
    let rows: Vec<String> = rows.collect();
    if !rows.is_empty() {
        return format!("{}; frontends report a wrong zone", rows.join(", "));
    }
    let pairs = short(answers, counted).into_iter().map(|((from, to), said, counted)| {
        format!("{said} answers say that they went from {from} to {to}, where the proxies counted {counted}")
    });
    format!("{}; backends report a zone that is not theirs", pairs.collect::<Vec<_>>().join(", "))
}

fn by_frontend(matrix: &BTreeMap<Pair, u64>) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for ((frontend, _), requests) in matrix {
        *rows.entry(frontend.clone()).or_default() += requests;
    }
    rows
}
