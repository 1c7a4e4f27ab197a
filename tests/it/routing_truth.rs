//! The routing engine against what a real Envoy 1.40.0 was seen to do (`tests/data/envoy-truth.jsonl`), and its picks
//! against its predictions.

use std::collections::BTreeMap;

use serde::Deserialize;
use zonewalk::routing::{CounterSnapshot, PredictedState, Prediction, Topology, predict, simulate};

use crate::agreement::{Judge, Observation, growth};

#[derive(Deserialize)]
struct Record {
    id: String,
    topology: Topology,
    n: u64,
    observed: Observed,
}

#[derive(Deserialize)]
struct Observed {
    per_zone: BTreeMap<String, u64>,
    /// Healthy hosts first.
    per_host: BTreeMap<String, Vec<u64>>,
    failed: u64,
    counters: CounterSnapshot,
    counters_before_traffic: CounterSnapshot,
    other: Other,
}

#[derive(Deserialize)]
struct Other {
    upstream_cx_none_healthy: u64,
}

fn records() -> Vec<Record> {
    let lines = include_str!("../data/envoy-truth.jsonl");
    let record = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let records: Vec<Record> = lines.lines().map(record).collect();
    assert_eq!(records.len(), 192);
    records
}

#[test]
fn predictions_are_what_envoy_did() {
    let mut judge = Judge::default();
    for Record { id, topology, n, observed } in records() {
        let prediction = predict(&topology);
        let mut counters = growth(&observed.counters_before_traffic, &observed.counters);
        counters.upstream_cx_none_healthy = observed.other.upstream_cx_none_healthy;
        let seen = Observation { requests: n, zone_requests: observed.per_zone, failed: observed.failed, counters };
        judge.compare(&id, &topology, &prediction, &seen);
        // With no requests, a simulation counts the rebuild alone.
        let rebuild = simulate(&topology, 0, 0).counters;
        judge.same(&format!("{id}: counters before traffic"), observed.counters_before_traffic, rebuild);
        hosts_take_turns(&mut judge, &id, &topology, &prediction, &observed.per_host);
    }
    judge.verdict();
}

/// Hosts of one zone and health stand in one list, which is strictly in turn: their counts differ by 1 at most. They
/// are in a second one, that of all zones, if zone-aware routing is only for a part of the requests.
fn hosts_take_turns(
    judge: &mut Judge,
    id: &str,
    topology: &Topology,
    prediction: &Prediction,
    per_host: &BTreeMap<String, Vec<u64>>,
) {
    let lists = if topology.routing_enabled.is_some() { 2 } else { 1 };
    for (zone, counts) in per_host {
        let healthy = topology.upstream[zone].hosts.iter().filter(|host| host.health == Default::default()).count();
        let (healthy, unhealthy) = counts.split_at(healthy.min(counts.len()));
        if let (Some(least), Some(most)) = (healthy.iter().min(), healthy.iter().max())
            && most - least > lists
        {
            judge.same(&format!("{id}: turns of the hosts of {zone}"), &counts[..0], counts);
        }
        if prediction.state != PredictedState::Panic {
            judge.same(&format!("{id}: unhealthy hosts of {zone}"), 0, unhealthy.iter().sum());
        }
    }
}

#[test]
fn picks_are_what_is_predicted() {
    let mut judge = Judge::default();
    for (seed, Record { id, topology, n, .. }) in records().into_iter().enumerate() {
        let before = simulate(&topology, 0, 0).counters;
        let simulation = simulate(&topology, n, seed as u64);
        judge.compare(&id, &topology, &predict(&topology), &Observation::new(&simulation, &before));
    }
    judge.verdict();
}
