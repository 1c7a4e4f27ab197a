//! The AWS services of the local cloud, one folder each: state, rules, and the operations on them. Here is the list of them.

pub(crate) mod autoscaling;
pub(crate) mod cloudwatch;
pub(crate) mod ec2;
pub(crate) mod ecs;
pub(crate) mod elbv2;
pub(crate) mod freetier;
pub(crate) mod iam;
pub(crate) mod logs;
pub(crate) mod servicediscovery;
pub(crate) mod servicequotas;
pub(crate) mod ssm;
pub(crate) mod sts;

use super::error::AwsError;
use super::service::Service;

/// In the order in which they reconcile: a group has its instances before a cluster looks for them.
pub(crate) const ALL: [&Service; 12] = [
    &autoscaling::SERVICE,
    &cloudwatch::SERVICE,
    &ec2::SERVICE,
    &ecs::SERVICE,
    &elbv2::SERVICE,
    &freetier::SERVICE,
    &iam::SERVICE,
    &logs::SERVICE,
    &servicediscovery::SERVICE,
    &servicequotas::SERVICE,
    &ssm::SERVICE,
    &sts::SERVICE,
];

pub(crate) fn by_signing_name(name: &str) -> Option<&'static Service> {
    ALL.into_iter().find(|service| service.signing_name == name)
}

/// By the name in IAM actions.
pub(crate) fn by_name(name: &str) -> Option<&'static Service> {
    ALL.into_iter().find(|service| service.name() == name)
}

pub(crate) fn by_target_prefix(prefix: &str) -> Option<&'static Service> {
    ALL.into_iter().find(|service| service.target_prefix == Some(prefix))
}

/// A service that AWS may have and the local cloud has not.
pub(crate) fn unknown(name: &str) -> AwsError {
    let known: Vec<_> = ALL.iter().map(|service| service.name()).collect();
    AwsError::new(
        "UnknownOperationException",
        format!("zonewalk's local cloud has no service {name}; it has {}", known.join(", ")),
    )
}
