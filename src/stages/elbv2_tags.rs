//! Tags of load balancers, target groups and listeners, which their descriptions do not have.

use aws_sdk_elasticloadbalancingv2::types::TagDescription;

use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags;

/// Finds a resource's tags; none if it was deleted in between.
pub(super) async fn find_tags(ctx: &Context, arn: &str) -> Result<Option<TagDescription>, Error> {
    let request = ctx.clients.elbv2.describe_tags().resource_arns(arn);
    let answer = optional(ctx.look("elasticloadbalancing:DescribeTags", request.send()).await)?;
    let untagged = || TagDescription::builder().build();
    Ok(answer.map(|answer| answer.tag_descriptions.unwrap_or_default().pop().unwrap_or_else(untagged)))
}

/// Puts the owner tag on.
pub(super) async fn adopt(ctx: &Context, arn: &str) -> Result<(), Error> {
    let request = ctx.clients.elbv2.add_tags().resource_arns(arn).tags(tags::elbv2(ctx.owner()));
    ctx.change("elasticloadbalancing:AddTags", request.send()).await
}
