//! The routing engine against a live Envoy, in the corners that `routing_cases` states and in situations made at random.
//!
//! Seeds are fixed, and printed; `ZONEWALK_TEST_SEED` sets another one.

use std::io::Write;

use serde_json::{Value, json};
use zonewalk::routing::{PredictedState, Prediction};

use crate::agreement::{Judge, growth};
use crate::envoy_peer::{Backends, Envoy, cluster, observe, static_cluster};
use crate::routing_cases::{Case, cases};
use crate::routing_recorded::Record;
use crate::situations::{Maker, merged, proxies, upstreams};

/// What a proxy is and knows is per process, so there are a few of them, one after the other.
const PROCESSES: u64 = 12;
const CLUSTERS: usize = 20;
const REQUESTS: u64 = 1000;
const MOST_HOSTS: u32 = 20;

/// Of what this run makes at random.
pub(crate) fn seed() -> u64 {
    std::env::var("ZONEWALK_TEST_SEED").ok().map_or(1, |seed| seed.parse().expect("a number"))
}

/// Names a file that is to have what Envoy does, for `routing_recorded`.
const RECORD_VARIABLE: &str = "ZONEWALK_TEST_RECORD";

/// Judges, and adds to the records if they are asked for.
fn judge_live(judge: &mut Judge, record: Record, picks: u64) -> Prediction {
    if let Some(path) = std::env::var_os(RECORD_VARIABLE) {
        let line = serde_json::to_string(&record).unwrap() + "\n";
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
    record.judge(judge, picks, seed())
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

        let name = |number: usize| format!("up{number}");
        let upstreams = situations.iter().enumerate().map(|(number, situation)| {
            static_cluster(cluster(&name(number), situation), backends.upstream(&name(number), situation))
        });
        let upstreams: Vec<Value> = upstreams.collect();
        let local = static_cluster(cluster("local", &json!({})), backends.local("local", &proxy));
        let envoy = Envoy::start(&proxy, &local, &upstreams).await;

        for (number, situation) in situations.iter().enumerate() {
            let before = envoy.counters_of(&name(number)).await;
            // What LEAST_REQUEST makes of requests under way is not predicted, so there are none.
            let connections = if situation["lb_policy"] == "LEAST_REQUEST" { 1 } else { 8 };
            let answers = envoy.drive(&name(number), REQUESTS, connections).await;
            let seen = observe(&answers, growth(&before, &envoy.counters_of(&name(number)).await));
            let who = format!("process {process}, cluster {number}");
            let record = Record::new(who, situation.clone(), before, seen);
            states.push(judge_live(&mut judge, record, 20 * REQUESTS).state);
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
        let called = static_cluster(cluster("up", &situation), backends.upstream("up", &situation));
        let local = static_cluster(cluster("local", &json!({})), backends.local("local", &proxy));
        let envoy = Envoy::start(&proxy, &local, &[called]).await;
        let before = envoy.counters_of("up").await;
        let answers = envoy.drive("up", REQUESTS, 8).await;
        let seen = observe(&answers, growth(&before, &envoy.counters_of("up").await));
        judge_live(&mut judge, Record::new(name.to_owned(), situation, before, seen), 150 * REQUESTS);
    }
    judge.verdict();
}
