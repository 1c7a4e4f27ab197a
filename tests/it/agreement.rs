//! Whether counted requests agree with a prediction.
//!
//! What is certain is compared exactly. What is drawn at random is judged by the Chernoff-Hoeffding bound: a sum of `n`
//! independent values between 0 and 1 with mean `p` comes to `n·q` or beyond with a probability of at most
//! `exp(-n · KL(q, p))`, `KL` being the relative entropy of two coins. That holds for plain counts and, which is why it is
//! this bound, for zones that get some requests by draw and a fixed part of others in turn. Turns add less than a known
//! number of requests to that, which is granted beforehand. Each comparison looks at both sides and may raise a false alarm
//! on either with a probability of [`LEVEL`]; a [`Judge`] refuses more than [`MAX_COMPARISONS`], and a run of the tests has
//! fewer than [`MAX_JUDGES`], so that a whole run stays under 1e-6.

use std::collections::BTreeMap;

use zonewalk::routing::{CounterSnapshot, LbPolicy, PredictedState, Prediction, Simulation, Spread, Topology};

const MAX_COMPARISONS: usize = 20_000;
const MAX_JUDGES: usize = 10;
const LEVEL: f64 = 1e-6 / (2 * MAX_JUDGES * MAX_COMPARISONS) as f64;

/// What was counted, from no requests on.
pub(crate) struct Observation {
    pub(crate) requests: u64,
    pub(crate) zone_requests: BTreeMap<String, u64>,
    pub(crate) failed: u64,
    /// Growth during the requests.
    pub(crate) counters: CounterSnapshot,
}

impl Observation {
    pub(crate) fn new(simulation: &Simulation, before: &CounterSnapshot) -> Self {
        Self {
            requests: simulation.requests,
            zone_requests: simulation.zone_requests.clone(),
            failed: simulation.failed,
            counters: growth(before, &simulation.counters),
        }
    }
}

/// By how much counters grew.
pub(crate) fn growth(before: &CounterSnapshot, after: &CounterSnapshot) -> CounterSnapshot {
    let grown = after.iter().zip(before.iter()).map(|((name, after), (_, before))| (name.to_owned(), after - before));
    let grown: serde_json::Map<String, serde_json::Value> = grown.map(|(name, value)| (name, value.into())).collect();
    serde_json::from_value(grown.into()).expect("names are the counters' own")
}

/// Collects disagreements over a whole run.
#[derive(Default)]
pub(crate) struct Judge {
    comparisons: usize,
    disagreements: Vec<String>,
}

impl Judge {
    /// `who` says what was observed, for the message.
    pub(crate) fn compare(&mut self, who: &str, topology: &Topology, expected: &Prediction, seen: &Observation) {
        let all: u64 = seen.zone_requests.values().sum::<u64>() + seen.failed;
        self.same(&format!("{who}: answers to {} requests", seen.requests), seen.requests, all);
        if shows_its_state(expected, seen.requests) {
            self.same(&format!("{who}: state"), expected.state, observed_state(&seen.counters));
        }
        for (name, count) in seen.counters.iter() {
            let share = expected.counters_per_request.get(name).copied().unwrap_or(0.0);
            self.drawn(&format!("{who}: {name}"), seen.requests, share, count, 0);
        }
        self.drawn(&format!("{who}: failed"), seen.requests, expected.failed_share, seen.failed, 0);
        for zone in seen.zone_requests.keys().filter(|zone| !expected.zone_share.contains_key(*zone)) {
            self.disagreements.push(format!("{who}: requests to unknown zone {zone}"));
        }
        for (zone, &share) in &expected.zone_share {
            let count = seen.zone_requests.get(zone).copied().unwrap_or(0);
            let what = format!("{who}: zone {zone}");
            let turns = turns(topology, zone);
            match expected.spread {
                Spread::Fixed => self.same(&what, (share * seen.requests as f64).round() as u64, count),
                Spread::Cyclic => self.in_turn(&what, seen.requests, share, count, turns),
                Spread::Random => self.drawn(&what, seen.requests, share, count, turns),
            }
        }
    }

    pub(crate) fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: T, seen: T) {
        if expected != seen {
            self.disagreements.push(format!("{what}: expected {expected:?}, saw {seen:?}"));
        }
    }

    /// `count` of `requests` came by turns of a given share, and may be off by `turns`.
    fn in_turn(&mut self, what: &str, requests: u64, share: f64, count: u64, turns: u64) {
        let expected = share * requests as f64;
        if (count as f64 - expected).abs() > turns as f64 + 1e-6 {
            self.disagreements.push(format!("{what}: expected {expected:.1} ± {turns}, saw {count}"));
        }
    }

    /// `count` of `requests` came by draws of a given share, and `turns` of them may be off for a reason of their own.
    fn drawn(&mut self, what: &str, requests: u64, share: f64, count: u64, turns: u64) {
        self.comparisons += 1;
        let expected = share * requests as f64;
        let deviation = ((count as f64 - expected).abs() - turns as f64).max(0.0);
        let nearest = if (count as f64) < expected { expected - deviation } else { expected + deviation };
        let by_chance = (-(requests as f64) * relative_entropy(nearest / requests as f64, share)).exp();
        if by_chance < LEVEL {
            let disagreement =
                format!("{what}: expected {expected:.1} of {requests}, saw {count} (p < {by_chance:.1e})");
            self.disagreements.push(disagreement);
        }
    }

    pub(crate) fn verdict(self) {
        assert!(self.comparisons <= MAX_COMPARISONS, "{} comparisons are too many", self.comparisons);
        let count = self.disagreements.len();
        assert!(count == 0, "{count} disagreements:\n{}", self.disagreements.join("\n"));
    }
}

/// Of a coin that shows `q` from one that shows `p`.
fn relative_entropy(q: f64, p: f64) -> f64 {
    let term = |q: f64, p: f64| if q <= 1e-12 { 0.0 } else { q * (q / p).ln() };
    // Shares that are 0 or 1 up to rounding leave no room for chance.
    let p = if p < 1e-12 {
        0.0
    } else if p > 1.0 - 1e-12 {
        1.0
    } else {
        p
    };
    term(q, p) + term(1.0 - q, 1.0 - p)
}

/// What the counters tell of the state.
fn observed_state(counters: &CounterSnapshot) -> PredictedState {
    if counters.lb_zone_routing_all_directly > 0 {
        PredictedState::LocalityDirect
    } else if counters.lb_zone_routing_sampled + counters.lb_zone_routing_cross_zone > 0 {
        PredictedState::LocalityResidual
    } else if counters.lb_healthy_panic > 0 {
        PredictedState::Panic
    } else {
        PredictedState::NoLocalityRouting
    }
}

/// Whether so many requests leave no room for the chance that none of them tells of the state, as with a `routing_enabled` of
/// 1 percent. The counters are judged in any case.
fn shows_its_state(expected: &Prediction, requests: u64) -> bool {
    let telling: &[&str] = match expected.state {
        PredictedState::LocalityDirect => &["lb_zone_routing_all_directly"],
        PredictedState::LocalityResidual => &["lb_zone_routing_sampled", "lb_zone_routing_cross_zone"],
        PredictedState::Panic => &["lb_healthy_panic"],
        PredictedState::NoLocalityRouting => return true,
    };
    let share: f64 = telling.iter().filter_map(|name| expected.counters_per_request.get(*name)).sum();
    (1.0 - share).powf(requests as f64) < LEVEL
}

/// By how many requests turns can favour a zone. A round takes every host as often as its weight says, so one that is not
/// over favours the hosts of a zone by less than the sum of their weights; localities in turn, by two at most.
fn turns(topology: &Topology, zone: &str) -> u64 {
    let zones = [Some(&topology.upstream), topology.upstream_p1.as_ref()];
    let hosts = zones.into_iter().flatten().filter_map(|zones| zones.get(zone)).flat_map(|zone| &zone.hosts);
    let of_hosts =
        if topology.lb_policy == Some(LbPolicy::Random) { 0 } else { hosts.map(|host| u64::from(host.weight)).sum() };
    let of_localities = if topology.locality_weighted == Some(true) { 2 } else { 0 };
    of_hosts + of_localities
}
