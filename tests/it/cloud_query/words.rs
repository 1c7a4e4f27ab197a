//! What is refused in AWS's words, and what only the local cloud lacks.

use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_ec2::types::{
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest as Interface, RequestLaunchTemplateData,
};
use aws_sdk_elasticloadbalancingv2::types::{Matcher, TargetGroupAttribute};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused, filter};

const UNSUPPORTED: &str = "UnsupportedFeatureException";

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_not_heeded_are_refused_by_their_names() {
    let stand = Stand::new(Pace::Instant).await;
    let clients = &stand.clients;
    let interface = Interface::builder().device_index(0).ipv6_address_count(1).build();
    let data = RequestLaunchTemplateData::builder().network_interfaces(interface).build();
    let create = clients.ec2.create_launch_template().launch_template_name("template").launch_template_data(data);
    assert_refused(create.send().await, UNSUPPORTED, "the parameter Ipv6AddressCount");
    let matcher = Matcher::builder().http_code("200").grpc_code("0").build();
    let create = clients.elbv2.create_target_group().name("t").protocol("HTTP".into()).port(80).vpc_id(&stand.vpc);
    assert_refused(create.matcher(matcher).send().await, UNSUPPORTED, "the parameter GrpcCode");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_fails_where_the_request_would_and_changes_nothing() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(1, "a").await;
    let ec2 = &stand.clients.ec2;
    let id = "i-01234567";
    let tried = ec2.describe_instances().instance_ids(id).dry_run(true).send().await;
    assert_refused(tried, "InvalidInstanceID.NotFound", id);
    let tried = ec2.terminate_instances().instance_ids(id).dry_run(true).send().await;
    assert_refused(tried, "InvalidInstanceID.NotFound", id);
    let tried = ec2.create_security_group().group_name("sg-x").description("d").dry_run(true).send().await;
    assert_refused(tried, "InvalidParameterValue", "sg-*");

    let instances = ec2.describe_instances().send().await.unwrap().reservations.unwrap();
    let instance = instances[0].instances()[0].instance_id().unwrap();
    let tried = ec2.terminate_instances().instance_ids(instance).dry_run(true).send().await;
    assert_refused(tried, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
    let tried = ec2.create_security_group().group_name("fine").description("d").dry_run(true).send().await;
    assert_refused(tried, "DryRunOperation", "would have succeeded");
    let groups = ec2.describe_security_groups().filters(filter("group-name", &["fine"])).send().await.unwrap();
    assert!(groups.security_groups().is_empty());
    let instances = ec2.describe_instances().instance_ids(instance).send().await.unwrap().reservations.unwrap();
    assert_eq!(instances[0].instances()[0].state().unwrap().name().unwrap().as_str(), "running");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_local_cloud_lacks_is_not_told_as_if_aws_lacked_it() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let instances = async |name: &str| ec2.describe_instances().filters(filter(name, &["x"])).send().await;
    assert_refused(instances("private-dns-name").await, UNSUPPORTED, "local cloud has no filter private-dns-name");
    assert_refused(instances("platform-details").await, UNSUPPORTED, "local cloud has no filter platform-details");
    assert_refused(instances("private-name").await, "InvalidParameterValue", "The filter 'private-name' is invalid");
    let subnets = ec2.describe_subnets().filters(filter("ipv6-native", &["true"])).send().await;
    assert_refused(subnets, UNSUPPORTED, "local cloud has no filter ipv6-native");
    let types = async |name: &str| ec2.describe_instance_types().instance_types(name.into()).send().await;
    assert_refused(types("x2iedn.metal").await, UNSUPPORTED, "local cloud has no instance type x2iedn.metal");
    assert_refused(types("x2iedn.large16").await, "InvalidInstanceType", "do not exist: [x2iedn.large16]");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_refused_in_ec2s_words() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    stand.group_of(1, "a").await;
    let instances = ec2.describe_instances().send().await.unwrap().reservations.unwrap();
    let id = instances[0].instances()[0].instance_id().unwrap();
    let both = ec2.describe_instances().instance_ids(id).max_results(5).send().await;
    let code = "InvalidParameterCombination";
    assert_refused(both, code, "The parameter instancesSet cannot be used with the parameter maxResults");
    let both = ec2.describe_instance_status().instance_ids(id).max_results(5).send().await;
    assert_refused(both, code, "cannot be used with the parameter maxResults");
    let none = ec2.terminate_instances().set_instance_ids(Some(vec![])).send().await;
    assert_refused(none, code, "No instances specified");

    let versions = ec2.describe_launch_template_versions();
    assert_refused(versions.clone().send().await, "MissingParameter", "$Latest");
    assert_refused(versions.clone().versions("1").send().await, "InvalidParameterValue", "$Latest");
    let latest = versions.versions("$Latest").send().await.unwrap();
    assert_eq!(latest.launch_template_versions().len(), 1);
    let unknown = ec2.describe_launch_templates().launch_template_names("nobody").send().await;
    let words = "At least one of the launch templates specified in the request does not exist.";
    assert_refused(unknown, "InvalidLaunchTemplateName.NotFoundException", words);
    let both = ec2.modify_launch_template().launch_template_id("lt-01234567").launch_template_name("template");
    let words = "Either provide launch template ID or launch template name to modify the template.";
    assert_refused(both.default_version("1").send().await, code, words);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_show_the_template_version_that_they_were_given() {
    let stand = Stand::new(Pace::Instant).await;
    let template = stand.launch_template("template", stand.article_data().await).await;
    let autoscaling = &stand.clients.autoscaling;
    let given = |version: Option<&str>| {
        LaunchTemplateSpecification::builder()
            .launch_template_id(&template)
            .set_version(version.map(str::to_owned))
            .build()
    };
    let create = autoscaling.create_auto_scaling_group().auto_scaling_group_name("group").launch_template(given(None));
    create.min_size(0).max_size(0).availability_zones("us-east-1a").send().await.unwrap();
    let version = async || {
        let groups = autoscaling.describe_auto_scaling_groups().send().await.unwrap().auto_scaling_groups.unwrap();
        groups[0].launch_template().unwrap().version().map(str::to_owned)
    };
    assert_eq!(version().await, None);
    let update = |name: &str| autoscaling.update_auto_scaling_group().auto_scaling_group_name(name);
    update("group").launch_template(given(Some("$Latest"))).send().await.unwrap();
    assert_eq!(version().await.as_deref(), Some("$Latest"));
    let unknown = update("nobody").max_size(1).send().await;
    assert_refused(unknown, "ValidationError", "AutoScalingGroup name not found - null");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_group_for_http_sticks_to_no_addresses() {
    let stand = Stand::new(Pace::Instant).await;
    let elbv2 = &stand.clients.elbv2;
    let create = elbv2.create_target_group().name("t").protocol("HTTP".into()).port(80).vpc_id(&stand.vpc);
    let arn = create.send().await.unwrap().target_groups()[0].target_group_arn().unwrap().to_owned();
    let attribute = TargetGroupAttribute::builder().key("stickiness.type").value("source_ip").build();
    let modify = elbv2.modify_target_group_attributes().target_group_arn(arn).attributes(attribute).send().await;
    assert_refused(modify, "InvalidConfigurationRequest", "Stickiness type 'source_ip' is not supported");
    stand.end().await;
}
