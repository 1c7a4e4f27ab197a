//! A mesh with the article's two services in three zones behind a load balancer, and a client of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use zonewalk::mesh::topology::{
    ClientAlias, HealthCheck, LoadBalancer, Patience, Service, ServiceConnect, Target, TargetGroup, Task, Topology,
    Upstream,
};
use zonewalk::mesh::transport::Transport;
use zonewalk::mesh::{Mesh, Proxies};

pub(crate) const ZONES: [&str; 3] = ["use1-az1", "use1-az2", "use1-az4"];
pub(crate) const LOAD_BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/lb/50dc6c495c0c9188";
pub(crate) const TARGET_GROUP: &str =
    "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/tg/73e2d6bc24d8a067";
const CLUSTER: &str = "cluster.sc-test-az-aware-backend.ns.";

/// With what is blocked: none, and connections that stand are not used again.
const PATIENCE: Patience = Patience { connect: Duration::from_millis(1), idle: Duration::ZERO };

/// More looks than any condition takes, with a pause between them.
const LOOKS: u32 = 12_000;
const PAUSE: Duration = Duration::from_millis(5);

/// A mesh with a load balancer, and what was last applied to it.
pub(crate) struct Stage {
    pub(crate) mesh: Mesh,
    pub(crate) topology: Topology,
    pub(crate) browser: Browser,
}

#[derive(Clone)]
pub(crate) struct Browser {
    client: Client<HttpConnector, Empty<Bytes>>,
    pub(crate) load_balancer: SocketAddr,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) json: serde_json::Value,
}

impl Stage {
    /// `frontends` and `backends` tasks, spread over the zones, all healthy.
    pub(crate) async fn new(frontends: u32, backends: u32) -> Self {
        Self::of(Proxies::Zonewalk, (0..backends).map(backend).chain((0..frontends).map(frontend))).await
    }

    /// These tasks with such proxies, all of them running.
    pub(crate) async fn of(proxies: Proxies, tasks: impl Iterator<Item = Task>) -> Self {
        let mesh = Mesh::new(tokio::runtime::Handle::current(), proxies);
        let load_balancer = mesh.open_load_balancer(LOAD_BALANCER).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let topology = Topology { tasks: tasks.collect(), load_balancers: Vec::new() };
        let stage = Self { mesh, topology, browser: Browser { client, load_balancer } };
        stage.apply();
        stage.up_to_date().await;
        stage.with_targets(HealthCheck { path: "/ping".to_owned(), ..HealthCheck::default() }).settled().await
    }

    pub(crate) fn with_targets(mut self, health_check: HealthCheck) -> Self {
        let targets = self.topology.tasks.iter().filter(|task| task.family == "fe");
        let targets =
            targets.map(|task| Target { ip: task.private_ip, port: 8080, in_service: true, blocked: false }).collect();
        let target_group = Some(TargetGroup { arn: TARGET_GROUP.to_owned(), targets, health_check });
        self.topology.load_balancers =
            vec![LoadBalancer { arn: LOAD_BALANCER.to_owned(), target_group, blocked: false, patience: PATIENCE }];
        self.apply();
        self
    }

    pub(crate) fn apply(&self) {
        self.mesh.apply(&self.topology).unwrap();
    }

    /// Waits until every task runs, and every proxy knows of it.
    pub(crate) async fn up_to_date(&self) {
        let mesh = &self.mesh;
        eventually(|| self.topology.tasks.iter().all(|task| mesh.is_running(&task.arn)) && mesh.is_up_to_date()).await;
    }

    /// Waits until the health of every target is decided.
    pub(crate) async fn settled(self) -> Self {
        let targets = &self.topology.load_balancers[0].target_group.as_ref().unwrap().targets;
        for target in targets {
            eventually(|| self.mesh.target_health(TARGET_GROUP, target.ip, target.port).is_some()).await;
        }
        self
    }

    /// The sum of a counter over the proxies of a family's tasks.
    pub(crate) fn counter(&self, family: &str, name: &str) -> u64 {
        self.topology.tasks.iter().filter(|task| task.family == family).map(|task| self.counter_of(task, name)).sum()
    }

    /// A counter of a task's proxy.
    pub(crate) fn counter_of(&self, task: &Task, name: &str) -> u64 {
        stats(&self.mesh, &task.arn).get(&format!("{CLUSTER}{name}")).copied().unwrap_or(0)
    }

    /// Requests to the backend by zone pair, as the app tells it.
    pub(crate) async fn matrix(&self, requests: u32) -> BTreeMap<(String, String), u32> {
        let mut matrix = BTreeMap::new();
        for _ in 0..requests {
            let Answer { status, json } = self.browser.get("/").await;
            assert_eq!(status, StatusCode::OK, "{json}");
            let zone = |field: &str| json[field].as_str().unwrap().to_owned();
            *matrix.entry((zone("availabilityZoneId"), zone("upstreamAvailabilityZoneId"))).or_default() += 1;
        }
        matrix
    }
}

impl Browser {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(format!("http://{}{path}", self.load_balancer)).header("azAwareRouting", "true");
        let response = self.client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
        Answer { status, json }
    }
}

pub(crate) fn backend(number: u32) -> Task {
    let offered = Service {
        discovery_name: "sc-test-az-aware-backend".to_owned(),
        container_port: 8090,
        aliases: vec![alias()],
        transport: Transport::default(),
    };
    let service_connect = ServiceConnect {
        namespace: "ns".to_owned(),
        services: vec![offered],
        upstreams: Vec::new(),
        patience: PATIENCE,
        logs_accesses: false,
    };
    task("backend", number, service_connect, &["server", "-port=8090", "-protocol=http", "-name=product", "-routes=[]"])
}

pub(crate) fn frontend(number: u32) -> Task {
    let routes =
        r#"-routes=[{"match":"product", "destination": "http://sc.test.az.aware.backend:8090","method":"Egress"}]"#;
    let offered = Service {
        discovery_name: "sc-test-az-aware-fe".to_owned(),
        container_port: 8080,
        aliases: Vec::new(),
        transport: Transport::default(),
    };
    let upstream = Upstream {
        discovery_name: "sc-test-az-aware-backend".to_owned(),
        alias: alias(),
        transport: Transport::default(),
    };
    let service_connect = ServiceConnect {
        namespace: "ns".to_owned(),
        services: vec![offered],
        upstreams: vec![upstream],
        patience: PATIENCE,
        logs_accesses: false,
    };
    task("fe", number, service_connect, &["server", "-port=8080", "-protocol=http", "-name=fe", routes])
}

fn task(family: &str, number: u32, service_connect: ServiceConnect, command: &[&str]) -> Task {
    let subnet = if family == "fe" { 1 } else { 2 };
    Task {
        arn: format!("arn:aws:ecs:us-east-1:000000000000:task/cluster/{family}{number}"),
        family: family.to_owned(),
        service: Some(format!("{family}-service")),
        region: "us-east-1".to_owned(),
        az_id: ZONES[number as usize % ZONES.len()].to_owned(),
        private_ip: Ipv4Addr::new(172, 31, subnet, number as u8),
        host_ports: None,
        command: command.iter().map(|&argument| argument.to_owned()).collect(),
        plain_ports: vec![],
        service_connect: Some(service_connect),
        draining: false,
        blocked: BTreeSet::new(),
        failing: false,
        zone_aware: true,
    }
}

fn alias() -> ClientAlias {
    ClientAlias { dns_name: "sc.test.az.aware.backend".to_owned(), port: 8090 }
}

/// The counters and gauges in the `/stats` of a task's proxy.
fn stats(mesh: &Mesh, task: &str) -> BTreeMap<String, u64> {
    let text = mesh.envoy_stats(task).unwrap();
    let number =
        |line: &str| line.split_once(": ").and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    text.lines().filter_map(number).collect()
}

pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..LOOKS {
        if condition() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("it never came true");
}
