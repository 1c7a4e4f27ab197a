//! Which share of the requests goes to which zone: by Envoy's algorithm, and without it.

use std::collections::BTreeMap;

use crate::audit::facts::ByZone;
use crate::aws::AzId;
use crate::routing::{Topology, predict};

/// Of what is sent from a zone, the share that goes to each.
pub(super) type Matrix = BTreeMap<AzId, BTreeMap<AzId, f64>>;

/// How zone-aware routing sends what these callers send, wherever its threshold is.
pub(super) fn routed(callers: &ByZone, endpoints: &ByZone) -> Matrix {
    let named = |zones: &ByZone| zones.iter().map(|(zone, tasks)| (zone.to_string(), *tasks)).collect();
    let (local, upstream): (BTreeMap<String, u32>, BTreeMap<String, u32>) = (named(callers), named(endpoints));
    let row = |zone: &AzId| {
        let mut topology = Topology::healthy(zone.as_str(), &local, &upstream);
        topology.min_cluster_size = Some(1);
        let shares = predict(&topology).zone_share;
        (zone.clone(), shares.into_iter().map(|(to, share)| (AzId::new(to), share)).collect())
    };
    present(callers).map(|(zone, _)| row(zone)).collect()
}

/// How round robin does.
pub(super) fn without(callers: &ByZone, endpoints: &ByZone) -> Matrix {
    let all: f64 = endpoints.values().copied().map(f64::from).sum();
    let row: BTreeMap<AzId, f64> =
        endpoints.iter().map(|(zone, count)| (zone.clone(), f64::from(*count) / all)).collect();
    present(callers).map(|(zone, _)| (zone.clone(), row.clone())).collect()
}

/// Both, where of the callers in a zone only a part routes by zone.
pub(super) fn mixed(routed: &Matrix, without: &Matrix, aware: impl Fn(&AzId) -> f64) -> Matrix {
    let row = |(zone, row): (&AzId, &BTreeMap<AzId, f64>)| {
        let aware = aware(zone);
        let by_zone = |to: &AzId| routed.get(zone).and_then(|row| row.get(to)).copied().unwrap_or(0.0);
        let share = |(to, share): (&AzId, &f64)| (to.clone(), aware * by_zone(to) + (1.0 - aware) * share);
        (zone.clone(), row.iter().map(share).collect())
    };
    without.iter().map(row).collect()
}

/// The share of all that stays in its zone, if each caller sends as much.
pub(super) fn same_zone(matrix: &Matrix, callers: &ByZone) -> f64 {
    let all: f64 = callers.values().copied().map(f64::from).sum();
    let kept = |zone: &AzId| matrix.get(zone).and_then(|row| row.get(zone)).copied().unwrap_or(0.0);
    callers.iter().map(|(zone, count)| f64::from(*count) * kept(zone)).sum::<f64>() / all
}

/// The share that stays with so many endpoints, spread over the zones as the callers are.
pub(super) fn best(callers: &ByZone, endpoints: u32) -> f64 {
    let all = u64::from(callers.values().sum::<u32>());
    let whole = |count: u32| u64::from(count) * u64::from(endpoints) / all;
    let mut spread: Vec<(AzId, u64, u64)> = callers
        .iter()
        .map(|(zone, count)| (zone.clone(), whole(*count), u64::from(*count) * u64::from(endpoints) % all))
        .collect();
    let left = u64::from(endpoints) - spread.iter().map(|(_, count, _)| count).sum::<u64>();
    spread.sort_by_key(|(_, _, rest)| std::cmp::Reverse(*rest));
    for (_, count, _) in spread.iter_mut().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        *count += 1;
    }
    let spread = spread.into_iter().map(|(zone, count, _)| (zone, u32::try_from(count).unwrap_or(u32::MAX))).collect();
    same_zone(&routed(callers, &spread), callers)
}

/// What each zone gets of what these callers send, if each sends as much.
pub(super) fn received(matrix: &Matrix, callers: &ByZone) -> BTreeMap<AzId, f64> {
    let mut received = BTreeMap::new();
    for (from, row) in matrix {
        let senders = callers.get(from).copied().map_or(0.0, f64::from);
        for (to, share) in row {
            *received.entry(to.clone()).or_default() += senders * share;
        }
    }
    received
}

/// The zone whose endpoints get most each, and how many times the mean of all endpoints.
pub(super) fn hottest(received: &BTreeMap<AzId, f64>, endpoints: &ByZone) -> Option<(AzId, f64)> {
    let (all, count): (f64, f64) = (received.values().sum(), endpoints.values().copied().map(f64::from).sum());
    let times_mean = |(zone, here): (&AzId, &u32)| {
        let got = received.get(zone).copied().unwrap_or(0.0);
        (zone.clone(), got / all * count / f64::from(*here))
    };
    let hottest = present(endpoints).map(times_mean).max_by(|a, b| a.1.total_cmp(&b.1));
    hottest.filter(|_| all > 0.0)
}

pub(super) fn present(zones: &ByZone) -> impl Iterator<Item = (&AzId, &u32)> {
    zones.iter().filter(|(_, count)| **count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(counts: [u32; 3]) -> ByZone {
        ["a", "b", "c"].into_iter().map(AzId::new).zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3
    }

    #[test]
    fn even_services_keep_all_and_round_robin_a_third() {
        let (callers, endpoints) = (zones([2, 2, 2]), zones([2, 2, 2]));
        assert!(near(same_zone(&routed(&callers, &endpoints), &callers), 1.0));
        assert!(near(same_zone(&without(&callers, &endpoints), &callers), 1.0 / 3.0));
        let half = mixed(&routed(&callers, &endpoints), &without(&callers, &endpoints), |_| 0.5);
        assert!(near(same_zone(&half, &callers), 2.0 / 3.0));
    }

    #[test]
    fn a_zone_without_callers_sends_nothing() {
        let (callers, endpoints) = (zones([3, 0, 0]), zones([2, 2, 2]));
        let matrix = routed(&callers, &endpoints);
        assert_eq!(matrix.len(), 1);
        assert!(near(same_zone(&matrix, &callers), 1.0 / 3.0), "endpoints of other zones get their part");
    }

    #[test]
    fn the_best_spread_follows_the_callers() {
        assert!(near(best(&zones([2, 2, 2]), 6), 1.0));
        assert!(near(best(&zones([4, 2, 0]), 6), 1.0));
        let seven = best(&zones([2, 2, 2]), 7);
        assert!(seven < 1.0 && seven > 0.8, "seven endpoints cannot be even: {seven}");
    }

    #[test]
    fn a_zone_with_few_endpoints_for_its_callers_is_hot() {
        let (callers, endpoints) = (zones([4, 1, 1]), zones([1, 3, 2]));
        let even = received(&without(&callers, &endpoints), &callers);
        let (zone, times) = hottest(&even, &endpoints).unwrap();
        assert!(near(times, 1.0), "round robin is even: {zone} {times}");
        let (zone, times) = hottest(&BTreeMap::from([(AzId::new("a"), 4.0)]), &endpoints).unwrap();
        assert_eq!((zone.as_str(), times), ("a", 6.0));
    }
}
