//! The routing engine against a live Envoy, in the corners that `routing_cases` states and in situations made at random.
//!
//! Seeds are fixed, and printed; `ZONEWALK_TEST_SEED` sets another one.

use serde_json::{Value, json};
use zonewalk::routing::{PredictedState, Topology, predict, simulate};

use crate::agreement::{Judge, Observation, growth};
use crate::envoy_peer::{Backends, Envoy, cluster, observe, static_cluster};
use crate::routing_cases::{Case, cases};
use crate::situations::{Maker, merged, proxies, topology, upstreams};

/// What a proxy is and knows is per process, so there are a few of them, one after the other.
const PROCESSES: u64 = 12;
const CLUSTERS: usize = 20;
const REQUESTS: u64 = 1000;
const MOST_HOSTS: u32 = 20;

/// Of what this run makes at random.
pub(crate) fn seed() -> u64 {
    std::env::var("ZONEWALK_TEST_SEED").ok().map_or(1, |seed| seed.parse().expect("a number"))
}

/// What the engine itself picks: it has to come to what is predicted and what Envoy does.
fn picked(topology: &Topology, requests: u64) -> Observation {
    let before = simulate(topology, 0, seed()).counters;
    Observation::new(&simulate(topology, requests, seed()), &before)
}

#[tokio::test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn envoy_does_what_is_predicted() {
    println!("ZONEWALK_TEST_SEED={}", seed());
    let mut maker = Maker::new(seed());
    let backends = Backends::start().await;
    let mut judge = Judge::default();
    let mut states = Vec::new();
    for process in 0..PROCESSES {
        let proxy = maker.make(proxies(MOST_HOSTS));
        let situation = |number| {
            let mut upstream = maker.make(upstreams(MOST_HOSTS));
            // Chance seldom gives both clusters the same zones, which is what zones are balanced for.
            if number % 5 == 0 {
                upstream["upstream"].clone_from(&proxy["local"]);
            }
            merged(&proxy, &upstream)
        };
        let situations: Vec<Value> = (0..CLUSTERS).map(situation).collect();
        let topologies: Vec<Topology> = situations.iter().cloned().map(topology).collect();

        let name = |number: usize| format!("up{number}");
        let upstreams = situations.iter().enumerate().map(|(number, situation)| {
            static_cluster(cluster(&name(number), situation), backends.upstream(&name(number), situation))
        });
        let upstreams: Vec<Value> = upstreams.collect();
        let local = static_cluster(cluster("local", &json!({})), backends.local("local", &proxy));
        let envoy = Envoy::start(&proxy, &local, &upstreams).await;

        for (number, topology) in topologies.iter().enumerate() {
            let who = format!("process {process}, cluster {number}, {}", situations[number]);
            let before = envoy.counters_of(&name(number)).await;
            let rebuild = simulate(topology, 0, 0).counters;
            judge.same(&format!("{who}: counters before traffic"), rebuild, before);
            // What LEAST_REQUEST makes of requests under way is not predicted, so there are none.
            let connections = if situations[number]["lb_policy"] == "LEAST_REQUEST" { 1 } else { 8 };
            let answers = envoy.drive(&name(number), REQUESTS, connections).await;
            let after = envoy.counters_of(&name(number)).await;
            let prediction = predict(topology);
            judge.compare(&who, topology, &prediction, &observe(&answers, growth(&before, &after)));
            judge.compare(&format!("{who}, our own picks"), topology, &prediction, &picked(topology, 20 * REQUESTS));
            states.push(prediction.state);
        }
    }
    judge.verdict();
    for state in [
        PredictedState::NoLocalityRouting,
        PredictedState::LocalityDirect,
        PredictedState::LocalityResidual,
        PredictedState::Panic,
    ] {
        let count = states.iter().filter(|&&seen| seen == state).count();
        println!("{count} situations of {state:?}");
        assert!(count >= 10, "too few for a test");
    }
}

#[tokio::test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn envoy_does_what_is_stated_of_corners() {
    let backends = Backends::start().await;
    let mut judge = Judge::default();
    for Case { name, proxy, upstream, .. } in cases() {
        let situation = merged(&proxy, &upstream);
        let topology = topology(situation.clone());
        let called = static_cluster(cluster("up", &situation), backends.upstream("up", &situation));
        let local = static_cluster(cluster("local", &json!({})), backends.local("local", &proxy));
        let envoy = Envoy::start(&proxy, &local, &[called]).await;
        let before = envoy.counters_of("up").await;
        judge.same(&format!("{name}: counters before traffic"), simulate(&topology, 0, 0).counters, before);
        let answers = envoy.drive("up", REQUESTS, 8).await;
        let growth = growth(&before, &envoy.counters_of("up").await);
        judge.compare(name, &topology, &predict(&topology), &observe(&answers, growth));
        let own = picked(&topology, 150 * REQUESTS);
        judge.compare(&format!("{name}, our own picks"), &topology, &predict(&topology), &own);
    }
    judge.verdict();
}
