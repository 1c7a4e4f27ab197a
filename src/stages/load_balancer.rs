//! Step 5: the Application Load Balancer in front of the frontend, in all three zones.

use aws_sdk_elasticloadbalancingv2::types::{self, LoadBalancerStateEnum};

use super::elbv2_tags::{adopt, find_tags};
use super::network::Network;
use super::removal::{Details, Remaining, Removal};
use super::security_groups::SecurityGroups;
use super::stage::{Found, Stage};
use super::wait::Poll;
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, Planned, in_order};

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

pub(super) async fn find(ctx: &Context, name: &str) -> Result<Option<Found<types::LoadBalancer>>, Error> {
    let request = ctx.clients.elbv2.describe_load_balancers().names(name);
    let answer = optional(ctx.look("elasticloadbalancing:DescribeLoadBalancers", request.send()).await)?;
    let Some(balancer) = answer.and_then(|answer| answer.load_balancers.unwrap_or_default().pop()) else {
        return Ok(None);
    };
    let arn = balancer.load_balancer_arn().unwrap_or_default().to_owned();
    Ok(find_tags(ctx, &arn).await?.map(|tags| Found::new(arn, tags.owner(), balancer)))
}

/// The subnets that a load balancer is in, as text.
fn subnets(balancer: &types::LoadBalancer) -> String {
    in_order(balancer.availability_zones().iter().filter_map(|zone| zone.subnet_id()))
}

impl Stage for LoadBalancer<'_> {
    const KIND: Kind = Kind::LoadBalancer;
    const USUALLY: Option<&'static str> = Some("2–3 min");
    type Facts = types::LoadBalancer;
    type Output = LoadBalancerAddress;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Self::Facts>>, Error> {
        find(ctx, self.name).await
    }

    fn output(&self, found: Option<Found<Self::Facts>>) -> LoadBalancerAddress {
        let (arn, balancer) = found.map(|found| (found.id, found.facts)).unzip();
        let dns_name = balancer.map(|balancer| balancer.dns_name.unwrap_or_default());
        LoadBalancerAddress { arn: arn.into(), dns_name: dns_name.into() }
    }

    fn state(&self, balancer: &Self::Facts) -> Poll<()> {
        let state = balancer.state();
        match state.and_then(|state| state.code()) {
            Some(LoadBalancerStateEnum::Active | LoadBalancerStateEnum::ActiveImpaired) => Poll::Done(()),
            Some(LoadBalancerStateEnum::Failed) => {
                Poll::failed("failed", state.and_then(|state| state.reason()).unwrap_or("AWS gives no reason"))
            }
            code => Poll::pending_in(code.map(|code| code.as_str())),
        }
    }

    fn compare(&self, balancer: &Self::Facts) -> Vec<Option<Difference>> {
        vec![
            Difference::of(Field::Subnets, subnets(balancer), in_order(self.network.subnet_ids())),
            Difference::of(Field::SecurityGroups, in_order(balancer.security_groups()), &self.groups.lb.0),
        ]
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

    async fn change(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error> {
        let (client, arn, group) = (&ctx.clients.elbv2, &found.id, self.groups.lb.0.made());
        let differences = self.differences(&found.facts);
        if differences.iter().any(|difference| difference.field == Field::Subnets) {
            let request = client.set_subnets().load_balancer_arn(arn).set_subnets(Some(self.network.subnet_ids()));
            ctx.change("elasticloadbalancing:SetSubnets", request.send()).await?;
        }
        if differences.iter().any(|difference| difference.field == Field::SecurityGroups) {
            let request = client.set_security_groups().load_balancer_arn(arn).security_groups(group);
            ctx.change("elasticloadbalancing:SetSecurityGroups", request.send()).await?;
        }
        Ok(())
    }

    async fn adopt(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error> {
        adopt(ctx, &found.id).await
    }
}

impl Removal for LoadBalancer<'_> {
    const KIND: Kind = Kind::LoadBalancer;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let name = &ctx.names.load_balancer;
        let details = |balancer: &types::LoadBalancer| Details::named(name).created(balancer.created_time());
        Ok(Remaining::of(ctx, find(ctx, name).await?, details))
    }

    /// Deletes it with its listeners.
    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.elbv2.delete_load_balancer().load_balancer_arn(id);
        ctx.change("elasticloadbalancing:DeleteLoadBalancer", request.send()).await
    }
}
