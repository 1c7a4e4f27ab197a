//! What is fuzzed: every parser of what others wrote. A target takes any bytes, and fails by a panic. The package in `fuzz/` runs
//! these under libFuzzer; the tests of the whole package replay the corpus and what becomes of it.

use std::path::Path;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::cloud::{user_data, wire};
use crate::envoy::{stats, times};
use crate::mesh::standalone::Config;
use crate::routing::{Topology, predict, simulate};
use crate::{mesh, plain};

type Target = fn(&[u8]);

/// The targets by their names, which are those of the folders of the corpus, too.
pub(crate) const TARGETS: [(&str, Target); 9] = [
    ("query", query),
    ("json", json),
    ("cbor", cbor),
    ("user_data", user_data_of_an_instance),
    ("stats", stats_text),
    ("topology", topology),
    ("app_command", app_command),
    ("sidecar_toml", sidecar_toml),
    ("sidecar_json", sidecar_json),
];

/// A request to the local cloud whose head says how its body is to be read.
fn request(path: &str, header: Option<(&'static str, &'static str)>, body: &[u8]) {
    let mut headers = HeaderMap::new();
    let scope = "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/ec2/aws4_request";
    headers.insert(AUTHORIZATION, HeaderValue::from_static(scope));
    if let Some((name, value)) = header {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let head = wire::Head::read(path, &headers).expect("it is signed");
    if let Ok(asked) = head.decode(body) {
        let params = wire::Params::new(&asked.params);
        // What each operation does first.
        drop(params.only_those(|_| true));
        drop(params.opt_int("MaxResults"));
    }
}

fn query(bytes: &[u8]) {
    request("/", None, bytes);
    drop(wire::asked_of_form(bytes));
}

fn json(bytes: &[u8]) {
    request("/", Some(("x-amz-target", "AmazonEC2ContainerServiceV20141113.CreateCluster")), bytes);
}

fn cbor(bytes: &[u8]) {
    request(
        "/service/GraniteServiceVersion20100801/operation/GetMetricData",
        Some(("smithy-protocol", "rpc-v2-cbor")),
        bytes,
    );
}

fn user_data_of_an_instance(bytes: &[u8]) {
    drop(user_data::cluster(bytes));
}

fn stats_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut whole = stats::parse(&text);
    for one in stats::parse_by_cluster(&text).values() {
        whole.add(one);
    }
    let times = times::parse(&text);
    drop((times::by_zone(&times), times::by_kind(&times)));
}

/// A situation as `predict` reads it, and what it predicts of it.
fn topology(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(topology) = plain::from_json::<Topology>(text) else { return };
    let zones = [Some(&topology.local), Some(&topology.upstream), topology.upstream_p1.as_ref()];
    let hosts = zones.into_iter().flatten().flat_map(|zones| zones.values()).map(|zone| zone.hosts.len());
    // Beyond that it only takes long.
    if hosts.sum::<usize>() <= 1_000 {
        let prediction = predict(&topology);
        let sum: f64 = prediction.zone_share.values().sum();
        assert!((0.0..=1.000_001).contains(&sum), "{sum} of the requests go somewhere");
        drop(simulate(&topology, 10, 1));
    }
}

fn app_command(bytes: &[u8]) {
    let arguments = String::from_utf8_lossy(bytes).split('\n').map(str::to_owned).collect::<Vec<_>>();
    mesh::read_command(&arguments);
}

fn sidecar_toml(bytes: &[u8]) {
    sidecar(bytes, "sidecar.toml");
}

fn sidecar_json(bytes: &[u8]) {
    sidecar(bytes, "sidecar.json");
}

fn sidecar(bytes: &[u8], name: &str) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(Config::read(text, Path::new(name)));
}
