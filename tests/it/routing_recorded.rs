//! The routing engine against what the live Envoy of `envoy_live` was last seen to do (`tests/data/envoy-live.jsonl`): the
//! same situations and the same judgement without an Envoy, so that the engine's rules can be broken one by one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zonewalk::routing::{CounterSnapshot, Prediction, Topology, predict, simulate};

use crate::agreement::{Judge, Observation};
use crate::situations::topology;

/// One cluster of a live Envoy under traffic.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) situation: Value,
    /// Before there was any traffic.
    pub(crate) rebuild: CounterSnapshot,
    pub(crate) requests: u64,
    pub(crate) zone_requests: BTreeMap<String, u64>,
    pub(crate) failed: u64,
    /// Growth during the requests.
    pub(crate) counters: CounterSnapshot,
}

impl Record {
    pub(crate) fn new(name: String, situation: Value, rebuild: CounterSnapshot, seen: Observation) -> Self {
        let Observation { requests, zone_requests, failed, counters } = seen;
        Self { name, situation, rebuild, requests, zone_requests, failed, counters }
    }

    /// What Envoy did has to be what is predicted, and so have `picks` of the engine's own.
    pub(crate) fn judge(self, judge: &mut Judge, picks: u64, seed: u64) -> Prediction {
        let Self { name, situation, rebuild, requests, zone_requests, failed, counters } = self;
        let who = format!("{name}, {situation}");
        let topology = topology(situation);
        let prediction = predict(&topology);
        judge.same(&format!("{who}: counters before traffic"), simulate(&topology, 0, 0).counters, rebuild);
        let seen = Observation { requests, zone_requests, failed, counters };
        judge.compare(&who, &topology, &prediction, &seen);
        judge.compare(&format!("{who}, our own picks"), &topology, &prediction, &picked(&topology, picks, seed));
        prediction
    }
}

fn picked(topology: &Topology, requests: u64, seed: u64) -> Observation {
    let before = simulate(topology, 0, seed).counters;
    Observation::new(&simulate(topology, requests, seed), &before)
}

#[test]
fn a_live_envoy_did_what_is_predicted() {
    let lines = include_str!("../data/envoy-live.jsonl");
    let mut judge = Judge::default();
    let mut records = 0;
    for line in lines.lines() {
        let record: Record = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let picks = 20 * record.requests;
        record.judge(&mut judge, picks, 1);
        records += 1;
    }
    judge.verdict();
    assert!(records >= 240, "{records} records");
}
