//! Auto Scaling: groups evenly over their zones, what fails, what goes, and the instances they launch.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types::{
    Activity, AutoScalingGroup, InstanceRefreshStatus, LaunchTemplateSpecification, LifecycleState, RefreshPreferences,
    ScalingActivityStatusCode, Tag,
};
use aws_sdk_ec2::types::{InstanceStateName, RequestLaunchTemplateData};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused, filter, profile, until};
use crate::support;

const GROUP: &str = "group";

impl Stand {
    fn create_group(&self, template: &str, count: i32, zones: &str) -> CreateAutoScalingGroupFluentBuilder {
        let template = LaunchTemplateSpecification::builder().launch_template_id(template).build();
        let create = self.clients.autoscaling.create_auto_scaling_group().auto_scaling_group_name(GROUP);
        let create = create.launch_template(template).min_size(1).max_size(30).desired_capacity(count);
        create.vpc_zone_identifier(self.subnets(zones).join(","))
    }

    /// A group at its full strength.
    pub(super) async fn group_of(&self, count: i32, zones: &str) {
        let template = self.launch_template("template", self.article_data().await).await;
        self.create_group(&template, count, zones).send().await.unwrap();
        self.until_in_service(count).await;
    }

    async fn group(&self) -> Option<AutoScalingGroup> {
        let describe = self.clients.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(GROUP);
        describe.send().await.unwrap().auto_scaling_groups.unwrap().pop()
    }

    async fn until_in_service(&self, count: i32) {
        let count = usize::try_from(count).unwrap();
        until("the group is at its capacity", async || {
            let instances = self.group().await.unwrap().instances.unwrap();
            instances.len() == count
                && instances.iter().all(|instance| instance.lifecycle_state() == Some(&LifecycleState::InService))
        })
        .await;
    }

    async fn instances(&self) -> BTreeSet<String> {
        let instances = self.group().await.unwrap().instances.unwrap();
        instances.into_iter().map(|instance| instance.instance_id.unwrap()).collect()
    }

    async fn zones(&self) -> BTreeMap<String, usize> {
        let mut zones = BTreeMap::new();
        for instance in self.group().await.unwrap().instances() {
            *zones.entry(instance.availability_zone().unwrap().to_owned()).or_default() += 1;
        }
        zones
    }

    async fn scale(&self, count: i32) {
        let set = self.clients.autoscaling.set_desired_capacity().auto_scaling_group_name(GROUP);
        set.desired_capacity(count).send().await.unwrap();
        self.until_in_service(count).await;
    }

    async fn failures(&self) -> Vec<Activity> {
        let describe = self.clients.autoscaling.describe_scaling_activities().auto_scaling_group_name(GROUP);
        let activities = describe.send().await.unwrap().activities.unwrap();
        activities.into_iter().filter(|a| a.status_code() == Some(&ScalingActivityStatusCode::Failed)).collect()
    }
}

fn zones<const N: usize>(zones: [(&str, usize); N]) -> BTreeMap<String, usize> {
    zones.into_iter().map(|(letter, count)| (format!("us-east-1{letter}"), count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_instances_are_four_in_each_zone_and_join_the_cluster() {
    let stand = Stand::new(Pace::Instant).await;
    stand.clients.ecs.create_cluster().cluster_name("cluster").send().await.unwrap();
    let template = stand.launch_template("template", stand.article_data().await).await;
    let name = Tag::builder().key("Name").value("az-aware").propagate_at_launch(true).build();
    let hidden = Tag::builder().key("hidden").value("yes").propagate_at_launch(false).build();
    stand.create_group(&template, 12, "abc").tags(name).tags(hidden).send().await.unwrap();
    stand.until_in_service(12).await;
    assert_eq!(stand.zones().await, zones([("a", 4), ("b", 4), ("c", 4)]));

    let joined = stand.clients.ecs.list_container_instances().cluster("cluster").send().await.unwrap();
    assert_eq!(joined.container_instance_arns().len(), 12);
    let launched = stand.clients.ec2.describe_instances().filters(filter("tag:Name", &["az-aware"]));
    let launched = launched.filters(filter("tag:aws:autoscaling:groupName", &[GROUP])).send().await.unwrap();
    let launched: Vec<_> = launched.reservations.unwrap().into_iter().flat_map(|r| r.instances.unwrap()).collect();
    assert_eq!(launched.len(), 12);
    let addresses: BTreeSet<_> = launched.iter().map(|instance| instance.private_ip_address().unwrap()).collect();
    assert_eq!(addresses.len(), 12);
    assert!(launched.iter().all(|i| i.tags().iter().all(|tag| tag.key() != Some("hidden"))));
    assert!(launched.iter().all(|i| i.public_ip_address().is_some()), "the subnets are public");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_keeps_zones_even() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(12, "abc").await;
    for count in [7, 3, 10, 2, 6] {
        stand.scale(count).await;
        let zones = stand.zones().await;
        let (least, most) = (zones.values().min().unwrap(), zones.values().max().unwrap());
        assert!(most - least <= 1, "{count}: {zones:?}");
    }
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_terminated_is_replaced() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(3, "abc").await;
    let before = stand.instances().await;
    let lost = before.first().unwrap();
    let terminated = stand.clients.ec2.terminate_instances().instance_ids(lost).send().await.unwrap();
    let previous = terminated.terminating_instances()[0].previous_state().unwrap();
    assert_eq!(previous.name(), Some(&InstanceStateName::Running));
    until("it is replaced", async || stand.instances().await.iter().any(|id| !before.contains(id))).await;
    stand.until_in_service(3).await;
    assert!(!stand.instances().await.contains(lost));
    assert_eq!(stand.zones().await, zones([("a", 1), ("b", 1), ("c", 1)]));
    let gone = stand.clients.ec2.describe_instances().instance_ids(lost).send().await.unwrap();
    let state = gone.reservations()[0].instances()[0].state().unwrap();
    assert_eq!(state.name(), Some(&InstanceStateName::Terminated));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_does_not_offer_the_type_is_passed_over_and_the_failure_told() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(4, "de").await;
    assert_eq!(stand.zones().await, zones([("d", 4)]));
    let failures = stand.failures().await;
    let message = failures[0].status_message().unwrap();
    assert!(message.contains("(t3.medium) is not supported in your requested Availability Zone (us-east-1e)"));
    assert!(message.ends_with("Launching EC2 instance failed."));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn launches_fail_while_the_instance_profile_is_missing_and_then_succeed() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let add_role =
        || iam.add_role_to_instance_profile().instance_profile_name("own").role_name("ecsInstanceRole").send();
    iam.create_instance_profile().instance_profile_name("own").send().await.unwrap();
    let data = stand.article_data().await;
    let data =
        RequestLaunchTemplateData::builder().image_id(data.image_id().unwrap()).instance_type("t3.medium".into());
    let template = stand.launch_template("template", data.iam_instance_profile(profile("own")).build()).await;
    // A profile is known before the role in it (DanielThomas/ec2gaming#17).
    let refused = stand.create_group(&template, 1, "abc").send().await;
    let words =
        "You must use a valid fully-formed launch template. IAM Instance Profile \"own\" has no associated IAM Roles";
    assert_refused(refused, "ValidationError", words);
    add_role().await.unwrap();
    stand.create_group(&template, 1, "abc").send().await.unwrap();
    stand.until_in_service(1).await;

    let remove = iam.remove_role_from_instance_profile().instance_profile_name("own").role_name("ecsInstanceRole");
    remove.send().await.unwrap();
    iam.delete_instance_profile().instance_profile_name("own").send().await.unwrap();
    let scale = stand.clients.autoscaling.set_desired_capacity().auto_scaling_group_name(GROUP).desired_capacity(2);
    scale.send().await.unwrap();
    until("a launch has failed", async || !stand.failures().await.is_empty()).await;
    let failure = stand.failures().await.remove(0);
    assert_eq!(
        failure.status_message(),
        Some(
            "Value (own) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name. Launching EC2 instance failed."
        )
    );
    iam.create_instance_profile().instance_profile_name("own").send().await.unwrap();
    let told = async || stand.failures().await[0].status_message().unwrap().to_owned();
    until("its role is missing", async || told().await.contains("\"own\" has no associated IAM Roles.")).await;
    add_role().await.unwrap();
    stand.until_in_service(2).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_launch_is_refused_at_creation() {
    let stand = Stand::new(Pace::Instant).await;
    let data = stand.article_data().await;
    let template = stand.launch_template("template", data.clone()).await;
    let create = || stand.create_group(&template, 12, "abc");
    let refused = async |create: CreateAutoScalingGroupFluentBuilder, words: &str| {
        assert_refused(create.send().await, "ValidationError", words);
    };
    refused(create().min_size(13), "Desired capacity:12 must be between the specified min size:13 and max size:30")
        .await;
    refused(create().max_size(0), "Max bound, 0, must be greater than or equal to min bound, 1").await;
    refused(create().vpc_zone_identifier("subnet-0"), "The subnet ID 'subnet-0' does not exist").await;
    refused(create().vpc_zone_identifier(""), "At least one Availability Zone or VPC Subnet is required.").await;
    let absent = LaunchTemplateSpecification::builder().launch_template_name("absent").build();
    refused(create().launch_template(absent), "You must use a valid fully-formed launch template.").await;
    let no_profile = RequestLaunchTemplateData::builder().image_id(data.image_id().unwrap());
    let no_profile = no_profile.instance_type("t3.medium".into()).iam_instance_profile(profile("absent")).build();
    let no_profile = stand.launch_template("no-profile", no_profile).await;
    let no_profile = LaunchTemplateSpecification::builder().launch_template_id(no_profile).build();
    refused(create().launch_template(no_profile), "Invalid IAM Instance Profile name").await;
    let other = RequestLaunchTemplateData::builder().image_id(data.image_id().unwrap());
    let other = stand.launch_template("other", other.instance_type("t4g.medium".into()).build()).await;
    let other = LaunchTemplateSpecification::builder().launch_template_id(other).build();
    refused(create().launch_template(other), "'arm64' of the specified instance type does not match").await;
    assert!(stand.group().await.is_none());
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_with_instances_goes_only_by_force_and_takes_them_along() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("instances").await;
    let data = stand.article_data().await;
    let data = RequestLaunchTemplateData::builder().image_id(data.image_id().unwrap()).security_group_ids(&group);
    let template = stand.launch_template("template", data.instance_type("t3.medium".into()).build()).await;
    stand.create_group(&template, 3, "abc").send().await.unwrap();
    let again = stand.create_group(&template, 3, "abc").send().await;
    assert_refused(again, "AlreadyExists", "A group with the name group already exists");
    stand.until_in_service(3).await;
    let delete_group = || stand.clients.ec2.delete_security_group().group_id(&group).send();
    assert_refused(delete_group().await, "DependencyViolation", "has a dependent object");

    let delete = || stand.clients.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(GROUP);
    let message = "You cannot delete an AutoScalingGroup while there are instances";
    assert_refused(delete().send().await, "ResourceInUse", message);
    delete().force_delete(true).send().await.unwrap();
    until("the group is gone", async || stand.group().await.is_none()).await;
    assert_refused(delete().send().await, "ValidationError", "AutoScalingGroup 'group' not found");
    delete_group().await.unwrap();
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_going_can_neither_be_changed_nor_made_anew() {
    let stand = Stand::new(Pace::Aws).await;
    let template = stand.launch_template("template", stand.article_data().await).await;
    stand.create_group(&template, 1, "abc").send().await.unwrap();
    until("an instance is pending", async || !stand.instances().await.is_empty()).await;
    let delete = stand.clients.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(GROUP);
    delete.force_delete(true).send().await.unwrap();
    let group = stand.group().await.unwrap();
    assert_eq!(group.status(), Some("Delete in progress"));
    assert_eq!(group.instances()[0].lifecycle_state(), Some(&LifecycleState::Terminating));
    let again = stand.create_group(&template, 1, "abc").send().await;
    assert_refused(again, "AlreadyExists", "is pending delete");
    let update = stand.clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name(GROUP).min_size(0);
    assert_refused(update.send().await, "ValidationError", "may not be modified while it is pending delete");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_leaves_a_share_of_the_group_healthy() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(1, "ab").await;
    for percentage in [-1, 101, i32::MAX] {
        let preferences = RefreshPreferences::builder().min_healthy_percentage(percentage).build();
        let start = stand.clients.autoscaling.start_instance_refresh().auto_scaling_group_name(GROUP);
        assert_refused(start.preferences(preferences).send().await, "ValidationError", "minHealthyPercentage");
    }
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_replaces_every_instance() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(6, "abc").await;
    let before = stand.instances().await;
    let autoscaling = &stand.clients.autoscaling;
    autoscaling.start_instance_refresh().auto_scaling_group_name(GROUP).send().await.unwrap();
    until("the refresh is over", async || {
        let describe = autoscaling.describe_instance_refreshes().auto_scaling_group_name(GROUP).send().await.unwrap();
        describe.instance_refreshes()[0].status() == Some(&InstanceRefreshStatus::Successful)
    })
    .await;
    stand.until_in_service(6).await;
    assert!(stand.instances().await.is_disjoint(&before));
    assert_eq!(stand.zones().await, zones([("a", 2), ("b", 2), ("c", 2)]));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_found_by_and_bounds_are_kept() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(2, "abc").await;
    let autoscaling = &stand.clients.autoscaling;
    let tag = Tag::builder().resource_id(GROUP).resource_type("auto-scaling-group").key("owner").value("us").build();
    autoscaling.create_or_update_tags().tags(tag).send().await.unwrap();
    let by = |name: &str, value: &str| {
        let filter = aws_sdk_autoscaling::types::Filter::builder().name(name).values(value).build();
        autoscaling.describe_auto_scaling_groups().filters(filter).send()
    };
    assert_eq!(by("tag:owner", "us").await.unwrap().auto_scaling_groups().len(), 1);
    assert_eq!(by("tag:owner", "them").await.unwrap().auto_scaling_groups().len(), 0);
    assert_refused(by("colour", "red").await, "ValidationError", "Filter type colour is not correct");

    let set =
        |count: i32| autoscaling.set_desired_capacity().auto_scaling_group_name(GROUP).desired_capacity(count).send();
    assert_refused(set(31).await, "ValidationError", "New SetDesiredCapacity value 31 is above max value 30");
    assert_refused(set(0).await, "ValidationError", "New SetDesiredCapacity value 0 is below min value 1");
    let update = autoscaling.update_auto_scaling_group().auto_scaling_group_name(GROUP).min_size(5);
    update.send().await.unwrap();
    stand.until_in_service(5).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_group_launches_nothing() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(1, "abc").await;
    let autoscaling = &stand.clients.autoscaling;
    let suspend = autoscaling.suspend_processes().auto_scaling_group_name(GROUP).scaling_processes("Launch");
    suspend.send().await.unwrap();
    let set = autoscaling.set_desired_capacity().auto_scaling_group_name(GROUP).desired_capacity(2);
    set.send().await.unwrap();
    assert_eq!(stand.instances().await.len(), 1);
    autoscaling.resume_processes().auto_scaling_group_name(GROUP).send().await.unwrap();
    stand.until_in_service(2).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_refresh_that_goes_on_can_be_cancelled() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(2, "ab").await;
    let autoscaling = &stand.clients.autoscaling;
    let cancel = || autoscaling.cancel_instance_refresh().auto_scaling_group_name(GROUP).send();
    assert_refused(cancel().await, "ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh");

    // It waits for the first replacement.
    let suspend = autoscaling.suspend_processes().auto_scaling_group_name(GROUP).scaling_processes("Launch");
    suspend.send().await.unwrap();
    let start = || autoscaling.start_instance_refresh().auto_scaling_group_name(GROUP).send();
    let started = start().await.unwrap();
    assert_refused(start().await, "InstanceRefreshInProgress", "An Instance Refresh is already in progress");
    assert_eq!(cancel().await.unwrap().instance_refresh_id, started.instance_refresh_id);
    let refreshes = autoscaling.describe_instance_refreshes().auto_scaling_group_name(GROUP).send().await.unwrap();
    let refresh = &refreshes.instance_refreshes()[0];
    assert_eq!(refresh.status(), Some(&InstanceRefreshStatus::Cancelled));
    assert_eq!((refresh.instances_to_update(), refresh.end_time().is_some()), (Some(1), true));
    autoscaling.resume_processes().auto_scaling_group_name(GROUP).send().await.unwrap();
    stand.until_in_service(2).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_described_by_itself_and_terminated_with_or_without_a_successor() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(2, "ab").await;
    let autoscaling = &stand.clients.autoscaling;
    let ids: Vec<_> = stand.instances().await.into_iter().collect();
    let described = autoscaling.describe_auto_scaling_instances().instance_ids(&ids[0]).send().await.unwrap();
    let [instance] = described.auto_scaling_instances() else { panic!("{described:?}") };
    assert_eq!(instance.auto_scaling_group_name(), Some(GROUP));
    assert_eq!((instance.health_status(), instance.lifecycle_state()), (Some("HEALTHY"), Some("InService")));
    assert_eq!(instance.launch_template().unwrap().version(), Some("1"));
    assert_eq!(autoscaling.describe_auto_scaling_instances().send().await.unwrap().auto_scaling_instances().len(), 2);

    let terminate = |id: &str, decrement| {
        let terminate = autoscaling.terminate_instance_in_auto_scaling_group().instance_id(id);
        terminate.should_decrement_desired_capacity(decrement).send()
    };
    let activity = terminate(&ids[0], false).await.unwrap().activity.unwrap();
    assert!(activity.cause().unwrap().contains("in response to a user request"), "{activity:?}");
    stand.until_in_service(2).await;
    let replaced = stand.instances().await;
    assert!(!replaced.contains(&ids[0]) && replaced.contains(&ids[1]), "{replaced:?}");
    assert_refused(terminate(&ids[0], false).await, "ValidationError", "No managed instance found for instance ID");

    terminate(&ids[1], true).await.unwrap();
    stand.until_in_service(1).await;
    assert_eq!(stand.group().await.unwrap().desired_capacity(), Some(1));
    let last = stand.instances().await.pop_first().unwrap();
    assert_refused(terminate(&last, true).await, "ValidationError", "desiredSize equals minSize (1)");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_instance_stays_when_its_group_shrinks() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(3, "abc").await;
    let autoscaling = &stand.clients.autoscaling;
    let protect = |id: &str| {
        let set = autoscaling.set_instance_protection().auto_scaling_group_name(GROUP).instance_ids(id);
        set.protected_from_scale_in(true).send()
    };
    let stays = stand.instances().await.into_iter().next_back().unwrap();
    protect(&stays).await.unwrap();
    assert_refused(protect("i-0123456789abcdef0").await, "ValidationError", "is not part of Auto Scaling group group.");
    stand.scale(1).await;
    assert_eq!(stand.instances().await, BTreeSet::from([stays]));
    stand.end().await;
}

#[tokio::test]
async fn an_instance_that_is_starting_cannot_be_protected_yet() {
    let stand = Stand::new(Pace::Aws).await;
    let template = stand.launch_template("template", stand.article_data().await).await;
    stand.create_group(&template, 1, "a").send().await.unwrap();
    // The group notices after 5 s, and the instance takes 20 s more.
    support::skip(8).await;
    let starting = stand.instances().await.pop_first().unwrap();
    let set = stand.clients.autoscaling.set_instance_protection().auto_scaling_group_name(GROUP);
    let refused = set.instance_ids(starting).protected_from_scale_in(true).send().await;
    assert_refused(refused, "ValidationError", "is not in InService or EnteringStandby or Standby.");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_tells_which_metrics_are_collected_and_that_it_has_no_hooks() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(1, "a").await;
    let autoscaling = &stand.clients.autoscaling;
    let enable = || autoscaling.enable_metrics_collection().auto_scaling_group_name(GROUP);
    let disable = || autoscaling.disable_metrics_collection().auto_scaling_group_name(GROUP);
    let metrics = async || stand.group().await.unwrap().enabled_metrics().len();
    assert_refused(enable().granularity("5Minutes").send().await, "ValidationError", "1Minute");
    assert_refused(disable().metrics("GroupMood").send().await, "ValidationError", "GroupMood");
    enable().granularity("1Minute").metrics("GroupMinSize").metrics("GroupMaxSize").send().await.unwrap();
    assert_eq!(metrics().await, 2);
    disable().metrics("GroupMinSize").send().await.unwrap();
    assert_eq!(stand.group().await.unwrap().enabled_metrics()[0].metric(), Some("GroupMaxSize"));
    enable().granularity("1Minute").send().await.unwrap();
    assert_eq!(metrics().await, 20);
    disable().send().await.unwrap();
    assert_eq!(metrics().await, 0);

    let hooks = |group: &str| autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group).send();
    assert_eq!(hooks(GROUP).await.unwrap().lifecycle_hooks(), []);
    assert_refused(hooks("other").await, "ValidationError", "AutoScalingGroup name not found");
    stand.end().await;
}
