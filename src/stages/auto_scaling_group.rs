//! Step 4: the group that keeps two instances a task, one for each service, over the three zones. Whether they have
//! joined the cluster is `container_instances`' question.

use aws_sdk_autoscaling::types::{self, InstanceRefreshStatus, RefreshPreferences};

use super::launch_template::LaunchTemplateVersion;
use super::network::Network;
use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::{Context, Error};
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, in_order};
use crate::settings::OWNER_TAG;

/// The article's values, step 4.
const MIN_SIZE: i32 = 1;
const MAX_SIZE: i32 = 30;
const HEALTH_CHECK_GRACE_PERIOD: i32 = 300;
/// Instances are made of the template's newest version, so that a change needs no change of the group.
const TEMPLATE_VERSION: &str = "$Latest";

/// How many instances stay while others are replaced: half, as with the tasks on them; and how long a new one is left in
/// peace before the next are replaced, by when it has joined the cluster.
const REFRESH_MIN_HEALTHY_PERCENTAGE: i32 = 50;
const REFRESH_WARMUP_SECONDS: i32 = 60;

/// A group that launches instances.
pub(crate) struct Fleet {
    pub(crate) group: String,
    pub(crate) instances: u32,
}

pub(crate) struct AutoScalingGroup<'a> {
    pub(crate) name: &'a str,
    pub(crate) launch_template: &'a LaunchTemplateVersion,
    pub(crate) network: &'a Network,
    pub(crate) instances: u32,
    /// Whether instances that are too many stay for now: until tasks are in place, nobody knows which ones can go.
    pub(crate) keeps_surplus: bool,
}

impl AutoScalingGroup<'_> {
    fn template(&self) -> types::LaunchTemplateSpecification {
        types::LaunchTemplateSpecification::builder()
            .launch_template_id(self.launch_template.id.made())
            .version(TEMPLATE_VERSION)
            .build()
    }

    /// What the group is to have that has so many instances now.
    fn desired(&self, now: i32) -> i32 {
        let wanted = i32::try_from(self.instances).unwrap_or(MAX_SIZE);
        if self.keeps_surplus { wanted.max(now) } else { wanted }
    }

    fn subnets(&self) -> String {
        self.network.subnet_ids().join(",")
    }

    /// Counts the instances that were launched from another version of the template than its newest.
    fn count_older(&self, group: &types::AutoScalingGroup) -> usize {
        let Some(newest) = self.launch_template.number.map(|number| number.to_string()) else { return 0 };
        let is_older = |instance: &&types::Instance| {
            let version = instance.launch_template().and_then(|template| template.version());
            // Emulators say `$Latest`, which tells nothing.
            version.is_some_and(|version| version != newest && version.parse::<i64>().is_ok())
        };
        group.instances().iter().filter(is_older).count()
    }

    /// Fails, in AWS's words, if a replacement in this run was given up, by AWS or by somebody.
    async fn check_refresh(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx.clients.autoscaling.describe_instance_refreshes().auto_scaling_group_name(self.name);
        let answer = ctx.look("autoscaling:DescribeInstanceRefreshes", request.max_records(1).send()).await;
        let answer = ctx.unless_refused(answer, "whether a replacement of instances was given up is not known")?;
        let refreshes = answer.and_then(|answer| answer.instance_refreshes).unwrap_or_default();
        let Some(refresh) = refreshes.first() else { return Ok(()) };
        match refresh.status() {
            Some(
                status @ (InstanceRefreshStatus::Failed
                | InstanceRefreshStatus::Cancelled
                | InstanceRefreshStatus::RollbackFailed
                | InstanceRefreshStatus::RollbackSuccessful),
            ) if refresh.start_time().is_some_and(|time| ctx.is_of_this_run(time)) => Err(Error::Failed {
                what: format!("replacement of the instances of {}", self.name),
                state: status.to_string(),
                reason: refresh.status_reason().unwrap_or("AWS gives no reason").to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

pub(super) async fn find(ctx: &Context, name: &str) -> Result<Option<Found<types::AutoScalingGroup>>, Error> {
    let request = ctx.clients.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name);
    let answer = ctx.look("autoscaling:DescribeAutoScalingGroups", request.send()).await?;
    Ok(answer.auto_scaling_groups.unwrap_or_default().pop().map(|group| {
        // A group has a status only while it is being deleted.
        Found { leaving: group.status.clone(), ..Found::new(name, group.owner(), group) }
    }))
}

impl Stage for AutoScalingGroup<'_> {
    const KIND: Kind = Kind::AutoScalingGroup;
    type Facts = types::AutoScalingGroup;
    type Output = Fleet;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Self::Facts>>, Error> {
        let found = find(ctx, self.name).await?;
        if found.as_ref().is_some_and(|found| found.leaving.is_none() && self.count_older(&found.facts) > 0) {
            self.check_refresh(ctx).await?;
        }
        Ok(found)
    }

    fn output(&self, _found: Option<Found<Self::Facts>>) -> Fleet {
        Fleet { group: self.name.to_owned(), instances: self.instances }
    }

    fn compare(&self, group: &Self::Facts) -> Vec<Option<Difference>> {
        let subnets = in_order(group.vpc_zone_identifier().unwrap_or("none").split(','));
        let template = group.launch_template();
        let template_id = template.and_then(|template| template.launch_template_id()).unwrap_or("none");
        let version = template.and_then(|template| template.version()).unwrap_or("none");
        let capacity = group.desired_capacity().unwrap_or_default();
        vec![
            Difference::of(Field::LaunchTemplate, template_id, &self.launch_template.id),
            Difference::of(Field::LaunchTemplateVersion, version, TEMPLATE_VERSION),
            Difference::of(Field::MinimumSize, group.min_size().unwrap_or_default(), MIN_SIZE),
            Difference::of(Field::MaximumSize, group.max_size().unwrap_or_default(), MAX_SIZE),
            Difference::of(Field::DesiredCapacity, capacity, self.desired(capacity)),
            Difference::of(Field::Subnets, subnets, in_order(self.network.subnet_ids())),
            Difference::of(Field::OlderInstances, self.count_older(group), 0),
        ]
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(self.name)
            .launch_template(self.template())
            .min_size(MIN_SIZE)
            .max_size(MAX_SIZE)
            .desired_capacity(self.desired(0))
            .vpc_zone_identifier(self.subnets())
            .health_check_type("EC2")
            .health_check_grace_period(HEALTH_CHECK_GRACE_PERIOD)
            .tags(tags::autoscaling(self.name, "Name", &ctx.names.instance))
            .tags(tags::autoscaling(self.name, OWNER_TAG, ctx.owner()));
        ctx.change("autoscaling:CreateAutoScalingGroup", request.send()).await
    }

    async fn change(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error> {
        let differences = self.differences(&found.facts);
        if differences.iter().any(|difference| difference.field != Field::OlderInstances) {
            self.update(ctx, found.facts.desired_capacity().unwrap_or_default()).await?;
        }
        if differences.iter().any(|difference| difference.field == Field::OlderInstances) {
            self.replace_older(ctx).await?;
        }
        Ok(())
    }

    async fn adopt(&self, ctx: &Context, _found: &Found<Self::Facts>) -> Result<(), Error> {
        let tag = tags::autoscaling(self.name, OWNER_TAG, ctx.owner());
        let request = ctx.clients.autoscaling.create_or_update_tags().tags(tag);
        ctx.change("autoscaling:CreateOrUpdateTags", request.send()).await
    }
}

impl AutoScalingGroup<'_> {
    async fn update(&self, ctx: &Context, capacity: i32) -> Result<(), Error> {
        let request = ctx
            .clients
            .autoscaling
            .update_auto_scaling_group()
            .auto_scaling_group_name(self.name)
            .launch_template(self.template())
            .min_size(MIN_SIZE)
            .max_size(MAX_SIZE)
            .desired_capacity(self.desired(capacity))
            .vpc_zone_identifier(self.subnets());
        ctx.change("autoscaling:UpdateAutoScalingGroup", request.send()).await
    }

    async fn replace_older(&self, ctx: &Context) -> Result<(), Error> {
        let preferences = RefreshPreferences::builder()
            .min_healthy_percentage(REFRESH_MIN_HEALTHY_PERCENTAGE)
            .instance_warmup(REFRESH_WARMUP_SECONDS)
            .skip_matching(true);
        let request = ctx.clients.autoscaling.start_instance_refresh().auto_scaling_group_name(self.name);
        ctx.change("autoscaling:StartInstanceRefresh", request.preferences(preferences.build()).send()).await
    }
}

impl Removal for AutoScalingGroup<'_> {
    const KIND: Kind = Kind::AutoScalingGroup;
    const USUALLY: Option<&'static str> = Some("1–2 min");

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let name = &ctx.names.auto_scaling_group;
        let details = |group: &types::AutoScalingGroup| {
            Details::named(name).arn(group.auto_scaling_group_arn()).created(group.created_time())
        };
        Ok(Remaining::of(ctx, find(ctx, name).await?, details))
    }

    /// Deletes it with its instances, at once: what ran on them is gone already.
    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request =
            ctx.clients.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(id).force_delete(true);
        ctx.change("autoscaling:DeleteAutoScalingGroup", request.send()).await
    }
}
