//! Whether the account may run that many instances: EC2 has a quota of vCPU, and says that it is used up only when an
//! instance fails to launch.

use aws_sdk_ec2::types::InstanceStateName;

use super::finding::{Check, Finding, Level};
use super::instance_type::InstanceTypeInfo;
use super::task_definitions::task_needs;
use super::{Context, Error};
use crate::aws::ec2_filter;
use crate::aws::tags::Tagged;

/// The quota of running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, in vCPU.
const STANDARD_VCPUS: &str = "L-1216C47A";
/// The families that it counts (EC2 User Guide, "EC2 On-Demand Instance quotas"). Inf, Trn, DL, Hpc and others have quotas of
/// their own, though they begin with the same letters.
const STANDARD_FAMILIES: [&str; 11] = ["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"];

/// The quota of tasks on Fargate, those of Fargate Spot not counted, in vCPU.
const FARGATE_VCPUS: &str = "L-3032A538";

/// The quota of rules that let in, of a security group: of IPv4 ranges, and as many of IPv6 ones.
const INBOUND_RULES: &str = "L-0EA8095F";
/// Its default (VPC User Guide, "Amazon VPC quotas").
const DEFAULT_INBOUND_RULES: u64 = 60;

/// The account's quota of vCPU in On-Demand Standard instances, and its use.
pub(crate) struct VcpuQuota {
    pub(crate) limit: u64,
    /// The vCPU of all running instances, whoever's they are.
    pub(crate) in_use: u64,
    /// The vCPU of this walkthrough's running instances.
    ours: u64,
}

impl VcpuQuota {
    /// The vCPU that the instances of this type need which do not run yet.
    fn needed(&self, ctx: &Context, instance_type: &InstanceTypeInfo) -> u64 {
        let wanted = u64::from(ctx.settings.task_count.instances()) * instance_type.vcpus;
        wanted.saturating_sub(self.ours)
    }

    pub(super) fn finding(&self, ctx: &Context, instance_type: &InstanceTypeInfo) -> Finding {
        let name = &ctx.settings.instance_type;
        if !is_standard(name) {
            let what =
                format!("not known: {name} is not a standard instance type and counts against a quota of its own");
            return Finding::new(Check::Quota, Level::Unknown, what);
        }
        let (Self { limit, in_use, .. }, needed) = (self, self.needed(ctx, instance_type));
        let numbers = format!("{needed} more vCPU needed, {in_use} of {limit} on-demand standard vCPU in use");
        if in_use + needed <= *limit {
            return Finding::new(Check::Quota, Level::Fine, numbers);
        }
        let what = format!(
            "{numbers}: the instances would not launch (VcpuLimitExceeded); {}, or ask for fewer with --task-count",
            increase("ec2", STANDARD_VCPUS, in_use + needed)
        );
        exceeded(ctx, what)
    }
}

/// How to get more of a quota.
fn increase(service: &str, quota: &str, value: u64) -> String {
    format!(
        "ask for more with `aws service-quotas request-service-quota-increase --service-code {service} --quota-code {quota} \
         --desired-value {value}`"
    )
}

/// A problem, unless quotas are not to be believed.
fn exceeded(ctx: &Context, what: String) -> Finding {
    if ctx.settings.check_quota {
        let what = format!("{what}; or add --no-check-quota if AWS counts otherwise");
        Finding::new(Check::Quota, Level::Problem, what)
    } else {
        Finding::new(Check::Quota, Level::Unknown, format!("ignored because of --no-check-quota: {what}"))
    }
}

/// Whether the quota of standard instances counts a type: its family is the letters before the first digit, as `inf` of
/// `inf1.xlarge`.
fn is_standard(instance_type: &str) -> bool {
    let family = instance_type.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    STANDARD_FAMILIES.contains(&family)
}

/// What stands against so many ranges of addresses.
pub(super) async fn find_rules_problem(ctx: &Context) -> Result<Option<Finding>, Error> {
    let ranges = ctx.settings.distinct_cidrs().len() as u64;
    if ranges <= DEFAULT_INBOUND_RULES {
        return Ok(None);
    }
    // Service Quotas tells nothing of a quota that was never looked at or changed.
    let limit = match find_quota(ctx, "vpc", INBOUND_RULES).await {
        Ok(limit) => limit.max(DEFAULT_INBOUND_RULES),
        Err(Error::Cloud(_)) => DEFAULT_INBOUND_RULES,
        Err(error) => return Err(error),
    };
    let what = format!(
        "{ranges} address ranges, and a security group takes {limit} inbound rules (RulesPerSecurityGroupLimitExceeded): give \
         fewer, wider ones with --allow-cidr, or {}",
        increase("vpc", INBOUND_RULES, ranges)
    );
    Ok((ranges > limit).then(|| exceeded(ctx, what)))
}

pub(super) async fn find_vcpu_quota(ctx: &Context) -> Result<VcpuQuota, Error> {
    let (limit, (in_use, ours)) = tokio::try_join!(find_quota(ctx, "ec2", STANDARD_VCPUS), find_in_use(ctx))?;
    Ok(VcpuQuota { limit, in_use, ours })
}

/// Whether the account's quota holds the tasks on Fargate. What others of its tasks take of it, no call of ECS tells.
pub(super) async fn find_fargate_quota(ctx: &Context) -> Result<Option<Finding>, Error> {
    let limit = find_quota(ctx, "fargate", FARGATE_VCPUS).await?;
    let units: u64 = task_needs(ctx)?.iter().map(|needs| needs.cpu).sum();
    let needed = (units * u64::from(ctx.settings.task_count.get())).div_ceil(1024);
    let numbers = format!("{needed} vCPU needed of {limit} on-demand Fargate vCPU, of which other tasks may take some");
    if needed <= limit {
        return Ok(Some(Finding::new(Check::Quota, Level::Fine, numbers)));
    }
    let what = format!(
        "{numbers}: tasks would not be placed; {}, or ask for fewer with --task-count",
        increase("fargate", FARGATE_VCPUS, needed)
    );
    Ok(Some(exceeded(ctx, what)))
}

async fn find_quota(ctx: &Context, service: &str, code: &str) -> Result<u64, Error> {
    let request = ctx.clients.servicequotas.get_service_quota().service_code(service).quota_code(code);
    let answer = ctx.look("servicequotas:GetServiceQuota", request.send()).await?;
    // A quota is a number with a fraction in the API, and a whole one in fact.
    Ok(answer.quota.and_then(|quota| quota.value).unwrap_or_default() as u64)
}

/// The vCPU of all standard instances that run, and those of this walkthrough among them.
async fn find_in_use(ctx: &Context) -> Result<(u64, u64), Error> {
    let counted = [InstanceStateName::Pending, InstanceStateName::Running].map(|state| state.to_string());
    let request = ctx.clients.ec2.describe_instances().filters(ec2_filter("instance-state-name", counted));
    let mut pages = request.into_paginator().send();
    let pages = ctx.pages("ec2:DescribeInstances", async || pages.next().await).await?;
    let (mut all, mut ours) = (0, 0);
    for instance in pages.iter().flat_map(|page| page.reservations()).flat_map(|reservation| reservation.instances()) {
        let spot = instance.instance_lifecycle().is_some();
        if spot || !instance.instance_type().is_some_and(|name| is_standard(name.as_str())) {
            continue;
        }
        let vcpus = instance
            .cpu_options()
            .map_or(0, |cpu| cpu.core_count().unwrap_or_default() * cpu.threads_per_core().unwrap_or_default());
        let vcpus = u64::try_from(vcpus).unwrap_or_default();
        all += vcpus;
        if instance.owner().as_deref() == Some(ctx.owner()) {
            ours += vcpus;
        }
    }
    Ok((all, ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_their_letters_before_the_first_digit() {
        for standard in
            ["t3.medium", "c7i-flex.large", "im4gn.large", "is4gen.medium", "i3en.large", "d3.xlarge", "z1d.large"]
        {
            assert!(is_standard(standard), "{standard}");
        }
        for other in
            ["inf1.xlarge", "trn1.2xlarge", "dl1.24xlarge", "hpc6a.48xlarge", "mac1.metal", "p3.2xlarge", "x2gd.large"]
        {
            assert!(!is_standard(other), "{other}");
        }
    }
}
