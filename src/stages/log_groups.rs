//! Before step 6: the log groups of both services. The article leaves them to be made by the first task, which the
//! Service Connect proxy does not do and the execution role may not; a proxy that starts first then fails its task.

use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::Kind;

/// A log group that exists.
pub(crate) struct LogGroupName(pub(crate) String);

pub(crate) struct LogGroup<'a> {
    pub(crate) name: &'a str,
}

/// Finds a log group and its ARN.
async fn find(ctx: &Context, name: &str) -> Result<Option<Found<String>>, Error> {
    let request = ctx.clients.logs.describe_log_groups().log_group_name_prefix(name);
    let answer = ctx.look("logs:DescribeLogGroups", request.send()).await?;
    let Some(group) = answer.log_groups().iter().find(|group| group.log_group_name() == Some(name)) else {
        return Ok(None);
    };
    // Tagging takes the ARN without the `:*` that stands for its streams.
    let arn = group.arn().unwrap_or_default().trim_end_matches(":*").to_owned();
    let request = ctx.clients.logs.list_tags_for_resource().resource_arn(&arn);
    let tags = optional(ctx.look("logs:ListTagsForResource", request.send()).await)?;
    Ok(tags.map(|tags| Found::new(name, tags.owner(), arn)))
}

impl Stage for LogGroup<'_> {
    const KIND: Kind = Kind::LogGroup;
    type Facts = String;
    type Output = LogGroupName;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<String>>, Error> {
        find(ctx, self.name).await
    }

    fn output(&self, _found: Option<Found<String>>) -> LogGroupName {
        LogGroupName(self.name.to_owned())
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request =
            ctx.clients.logs.create_log_group().log_group_name(self.name).set_tags(Some(tags::logs(ctx.owner())));
        ctx.change("logs:CreateLogGroup", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<String>) -> Result<(), Error> {
        let request =
            ctx.clients.logs.tag_resource().resource_arn(&found.facts).set_tags(Some(tags::logs(ctx.owner())));
        ctx.change("logs:TagResource", request.send()).await
    }
}

impl Removal for LogGroup<'_> {
    const KIND: Kind = Kind::LogGroup;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let mut remaining = vec![];
        for name in [&ctx.names.backend.log_group, &ctx.names.frontend.log_group] {
            remaining.extend(Remaining::of(ctx, find(ctx, name).await?, |arn| Details::named(name).arn(Some(arn))));
        }
        Ok(remaining)
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        ctx.change("logs:DeleteLogGroup", ctx.clients.logs.delete_log_group().log_group_name(id).send()).await
    }
}
