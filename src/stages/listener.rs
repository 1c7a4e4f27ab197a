//! Step 5: the listener that joins load balancer and target group. ECS refuses a service whose target group has no
//! load balancer, so the frontend takes what this stage gives.

use aws_sdk_elasticloadbalancingv2::types::{self, Action, ActionTypeEnum, ProtocolEnum};

use super::elbv2_tags::{adopt, find_tags};
use super::load_balancer::{self, LoadBalancerAddress};
use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::target_group::TargetGroupArn;
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind};

/// The port of the article's listener, step 5.
const PORT: i32 = 80;

/// A target group that a listener forwards to: ECS takes no other for a service.
#[derive(Clone, Debug)]
pub(crate) struct ListeningTargetGroup {
    pub(crate) target_group: TargetGroupArn,
}

pub(crate) struct Listener<'a> {
    pub(crate) load_balancer: &'a LoadBalancerAddress,
    pub(crate) target_group: &'a TargetGroupArn,
}

async fn find(ctx: &Context, load_balancer_arn: &str) -> Result<Option<Found<types::Listener>>, Error> {
    let request = ctx.clients.elbv2.describe_listeners().load_balancer_arn(load_balancer_arn);
    let answer = optional(ctx.look("elasticloadbalancing:DescribeListeners", request.send()).await)?;
    let listeners = answer.and_then(|answer| answer.listeners).unwrap_or_default();
    let Some(listener) = listeners.into_iter().find(|listener| listener.port() == Some(PORT)) else {
        return Ok(None);
    };
    let arn = listener.listener_arn().unwrap_or_default().to_owned();
    Ok(find_tags(ctx, &arn).await?.map(|tags| Found::new(arn, tags.owner(), listener)))
}

fn name() -> String {
    format!("HTTP:{PORT}")
}

impl Listener<'_> {
    fn action(&self) -> Action {
        Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(self.target_group.0.made()).build()
    }
}

impl Stage for Listener<'_> {
    const KIND: Kind = Kind::Listener;
    type Facts = types::Listener;
    type Output = ListeningTargetGroup;

    fn name(&self) -> String {
        name()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Self::Facts>>, Error> {
        let Some(arn) = self.load_balancer.arn.known() else { return Ok(None) };
        find(ctx, arn).await
    }

    fn output(&self, _found: Option<Found<Self::Facts>>) -> ListeningTargetGroup {
        ListeningTargetGroup { target_group: self.target_group.clone() }
    }

    fn compare(&self, listener: &Self::Facts) -> Vec<Option<Difference>> {
        let target = listener.default_actions().first().and_then(|action| action.target_group_arn());
        vec![Difference::of(Field::TargetGroup, target.unwrap_or("none"), &self.target_group.0)]
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .elbv2
            .create_listener()
            .load_balancer_arn(self.load_balancer.arn.made())
            .protocol(ProtocolEnum::Http)
            .port(PORT)
            .default_actions(self.action())
            .tags(tags::elbv2(ctx.owner()));
        ctx.change("elasticloadbalancing:CreateListener", request.send()).await
    }

    async fn change(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error> {
        let request = ctx.clients.elbv2.modify_listener().listener_arn(&found.id).default_actions(self.action());
        ctx.change("elasticloadbalancing:ModifyListener", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error> {
        adopt(ctx, &found.id).await
    }
}

impl Removal for Listener<'_> {
    const KIND: Kind = Kind::Listener;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let Some(balancer) = load_balancer::find(ctx, &ctx.names.load_balancer).await? else { return Ok(vec![]) };
        Ok(Remaining::of(ctx, find(ctx, &balancer.id).await?, |_| Details::named(name())))
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.elbv2.delete_listener().listener_arn(id);
        ctx.change("elasticloadbalancing:DeleteListener", request.send()).await
    }
}
