//! What the algorithm will do in a situation: exact expectations, computed from the same routes that picks follow; and,
//! as a check on them, picks themselves.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::PoisonError;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::balancer::LoadBalancer;
use super::config::LbPolicy;
use super::counters::{Counter, CounterSnapshot, CountersOf};
use super::lists::{HostList, ListId};
use super::plan::{BASIS, LocalityRoutingState, Reason};
use super::routes::{Branch, Route, ZoneAware, ZoneChoice};
use super::topology::Topology;

/// What requests meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictedState {
    /// Zones don't matter; also if there is a plan that no request comes to follow.
    NoLocalityRouting,
    LocalityDirect,
    LocalityResidual,
    /// Too few hosts are available: all are used, or none.
    Panic,
}

impl PredictedState {
    pub const ALL: [Self; 4] = [Self::NoLocalityRouting, Self::LocalityDirect, Self::LocalityResidual, Self::Panic];
}

/// How requests come to their zones, for those who judge a sample by the expected shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// One zone gets every request, or all fail: any other outcome contradicts the prediction.
    Fixed,
    /// Each proxy takes its hosts strictly in turn: over whole rounds, shares are exact.
    Cyclic,
    /// At least part of the choice is drawn for each request, independently: counts vary as binomial ones do, or less.
    Random,
}

/// Shares are of all requests and add up to 1 with `failed_share`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    pub state: PredictedState,
    pub reason: String,
    /// Envoy's number: of 10000 requests, how many stay in the own zone. Only if some must leave it.
    pub local_percent_to_route: Option<u64>,
    /// By zone of the called service, every one of them.
    pub zone_share: BTreeMap<String, f64>,
    pub failed_share: f64,
    #[serde(skip)]
    pub spread: Spread,
    /// By how much each counter grows a request; those that don't are absent.
    #[serde(skip)]
    pub counters_per_request: BTreeMap<&'static str, f64>,
}

/// What [`simulate`] saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Simulation {
    pub requests: u64,
    pub zone_requests: BTreeMap<String, u64>,
    pub failed: u64,
    pub counters: CounterSnapshot,
}

pub fn predict(topology: &Topology) -> Prediction {
    let balancer = build(topology, 0, &CountersOf::default());
    let outcomes = balancer.outcomes();

    let mut zone_share: BTreeMap<String, f64> = topology.upstream.keys().map(|zone| (zone.clone(), 0.0)).collect();
    let mut failed_share = 0.0;
    let mut counters_per_request = BTreeMap::new();
    for outcome in &outcomes {
        for &counter in outcome.counters {
            *counters_per_request.entry(counter).or_insert(0.0) += outcome.probability;
        }
        match outcome.list.map(|list| &balancer.lists[list]).filter(|list| !list.hosts.is_empty()) {
            None => {
                failed_share += outcome.probability;
                *counters_per_request.entry("upstream_cx_none_healthy").or_insert(0.0) += outcome.probability;
            }
            Some(list) => {
                let zones: Vec<&str> = topology.zone_names(list.priority).collect();
                let weights = list.weights(topology.lb_policy.unwrap_or_default(), &outcome.percentiles);
                // Summed up before they are divided: weights are whole numbers, so that a whole comes out as exactly 1.
                let mut by_zone: BTreeMap<&str, f64> = BTreeMap::new();
                for (&host, weight) in list.hosts.iter().zip(&weights) {
                    *by_zone.entry(zones[host as usize]).or_insert(0.0) += weight;
                }
                let whole: f64 = weights.iter().sum();
                for (zone, weight) in by_zone {
                    *zone_share.entry(zone.to_owned()).or_insert(0.0) += outcome.probability * (weight / whole);
                }
            }
        }
    }

    let state = predicted_state(&balancer);
    let only = |share: &f64| *share > 1.0 - 1e-9;
    let spread = if only(&failed_share) || zone_share.values().any(only) {
        Spread::Fixed
    } else if is_cyclic(&balancer, &outcomes, topology.lb_policy.unwrap_or_default()) {
        Spread::Cyclic
    } else {
        Spread::Random
    };
    let residual = state == PredictedState::LocalityResidual;
    Prediction {
        state,
        reason: reason(topology, &balancer, state),
        local_percent_to_route: residual.then(|| balancer.plan().local_percent_to_route),
        zone_share,
        failed_share,
        spread,
        counters_per_request,
    }
}

/// Picks a host for each of `requests`, one request after the other.
pub fn simulate(topology: &Topology, requests: u64, seed: u64) -> Simulation {
    let mut rng = StdRng::seed_from_u64(seed);
    let counters = CountersOf::default();
    let balancer = build(topology, rand::Rng::next_u64(&mut rng), &counters);
    let zones: Vec<Vec<&str>> = (0..2).map(|priority| topology.zone_names(priority).collect()).collect();
    let mut zone_requests: BTreeMap<String, u64> = topology.upstream.keys().map(|zone| (zone.clone(), 0)).collect();
    let mut failed = 0;
    for _ in 0..requests {
        match balancer.pick(&mut rng, &counters) {
            Some(host) => *zone_requests.entry(zones[host.priority][host.index].to_owned()).or_default() += 1,
            None => failed += 1,
        }
    }
    Simulation { requests, zone_requests, failed, counters: counters.snapshot() }
}

/// For one thread.
type Balancer = LoadBalancer<Cell<u64>>;

fn build(topology: &Topology, seed: u64, counters: &CountersOf<Cell<u64>>) -> Balancer {
    let (local, upstream) = (topology.local_hosts(), topology.upstream_hosts());
    LoadBalancer::new(&topology.config(), topology.own().as_ref(), local.as_ref(), &upstream, seed, counters)
}

/// A list that requests come to, or none for those that fail at once.
struct Outcome {
    probability: f64,
    list: Option<ListId>,
    /// The random numbers, mod 100, that led here.
    percentiles: Range<u64>,
    counters: &'static [&'static str],
}

impl Balancer {
    /// Every way a request can go. Probabilities add up to 1.
    fn outcomes(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (Branch { route, .. }, percentiles) in self.loaded_branches() {
            let probability = (percentiles.end - percentiles.start) as f64 / 100.0;
            for (share, list, counters) in route.outcomes() {
                let percentiles = percentiles.clone();
                outcomes.push(Outcome { probability: probability * share, list, percentiles, counters });
            }
        }
        outcomes
    }

    /// Branches that requests take, with the random numbers, mod 100, that take them.
    fn loaded_branches(&self) -> Vec<(&Branch, Range<u64>)> {
        let mut start = 0;
        let mut branches: Vec<(&Branch, Range<u64>)> = Vec::new();
        for branch in &self.branches {
            branches.push((branch, start..branch.cumulative_load));
            start = branch.cumulative_load;
        }
        // What no branch gets is the first one's, as in picks. Then no other has any.
        if start < 100
            && let Some((_, percentiles)) = branches.first_mut()
        {
            *percentiles = 0..100;
        }
        branches.retain(|(_, percentiles)| !percentiles.is_empty());
        branches
    }
}

type Share = (f64, Option<ListId>, &'static [&'static str]);

impl Route {
    fn outcomes(&self) -> Vec<Share> {
        match self {
            Self::Panic(list) => vec![(1.0, *list, &["lb_healthy_panic"])],
            Self::Whole(list) => vec![(1.0, Some(*list), &[])],
            Self::Weighted { scheduler, localities } => {
                let scheduler = scheduler.lock().unwrap_or_else(PoisonError::into_inner);
                let whole: f64 = scheduler.weights().iter().sum();
                let shares = scheduler.weights().iter().zip(localities);
                shares.map(|(weight, list)| -> Share { (weight / whole, Some(*list), &[]) }).collect()
            }
            Self::ZoneAware(zone_aware) => zone_aware.outcomes(),
        }
    }
}

impl ZoneAware {
    fn outcomes(&self) -> Vec<Share> {
        let enabled = self.enabled as f64 / 100.0;
        let mut outcomes: Vec<Share> = vec![(1.0 - enabled, Some(self.whole), &[])];
        match &self.choice {
            ZoneChoice::LocalPanic(list) => outcomes.push((enabled, *list, &["lb_local_cluster_not_ok"])),
            ZoneChoice::Direct(list) => outcomes.push((enabled, Some(*list), &["lb_zone_routing_all_directly"])),
            ZoneChoice::Residual { local_percent_to_route, localities } => {
                let local = *local_percent_to_route as f64 / BASIS as f64;
                let own = localities.first().map(|&(_, list)| list);
                outcomes.push((enabled * local, own, &["lb_zone_routing_sampled"]));
                let whole = localities.last().map_or(0, |&(capacity, _)| capacity);
                let mut before = 0;
                for &(capacity, list) in localities {
                    let (share, counters): (f64, &'static [&'static str]) = if whole == 0 {
                        (1.0 / localities.len() as f64, &["lb_zone_routing_cross_zone", "lb_zone_no_capacity_left"])
                    } else {
                        ((capacity - before) as f64 / whole as f64, &["lb_zone_routing_cross_zone"])
                    };
                    before = capacity;
                    outcomes.push((enabled * (1.0 - local) * share, Some(list), counters));
                }
            }
        }
        outcomes.retain(|&(share, ..)| share > 0.0);
        outcomes
    }
}

impl<C: Counter> HostList<C> {
    /// What each host gets, relative to the others, of the requests that come to this list with a random number in
    /// `percentiles`, mod 100. Whole numbers.
    fn weights(&self, policy: LbPolicy, percentiles: &Range<u64>) -> Vec<f64> {
        let size = self.hosts.len() as u64;
        if let Some(scheduler) = &self.scheduler {
            return scheduler.lock().unwrap_or_else(PoisonError::into_inner).weights().to_vec();
        }
        match policy {
            LbPolicy::RoundRobin | LbPolicy::LeastRequest => vec![1.0; self.hosts.len()],
            // A number's remainders by 100 and by the size agree by their greatest common divisor, and are otherwise
            // independent: a host gets the numbers in `percentiles` that agree with its position.
            LbPolicy::Random => {
                let common = greatest_common_divisor(100, size);
                let hits =
                    |position: u64| percentiles.clone().filter(|draw| draw % common == position % common).count();
                (0..size).map(|position| hits(position) as f64).collect()
            }
        }
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The most specific thing that requests meet: a zone choice, panic, or nothing of the kind.
fn predicted_state(balancer: &Balancer) -> PredictedState {
    let branches = balancer.loaded_branches();
    let routes = || branches.iter().map(|(branch, _)| &branch.route);
    for route in routes() {
        if let Route::ZoneAware(zone_aware) = route {
            match zone_aware.choice {
                ZoneChoice::Direct(_) => return PredictedState::LocalityDirect,
                ZoneChoice::Residual { .. } => return PredictedState::LocalityResidual,
                ZoneChoice::LocalPanic(_) => {}
            }
        }
    }
    if routes().any(|route| matches!(route, Route::Panic(_))) {
        PredictedState::Panic
    } else {
        PredictedState::NoLocalityRouting
    }
}

/// All requests come to one list that is taken in turn, or to localities in turn.
fn is_cyclic(balancer: &Balancer, outcomes: &[Outcome], policy: LbPolicy) -> bool {
    let in_turn = |list: ListId| policy == LbPolicy::RoundRobin || balancer.lists[list].scheduler.is_some();
    let lists: BTreeSet<Option<ListId>> = outcomes.iter().map(|outcome| outcome.list).collect();
    match lists.iter().collect::<Vec<_>>().as_slice() {
        [Some(list)] => in_turn(*list),
        _ => matches!(balancer.loaded_branches().as_slice(), [(Branch { route: Route::Weighted { .. }, .. }, _)]),
    }
}

fn reason(topology: &Topology, balancer: &Balancer, state: PredictedState) -> String {
    const ANY: &str = "all are used, whatever their zone and health";
    let config = topology.config();
    let upstream = topology.upstream_hosts();
    let tally = |set: &super::hosts::HostSet| super::hosts::Split::new(set, None).tally;
    let failing = |otherwise: &str| {
        let says = if config.fail_traffic_on_panic { "with fail_traffic_on_panic, requests fail" } else { otherwise };
        says.to_owned()
    };
    let plan = balancer.plan();
    if state == PredictedState::Panic {
        let panicking = balancer.priority_load().panic.iter().position(|&panic| panic).unwrap_or(0);
        let tally = tally(&upstream[panicking]);
        if tally.total == 0 {
            return "there are no backends: requests fail".to_owned();
        }
        return format!(
            "{} of {} backends are available, below the panic threshold of {}%: {}",
            tally.healthy + tally.degraded,
            tally.total,
            config.panic_percent(),
            failing(ANY)
        );
    }
    let branches = balancer.loaded_branches();
    let route = branches.first().map(|(branch, _)| &branch.route);
    if let Some(Route::Weighted { .. }) = route {
        return "zones are taken by their weights: zone-aware routing is off".to_owned();
    }
    if state == PredictedState::NoLocalityRouting && plan.state != LocalityRoutingState::NoLocalityRouting {
        if let Some(Route::ZoneAware(ZoneAware { choice: ZoneChoice::LocalPanic(_), .. })) = route {
            let tally = topology.local_hosts().as_ref().map(tally).unwrap_or_default();
            return format!(
                "{} of {} frontends are available, below the panic threshold of {}%: {}",
                tally.healthy + tally.degraded,
                tally.total,
                config.panic_percent(),
                failing("zone-aware routing is off")
            );
        }
        if config.enabled_percent() == 0 {
            return "routing_enabled comes to 0%: zone-aware routing is off".to_owned();
        }
        return "no request goes to priority 0, and zone-aware routing is for no other".to_owned();
    }
    match (&plan.reason, config.enabled_percent()) {
        (reason, 100) => reason.to_string(),
        (reason @ Reason::NoLocalCluster, _) => reason.to_string(),
        (reason, enabled) if plan.state != LocalityRoutingState::NoLocalityRouting => {
            format!("{reason}; this goes for the {enabled}% of requests that routing_enabled lets through")
        }
        (reason, _) => reason.to_string(),
    }
}
