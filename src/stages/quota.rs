//! Whether the account may run that many instances: EC2 has a quota of vCPU, and says that it is used up only when an
//! instance fails to launch.

use aws_sdk_ec2::types::InstanceStateName;

use super::instance_type::InstanceTypeInfo;
use super::{Context, Error};
use crate::aws::ec2_filter;
use crate::aws::tags::Tagged;

/// The quota of running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, in vCPU.
pub(crate) const QUOTA_CODE: &str = "L-1216C47A";
const STANDARD_FAMILIES: &str = "acdhimrtz";

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
    pub(crate) fn needed(&self, ctx: &Context, instance_type: &InstanceTypeInfo) -> u64 {
        let wanted = u64::from(ctx.settings.task_count.instances()) * instance_type.vcpus;
        wanted.saturating_sub(self.ours)
    }
}

pub(super) async fn find_vcpu_quota(ctx: &Context) -> Result<VcpuQuota, Error> {
    let (limit, (in_use, ours)) = tokio::try_join!(find_quota(ctx), find_in_use(ctx))?;
    Ok(VcpuQuota { limit, in_use, ours })
}

async fn find_quota(ctx: &Context) -> Result<u64, Error> {
    let request = ctx.clients.servicequotas.get_service_quota().service_code("ec2").quota_code(QUOTA_CODE);
    let answer = ctx.look("servicequotas:GetServiceQuota", request.send()).await?;
    // A quota is a number with a fraction in the API, and a whole one in EC2.
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
        let family = instance.instance_type().and_then(|name| name.as_str().chars().next());
        let spot = instance.instance_lifecycle().is_some();
        if spot || !family.is_some_and(|family| STANDARD_FAMILIES.contains(family)) {
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
