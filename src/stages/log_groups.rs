//! Before step 6: the log groups of both services. The article leaves them to be made by the first task, which the
//! Service Connect proxy does not do and the execution role may not; a proxy that starts first then fails its task.

use super::removal::{Remaining, Removal};
use super::stage::{Owner, Presence, Stage};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::Kind;

/// A log group that exists.
pub(crate) struct LogGroupName(pub(crate) String);

pub(crate) struct LogGroup<'a> {
    pub(crate) name: &'a str,
}

pub(crate) struct FoundLogGroup {
    arn: String,
    owner: Option<String>,
}

async fn find(ctx: &Context, name: &str) -> Result<Option<FoundLogGroup>, Error> {
    let request = ctx.clients.logs.describe_log_groups().log_group_name_prefix(name);
    let answer = ctx.look("logs:DescribeLogGroups", request.send()).await?;
    let Some(group) = answer.log_groups().iter().find(|group| group.log_group_name() == Some(name)) else {
        return Ok(None);
    };
    // Tagging takes the ARN without the `:*` that stands for its streams.
    let arn = group.arn().unwrap_or_default().trim_end_matches(":*").to_owned();
    let request = ctx.clients.logs.list_tags_for_resource().resource_arn(&arn);
    let tags = optional(ctx.look("logs:ListTagsForResource", request.send()).await)?;
    Ok(tags.map(|tags| FoundLogGroup { arn, owner: tags.owner() }))
}

impl Stage for LogGroup<'_> {
    const KIND: Kind = Kind::LogGroup;
    type Found = FoundLogGroup;
    type Output = LogGroupName;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Presence<FoundLogGroup>, Error> {
        Ok(find(ctx, self.name).await?.map_or(Presence::Absent, Presence::Present))
    }

    fn owner(&self, found: &FoundLogGroup) -> Owner {
        Owner::Tag(found.owner.clone())
    }

    fn id(&self, _found: &FoundLogGroup) -> String {
        self.name.to_owned()
    }

    fn foreseen(&self) -> LogGroupName {
        LogGroupName(self.name.to_owned())
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request =
            ctx.clients.logs.create_log_group().log_group_name(self.name).set_tags(Some(tags::logs(ctx.owner())));
        ctx.change("logs:CreateLogGroup", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &FoundLogGroup) -> Result<(), Error> {
        let request = ctx.clients.logs.tag_resource().resource_arn(&found.arn).set_tags(Some(tags::logs(ctx.owner())));
        ctx.change("logs:TagResource", request.send()).await
    }
}

impl Removal for LogGroup<'_> {
    const KIND: Kind = Kind::LogGroup;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let mut remaining = vec![];
        for name in [&ctx.names.backend.log_group, &ctx.names.frontend.log_group] {
            remaining.extend(find(ctx, name).await?.map(|found| Remaining::new(ctx, name, found.owner)));
        }
        Ok(remaining)
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        ctx.change("logs:DeleteLogGroup", ctx.clients.logs.delete_log_group().log_group_name(id).send()).await
    }
}
