//! What is known of services with Service Connect, as plain facts: whoever has read them, and wherever. What could not be read is
//! `None`, and not zero.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::aws::AzId;
use crate::stages::access_logs::AccessLogs;

/// How many of something are in each zone.
pub type ByZone = BTreeMap<AzId, u32>;

/// How many of these tasks are in each zone.
pub fn by_zone<'t>(tasks: impl Iterator<Item = &'t Task>) -> ByZone {
    let mut zones = ByZone::new();
    for task in tasks {
        *zones.entry(task.zone.clone()).or_default() += 1;
    }
    zones
}

/// All that is known of the services that were looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The services with Service Connect.
    pub services: Vec<Service>,
    /// The names in the same namespaces that none of these services offers.
    pub others: Vec<OtherName>,
    /// The time that traffic and task counts were looked at for.
    pub window: Window,
    /// Who has sent how much to whom in that time. None: it was not read.
    pub traffic: Option<Vec<Traffic>>,
    /// What was measured between zones.
    pub evidence: Vec<Evidence>,
}

impl Facts {
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|service| service.id == *id)
    }
}

/// A service by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct ServiceId {
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the service.
    pub service: String,
}

impl ServiceId {
    pub fn new(cluster: &str, service: &str) -> Self {
        Self { cluster: cluster.to_owned(), service: service.to_owned() }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.cluster, self.service))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// A service whose newest deployment has Service Connect on.
#[derive(Clone, Debug)]
pub struct Service {
    pub id: ServiceId,
    /// The namespace as the service has it, in most cases its ARN.
    pub namespace: String,
    pub namespace_name: String,
    /// What it offers under which names: a service that only calls others offers nothing.
    pub offers: Vec<Offer>,
    pub launch: Launch,
    /// How ECS deploys it: `ROLLING`, `BLUE_GREEN`, `LINEAR`, `CANARY`.
    pub strategy: String,
    pub created_at: Option<Timestamp>,
    /// The newest deployment, or the revision that gets production traffic.
    pub deployment: Option<Deployment>,
    pub desired: u32,
    pub minimum_healthy_percent: u32,
    /// The running tasks. None: they are not known.
    pub tasks: Option<Vec<Task>>,
    pub rebalancing: Option<Rebalancing>,
    /// The list price of one more task for a month, in USD. None: it is not known, or the task runs on instances.
    pub task_usd_per_month: Option<f64>,
    /// Where the proxies write access logs, if they do.
    pub access_logs: Option<AccessLogs>,
    /// The least count of tasks in each hour of the window. Empty: it is not known.
    pub least_tasks: Vec<f64>,
}

/// A name in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Offer {
    /// The discovery name, which is unique in the namespace.
    pub discovery_name: String,
    /// The name and the port that clients ask for.
    pub alias: String,
    /// The port's `appProtocol`, `tcp` if it has none. Null: it is not known.
    pub app_protocol: Option<String>,
    /// When the name was made: a task knows the names that are older than its deployment.
    #[serde(skip)]
    pub made_at: Option<Timestamp>,
}

impl Offer {
    /// Whether its proxies see connections only, and no requests.
    pub(crate) fn is_tcp(&self) -> bool {
        self.app_protocol.as_deref() == Some("tcp")
    }
}

/// What a service's tasks run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Launch {
    Ec2,
    Fargate,
    ManagedInstances,
    External,
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Deployment {
    pub id: String,
    pub created_at: Option<Timestamp>,
    pub is_under_way: bool,
}

/// A running task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The last part of the ARN.
    pub id: String,
    pub zone: AzId,
    /// Its private IPv4 address.
    pub address: Option<String>,
    /// When its deployment was made. A task that replaces another has the deployment of that one.
    pub deployed_at: Option<Timestamp>,
    /// Whether clients are told of it.
    pub is_healthy: bool,
    /// The instance that it runs on, if that is one of the account's.
    pub host: Option<Host>,
}

#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The ID of the EC2 instance.
    pub instance: String,
    /// The version of the ECS agent.
    pub agent: Option<String>,
    /// None: the image is gone, or was not to be looked at.
    pub image: Option<HostImage>,
}

/// The image that an instance was launched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostImage {
    /// One of Amazon's, by its name.
    Amazons(String),
    /// Somebody else's, who may have changed anything.
    Custom,
}

/// Availability Zone rebalancing of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalancing {
    Enabled,
    Disabled,
    /// It cannot be switched on, for this reason.
    Impossible(String),
}

/// A name in a namespace whose service cannot be described.
#[derive(Clone, Debug)]
pub struct OtherName {
    pub namespace: String,
    pub discovery_name: String,
    /// The account that has registered its endpoints.
    pub account: Option<String>,
    /// Its endpoints. None: they are not known by zone.
    pub endpoints: Option<ByZone>,
    pub made_at: Option<Timestamp>,
}

/// What a service has sent to a name in the window.
#[derive(Clone, Debug)]
pub struct Traffic {
    pub client: ServiceId,
    pub server: String,
    /// There and back.
    pub bytes: f64,
    /// None: it is no HTTP.
    pub requests: Option<f64>,
}

/// Where evidence is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    /// Envoy's own counters, since the proxies started.
    Proxies,
    /// Service Connect's access logs.
    AccessLogs,
    /// VPC Flow Logs.
    FlowLogs,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Requests,
    Bytes,
}

/// What was counted between the zones of a client and a server.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub client: ServiceId,
    /// The discovery name. None: whatever the client has called.
    pub server: Option<String>,
    pub source: EvidenceSource,
    pub unit: Unit,
    /// By the zones of the caller and the called.
    pub matrix: BTreeMap<(AzId, AzId), u64>,
}

impl Evidence {
    pub fn total(&self) -> u64 {
        self.matrix.values().sum()
    }

    /// The share that stayed in its zone. None: nothing was counted.
    pub fn same_zone_share(&self) -> Option<f64> {
        let stayed: u64 = self.matrix.iter().filter(|((from, to), _)| from == to).map(|(_, count)| count).sum();
        (self.total() > 0).then(|| stayed as f64 / self.total() as f64)
    }
}
