//! Laws that the algorithm implies, on situations made at random.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use zonewalk::routing::topology::ZoneHosts;
use zonewalk::routing::{
    Config, Counter, CounterSnapshot, Counters, CountersOf, Health, Host, HostIndex, HostSet, LbPolicy, LoadBalancer,
    Locality, LocalityRoutingState, PredictedState, Prediction, Topology, predict, simulate,
};

use crate::agreement::{Judge, Observation};
use crate::situations::{Maker, healthy_zones, plain_topologies, situations, topologies, topology};

fn hosts(zones: &BTreeMap<String, ZoneHosts>, zone: &str) -> f64 {
    zones.get(zone).map_or(0.0, |zone| zone.hosts.len() as f64)
}

fn all_hosts(zones: &BTreeMap<String, ZoneHosts>) -> f64 {
    zones.values().map(|zone| zone.hosts.len() as f64).sum()
}

fn same_shares(one: &Prediction, other: &Prediction) -> Result<(), TestCaseError> {
    for zone in one.zone_share.keys().chain(other.zone_share.keys()) {
        let share = |prediction: &Prediction| prediction.zone_share.get(zone).copied().unwrap_or(0.0);
        prop_assert!((share(one) - share(other)).abs() < 1e-9, "zone {}: {:?} and {:?}", zone, one, other);
    }
    prop_assert!((one.failed_share - other.failed_share).abs() < 1e-9, "{:?} and {:?}", one, other);
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() }
}

/// So many picks, with an update before one of them.
fn picks<C: Counter>(topology: &Topology, seed: u64, picks: usize, update: Option<usize>) -> Vec<Option<HostIndex>> {
    let (own, local, upstream) = (topology.own(), topology.local_hosts(), topology.upstream_hosts());
    let (counters, mut rng) = (CountersOf::<C>::default(), StdRng::seed_from_u64(seed));
    let mut balancer = LoadBalancer::new(&topology.config(), own.as_ref(), local.as_ref(), &upstream, seed, &counters);
    let pick = |number| {
        if Some(number) == update {
            balancer = balancer.updated(local.as_ref(), &upstream, &counters);
        }
        balancer.pick(&mut rng, &counters)
    };
    (0..picks).map(pick).collect()
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn shares_add_up_to_1(topology in topologies()) {
        let prediction = predict(&topology);
        let shares: Vec<f64> = prediction.zone_share.values().copied().chain([prediction.failed_share]).collect();
        prop_assert!(shares.iter().all(|share| (0.0..=1.0 + 1e-9).contains(share)), "{:?}", prediction);
        prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{:?}", prediction);
        prop_assert!(!prediction.reason.is_empty());
    }

    /// What zone-aware routing is for: if all zones' callers route by it, every upstream host gets the same load, up to
    /// the rounding of each percentage.
    #[test]
    fn no_zone_gets_more_than_its_fair_share(topology in plain_topologies()) {
        let callers: Vec<&String> = topology.local.keys().filter(|zone| hosts(&topology.local, zone) > 0.0).collect();
        let upstream = topology.upstream.values().filter(|zone| !zone.hosts.is_empty()).count();
        prop_assume!(callers.len() >= 2 && upstream >= 2);
        let mut load: BTreeMap<String, f64> = BTreeMap::new();
        for caller in callers {
            let prediction = predict(&Topology { self_zone: Some(caller.clone()), ..topology.clone() });
            prop_assert_ne!(prediction.state, PredictedState::NoLocalityRouting);
            for (zone, share) in prediction.zone_share {
                *load.entry(zone).or_default() += share * hosts(&topology.local, caller) / all_hosts(&topology.local);
            }
        }
        for (zone, load) in load {
            let fair = hosts(&topology.upstream, &zone) / all_hosts(&topology.upstream);
            prop_assert!((load - fair).abs() < 0.002, "{} gets {} and should get {}", zone, load, fair);
        }
    }

    #[test]
    fn callers_of_a_short_zone_leave_others_what_those_need(topology in plain_topologies()) {
        let own = topology.self_zone.clone().unwrap_or_default();
        let prediction = predict(&topology);
        prop_assume!(prediction.state == PredictedState::LocalityResidual);
        let callers = hosts(&topology.local, &own) / all_hosts(&topology.local);
        for (zone, share) in &prediction.zone_share {
            let capacity = hosts(&topology.upstream, zone) / all_hosts(&topology.upstream);
            let needed = if *zone == own { 0.0 } else { hosts(&topology.local, zone) / all_hosts(&topology.local) };
            prop_assert!(share * callers <= (capacity - needed).max(0.0) + 0.001, "zone {}: {:?}", zone, prediction);
        }
    }

    #[test]
    fn equal_distributions_are_all_local(zones in healthy_zones(400), times in 1..5u64) {
        let more = zones.as_object().expect("zones").iter().map(|(zone, hosts)| {
            (zone.clone(), json!(hosts.as_u64().expect("a number") * times))
        });
        let more: Value = more.collect::<serde_json::Map<_, _>>().into();
        let used: Vec<&String> =
            zones.as_object().expect("zones").iter().filter(|(_, hosts)| **hosts != 0).map(|(zone, _)| zone).collect();
        prop_assume!(used.len() >= 2);
        for own in used {
            for (local, upstream) in [(&zones, &more), (&more, &zones)] {
                let situation = json!({ "self_zone": own, "local": local, "upstream": upstream, "min_cluster_size": 0 });
                let prediction = predict(&topology(situation));
                prop_assert_eq!(prediction.state, PredictedState::LocalityDirect);
                prop_assert_eq!(prediction.zone_share[own], 1.0);
            }
        }
    }

    #[test]
    fn the_order_of_localities_does_not_matter(topology in topologies(), turn in 0..4usize, split in any::<bool>()) {
        let reorder = |set: &HostSet| {
            let mut set = set.clone();
            set.localities.reverse();
            let turn = turn.min(set.localities.len());
            set.localities.rotate_left(turn);
            // A locality that is named twice is one.
            if split && let Some(mut first) = set.localities.first().cloned() {
                let half = first.hosts.len() / 2;
                first.hosts = set.localities[0].hosts.split_off(half);
                set.localities.push(first);
            }
            set
        };
        let own = topology.own();
        let (local, upstream) = (topology.local_hosts(), topology.upstream_hosts());
        let counters = [Counters::default(), Counters::default()];
        let one = LoadBalancer::new(&topology.config(), own.as_ref(), local.as_ref(), &upstream, 7, &counters[0]);
        let reordered: Vec<HostSet> = upstream.iter().map(reorder).collect();
        let local = local.as_ref().map(reorder);
        let other = LoadBalancer::new(&topology.config(), own.as_ref(), local.as_ref(), &reordered, 7, &counters[1]);
        prop_assert_eq!(one.plan(), other.plan());
        prop_assert_eq!(one.priority_load(), other.priority_load());
        prop_assert_eq!(counters[0].snapshot(), counters[1].snapshot());
    }

    /// Panic is the one thing that unhealthy hosts have a say in, with one priority and where a zone has hosts anyway.
    #[test]
    fn an_unhealthy_host_changes_nothing_but_panic(topology in plain_topologies(), zone in 0..4usize, local in any::<bool>()) {
        let mut more = topology.clone();
        let zones = if local { &mut more.local } else { &mut more.upstream };
        let zone = zones.values_mut().filter(|zone| !zone.hosts.is_empty()).nth(zone);
        prop_assume!(zone.is_some());
        zone.into_iter().for_each(|zone| zone.hosts.push(Health::Unhealthy.into()));
        let (before, after) = (predict(&topology), predict(&more));
        prop_assume!(after.state != PredictedState::Panic && !after.reason.contains("panic"));
        prop_assert_eq!(before.state, after.state);
        same_shares(&before, &after)?;
    }

    #[test]
    fn only_proportions_count(topology in plain_topologies(), times in 2..5usize) {
        let scale = |zones: &BTreeMap<String, ZoneHosts>| {
            let scaled = |zone: &ZoneHosts| ZoneHosts::healthy((zone.hosts.len() * times) as u32);
            zones.iter().map(|(name, zone)| (name.clone(), scaled(zone))).collect()
        };
        let scaled = Topology { local: scale(&topology.local), upstream: scale(&topology.upstream), ..topology.clone() };
        same_shares(&predict(&topology), &predict(&scaled))?;
    }

    /// Half of a percent is given away where no capacity is left by rounding: then any zone is taken.
    #[test]
    fn a_further_host_in_the_own_zone_keeps_more_requests_there(topology in plain_topologies()) {
        let own = topology.self_zone.clone().unwrap_or_default();
        let mut more = topology.clone();
        more.upstream.entry(own.clone()).or_default().hosts.push(Host::default());
        let share = |topology: &Topology| predict(topology).zone_share.get(&own).copied().unwrap_or(0.0);
        prop_assert!(share(&more) >= share(&topology) - 0.005, "{} then {}", share(&topology), share(&more));
    }

    /// `routing_enabled` mixes what zone-aware routing does with what is done without, in whole percents.
    #[test]
    fn routing_enabled_mixes(topology in topologies(), percent in 0..=100u64) {
        let with = |percent: u64| {
            let mut topology = topology.clone();
            let mut runtime = topology.runtime.unwrap_or_default();
            runtime.zone_routing_enabled = Some(percent);
            topology.runtime = Some(runtime);
            predict(&topology)
        };
        let (off, on, mixed) = (with(0), with(100), with(percent));
        let mix = |off: f64, on: f64| off + (on - off) * percent as f64 / 100.0;
        for (zone, share) in &mixed.zone_share {
            prop_assert!((share - mix(off.zone_share[zone], on.zone_share[zone])).abs() < 1e-9);
        }
        prop_assert!((mixed.failed_share - mix(off.failed_share, on.failed_share)).abs() < 1e-9);
    }

    /// `fail_traffic_on_panic` turns requests of a panic into failures and leaves all others alone.
    #[test]
    fn failing_in_panic_takes_nothing_else(topology in topologies()) {
        let with = |fail| predict(&Topology { fail_traffic_on_panic: Some(fail), ..topology.clone() });
        let (using, failing) = (with(false), with(true));
        for (zone, share) in &failing.zone_share {
            prop_assert!(*share <= using.zone_share[zone] + 1e-9);
        }
        if using.counters_per_request.keys().all(|name| *name != "lb_healthy_panic" && *name != "lb_local_cluster_not_ok") {
            same_shares(&using, &failing)?;
        }
    }

    #[test]
    fn picks_are_available_hosts_unless_in_panic(topology in topologies(), seed in any::<u64>()) {
        let (own, local, upstream) = (topology.own(), topology.local_hosts(), topology.upstream_hosts());
        let counters = Counters::default();
        let balancer = LoadBalancer::new(&topology.config(), own.as_ref(), local.as_ref(), &upstream, seed, &counters);
        let mut rng = StdRng::seed_from_u64(seed);
        let hosts: Vec<Vec<Host>> = upstream
            .iter()
            .map(|set| set.localities.iter().flat_map(|locality| locality.hosts.clone()).collect())
            .collect();
        for _ in 0..50 {
            if let Some(picked) = balancer.pick(&mut rng, &counters) {
                let host = hosts[picked.priority][picked.index];
                let panic = balancer.priority_load().panic[picked.priority];
                let degraded = balancer.priority_load().degraded[picked.priority] > 0;
                let may_be_picked = match host.health {
                    Health::Healthy => true,
                    Health::Degraded => panic || degraded,
                    Health::Unhealthy => panic,
                };
                prop_assert!(may_be_picked, "{:?} of {:?}", host, balancer);
            }
        }
    }

    /// An update that changes nothing is not to be noticed, by whoever picks.
    #[test]
    fn round_robins_survive_updates(topology in plain_topologies(), seed in any::<u64>(), first in 0..40usize) {
        let shared = picks::<AtomicU64>(&topology, seed, first + 40, None);
        prop_assert_eq!(&shared, &picks::<AtomicU64>(&topology, seed, first + 40, Some(first)));
        prop_assert_eq!(&shared, &picks::<Cell<u64>>(&topology, seed, first + 40, None));
        prop_assert_eq!(&shared, &picks::<Cell<u64>>(&topology, seed, first + 40, Some(first)));
    }

    #[test]
    fn hosts_of_a_zone_take_turns(topology in plain_topologies(), seed in any::<u64>()) {
        let (own, local, upstream) = (topology.own(), topology.local_hosts(), topology.upstream_hosts());
        let counters = Counters::default();
        let balancer = LoadBalancer::new(&topology.config(), own.as_ref(), local.as_ref(), &upstream, seed, &counters);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut picks = vec![0u32; upstream[0].len()];
        (0..200).filter_map(|_| balancer.pick(&mut rng, &counters)).for_each(|host| picks[host.index] += 1);
        let mut rest = picks.as_slice();
        for locality in &upstream[0].localities {
            let (zone, others) = rest.split_at(locality.hosts.len());
            rest = others;
            let (least, most) = (zone.iter().min(), zone.iter().max());
            prop_assert!(most.zip(least).is_none_or(|(most, least)| most - least <= 1), "{:?}", picks);
        }
    }
}

/// Predictions are computed from the routes, picks walk along them: over thousands of requests they must agree, whatever the
/// situation. Seeds are fixed; a disagreement names its own.
#[test]
fn picks_agree_with_predictions() {
    let mut maker = Maker::new(0);
    let mut judge = Judge::default();
    for seed in 0..600 {
        let situation = maker.make(situations(200));
        let who = format!("seed {seed}, {situation}");
        let topology = topology(situation);
        let before = simulate(&topology, 0, seed).counters;
        let seen = Observation::new(&simulate(&topology, 3000, seed), &before);
        judge.compare(&who, &topology, &predict(&topology), &seen);
    }
    judge.verdict();
}

#[test]
fn least_request_prefers_the_less_busy() {
    let zone = |name: &str| (Locality::new("r1", name), vec![Host::default(); 4]);
    let upstream: HostSet = [zone("a")].into_iter().collect();
    let counters = Counters::default();
    let config = Config { lb_policy: LbPolicy::LeastRequest, ..Config::default() };
    let balancer = LoadBalancer::new(&config, None, None, &[upstream], 0, &counters);
    let mut rng = StdRng::seed_from_u64(1);
    let mut picks = [0; 4];
    for _ in 0..4000 {
        // Host 3 is the busiest: it is taken only if both choices fall on it, once in 16.
        let busy = |host: HostIndex| host.index as u64;
        picks[balancer.pick_by_load(&mut rng, &counters, busy).expect("there are hosts").index] += 1;
    }
    assert!(picks.windows(2).all(|pair| pair[0] > pair[1]), "{picks:?}");
    assert!((150..350).contains(&picks[3]), "{picks:?}");
}

/// EDF with a weight that shrinks with load: a busy host's turn comes later.
#[test]
fn weighted_least_request_weighs_by_load() {
    let hosts = [3, 1].map(|weight| Host { health: Health::Healthy, weight });
    let upstream: HostSet = [(Locality::new("r1", "a"), hosts.to_vec())].into_iter().collect();
    let counters = Counters::default();
    let config = Config { lb_policy: LbPolicy::LeastRequest, ..Config::default() };
    let balancer = LoadBalancer::new(&config, None, None, &[upstream], 0, &counters);
    let mut rng = StdRng::seed_from_u64(1);
    let mut picks = [0_u32; 2];
    for _ in 0..4000 {
        // The heavier host has two requests under way: 3 / (2 + 1) is a weight of 1, as the other's.
        let active = |host: HostIndex| if host.index == 0 { 2 } else { 0 };
        picks[balancer.pick_by_load(&mut rng, &counters, active).expect("there are hosts").index] += 1;
    }
    assert!(picks[0].abs_diff(picks[1]) <= 4, "{picks:?}");
}

#[test]
fn nobody_to_call_fails_and_is_counted() {
    let counters = Counters::default();
    let balancer = LoadBalancer::new(&Config::default(), None, None, &[], 0, &counters);
    assert_eq!(balancer.pick(&mut StdRng::seed_from_u64(1), &counters), None);
    assert_eq!(counters.snapshot(), CounterSnapshot { upstream_cx_none_healthy: 1, ..CounterSnapshot::default() });
    assert_eq!(balancer.plan().state, LocalityRoutingState::NoLocalityRouting);
}
