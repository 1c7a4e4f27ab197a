//! What the tasks of a service or of `RunTask` run on, instances of the cluster or Fargate: by a launch type, or by a capacity
//! provider strategy.

use serde_json::{Value, json};

use super::definition::Definition;
use super::invalid;
use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString)]
#[strum(const_into_str, serialize_all = "UPPERCASE")]
pub(super) enum LaunchType {
    Ec2,
    Fargate,
}

/// Fargate's capacity providers, which every account has (ECS Developer Guide, "Amazon ECS clusters for Fargate workloads").
const PROVIDERS: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];
/// API Reference, "CapacityProviderStrategyItem".
const MAX_PROVIDERS: usize = 20;
const MAX_BASE: i64 = 100_000;
const MAX_WEIGHT: i64 = 1_000;

/// The version that LATEST means, for Linux (ECS Developer Guide, "Fargate platform versions").
pub(super) const LATEST_PLATFORM: &str = "1.4.0";
pub(super) const PLATFORM_FAMILY: &str = "Linux";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) launch_type: LaunchType,
    /// Empty: the launch type was named.
    strategy: Vec<Share>,
    /// As it was asked for: `LATEST`, or by its number.
    platform_version: String,
}

/// What a capacity provider has of the tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Share {
    provider: String,
    base: u32,
    weight: u32,
}

impl Share {
    fn wire(&self) -> Value {
        json!({ "capacityProvider": self.provider, "base": self.base, "weight": self.weight })
    }
}

impl Capacity {
    fn new(launch_type: LaunchType, strategy: Vec<Share>) -> Self {
        Self { launch_type, strategy, platform_version: "LATEST".to_owned() }
    }

    pub(super) fn is_fargate(&self) -> bool {
        self.launch_type == LaunchType::Fargate
    }

    pub(super) fn platform_version(&self) -> &str {
        &self.platform_version
    }

    /// From a request for tasks of this definition, and, for what an update leaves out, from what there is. `named` is the launch
    /// type that the service was created with, to which an empty strategy goes back.
    pub(super) fn read(
        providers: &Providers,
        definition: &Definition,
        params: Params<'_>,
        current: Option<(&Self, Option<&str>)>,
    ) -> Result<Self, AwsError> {
        let launch_type = params.opt_str("launchType");
        let strategy = params.get("capacityProviderStrategy").map(|_| params.objects("capacityProviderStrategy"));
        if launch_type.is_some() && strategy.as_ref().is_some_and(|strategy| !strategy.is_empty()) {
            return Err(invalid(
                "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
            ));
        }
        let mut capacity = match (strategy, launch_type, current) {
            (Some(strategy), ..) if !strategy.is_empty() => {
                Self::new(LaunchType::Fargate, shares(&strategy, &providers.names)?)
            }
            (None, None, Some((current, _))) => current.clone(),
            (Some(_), None, Some((_, named))) => Self::new(named_launch_type(named.unwrap_or("EC2"))?, vec![]),
            (_, Some(launch_type), _) => Self::new(named_launch_type(launch_type)?, vec![]),
            (_, None, None) if providers.default.is_empty() => Self::new(LaunchType::Ec2, vec![]),
            (_, None, None) => Self::new(LaunchType::Fargate, providers.default.clone()),
        };
        if let Some(version) = params.opt_str("platformVersion") {
            capacity.platform_version = capacity.checked_platform(version)?;
        }
        if capacity.is_fargate() && !definition.compatibilities().contains(&"FARGATE") {
            return Err(invalid("Task definition does not support launch_type FARGATE."));
        }
        capacity.check_placement(params)?;
        Ok(capacity)
    }

    fn checked_platform(&self, version: &str) -> Result<String, AwsError> {
        if !self.is_fargate() {
            return Err(invalid("The platform version must be null when specifying an EC2 launch type."));
        }
        match version {
            "LATEST" | LATEST_PLATFORM => Ok(version.to_owned()),
            "1.3.0" => Err(AwsError::unsupported(format_args!("platform version 1.3.0, only {LATEST_PLATFORM}"))),
            other => {
                let message = format!("The specified platform version does not exist: {other}");
                Err(AwsError::new("PlatformUnknownException", message))
            }
        }
    }

    /// Fargate chooses by itself where tasks run (ECS Developer Guide, "Amazon ECS task placement"; the words are reported in
    /// hashicorp/terraform-provider-aws#26337).
    fn check_placement(&self, params: Params<'_>) -> Result<(), AwsError> {
        for (member, what) in [("placementConstraints", "constraints"), ("placementStrategy", "strategies")] {
            if self.is_fargate() && !params.objects(member).is_empty() {
                return Err(invalid(format!("Placement {what} are not supported with FARGATE launch type.")));
            }
        }
        Ok(())
    }

    /// The capacity provider of the next task, if providers decide: of the one that lacks some of its base, then by the weights.
    /// `has` is how many tasks a provider has already.
    pub(super) fn next_provider(&self, has: impl Fn(&str) -> u32) -> Option<&str> {
        let lacks_base = |share: &&Share| has(&share.provider) < share.base;
        let by_weight = || {
            let weighted = self.strategy.iter().filter(|share| share.weight > 0);
            weighted.min_by_key(|share| {
                let beyond_base = has(&share.provider) - share.base.min(has(&share.provider));
                u64::from(beyond_base + 1) * 1_000_000 / u64::from(share.weight)
            })
        };
        let share = self.strategy.iter().find(lacks_base).or_else(by_weight);
        share.map(|share| share.provider.as_str())
    }

    /// Its members of a service, a deployment (of which the version is a number) or a task set.
    pub(super) fn wire(&self, of_deployment: bool) -> Value {
        let version = if of_deployment { LATEST_PLATFORM } else { &self.platform_version };
        json!({
            "launchType": self.strategy.is_empty().then(|| self.launch_type.into_str()),
            "capacityProviderStrategy": (!self.strategy.is_empty()).then(|| self.strategy.iter().map(Share::wire).collect::<Value>()),
            "platformVersion": self.is_fargate().then_some(version),
            "platformFamily": self.is_fargate().then_some(PLATFORM_FAMILY),
        })
    }
}

fn named_launch_type(name: &str) -> Result<LaunchType, AwsError> {
    name.parse().map_err(|_| AwsError::unsupported(format_args!("launchType {name}, only EC2 and FARGATE")))
}

/// The items of a strategy, all of providers that the cluster has.
fn shares(strategy: &[Params<'_>], of_cluster: &[String]) -> Result<Vec<Share>, AwsError> {
    if strategy.len() > MAX_PROVIDERS {
        return Err(invalid(format!("A capacity provider strategy can have at most {MAX_PROVIDERS} items.")));
    }
    let mut shares = Vec::new();
    for item in strategy {
        let provider = item.str("capacityProvider")?;
        if !of_cluster.iter().any(|known| known == provider) {
            return Err(invalid(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the \
                 cluster. Associate the capacity provider with the cluster and try again.",
            ));
        }
        let within = |name: &str, most: i64| {
            let given = item.opt_int(name)?.unwrap_or(0);
            let number = u32::try_from(given).ok().filter(|_| given <= most);
            number.ok_or_else(|| invalid(format!("{name} of a capacity provider must be from 0 to {most}.")))
        };
        shares.push(Share {
            provider: provider.to_owned(),
            base: within("base", MAX_BASE)?,
            weight: within("weight", MAX_WEIGHT)?,
        });
    }
    if shares.iter().filter(|share| share.base > 0).count() > 1 {
        return Err(invalid("Only one capacity provider in a strategy can have a base."));
    }
    if shares.iter().all(|share| share.weight == 0) {
        return Err(invalid("At least one capacity provider in a strategy must have a weight greater than 0."));
    }
    Ok(shares)
}

/// The capacity providers of a cluster, which are Fargate's own here.
#[derive(Clone, Debug, Default)]
pub(super) struct Providers {
    names: Vec<String>,
    /// The strategy of services and tasks that name neither one nor a launch type.
    default: Vec<Share>,
}

impl Providers {
    pub(super) fn read(params: Params<'_>) -> Result<Self, AwsError> {
        let given = params.strings("capacityProviders");
        if let Some(other) = given.iter().find(|name| !PROVIDERS.contains(name)) {
            let only = PROVIDERS.join(" and ");
            return Err(AwsError::unsupported(format_args!("the capacity provider {other}, only {only}")));
        }
        let names: Vec<_> = given.into_iter().map(str::to_owned).collect();
        let default = params.objects("defaultCapacityProviderStrategy");
        let default = if default.is_empty() { vec![] } else { shares(&default, &names)? };
        Ok(Self { names, default })
    }

    /// The two members of a cluster.
    pub(super) fn wire(&self) -> (Value, Value) {
        (json!(self.names), self.default.iter().map(Share::wire).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_strategy_fills_its_base_and_then_goes_by_the_weights() {
        let share = |provider: &str, base, weight| Share { provider: provider.to_owned(), base, weight };
        let strategy = vec![share("FARGATE", 2, 1), share("FARGATE_SPOT", 0, 3)];
        let capacity = Capacity::new(LaunchType::Fargate, strategy);
        let mut tasks = BTreeMap::<String, u32>::new();
        for _ in 0..10 {
            let next = capacity.next_provider(|provider| tasks.get(provider).copied().unwrap_or(0)).unwrap().to_owned();
            *tasks.entry(next).or_default() += 1;
        }
        assert_eq!((tasks["FARGATE"], tasks["FARGATE_SPOT"]), (4, 6));
        assert_eq!(Capacity::new(LaunchType::Fargate, vec![]).next_provider(|_| 0), None);
    }
}
