//! A real Envoy beside the tests: how it is started, configured by a situation, sent requests and asked for its counters.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use zonewalk::routing::{CounterSnapshot, Health, Topology};

use crate::agreement::Observation;
use crate::peers;
use crate::situations::{ZONES, merged, topology};

/// `ENVOY_BIN`, or what `tests/run.sh` installed.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("ENVOY_BIN").map_or_else(|| peers::bin("envoy").join("envoy"), PathBuf::from)
}

/// HTTP is spoken by hand on the way of the requests, since there are hundreds of thousands of them and the tests' build is
/// not optimized.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Servers that answer with their number, a block of them for each priority and zone, so that hosts of a zone that come, go
/// and fall ill are the same ones as far as they stay. All clusters share them.
pub(crate) struct Backends {
    ports: Vec<u16>,
}

/// Hosts of a zone.
const BLOCK: usize = 64;
const PRIORITIES: usize = 2;

/// The number of a zone's first backend.
fn block(priority: usize, zone: &str) -> usize {
    let zone = ZONES.iter().position(|known| *known == zone).expect("situations have no other zones");
    (priority * ZONES.len() + zone) * BLOCK
}

impl Backends {
    pub(crate) async fn start() -> Self {
        let mut ports = Vec::new();
        for number in 0..PRIORITIES * ZONES.len() * BLOCK {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
            ports.push(listener.local_addr().expect("it is bound").port());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, number));
                }
            });
        }
        Self { ports }
    }

    /// Envoy's `ClusterLoadAssignment` of the called cluster.
    pub(crate) fn upstream(&self, cluster: &str, situation: &Value) -> Value {
        let proxy = json!({ "self_zone": null, "local": {} });
        let mut assignment = self.load_assignment(cluster, &topology(merged(&proxy, situation)));
        if let Some(factor) = situation.get("overprovisioning_factor").filter(|factor| !factor.is_null()) {
            assignment["policy"] = json!({ "overprovisioning_factor": factor });
        }
        assignment
    }

    /// Envoy's `ClusterLoadAssignment` of the proxy's own cluster.
    pub(crate) fn local(&self, cluster: &str, proxy: &Value) -> Value {
        let own = json!({ "self_zone": null, "local": {}, "upstream": proxy["local"] });
        self.load_assignment(cluster, &topology(own))
    }

    fn load_assignment(&self, cluster: &str, topology: &Topology) -> Value {
        let mut endpoints = Vec::new();
        let names = [Some(&topology.upstream), topology.upstream_p1.as_ref()].into_iter().flatten();
        for (priority, (names, set)) in names.zip(topology.upstream_hosts()).enumerate() {
            for (name, locality) in names.keys().zip(set.localities) {
                let ports = &self.ports[block(priority, name)..][..BLOCK];
                let hosts = locality.hosts.iter().zip(ports).map(|(host, port)| {
                    let health = match host.health {
                        Health::Healthy => "HEALTHY",
                        Health::Degraded => "DEGRADED",
                        Health::Unhealthy => "UNHEALTHY",
                    };
                    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
                    let endpoint = json!({ "address": address });
                    json!({ "endpoint": endpoint, "health_status": health, "load_balancing_weight": host.weight })
                });
                assert!(locality.hosts.len() <= BLOCK, "zone {name} has too many hosts for a test");
                let hosts: Value = hosts.collect();
                let mut entry = json!({ "locality": locality.locality, "priority": priority, "lb_endpoints": hosts });
                if locality.weight > 0 {
                    entry["load_balancing_weight"] = locality.weight.into();
                }
                endpoints.push(entry);
            }
        }
        json!({ "cluster_name": cluster, "endpoints": endpoints })
    }
}

/// Endpoints in files that Envoy watches: it reads one again when it is replaced.
pub(crate) struct Eds {
    directory: tempfile::TempDir,
}

impl Eds {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn publish(&self, assignment: Value) {
        let cluster = assignment["cluster_name"].as_str().expect("it has a name").to_owned();
        let mut resource = json!({ "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment" });
        let resource_fields = resource.as_object_mut().expect("it was made an object");
        resource_fields.extend(assignment.as_object().expect("it is an object").clone());
        let next = self.directory.path().join("next");
        std::fs::write(&next, json!({ "resources": [resource] }).to_string()).expect("the directory is ours");
        std::fs::rename(&next, self.path(&cluster)).expect("the directory is ours");
    }

    /// `cluster` with its endpoints from here.
    pub(crate) fn cluster(&self, mut cluster: Value) -> Value {
        let path = self.path(cluster["name"].as_str().expect("it has a name"));
        let source = json!({ "resource_api_version": "V3", "path_config_source": { "path": path } });
        cluster["type"] = "EDS".into();
        cluster["eds_cluster_config"] = json!({ "eds_config": source });
        cluster
    }

    fn path(&self, cluster: &str) -> PathBuf {
        self.directory.path().join(format!("{cluster}.json"))
    }
}

pub(crate) fn static_cluster(mut cluster: Value, assignment: Value) -> Value {
    cluster["type"] = "STATIC".into();
    cluster["load_assignment"] = assignment;
    cluster
}

/// What Envoy is told about a called cluster, but for its endpoints.
pub(crate) fn cluster(name: &str, situation: &Value) -> Value {
    let given = |field: &str| situation.get(field).filter(|value| !value.is_null()).cloned();
    let flag = |field: &str| given(field) == Some(true.into());
    let mut zone_aware = Map::new();
    if given("zone_aware") != Some(false.into()) {
        for field in ["min_cluster_size", "fail_traffic_on_panic", "force_local_zone", "locality_basis"] {
            given(field).map(|value| zone_aware.insert(field.to_owned(), value));
        }
        given("routing_enabled")
            .map(|percent| zone_aware.insert("routing_enabled".into(), json!({ "value": percent })));
        if flag("force_locality_direct_routing") {
            zone_aware.insert("force_locality_direct_routing".into(), true.into());
        }
    }
    let newer = ["force_local_zone", "locality_basis", "force_locality_direct_routing"];
    let policy_only = newer.iter().any(|field| zone_aware.contains_key(*field));
    let locality = if flag("locality_weighted") {
        json!({ "locality_weighted_lb_config": {} })
    } else if given("zone_aware") == Some(false.into()) {
        json!({})
    } else {
        json!({ "zone_aware_lb_config": zone_aware })
    };
    let policy = given("lb_policy").and_then(|policy| policy.as_str().map(str::to_owned));
    let policy = policy.unwrap_or("ROUND_ROBIN".into());

    let mut cluster = json!({ "name": name, "connect_timeout": "5s", "common_lb_config": {} });
    if let Some(percent) = given("panic_threshold") {
        cluster["common_lb_config"] = json!({ "healthy_panic_threshold": { "value": percent } });
    }
    if policy_only || given("api") == Some("policy".into()) {
        let (name, message) = match policy.as_str() {
            "LEAST_REQUEST" => ("least_request", "LeastRequest"),
            "RANDOM" => ("random", "Random"),
            _ => ("round_robin", "RoundRobin"),
        };
        let kind = format!("type.googleapis.com/envoy.extensions.load_balancing_policies.{name}.v3.{message}");
        let typed = json!({ "@type": kind, "locality_lb_config": locality });
        let extension = json!({ "name": format!("envoy.load_balancing_policies.{name}"), "typed_config": typed });
        cluster["load_balancing_policy"] = json!({ "policies": [{ "typed_extension_config": extension }] });
    } else {
        cluster["lb_policy"] = policy.into();
        let common = cluster["common_lb_config"].as_object_mut().expect("it was made an object");
        common.extend(locality.as_object().expect("it was made an object").clone());
    }
    cluster
}

/// A process. Killed when dropped.
pub(crate) struct Envoy {
    _process: Child,
    admin: u16,
    listener: u16,
    _directory: tempfile::TempDir,
}

impl Envoy {
    /// `proxy` is the part of a situation that is a proxy's, `local` its own cluster and `upstreams` those that it calls.
    pub(crate) async fn start(proxy: &Value, local: &Value, upstreams: &[Value]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (config, admin) = (directory.path().join("envoy.json"), directory.path().join("admin"));
        std::fs::write(&config, bootstrap(proxy, local, upstreams).to_string()).expect("the directory is ours");
        let log = std::fs::File::create(directory.path().join("log")).expect("the directory is ours");
        let mut command = Command::new(binary());
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]).arg(&config);
        command.arg("--admin-address-path").arg(&admin);
        let mut process = command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().expect("Envoy starts");

        let port = |address: &str| address.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok());
        let admin = loop {
            if let Some(admin) = std::fs::read_to_string(&admin).ok().as_deref().and_then(port) {
                break admin;
            }
            if let Some(status) = process.try_wait().expect("it is our child") {
                let log = std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
                panic!("Envoy ended ({status}): {log}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        while get(admin, "/ready").await.as_deref() != Some("LIVE\n") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let listeners = get(admin, "/listeners?format=json").await.expect("it is ready");
        let listeners: Value = serde_json::from_str(&listeners).expect("it is JSON");
        let listener = &listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"];
        let listener = listener.as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        Self { _process: process, admin, listener, _directory: directory }
    }

    /// Cluster, counter and value of all that [`CounterSnapshot`] has.
    pub(crate) async fn counters(&self) -> BTreeMap<String, CounterSnapshot> {
        let mut clusters: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for (cluster, counter, value) in self.stats().await {
            clusters.entry(cluster).or_default().insert(counter, value.into());
        }
        let snapshot = |counters: Map<String, Value>| serde_json::from_value(counters.into()).expect("numbers");
        clusters.into_iter().map(|(cluster, counters)| (cluster, snapshot(counters))).collect()
    }

    pub(crate) async fn counters_of(&self, cluster: &str) -> CounterSnapshot {
        self.counters().await.remove(cluster).expect("the cluster is configured")
    }

    async fn stats(&self) -> Vec<(String, String, u64)> {
        let text = get(self.admin, "/stats?filter=^cluster\\.[^.]*\\.[^.]*$").await.expect("it is alive");
        let counter = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            let (cluster, counter) = name.strip_prefix("cluster.")?.split_once('.')?;
            Some((cluster.to_owned(), counter.to_owned(), value.parse().ok()?))
        };
        text.lines().filter_map(counter).collect()
    }

    pub(crate) async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.listener)).await.expect("it is alive");
        stream.set_nodelay(true).expect("it is a TCP socket");
        Connection(BufReader::new(stream))
    }

    /// Sends `requests` to `cluster`, over several connections at once.
    pub(crate) async fn drive(&self, cluster: &str, requests: u64, connections: u64) -> Vec<Option<usize>> {
        let drivers = (0..connections).map(|connection| async move {
            let mut answers = Vec::new();
            let mut open = self.connect().await;
            for _ in 0..requests / connections + u64::from(connection < requests % connections) {
                answers.push(open.request(cluster).await);
            }
            answers
        });
        futures_util::future::join_all(drivers).await.concat()
    }
}

/// To a proxy.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// The number of the backend that answered; none: no healthy upstream.
    pub(crate) async fn request(&mut self, cluster: &str) -> Option<usize> {
        let request = format!("GET / HTTP/1.1\r\nhost: test\r\nx-cluster: {cluster}\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.expect("the proxy keeps the connection");
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let line = head.len();
            self.0.read_line(&mut head).await.expect("the proxy answers");
            match head[line..].trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                None if head[line..].trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("the proxy answers");
        let body = std::str::from_utf8(&body).expect("it is text");
        match head.split(' ').nth(1) {
            Some("200") => Some(body.parse().expect("a backend's number")),
            Some("503") if body == "no healthy upstream" => None,
            _ => panic!("{cluster} answered {head}{body}"),
        }
    }
}

/// What `answers` say of zones.
pub(crate) fn observe(answers: &[Option<usize>], counters: CounterSnapshot) -> Observation {
    let mut zone_requests: BTreeMap<String, u64> = BTreeMap::new();
    for answer in answers.iter().flatten() {
        *zone_requests.entry(ZONES[answer / BLOCK % ZONES.len()].to_owned()).or_default() += 1;
    }
    let failed = answers.iter().filter(|answer| answer.is_none()).count() as u64;
    Observation { requests: answers.len() as u64, zone_requests, failed, counters }
}

fn bootstrap(proxy: &Value, local: &Value, upstreams: &[Value]) -> Value {
    let given = |field: &str| proxy.get(field).filter(|value| !value.is_null());
    let mut node = json!({ "id": "test", "cluster": "local" });
    if let Some(zone) = given("self_zone") {
        node["locality"] = json!({ "region": "r1", "zone": zone });
    }
    let route = json!({ "match": { "prefix": "/" }, "route": { "cluster_header": "x-cluster" } });
    let router = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "generate_request_id": false,
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": router }],
    });
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    let loopback = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    let listener = json!({ "address": loopback, "filter_chains": [{ "filters": [filter] }] });
    let manager = match given("local_cluster_name") {
        Some(Value::Bool(false)) => json!({}),
        _ => json!({ "local_cluster_name": "local" }),
    };
    let runtime: Map<String, Value> = given("runtime").and_then(Value::as_object).cloned().unwrap_or_default();
    let runtime: Map<String, Value> = runtime.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let clusters: Vec<&Value> = [local].into_iter().chain(upstreams).collect();
    json!({
        "node": node,
        "admin": { "address": loopback },
        "cluster_manager": manager,
        "static_resources": { "listeners": [listener], "clusters": clusters },
        "layered_runtime": { "layers": [{ "name": "situation", "static_layer": runtime }] },
    })
}

/// Answers every request with `number`.
async fn serve(mut stream: TcpStream, number: usize) -> std::io::Result<()> {
    let body = number.to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut unanswered = Vec::new();
    while stream.read_buf(&mut unanswered).await? > 0 {
        while let Some(end) = unanswered.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) {
            unanswered.drain(..end + END_OF_HEAD.len());
            stream.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

/// From the admin interface.
async fn get(port: u16, path: &str) -> Option<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "admin").body(Empty::<Bytes>::new()).expect("it is a request");
    let body = sender.send_request(request).await.ok()?.into_body().collect().await.ok()?.to_bytes();
    String::from_utf8(body.to_vec()).ok()
}
