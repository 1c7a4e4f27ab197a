//! The words in which a walkthrough is planned and told: the article's steps, kinds of resources, what is done with one
//! and where it differs from what is wanted. They name nothing of the rest of the program.

use std::fmt;

use serde::Serialize;
use strum::IntoStaticStr;

/// Displays a variant by its name in words, or by what `strum(serialize)` says instead.
macro_rules! display_in_words {
    ($($type:ty),*) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&<&'static str>::from(self).replace('_', " "))
            }
        }
    )*};
}

pub(crate) use display_in_words;

display_in_words!(Step, Kind, Action);

/// A step of the article, which is what progress is shown by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    Network,
    SecurityGroups,
    Cluster,
    Instances,
    LoadBalancer,
    TaskDefinitions,
    Services,
}

/// A kind of resource, in the order in which they come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// A role of IAM's, made only if the account has none that serves.
    Role,
    InstanceProfile,
    SecurityGroup,
    SecurityGroupRule,
    Namespace,
    /// Cloud Map's record of a Service Connect service, which ECS makes.
    #[strum(serialize = "Cloud Map service")]
    DiscoveryService,
    Cluster,
    LaunchTemplate,
    #[strum(serialize = "Auto Scaling group")]
    AutoScalingGroup,
    /// An EC2 instance, which the Auto Scaling group makes.
    Instance,
    /// An instance as ECS knows it, which the instance's agent registers.
    ContainerInstance,
    LoadBalancer,
    TargetGroup,
    Listener,
    LogGroup,
    TaskDefinition,
    Service,
}

impl Kind {
    /// The step of the article that makes resources of this kind.
    pub fn step(self) -> Step {
        match self {
            Self::SecurityGroup | Self::SecurityGroupRule => Step::SecurityGroups,
            Self::Namespace | Self::DiscoveryService | Self::Cluster => Step::Cluster,
            Self::Role
            | Self::InstanceProfile
            | Self::LaunchTemplate
            | Self::AutoScalingGroup
            | Self::Instance
            | Self::ContainerInstance => Step::Instances,
            Self::LoadBalancer | Self::TargetGroup | Self::Listener => Step::LoadBalancer,
            Self::LogGroup | Self::TaskDefinition => Step::TaskDefinitions,
            Self::Service => Step::Services,
        }
    }
}

/// What `up` did with a resource, or, in a plan, would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    Created,
    Changed,
    Kept,
    Adopted,
    /// The resource of a plan has our name and not our tag.
    #[strum(serialize = "refused: not ours")]
    Refused,
}

/// A difference between a resource and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub field: String,
    pub is: String,
    pub wanted: String,
}

impl Difference {
    /// The difference between two values of a field; none if they are equal.
    pub(crate) fn of<T: PartialEq + fmt::Display>(field: impl Into<String>, is: T, wanted: T) -> Option<Self> {
        (is != wanted).then(|| Self { field: field.into(), is: is.to_string(), wanted: wanted.to_string() })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.field, self.is, self.wanted)
    }
}

/// What `up` would do with one resource.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedChange {
    pub stage: Step,
    pub kind: Kind,
    pub name: String,
    pub action: Action,
    pub differences: Vec<Difference>,
}

/// What `up` did with one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ResourceReport {
    pub stage: Step,
    pub kind: Kind,
    pub id: String,
    pub action: Action,
}

/// Stands in a plan for the ID of what is not made yet.
pub const KNOWN_AFTER_UP: &str = "(known after up)";
