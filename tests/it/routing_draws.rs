//! Every random number in turn instead of a sample: what is drawn comes out exactly as the plan says.

use std::collections::BTreeMap;
use std::convert::Infallible;

use rand::TryRng;
use serde_json::{Value, json};
use zonewalk::routing::{BASIS, Config, Counters, Health, Host, HostSet, LbPolicy, LoadBalancer, Locality};

use crate::situations::topology;

/// Gives these numbers, one after the other.
struct Given(std::vec::IntoIter<u64>);

impl Given {
    fn new(numbers: impl Into<Vec<u64>>) -> Self {
        Self(numbers.into().into_iter())
    }
}

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("the engine draws whole numbers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next().expect("no more is drawn than Envoy draws"))
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("the engine draws whole numbers")
    }
}

/// A balancer, and the zone of each host.
fn balancer(situation: Value) -> (LoadBalancer, Vec<String>) {
    let topology = topology(situation);
    let (own, local, upstream) = (topology.own(), topology.local_hosts(), topology.upstream_hosts());
    let config = topology.config();
    let balancer = LoadBalancer::new(&config, own.as_ref(), local.as_ref(), &upstream, 0, &Counters::default());
    let zone = |locality: &zonewalk::routing::LocalityHosts| vec![locality.locality.zone.clone(); locality.hosts.len()];
    (balancer, upstream[0].localities.iter().flat_map(zone).collect())
}

/// How often each zone is picked when one of the numbers drawn, `x`, takes all values below `end`.
fn by_zone(
    balancer: &LoadBalancer,
    zones: &[String],
    end: u64,
    draws: impl Fn(u64) -> Vec<u64>,
) -> BTreeMap<String, u64> {
    let mut picked = BTreeMap::new();
    for x in 0..end {
        let mut rng = Given::new(draws(x));
        let host = balancer.pick(&mut rng, &Counters::default()).expect("there are hosts");
        assert_eq!(rng.0.next(), None, "not all was drawn that Envoy draws");
        *picked.entry(zones[host.index].clone()).or_default() += 1;
    }
    picked
}

fn counts<const N: usize>(zones: [(&str, u64); N]) -> BTreeMap<String, u64> {
    zones.map(|(zone, count)| (zone.to_owned(), count)).into_iter().collect()
}

/// Callers 1 : 1 : 1, hosts 1 : 3 : 4 of 8.
fn uneven() -> Value {
    json!({ "self_zone": "a", "local": { "a": 2, "b": 2, "c": 2 }, "upstream": { "a": 1, "b": 3, "c": 4 } })
}

#[test]
fn as_many_stay_as_the_own_zone_can_take() {
    let (balancer, zones) = balancer(uneven());
    // 1250 of 10000 hosts for 3333 of 10000 callers.
    let local_percent_to_route = 1250 * BASIS / 3333;
    assert_eq!(balancer.plan().local_percent_to_route, local_percent_to_route);
    for x in 0..BASIS {
        // The third number is drawn only if the request has to leave.
        let draws = if x < local_percent_to_route { vec![0, x] } else { vec![0, x, 0] };
        let host = balancer.pick(&mut Given::new(draws), &Counters::default()).expect("there are hosts");
        assert_eq!(zones[host.index] == "a", x < local_percent_to_route, "{x}");
    }
}

#[test]
fn those_that_leave_go_where_there_is_capacity_to_spare() {
    let (balancer, zones) = balancer(uneven());
    // What b and c have beyond what their own callers need.
    let spare = [3750 - 3333, 5000 - 3333];
    let leaving = |x| vec![0, BASIS - 1, x];
    let picked = by_zone(&balancer, &zones, spare.iter().sum(), leaving);
    assert_eq!(picked, counts([("b", spare[0]), ("c", spare[1])]));
}

#[test]
fn priorities_share_a_hundred_numbers() {
    // 4 of 7 hosts, overprovisioned by 1.4, count for 80 %.
    let (balancer, _) = balancer(json!({
        "self_zone": "a", "local": { "a": 1, "b": 1 },
        "upstream": { "a": 2, "b": { "healthy": 2, "unhealthy": 3 } }, "upstream_p1": { "a": 1 },
    }));
    let first = |x| balancer.pick(&mut Given::new([x]), &Counters::default()).is_some_and(|host| host.priority == 0);
    let share = balancer.priority_load().healthy[0];
    assert_eq!(share, 80);
    assert!((0..200).all(|x| first(x) == (x % 100 < share)));
}

#[test]
fn routing_enabled_lets_so_many_of_a_hundred_through() {
    let even = json!({ "a": 3, "b": 3 });
    let (balancer, zones) =
        balancer(json!({ "self_zone": "a", "local": even, "upstream": even, "routing_enabled": 30 }));
    let counters = Counters::default();
    for x in 0..100 {
        let host = balancer.pick(&mut Given::new([0, x]), &counters).expect("there are hosts");
        assert!(x >= 30 || zones[host.index] == "a");
    }
    assert_eq!(counters.snapshot().lb_zone_routing_all_directly, 30);
}

/// In a list whose weights are all the same there is no schedule, though weights differ elsewhere: of two choices, the less
/// busy one is taken.
#[test]
fn a_zone_of_equal_weights_is_not_scheduled() {
    let hosts = |weight| vec![Host { health: Health::Healthy, weight }; 3];
    let zones = [("a", 1), ("b", 2)].map(|(zone, weight)| (Locality::new("r1", zone), hosts(weight)));
    let upstream: HostSet = zones.into_iter().collect();
    let local = upstream.clone();
    let config = Config { lb_policy: LbPolicy::LeastRequest, ..Config::default() };
    let own = Locality::new("r1", "a");
    let counters = Counters::default();
    let balancer = LoadBalancer::new(&config, Some(&own), Some(&local), &[upstream], 0, &counters);
    let mut picks = [0; 3];
    for choices in 0..9 {
        let mut rng = Given::new([0, choices / 3, choices % 3]);
        let busy = |host: zonewalk::routing::HostIndex| host.index as u64;
        picks[balancer.pick_by_load(&mut rng, &counters, busy).expect("there are hosts").index] += 1;
    }
    assert_eq!(picks, [5, 3, 1]);
}
