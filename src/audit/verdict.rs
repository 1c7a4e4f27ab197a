//! What comes of an audit: pairs of services with their state, why, shares and dollars, and what to do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::facts::{ByZone, EvidenceSource, ServiceId, Unit};
use crate::aws::AzId;

/// Whether zone-aware routing is on for what one service sends to another.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum State {
    /// No task runs, of the one or the other.
    NotRunning,
    /// All tasks of both are in one zone, so that nothing can cross.
    OneZone,
    Off,
    /// What can be looked at does not tell.
    Unclear,
    /// It is on for a part of the traffic, or keeps a part of it.
    Partly,
    On,
}

/// Why a pair has its state.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum Code {
    NoTasks,
    OneZone,
    /// The called service was last deployed before there was zone-aware routing.
    ServerDeploymentOld,
    /// The calling service was.
    ClientDeploymentOld,
    /// Callers run on instances whose ECS agent or image is too old.
    HostTooOld,
    TooFewEndpoints,
    /// A deployment is under way, or was left half done: some tasks are of an old one.
    Mixed,
    /// Callers are in zones without an endpoint.
    NoLocalEndpoint,
    /// Endpoints are spread over the zones in another way than callers.
    Uneven,
    /// AWS's formula and Envoy's default disagree whether there are enough endpoints.
    Threshold,
    /// A service was last deployed in the days when zone-aware routing came.
    LaunchDay,
    /// Callers run on instances of an image that is none of the ECS-optimized AMIs.
    CustomImage,
    /// The called service is another account's.
    OtherAccount,
    /// Something that decides was not to be read.
    NotKnown,
    /// What was measured decides.
    Measured,
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Reason {
    pub code: Code,
    /// The reason in words.
    pub text: String,
}

/// What else is to be known of a pair.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum NoteCode {
    /// One endpoint fewer, and zone-aware routing is off.
    NoMargin,
    /// There were too few endpoints for a part of the window.
    BelowThreshold,
    /// A deployment may go below the endpoints that are needed.
    OffDuringDeployments,
    /// The port has no `appProtocol`: each connection, not each request, is sent to an endpoint.
    NoAppProtocol,
    /// Endpoints are uneven, and ECS does not rebalance them.
    NoRebalancing,
    /// The endpoints of one zone get much more than others.
    HotZone,
    /// A deployment is under way.
    DeploymentUnderWay,
    /// What was measured agrees.
    Confirmed,
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Note {
    pub code: NoteCode,
    /// The note in words.
    pub text: String,
}

/// What one service sends to another.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Pair {
    /// The service that calls.
    pub client: ServiceId,
    /// The discovery name that it calls.
    pub server: String,
    /// The service that offers the name. Null: it is another account's.
    pub server_service: Option<ServiceId>,
    pub state: State,
    /// Why it has this state; empty where it is on for all.
    pub reasons: Vec<Reason>,
    /// Whether nothing was sent in the window, as far as that was read.
    pub idle: bool,
    /// The endpoints of the called service.
    pub endpoints: Endpoints,
    /// The running callers by AZ ID.
    pub callers: ByZone,
    pub same_zone: SameZone,
    /// Where endpoints get most. Null: it is not known.
    pub load: Option<Load>,
    /// The share of the window in which there were fewer endpoints than are needed. Null: it is not known.
    pub below_threshold_share: Option<f64>,
    /// What is sent in a month. Null: it is not known.
    pub traffic: Option<MonthlyTraffic>,
    /// What crossing zones costs. Null: it is not known.
    pub usd_per_month: Option<Dollars>,
    /// What else is to be known.
    pub notes: Vec<Note>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Endpoints {
    /// The endpoints that clients are told of.
    pub healthy: u32,
    /// As many are needed to be sure that zone-aware routing is on.
    pub needed: u32,
    /// The healthy ones by AZ ID.
    pub by_zone: ByZone,
}

/// The share of the requests, or of the bytes, that stays in its zone.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct SameZone {
    /// The share: measured if it was, else predicted. Null: it is not known.
    pub share: Option<f64>,
    /// Where the share is from.
    pub evidence: Option<Basis>,
    /// The share that is predicted from where tasks run.
    pub predicted: Option<f64>,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// The share without zone-aware routing.
    pub without: Option<f64>,
    /// The share with it, and with endpoints spread as the callers are.
    pub best: Option<f64>,
    /// Of what is sent from a zone, the share that goes to each. Zones are IDs.
    pub matrix: BTreeMap<AzId, BTreeMap<AzId, f64>>,
}

/// Where a share is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// From where tasks run, by Envoy's algorithm.
    Predicted,
    Proxies,
    AccessLogs,
    FlowLogs,
}

impl From<EvidenceSource> for Basis {
    fn from(source: EvidenceSource) -> Self {
        match source {
            EvidenceSource::Proxies => Self::Proxies,
            EvidenceSource::AccessLogs => Self::AccessLogs,
            EvidenceSource::FlowLogs => Self::FlowLogs,
        }
    }
}

#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Measured {
    pub source: EvidenceSource,
    pub unit: Unit,
    /// How many of them were counted.
    pub count: u64,
    /// The share of them that stayed in their zone.
    pub share: f64,
}

#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Load {
    /// The zone whose endpoints get most each, by its ID.
    pub hottest: AzId,
    /// How many times the mean they get.
    pub times_mean: f64,
}

#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct MonthlyTraffic {
    /// There and back.
    pub bytes: f64,
    /// Null: it is no HTTP, or not known.
    pub requests: Option<f64>,
    /// Whether the amount was named and not read: `--traffic`, in equal parts.
    pub assumed: bool,
}

/// List prices in USD for a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Dollars {
    /// What crosses zones.
    pub crossing: f64,
    /// What zone-aware routing saves now.
    pub saved: f64,
    /// What it could save on top.
    pub could_save: f64,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Advice {
    /// What to do, and what to know of it.
    pub text: String,
    /// What to type, in back quotes. Null: there is no one command for it.
    pub command: Option<String>,
    /// What it saves in a month, in USD. Null: the traffic is not known.
    pub saves_usd_per_month: Option<f64>,
    /// What it costs in a month, in USD. Null: that is not known.
    pub costs_usd_per_month: Option<f64>,
}
