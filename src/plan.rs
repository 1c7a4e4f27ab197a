//! The words in which a walkthrough is planned and told: the article's steps, kinds of resources, what is done with one
//! and where it differs from what is wanted. They name nothing of the rest of the program.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, IntoStaticStr)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, IntoStaticStr)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    Created,
    Changed,
    #[serde(rename = "unchanged")]
    #[strum(serialize = "unchanged")]
    Kept,
    Adopted,
    /// The resource of a plan has our name and not our tag.
    #[strum(serialize = "refused: not ours")]
    Refused,
}

/// What of a resource may differ from what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Field {
    AssignPublicIp,
    Deployment,
    DeregistrationDelay,
    DesiredCapacity,
    DesiredCount,
    HealthCheckInterval,
    HealthCheckPath,
    Image,
    InstanceProfile,
    InstanceType,
    #[strum(serialize = "instances of an older launch template version")]
    OlderInstances,
    OutboundRules,
    LaunchTemplate,
    LaunchTemplateVersion,
    MaximumPercent,
    MaximumSize,
    /// A member of a task definition, by its path: `containerDefinitions.0.image`.
    Member(String),
    MetadataHopLimit,
    MetadataTokens,
    MinimumHealthyPercent,
    MinimumSize,
    PlacementConstraints,
    Policy,
    Role,
    SecurityGroups,
    #[strum(serialize = "Service Connect access logs")]
    ServiceConnectAccessLogs,
    #[strum(serialize = "Service Connect alias")]
    ServiceConnectAlias,
    #[strum(serialize = "Service Connect namespace")]
    ServiceConnectNamespace,
    Sources,
    Subnets,
    TargetGroup,
    TaskDefinition,
    #[strum(serialize = "digest of the template")]
    Template,
    UserData,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(path) => f.write_str(path),
            field => f.write_str(&<&'static str>::from(field).replace('_', " ")),
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A difference between a resource and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Difference {
    /// What differs.
    #[schemars(with = "String")]
    pub field: Field,
    /// The value that it has.
    pub is: String,
    /// The value that the settings ask for.
    pub wanted: String,
}

impl Difference {
    /// The difference between two values of a field; none if they are equal.
    pub(crate) fn of(field: Field, is: impl fmt::Display, wanted: impl fmt::Display) -> Option<Self> {
        let (is, wanted) = (is.to_string(), wanted.to_string());
        (is != wanted).then_some(Self { field, is, wanted })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.field, self.is, self.wanted)
    }
}

/// A set as text, sorted, so that equal sets are equal texts.
pub(crate) fn in_order<T: fmt::Display + Ord>(items: impl IntoIterator<Item = T>) -> String {
    let items: BTreeSet<T> = items.into_iter().collect();
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// What `up` would do with one resource.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct PlannedChange {
    /// The article's step that the resource belongs to.
    #[serde(rename = "step")]
    pub stage: Step,
    /// What kind of resource it is.
    pub kind: Kind,
    /// The name that zonewalk gives it.
    pub name: String,
    /// The ID, ARN or name that AWS knows it by. Null: it does not exist yet.
    pub id: Option<String>,
    /// What `up` would do with it.
    pub action: Action,
    /// What differs from the settings.
    pub differences: Vec<Difference>,
    /// What does not work before. Null: nothing that is known.
    pub effect: Option<&'static str>,
}

/// What `up` did with one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
pub struct ResourceReport {
    /// The article's step that the resource belongs to.
    #[serde(rename = "step")]
    pub stage: Step,
    /// What kind of resource it is.
    pub kind: Kind,
    /// The name that zonewalk gives it.
    pub name: String,
    /// The ID, ARN or name that AWS knows it by.
    pub id: String,
    /// What `up` did with it.
    pub action: Action,
}

/// What AWS gives to a resource when it is made, such as its ID: a plan has to do without it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Planned<T> {
    Known(T),
    /// The resource is not made yet.
    AfterUp,
}

impl<T> From<Option<T>> for Planned<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::AfterUp, Self::Known)
    }
}

impl<T> Planned<T> {
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::AfterUp => None,
        }
    }

    /// The value, for a request that changes something: what it names has been made before it.
    pub(crate) fn made(&self) -> &T {
        self.known().expect("a plan sends no request that changes something")
    }
}

impl<T: fmt::Display> fmt::Display for Planned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::AfterUp => f.write_str("(known after up)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_in_words() {
        assert_eq!(format!("{:>16}", Step::SecurityGroups), " security groups");
        assert_eq!(Kind::DiscoveryService.to_string(), "Cloud Map service");
        assert_eq!(Action::Refused.to_string(), "refused: not ours");
        let older = Difference::of(Field::OlderInstances, 2, 0).unwrap();
        assert_eq!(older.to_string(), "instances of an older launch template version: 2 → 0");
        let alias = Difference::of(Field::ServiceConnectAlias, "off", "x").unwrap();
        let json = serde_json::to_value(alias).unwrap();
        assert_eq!(json, serde_json::json!({ "field": "Service Connect alias", "is": "off", "wanted": "x" }));
    }

    #[test]
    fn what_is_known_after_up_differs_from_anything_known() {
        let (known, unknown) = (Planned::Known("sg-1".to_owned()), Planned::<String>::AfterUp);
        assert_eq!(Difference::of(Field::SecurityGroups, "sg-1", known), None);
        assert_eq!(Difference::of(Field::SecurityGroups, "sg-1", unknown).unwrap().wanted, "(known after up)");
    }
}
