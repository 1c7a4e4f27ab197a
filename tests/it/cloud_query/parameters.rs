//! Parameters: what an operation does not heed is refused by its name, and lists come page by page.

use aws_sdk_autoscaling::types::Tag;
use aws_sdk_ec2::types::{LaunchTemplateBlockDeviceMappingRequest, RequestLaunchTemplateData};
use aws_sdk_elasticloadbalancingv2::types::{DescribeTargetHealthInputIncludeEnum, LoadBalancerAttribute};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused};

const UNSUPPORTED: &str = "UnsupportedFeatureException";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operation_does_not_heed_is_refused_by_its_name() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let forced = ec2.terminate_instances().instance_ids("i-0123456789abcdef0").force(true).send().await;
    assert_refused(forced, UNSUPPORTED, "the parameter Force");
    // What asks for nothing is no matter.
    let not_forced = ec2.terminate_instances().instance_ids("i-0123456789abcdef0").force(false).send().await;
    assert_refused(not_forced, "InvalidInstanceID.NotFound", "does not exist");
    let disk = LaunchTemplateBlockDeviceMappingRequest::builder().device_name("/dev/xvda").build();
    let data = RequestLaunchTemplateData::builder().block_device_mappings(disk).build();
    let template = ec2.create_launch_template().launch_template_name("template").launch_template_data(data);
    assert_refused(template.send().await, UNSUPPORTED, "the parameter BlockDeviceMapping");

    let autoscaling = &stand.clients.autoscaling;
    let create = autoscaling.create_auto_scaling_group().auto_scaling_group_name("group").min_size(0).max_size(1);
    assert_refused(
        create.clone().placement_group("together").send().await,
        UNSUPPORTED,
        "the parameter PlacementGroup",
    );
    assert_refused(create.target_group_arns("arn").send().await, UNSUPPORTED, "the parameter TargetGroupARNs");

    let elbv2 = &stand.clients.elbv2;
    let health = elbv2.describe_target_health().target_group_arn(stand.target_group("tg").await);
    let health = health.include(DescribeTargetHealthInputIncludeEnum::All).send().await;
    assert_refused(health, UNSUPPORTED, "the parameter Include");
    let group = stand.security_group("lb").await;
    let load_balancer = stand.load_balancer("abc", &group).await;
    let set = |key: &str, value: &str| {
        let attribute = LoadBalancerAttribute::builder().key(key).value(value).build();
        elbv2.modify_load_balancer_attributes().load_balancer_arn(&load_balancer).attributes(attribute).send()
    };
    assert_refused(set("idle_timeout.timeout_seconds", "5").await, UNSUPPORTED, "idle_timeout.timeout_seconds");
    set("idle_timeout.timeout_seconds", "60").await.unwrap();
    set("deletion_protection.enabled", "true").await.unwrap();
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pages_give_the_same_list_as_a_large_one() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let whole = ec2.describe_instance_types().send().await.unwrap().instance_types.unwrap();
    let first = ec2.describe_instance_types().max_results(5).send().await.unwrap();
    assert_eq!((first.instance_types().len(), first.next_token().is_some()), (5, true));
    let paged = ec2.describe_instance_types().into_paginator().page_size(5).items().send();
    assert_eq!(paged.collect::<Result<Vec<_>, _>>().await.unwrap(), whole);

    let mut groups = Vec::new();
    for name in ["a", "b", "c"] {
        groups.push(stand.target_group(name).await);
    }
    let paged = stand.clients.elbv2.describe_target_groups().page_size(2).into_paginator().items().send();
    let paged = paged.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(paged.into_iter().map(|group| group.target_group_arn.unwrap()).collect::<Vec<_>>(), groups);

    stand.group_of(1, "a").await;
    let autoscaling = &stand.clients.autoscaling;
    let tag =
        |key: &str| Tag::builder().resource_id("group").resource_type("auto-scaling-group").key(key).value("v").build();
    autoscaling.create_or_update_tags().tags(tag("a")).tags(tag("b")).tags(tag("c")).send().await.unwrap();
    let paged = autoscaling.describe_tags().into_paginator().page_size(2).items().send();
    let paged = paged.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(paged.iter().map(|tag| tag.key().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_size_that_none_has_is_refused_in_the_services_words() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let subnets = ec2.describe_subnets().max_results(1).send().await;
    let words = "Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5.";
    assert_refused(subnets, "InvalidParameterValue", words);
    let versions = ec2.describe_launch_templates().max_results(201).send().await;
    assert_refused(versions, "InvalidParameterValue", "Maximum results allowed are between 1 and 200");
    let groups = stand.clients.autoscaling.describe_auto_scaling_groups().max_records(101).send().await;
    let words =
        "Value '101' at 'maxRecords' failed to satisfy constraint: Member must have value less than or equal to 100";
    assert_refused(groups, "ValidationError", words);
    let listeners = stand.clients.elbv2.describe_load_balancers().page_size(0).send().await;
    let words =
        "Value '0' at 'pageSize' failed to satisfy constraint: Member must have value greater than or equal to 1";
    assert_refused(listeners, "ValidationError", words);
    stand.end().await;
}
