//! The second proof, what the proxies counted between zones, and the third, what they logged, beside what the answers say.
//! Applications say where they are, and may be wrong; a proxy counts a request by the zones that it was told of, and logs the address
//! that it went to, whatever the answer says. Others' requests and failed ones are counted, too, so there may be more than were
//! answered here, and never fewer.

use std::collections::BTreeMap;

use super::observation::Pair;
use super::verdict::{Cell, Verdict, Verification};
use super::zone_aware_routing::RoutingState;
use crate::envoy::stats::ZoneRequests;

/// Who has seen the requests beside whoever sent them.
#[derive(Clone, Copy)]
struct Witness {
    name: &'static str,
    /// What it has done with a request.
    verb: &'static str,
    /// What is to be said where it has seen none at all.
    silence: &'static str,
}

const COUNTERS: Witness =
    Witness { name: "counters", verb: "the proxies counted", silence: "the proxies' counters stood still" };
const ACCESS_LOGS: Witness =
    Witness { name: "access logs", verb: "the access logs have", silence: "the access logs have none of them" };

/// Where AWS's proxies are read, one in so many requests may be missing from their counters: one may start anew.
const TOLERATED_ONE_IN: u64 = 100;

impl Verification {
    /// Holds the answers against what the proxies counted meanwhile. If those deny them, it fails.
    pub fn against(mut self, counted: &[ZoneRequests]) -> Self {
        let (matrix, agree) = self.witnessed(COUNTERS, counted);
        let by_zone = self.zone_aware_routing.counters.map(|counters| counters.kept() + counters.cross_zone);
        if agree && self.zone_aware_routing.state == RoutingState::Off && by_zone == Some(0) {
            let why = "the proxies counted the requests and routed none of them by zone: zone-aware routing is switched off in \
                       them, or they know of fewer backends than run";
            self.reasons.insert(usize::from(!self.reasons.is_empty()), why.to_owned());
        }
        (self.counted_matrix, self.proofs_agree) = (Some(matrix), Some(agree));
        self
    }

    /// The same of what the frontends' proxies logged. Where fewer requests than were answered have arrived in the logs of AWS's, that
    /// decides nothing: they may be late.
    pub fn against_logs(mut self, logged: &[ZoneRequests]) -> Self {
        let arrived: u64 = logged.iter().map(|pair| pair.requests).sum();
        if !self.exact && arrived < self.requests - self.errors {
            self.logged_matrix = Some(cells(&by_pair(logged)));
            return self;
        }
        let (matrix, agree) = self.witnessed(ACCESS_LOGS, logged);
        (self.logged_matrix, self.logs_agree) = (Some(matrix), Some(agree));
        self
    }

    /// What the witness has seen, and whether that is what the answers say; if it is not, the verification fails.
    fn witnessed(&mut self, witness: Witness, seen: &[ZoneRequests]) -> (Vec<Cell<u64>>, bool) {
        let seen = by_pair(seen);
        let answers: BTreeMap<Pair, u64> =
            self.matrix.iter().map(|cell| ((cell.frontend.clone(), cell.backend.clone()), cell.requests)).collect();
        let answered = self.requests - self.errors;
        let tolerated = if self.exact { 0 } else { answered / TOLERATED_ONE_IN };
        let missing: u64 = short(&answers, &seen).iter().map(|(_, said, seen)| said - seen).sum();
        let agree = missing <= tolerated;
        if !agree {
            self.verdict = Verdict::Fail;
            let why = disagreement(witness, &answers, &seen);
            self.reasons.insert(0, format!("answers and {} disagree: {why}", witness.name));
        }
        (cells(&seen), agree)
    }
}

fn by_pair(seen: &[ZoneRequests]) -> BTreeMap<Pair, u64> {
    let mut pairs = BTreeMap::new();
    for ZoneRequests { from, to, requests, .. } in seen {
        *pairs.entry((from.clone(), to.clone())).or_default() += requests;
    }
    pairs
}

fn cells(pairs: &BTreeMap<Pair, u64>) -> Vec<Cell<u64>> {
    pairs.iter().map(|((from, to), requests)| Cell::new(from, to, *requests)).collect()
}

/// What has fewer requests than the answers say, with what they say and what was counted.
fn short<K: Ord + Clone>(answers: &BTreeMap<K, u64>, counted: &BTreeMap<K, u64>) -> Vec<(K, u64, u64)> {
    let counted = |key: &K| counted.get(key).copied().unwrap_or(0);
    let found = answers.iter().map(|(key, said)| (key.clone(), *said, counted(key)));
    found.filter(|(_, said, counted)| counted < said).collect()
}

/// What would explain it.
fn disagreement(witness: Witness, answers: &BTreeMap<Pair, u64>, seen: &BTreeMap<Pair, u64>) -> String {
    let Witness { verb, silence, .. } = witness;
    if seen.values().all(|requests| *requests == 0) {
        let answered: u64 = answers.values().sum();
        return format!("{answered} requests were answered, and {silence}");
    }
    let rows = short(&by_frontend(answers), &by_frontend(seen)).into_iter().map(|(zone, said, seen)| {
        format!("{said} answers came from frontends that say they are in {zone}, where {verb} {seen}")
    });
    let rows: Vec<String> = rows.collect();
    if !rows.is_empty() {
        return format!("{}; frontends report a wrong zone", rows.join(", "));
    }
    let pairs = short(answers, seen).into_iter().map(|((from, to), said, seen)| {
        format!("{said} answers say that they went from {from} to {to}, where {verb} {seen}")
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
