//! Step 5: the frontend's tasks as the load balancer sees them, by their private addresses, and how it checks them.

use aws_sdk_elasticloadbalancingv2::types::{
    self, ProtocolEnum, TargetGroupAttribute, TargetHealthDescription, TargetHealthStateEnum, TargetTypeEnum,
};

use super::elbv2_tags::{adopt, find_tags};
use super::network::Network;
use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, Planned};

/// The article's values, step 5.
const PORT: i32 = 80;
const HEALTH_CHECK_PATH: &str = "/ping";
const HEALTH_CHECK_INTERVAL: i32 = 10;

/// The seconds for requests under way when a task leaves. AWS's 300 would hold up every scale-down and every removal, and
/// no request of the demo takes as much as one.
const DEREGISTRATION_DELAY: &str = "10";
const DEREGISTRATION_DELAY_KEY: &str = "deregistration_delay.timeout_seconds";

#[derive(Clone, Debug)]
pub(crate) struct TargetGroupArn(pub(crate) Planned<String>);

pub(crate) struct TargetGroup<'a> {
    pub(crate) name: &'a str,
    pub(crate) network: &'a Network,
    pub(crate) target_type: TargetTypeEnum,
}

pub(crate) struct TargetGroupFacts {
    group: types::TargetGroup,
    deregistration_delay: Attribute,
}

/// An attribute of a target group.
enum Attribute {
    Is(String),
    /// The caller may not know.
    Unknown,
}

pub(super) async fn find(ctx: &Context, name: &str) -> Result<Option<types::TargetGroup>, Error> {
    let request = ctx.clients.elbv2.describe_target_groups().names(name);
    let answer = optional(ctx.look("elasticloadbalancing:DescribeTargetGroups", request.send()).await)?;
    Ok(answer.and_then(|answer| answer.target_groups.unwrap_or_default().pop()))
}

/// The targets of a group as the load balancer finds them.
pub(super) struct Targets {
    /// The number of targets that get requests.
    pub(super) healthy: u32,
    /// The reason why one does not, in AWS's words.
    trouble: Option<String>,
}

impl Targets {
    /// `2 of 6 targets healthy; a target is unhealthy: Health checks failed with these codes: [502]`
    pub(super) fn state(&self, wanted: u32) -> String {
        let trouble = self.trouble.as_ref().map(|trouble| format!("; a target is unhealthy: {trouble}"));
        format!("{} of {wanted} targets healthy{}", self.healthy, trouble.unwrap_or_default())
    }
}

/// What the load balancer tells of each target. None: the caller may not know.
pub(super) async fn describe_targets(
    ctx: &Context,
    arn: &str,
    instead: &str,
) -> Result<Option<Vec<TargetHealthDescription>>, Error> {
    let request = ctx.clients.elbv2.describe_target_health().target_group_arn(arn);
    let answer = optional(ctx.look("elasticloadbalancing:DescribeTargetHealth", request.send()).await);
    let answer = ctx.unless_refused(answer, instead)?;
    Ok(answer.map(|answer| answer.and_then(|answer| answer.target_health_descriptions).unwrap_or_default()))
}

/// None: the caller may not know.
pub(super) async fn find_targets(ctx: &Context, arn: &str) -> Result<Option<Targets>, Error> {
    let instead = "whether the load balancer finds the tasks healthy is not waited for";
    let Some(targets) = describe_targets(ctx, arn, instead).await? else { return Ok(None) };
    let mut found = Targets { healthy: 0, trouble: None };
    for health in targets.iter().filter_map(|target| target.target_health()) {
        match health.state() {
            Some(TargetHealthStateEnum::Healthy) => found.healthy += 1,
            Some(TargetHealthStateEnum::Unhealthy) => found.trouble = health.description().map(str::to_owned),
            _ => {}
        }
    }
    Ok(Some(found))
}

async fn set_deregistration_delay(ctx: &Context, arn: &str) -> Result<(), Error> {
    let delay = TargetGroupAttribute::builder().key(DEREGISTRATION_DELAY_KEY).value(DEREGISTRATION_DELAY).build();
    let request = ctx.clients.elbv2.modify_target_group_attributes().target_group_arn(arn).attributes(delay);
    ctx.change("elasticloadbalancing:ModifyTargetGroupAttributes", request.send()).await
}

impl Stage for TargetGroup<'_> {
    const KIND: Kind = Kind::TargetGroup;
    type Facts = TargetGroupFacts;
    type Output = TargetGroupArn;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<TargetGroupFacts>>, Error> {
        let Some(group) = find(ctx, self.name).await? else { return Ok(None) };
        let arn = group.target_group_arn().unwrap_or_default().to_owned();
        let request = ctx.clients.elbv2.describe_target_group_attributes().target_group_arn(&arn);
        let (tags, attributes) = tokio::try_join!(find_tags(ctx, &arn), async {
            let attributes = ctx.look("elasticloadbalancing:DescribeTargetGroupAttributes", request.send()).await;
            ctx.unless_refused(optional(attributes), "the deregistration delay is taken to be as it should")
        })?;
        let Some(tags) = tags else { return Ok(None) };
        let deregistration_delay = match attributes {
            None => Attribute::Unknown,
            Some(None) => return Ok(None),
            Some(Some(attributes)) => {
                let delay = attributes.attributes().iter().find(|a| a.key() == Some(DEREGISTRATION_DELAY_KEY));
                Attribute::Is(delay.and_then(|attribute| attribute.value()).unwrap_or("none").to_owned())
            }
        };
        Ok(Some(Found::new(arn, tags.owner(), TargetGroupFacts { group, deregistration_delay })))
    }

    fn output(&self, found: Option<Found<TargetGroupFacts>>) -> TargetGroupArn {
        TargetGroupArn(found.map(|found| found.id).into())
    }

    fn compare(&self, facts: &TargetGroupFacts) -> Vec<Option<Difference>> {
        let group = &facts.group;
        let delay = match &facts.deregistration_delay {
            Attribute::Is(delay) => delay,
            Attribute::Unknown => DEREGISTRATION_DELAY,
        };
        let interval = group.health_check_interval_seconds().unwrap_or_default();
        vec![
            Difference::of(Field::HealthCheckPath, group.health_check_path().unwrap_or("none"), HEALTH_CHECK_PATH),
            Difference::of(Field::HealthCheckInterval, interval, HEALTH_CHECK_INTERVAL),
            Difference::of(Field::DeregistrationDelay, delay, DEREGISTRATION_DELAY),
        ]
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .elbv2
            .create_target_group()
            .name(self.name)
            .protocol(ProtocolEnum::Http)
            .port(PORT)
            .vpc_id(&self.network.vpc_id)
            .target_type(self.target_type.clone())
            .health_check_path(HEALTH_CHECK_PATH)
            .health_check_interval_seconds(HEALTH_CHECK_INTERVAL)
            .tags(tags::elbv2(ctx.owner()));
        let answer = ctx.change_with_answer("elasticloadbalancing:CreateTargetGroup", request.send()).await?;
        let arn = answer.target_groups().first().and_then(|group| group.target_group_arn()).unwrap_or_default();
        set_deregistration_delay(ctx, arn).await
    }

    async fn change(&self, ctx: &Context, found: &Found<TargetGroupFacts>) -> Result<(), Error> {
        let request = ctx
            .clients
            .elbv2
            .modify_target_group()
            .target_group_arn(&found.id)
            .health_check_path(HEALTH_CHECK_PATH)
            .health_check_interval_seconds(HEALTH_CHECK_INTERVAL);
        ctx.change("elasticloadbalancing:ModifyTargetGroup", request.send()).await?;
        set_deregistration_delay(ctx, &found.id).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<TargetGroupFacts>) -> Result<(), Error> {
        adopt(ctx, &found.id).await
    }
}

impl Removal for TargetGroup<'_> {
    const KIND: Kind = Kind::TargetGroup;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let Some(group) = find(ctx, &ctx.names.target_group).await? else { return Ok(vec![]) };
        let arn = group.target_group_arn().unwrap_or_default();
        let tags = find_tags(ctx, arn).await?;
        let remaining = |tags: types::TagDescription| {
            Remaining::new(ctx, arn, tags.owner()).with(Details::named(&ctx.names.target_group))
        };
        Ok(tags.map(remaining).into_iter().collect())
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.elbv2.delete_target_group().target_group_arn(id);
        ctx.change("elasticloadbalancing:DeleteTargetGroup", request.send()).await
    }
}
