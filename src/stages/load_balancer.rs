//! Step 5: the Application Load Balancer in front of the frontend, in all three zones.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::LoadBalancerStateEnum;

use super::elbv2_tags::{adopt, find_tags};
use super::network::Network;
use super::removal::{Remaining, Removal};
use super::security_groups::SecurityGroups;
use super::stage::{Owner, Presence, Stage};
use super::wait::Poll;
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, Planned};

#[derive(Clone, Debug)]
pub(crate) struct LoadBalancerAddress {
    pub(crate) arn: Planned<String>,
    pub(crate) dns_name: Planned<String>,
}

pub(crate) struct LoadBalancer<'a> {
    pub(crate) name: &'a str,
    pub(crate) network: &'a Network,
    pub(crate) groups: &'a SecurityGroups,
}

pub(crate) struct FoundLoadBalancer {
    balancer: aws_sdk_elasticloadbalancingv2::types::LoadBalancer,
    owner: Option<String>,
}

pub(super) async fn find(ctx: &Context, name: &str) -> Result<Option<FoundLoadBalancer>, Error> {
    let request = ctx.clients.elbv2.describe_load_balancers().names(name);
    let answer = optional(ctx.look("elasticloadbalancing:DescribeLoadBalancers", request.send()).await)?;
    let Some(balancer) = answer.and_then(|answer| answer.load_balancers.unwrap_or_default().pop()) else {
        return Ok(None);
    };
    let tags = find_tags(ctx, balancer.load_balancer_arn().unwrap_or_default()).await?;
    Ok(tags.map(|tags| FoundLoadBalancer { balancer, owner: tags.owner() }))
}

impl FoundLoadBalancer {
    pub(super) fn arn(&self) -> &str {
        self.balancer.load_balancer_arn().unwrap_or_default()
    }

    pub(super) fn dns_name(&self) -> &str {
        self.balancer.dns_name().unwrap_or_default()
    }

    pub(super) fn owner(&self) -> Option<String> {
        self.owner.clone()
    }

    fn subnets(&self) -> BTreeSet<&str> {
        self.balancer.availability_zones().iter().filter_map(|zone| zone.subnet_id()).collect()
    }

    fn security_groups(&self) -> BTreeSet<&str> {
        self.balancer.security_groups().iter().map(String::as_str).collect()
    }
}

fn list<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

impl Stage for LoadBalancer<'_> {
    const KIND: Kind = Kind::LoadBalancer;
    type Found = FoundLoadBalancer;
    type Output = LoadBalancerAddress;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Presence<FoundLoadBalancer>, Error> {
        Ok(find(ctx, self.name).await?.map_or(Presence::Absent, Presence::Present))
    }

    fn owner(&self, found: &FoundLoadBalancer) -> Owner {
        Owner::Tag(found.owner())
    }

    fn id(&self, found: &FoundLoadBalancer) -> String {
        found.arn().to_owned()
    }

    fn output(&self, found: FoundLoadBalancer) -> LoadBalancerAddress {
        LoadBalancerAddress {
            arn: Planned::Known(found.arn().to_owned()),
            dns_name: Planned::Known(found.dns_name().to_owned()),
        }
    }

    fn foreseen(&self) -> LoadBalancerAddress {
        LoadBalancerAddress { arn: Planned::AfterUp, dns_name: Planned::AfterUp }
    }

    fn state(&self, found: &FoundLoadBalancer) -> Poll<()> {
        let state = found.balancer.state();
        match state.and_then(|state| state.code()) {
            Some(LoadBalancerStateEnum::Active | LoadBalancerStateEnum::ActiveImpaired) => Poll::Done(()),
            Some(LoadBalancerStateEnum::Failed) => Poll::Failed {
                state: "failed".to_owned(),
                reason: state.and_then(|state| state.reason()).unwrap_or("AWS gives no reason").to_owned(),
            },
            code => Poll::pending(code.map_or("no state", |code| code.as_str())),
        }
    }

    fn differences(&self, found: &FoundLoadBalancer) -> Vec<Difference> {
        let wanted = self.network.subnets.iter().map(|subnet| subnet.id.as_str());
        [
            Difference::of(Field::Subnets, list(found.subnets()), list(wanted)),
            Difference::of(Field::SecurityGroups, list(found.security_groups()), &self.groups.lb.0),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .elbv2
            .create_load_balancer()
            .name(self.name)
            .set_subnets(Some(self.network.subnet_ids()))
            .security_groups(self.groups.lb.0.made())
            .tags(tags::elbv2(ctx.owner()));
        ctx.change("elasticloadbalancing:CreateLoadBalancer", request.send()).await
    }

    async fn change(&self, ctx: &Context, found: &FoundLoadBalancer) -> Result<(), Error> {
        let client = &ctx.clients.elbv2;
        if found.subnets() != self.network.subnets.iter().map(|subnet| subnet.id.as_str()).collect() {
            let request =
                client.set_subnets().load_balancer_arn(found.arn()).set_subnets(Some(self.network.subnet_ids()));
            ctx.change("elasticloadbalancing:SetSubnets", request.send()).await?;
        }
        if found.security_groups() != BTreeSet::from([self.groups.lb.0.made().as_str()]) {
            let request =
                client.set_security_groups().load_balancer_arn(found.arn()).security_groups(self.groups.lb.0.made());
            ctx.change("elasticloadbalancing:SetSecurityGroups", request.send()).await?;
        }
        Ok(())
    }

    async fn adopt(&self, ctx: &Context, found: &FoundLoadBalancer) -> Result<(), Error> {
        adopt(ctx, found.arn()).await
    }
}

impl Removal for LoadBalancer<'_> {
    const KIND: Kind = Kind::LoadBalancer;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let found = find(ctx, &ctx.names.load_balancer).await?;
        Ok(found.map(|found| Remaining::new(ctx, found.arn(), found.owner())).into_iter().collect())
    }

    /// Deletes it with its listeners.
    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.elbv2.delete_load_balancer().load_balancer_arn(id);
        ctx.change("elasticloadbalancing:DeleteLoadBalancer", request.send()).await
    }
}
