//! The AWS services of the local cloud, one folder each: state, rules, and the operations on them.

pub(crate) mod autoscaling;
pub(crate) mod ec2;
pub(crate) mod ecs;
pub(crate) mod elbv2;
pub(crate) mod iam;
pub(crate) mod logs;
pub(crate) mod servicediscovery;
pub(crate) mod servicequotas;
pub(crate) mod ssm;
pub(crate) mod sts;
