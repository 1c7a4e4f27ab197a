//! The faults that can be asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cloud::wildcard;

/// What is to go wrong. The same seed and the same calls meet the same faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Faults {
    /// Of the random numbers that `rate` asks.
    #[serde(default)]
    pub seed: u64,
    /// In the file: one `[[fault]]` each. Of those that end a call, the first one that applies does.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

/// The faults of a local cloud, as a file asks for them, and how often each was met.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct FaultsReport {
    /// The seed of the random numbers that decide by `rate`.
    pub seed: u64,
    /// The faults, in the order in which they are met.
    #[serde(rename = "fault")]
    pub faults: Vec<FaultReport>,
}

/// A fault, and how often it was met.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct FaultReport {
    #[serde(flatten)]
    pub fault: Fault,
    /// The calls that the fault is about.
    pub matched: u64,
    /// Those of them that it has struck.
    pub struck: u64,
}

/// One rule: which calls meet what.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// `service:Operation` as IAM spells it, `*` standing for any text. Without one: every call. A role is refused only
    /// where one is handed over or acted in; the launch of an instance by a group is `ec2:RunInstances` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Lets so many calls pass first.
    #[serde(default)]
    pub after: u64,
    /// Strikes no more than so many times; without it, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Strikes that share of the calls, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How long an answer is delayed, a resource hidden, or an agent disconnected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// How many reads of its service a resource is hidden from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Of a server error: 500 or 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Of a throttled call or a server error, instead of the service's own; of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `us-east-1a`: where there is no capacity, or an instance or its agent is lost. Without one: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Of the namespace that another account shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The limit that instances together may not exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Refused with the service's own throttling code.
    Throttle,
    /// Refused with the service's own code of an internal failure.
    ServerError,
    /// Carried out at once, answered late.
    Delay,
    /// Carried out; the connection is closed without an answer.
    DropAnswer,
    /// The connection is closed and nothing is carried out.
    DropRequest,
    /// Carried out, and not seen by the service's reads for a while: they answer as before it.
    Hide,
    /// Refused since a new role or instance profile has not spread yet.
    RefuseRole,
    /// Refused since a new instance profile has spread, and the role in it has not.
    EmptyProfile,
    /// Refused since a service cannot act yet in its service-linked role, which it has made just now.
    ServiceLinkedRole,
    /// An instance cannot be launched: its zone has no machine left.
    NoCapacity,
    /// Instances cannot be launched beyond the account's quota.
    VcpuLimit,
    /// The account is on AWS's Free plan: types that are not eligible for it cannot be launched.
    FreePlan,
    /// Another account shares a Cloud Map namespace of this name with this one.
    SharedNamespace,
    /// Just before the call is carried out, an instance's hardware fails.
    LoseInstance,
    /// Just before the call is carried out, an instance's ECS agent loses its connection, for a while; what runs goes on.
    DisconnectAgent,
    /// A service cannot be deleted, since a deployment of it is under way that cannot be stopped.
    HoldDeployment,
    /// Refused with the code and the message that are given.
    Refuse,
}

impl FaultKind {
    /// Whether it is about roles: it strikes only where one is handed over or acted in.
    pub fn is_of_roles(self) -> bool {
        matches!(self, Self::RefuseRole | Self::EmptyProfile | Self::ServiceLinkedRole)
    }
}

/// How an operation refuses a role that has not spread yet, by the fault that it meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleRefusal {
    pub(crate) kind: FaultKind,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

impl Fault {
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            operation: None,
            after: 0,
            first: None,
            rate: None,
            milliseconds: None,
            calls: None,
            status: None,
            code: None,
            message: None,
            zone: None,
            name: None,
            vcpus: None,
        }
    }

    /// Strikes the `n`-th call of an operation, counted from 1, and those after it, `times` in all.
    pub fn at(kind: FaultKind, operation: &str, n: u64, times: u64) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            after: n.saturating_sub(1),
            first: Some(times),
            ..Self::new(kind)
        }
    }

    /// What is said and means nothing for the kind, or is lacking.
    pub(crate) fn check(&self) -> Result<(), String> {
        use FaultKind as K;
        let kind = self.kind;
        let said = [
            (
                "operation",
                self.operation.is_some(),
                !matches!(kind, K::NoCapacity | K::VcpuLimit | K::FreePlan | K::SharedNamespace),
            ),
            ("after", self.after != 0, kind != K::VcpuLimit),
            ("first", self.first.is_some(), kind != K::VcpuLimit),
            ("rate", self.rate.is_some(), kind != K::VcpuLimit),
            ("milliseconds", self.milliseconds.is_some(), matches!(kind, K::Delay | K::Hide | K::DisconnectAgent)),
            ("calls", self.calls.is_some(), kind == K::Hide),
            ("status", self.status.is_some(), kind == K::ServerError),
            ("code", self.code.is_some(), matches!(kind, K::Throttle | K::ServerError | K::Refuse)),
            ("message", self.message.is_some(), kind == K::Refuse),
            ("zone", self.zone.is_some(), matches!(kind, K::NoCapacity | K::LoseInstance | K::DisconnectAgent)),
            ("name", self.name.is_some(), kind == K::SharedNamespace),
            ("vcpus", self.vcpus.is_some(), kind == K::VcpuLimit),
        ];
        if let Some((name, ..)) = said.iter().find(|(_, said, allowed)| *said && !allowed) {
            return Err(format!("{name} means nothing for this kind"));
        }
        match kind {
            K::Delay | K::DisconnectAgent if self.milliseconds.is_none() => {
                return Err("milliseconds is missing".to_owned());
            }
            K::Hide if self.milliseconds.is_some() == self.calls.is_some() => {
                return Err("either calls or milliseconds is needed".to_owned());
            }
            K::SharedNamespace if self.name.is_none() => return Err("name is missing".to_owned()),
            K::Refuse if self.code.is_none() || self.operation.is_none() => {
                return Err("operation and code are needed".to_owned());
            }
            K::VcpuLimit if self.vcpus.is_none() => return Err("vcpus is missing".to_owned()),
            _ => {}
        }
        if self.rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err("rate is a share, 0 to 1".to_owned());
        }
        if self.status.is_some_and(|status| ![500, 503].contains(&status)) {
            return Err("status is 500 or 503".to_owned());
        }
        Ok(())
    }
}

/// Whether `text` is what `pattern` says, `*` standing for any text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    wildcard::matches(pattern, "*", text)
}
