//! What a pick and a rebuild cost, and what an endpoint takes of memory. A pick should cost the same whatever the number of
//! endpoints, a rebuild grow with it.

#![expect(clippy::print_stdout, reason = "criterion measures time alone")]

use std::cell::Cell;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::AtomicU64;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use zonewalk::routing::{
    Config, Counter, Counters, CountersOf, Health, Host, HostSet, LoadBalancer, Locality, LocalityRoutingState,
};

const ZONES: usize = 6;

fn own() -> Locality {
    Locality::new("us-east-1", "use1-az1")
}

/// Hosts spread over [`ZONES`]; `of_zone_1` says how many parts of them the own zone has, when every other has 6.
fn cluster(hosts: usize, of_zone_1: usize) -> HostSet {
    let parts = |zone| if zone == 1 { of_zone_1 } else { 6 };
    let all: usize = (1..=ZONES).map(parts).sum();
    let zone = |zone: usize| {
        let hosts = vec![Host::default(); (hosts * parts(zone) / all).max(1)];
        (Locality::new("us-east-1", format!("use1-az{zone}")), hosts)
    };
    (1..=ZONES).map(zone).collect()
}

fn build<C: Counter>(local: &HostSet, upstream: &[HostSet], counters: &CountersOf<C>) -> LoadBalancer<C> {
    LoadBalancer::new(&Config::default(), Some(&own()), Some(local), upstream, 7, counters)
}

/// By a worker that has the load balancer for itself, and by one of the threads that share it.
fn picks(criterion: &mut Criterion) {
    picks_of::<Cell<u64>>(criterion, "pick");
    picks_of::<AtomicU64>(criterion, "shared pick");
}

fn picks_of<C: Counter>(criterion: &mut Criterion, name: &str) {
    use LocalityRoutingState::{LocalityDirect, LocalityResidual, NoLocalityRouting};

    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for hosts in [6, 1_000, 100_000] {
        let local = cluster(36, 6);
        let alone: HostSet = [(own(), vec![Host::default(); hosts])].into_iter().collect();
        for (state, upstream) in
            [(LocalityDirect, cluster(hosts, 6)), (LocalityResidual, cluster(hosts, 3)), (NoLocalityRouting, alone)]
        {
            // Six hosts are one in each zone, as many parts as the local cluster has: make the others twice as many.
            let local = if hosts == 6 && state == LocalityResidual { cluster(42, 12) } else { local.clone() };
            let counters = CountersOf::<C>::default();
            let balancer = build(&local, &[upstream], &counters);
            assert_eq!(balancer.plan().state, state);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
            group.bench_function(BenchmarkId::new(format!("{state:?}"), hosts), |bencher| {
                bencher.iter(|| balancer.pick(&mut rng, &counters));
            });
        }
    }
    group.finish();
}

fn rebuilds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rebuild");
    for hosts in [1_000, 10_000, 100_000] {
        let (local, counters) = (cluster(36, 6), Counters::default());
        group.throughput(Throughput::Elements(hosts as u64));
        for name in ["healthy", "mixed"] {
            let mut upstream = [cluster(hosts, 6)];
            if name == "mixed" {
                let hosts = upstream[0].localities.iter_mut().flat_map(|locality| &mut locality.hosts);
                hosts.step_by(5).for_each(|host| host.health = Health::Unhealthy);
            }
            let balancer = build(&local, &upstream, &counters);
            group.bench_function(BenchmarkId::new(name, hosts), |bencher| {
                bencher.iter(|| black_box(balancer.updated(Some(&local), &upstream, &counters)));
            });
        }
    }
    group.finish();
}

/// By the process's resident memory, which so many endpoints dominate.
fn memory(_: &mut Criterion) {
    const HOSTS: usize = 12_000_000;
    let (local, upstream, counters) = (cluster(36, 6), [cluster(HOSTS, 6)], Counters::default());
    let before = resident_bytes();
    let balancer = build(&local, &upstream, &counters);
    let bytes = resident_bytes().saturating_sub(before);
    black_box(&balancer);
    println!("memory: {:.1} bytes of an endpoint, of {HOSTS}", bytes as f64 / HOSTS as f64);
}

fn resident_bytes() -> usize {
    let id = std::process::id().to_string();
    let output = Command::new("ps").args(["-o", "rss=", "-p", &id]).output().expect("ps is there");
    let kilobytes: usize = String::from_utf8_lossy(&output.stdout).trim().parse().expect("it tells a number");
    kilobytes * 1024
}

criterion_group!(benches, picks, rebuilds, memory);
criterion_main!(benches);
