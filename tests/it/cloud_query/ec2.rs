//! EC2: the default VPC, zones, instances, tags.

use aws_sdk_ec2::types::{
    AttributeBooleanValue, InstanceStateName, LocationType, ResourceType, StatusName, StatusType, SummaryStatus, Tag,
    TagSpecification, VpcAttributeName,
};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused, filter};

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_vpc_has_a_public_subnet_in_every_availability_zone_but_not_in_the_local_zone() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    for name in ["isDefault", "is-default"] {
        let vpcs = ec2.describe_vpcs().filters(filter(name, &["true"])).send().await.unwrap().vpcs.unwrap();
        assert_eq!((vpcs.len(), vpcs[0].cidr_block()), (1, Some("172.31.0.0/16")));
    }
    let public = ec2.describe_subnets().filters(filter("vpc-id", &[&stand.vpc]));
    let public = public.filters(filter("map-public-ip-on-launch", &["true"])).send().await.unwrap().subnets.unwrap();
    assert_eq!(public.len(), 6);
    assert!(public.iter().all(|subnet| subnet.default_for_az() == Some(true)));
    assert_eq!(stand.subnets.len(), 7);

    let zones = ec2.describe_availability_zones().filters(filter("zone-type", &["local-zone"]));
    let local = zones.send().await.unwrap().availability_zones.unwrap();
    assert_eq!((local.len(), local[0].parent_zone_name()), (1, Some("us-east-1a")));
    let local = &stand.subnets[local[0].zone_name().unwrap()];
    assert!(public.iter().all(|subnet| subnet.subnet_id() != Some(local)));

    let table = ec2.describe_route_tables().filters(filter("vpc-id", &[&stand.vpc])).send().await.unwrap();
    let routes = table.route_tables()[0].routes();
    assert!(routes.iter().any(|route| route.gateway_id().is_some_and(|id| id.starts_with("igw-"))));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_medium_is_not_offered_in_every_zone() {
    let stand = Stand::new(Pace::Instant).await;
    let offerings = stand.clients.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
    let offerings = offerings.filters(filter("instance-type", &["t3.medium"])).send().await.unwrap();
    let zones: Vec<_> = offerings.instance_type_offerings().iter().filter_map(|offering| offering.location()).collect();
    assert!(zones.contains(&"us-east-1d") && !zones.contains(&"us-east-1e"), "{zones:?}");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_and_filters_that_are_wrong_are_refused() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let absent = "subnet-00000000000000000";
    let result = ec2.describe_subnets().subnet_ids(absent).send().await;
    assert_refused(result, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-00000000000000000' does not exist");
    let result = ec2.describe_subnets().subnet_ids("subnet").send().await;
    assert_refused(result, "InvalidSubnetID.Malformed", "expecting \"subnet-...\"");
    let result = ec2.describe_subnets().filters(filter("colour", &["red"])).send().await;
    assert_refused(result, "InvalidParameterValue", "The filter 'colour' is invalid");
    let result = ec2.describe_vpcs().dry_run(true).send().await;
    assert_refused(result, "DryRunOperation", "Request would have succeeded");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_come_with_creation_or_later_and_are_found_by() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let owner = TagSpecification::builder().resource_type(ResourceType::SecurityGroup).tags(tag("owner", "us"));
    let create = ec2.create_security_group().group_name("lb").description("lb").vpc_id(&stand.vpc);
    let group = create.tag_specifications(owner.build()).send().await.unwrap().group_id.unwrap();
    let subnet = &stand.subnets("a")[0];
    ec2.create_tags().resources(&group).resources(subnet).tags(tag("stage", "1")).send().await.unwrap();

    let owned = ec2.describe_security_groups().filters(filter("tag:owner", &["u*"])).send().await.unwrap();
    assert_eq!(owned.security_groups()[0].tags().len(), 2);
    let tagged = ec2.describe_subnets().filters(filter("tag-key", &["stage"])).send().await.unwrap();
    assert_eq!(tagged.subnets()[0].subnet_id(), Some(subnet.as_str()));
    let described = ec2.describe_tags().filters(filter("resource-type", &["security-group"])).send().await.unwrap();
    assert_eq!(described.tags().len(), 2);

    ec2.delete_tags().resources(&group).tags(Tag::builder().key("owner").build()).send().await.unwrap();
    let owned = ec2.describe_security_groups().filters(filter("tag:owner", &["us"])).send().await.unwrap();
    assert_eq!(owned.security_groups().len(), 0);
    let reserved = ec2.create_tags().resources(&group).tags(tag("aws:x", "1")).send().await;
    assert_refused(reserved, "InvalidParameterValue", "reserved for internal use");
    let unknown = ec2.create_tags().resources("sg-00000000000000000").tags(tag("a", "b")).send().await;
    assert_refused(unknown, "InvalidGroup.NotFound", "does not exist");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_can_be_left_without_a_default_vpc() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let delete_vpc = || ec2.delete_vpc().vpc_id(&stand.vpc).send();
    assert_refused(delete_vpc().await, "DependencyViolation", "has dependencies and cannot be deleted");
    for subnet in stand.subnets.values() {
        ec2.delete_subnet().subnet_id(subnet).send().await.unwrap();
    }
    let gateways = ec2.describe_internet_gateways().send().await.unwrap().internet_gateways.unwrap();
    let gateway = gateways[0].internet_gateway_id().unwrap();
    ec2.detach_internet_gateway().internet_gateway_id(gateway).vpc_id(&stand.vpc).send().await.unwrap();
    ec2.delete_internet_gateway().internet_gateway_id(gateway).send().await.unwrap();
    delete_vpc().await.unwrap();
    assert!(ec2.describe_vpcs().send().await.unwrap().vpcs().is_empty());
    let group = ec2.create_security_group().group_name("lb").description("lb").send().await;
    assert_refused(group, "VPCIdNotSpecified", "No default VPC");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subnets_are_made_within_the_vpc_and_apart_from_each_other() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let create = |cidr: &str| ec2.create_subnet().vpc_id(&stand.vpc).cidr_block(cidr).availability_zone("us-east-1b");
    assert_refused(create("10.0.0.0/24").send().await, "InvalidSubnet.Range", "'10.0.0.0/24' is invalid");
    assert_refused(create("172.31.0.0/24").send().await, "InvalidSubnet.Conflict", "conflicts with another subnet");
    let subnet = create("172.31.240.0/24").send().await.unwrap().subnet.unwrap();
    assert_eq!((subnet.availability_zone_id(), subnet.map_public_ip_on_launch()), (Some("use1-az6"), Some(false)));
    let public = AttributeBooleanValue::builder().value(true).build();
    let id = subnet.subnet_id().unwrap();
    ec2.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(public).send().await.unwrap();
    let described = ec2.describe_subnets().subnet_ids(id).send().await.unwrap().subnets.unwrap();
    assert_eq!(described[0].map_public_ip_on_launch(), Some(true));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_asked_of_running_instances_unless_all_are_meant() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(1, "b").await;
    let ec2 = &stand.clients.ec2;
    let statuses = async |all| {
        let describe = ec2.describe_instance_status().include_all_instances(all);
        describe.send().await.unwrap().instance_statuses.unwrap()
    };
    let [running] = &statuses(false).await[..] else { panic!("one runs") };
    assert_eq!(running.availability_zone(), Some("us-east-1b"));
    assert_eq!(running.instance_status().unwrap().status(), Some(&SummaryStatus::Ok));
    let check = &running.system_status().unwrap().details()[0];
    assert_eq!((check.name(), check.status()), (Some(&StatusName::Reachability), Some(&StatusType::Passed)));

    let gone = running.instance_id().unwrap();
    ec2.terminate_instances().instance_ids(gone).send().await.unwrap();
    assert!(statuses(false).await.iter().all(|status| status.instance_id() != Some(gone)));
    let all = statuses(true).await;
    let gone = all.iter().find(|status| status.instance_id() == Some(gone)).unwrap();
    assert_eq!(gone.instance_state().unwrap().name(), Some(&InstanceStateName::Terminated));
    assert_eq!(gone.instance_status().unwrap().status(), Some(&SummaryStatus::NotApplicable));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_have_their_endpoints_and_the_vpc_its_attributes() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let regions = ec2.describe_regions().filters(filter("region-name", &["eu-west-1"])).send().await.unwrap();
    let [region] = regions.regions() else { panic!("{regions:?}") };
    assert_eq!((region.region_name(), region.endpoint()), (Some("eu-west-1"), Some("ec2.eu-west-1.amazonaws.com")));
    assert_eq!(region.opt_in_status(), Some("opt-in-not-required"));
    assert!(ec2.describe_regions().send().await.unwrap().regions().len() > 10);
    let unknown = ec2.describe_regions().region_names("mars-1").send().await;
    assert_refused(unknown, "InvalidParameterValue", "Invalid region provided");

    let attribute = async |vpc: &str, name| ec2.describe_vpc_attribute().vpc_id(vpc).attribute(name).send().await;
    let support = attribute(&stand.vpc, VpcAttributeName::EnableDnsSupport).await.unwrap();
    assert_eq!(support.enable_dns_support().unwrap().value(), Some(true));
    assert!(support.enable_dns_hostnames().is_none(), "one is asked for at a time");
    let metrics = attribute(&stand.vpc, VpcAttributeName::EnableNetworkAddressUsageMetrics).await.unwrap();
    assert_eq!(metrics.enable_network_address_usage_metrics().unwrap().value(), Some(false));
    let unknown = attribute("vpc-0123456789abcdef0", VpcAttributeName::EnableDnsSupport).await;
    assert_refused(unknown, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_in_vain_is_refused_in_awss_words() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let images = ["ami-00000000000000001", "ami-00000000000000002"];
    let result = ec2.describe_images().set_image_ids(Some(images.map(str::to_owned).to_vec())).send().await;
    let words = format!("The image ids '[{}]' do not exist", images.join(", "));
    assert_refused(result, "InvalidAMIID.NotFound", &words);
    let result = ec2.describe_instances().instance_ids("i-00000000000000001").instance_ids("i-00000000000000002");
    let words = "The instance IDs 'i-00000000000000001, i-00000000000000002' do not exist";
    assert_refused(result.send().await, "InvalidInstanceID.NotFound", words);
    let result = ec2.describe_instances().instance_ids("i-00000000000000001").max_results(5).send().await;
    assert_refused(result, "InvalidParameterCombination", "cannot be used with");
    let rules = ec2.describe_security_group_rules().filters(filter("group-id", &["foobar"])).send().await;
    assert_refused(rules, "InvalidGroupId.Malformed", "The security group ID 'foobar' is malformed");
    let subnet = ec2.create_subnet().vpc_id(&stand.vpc).send().await;
    assert_refused(subnet, "MissingParameter", "Either 'ipv6CidrBlock' or 'cidrBlock' should be provided.");
    assert_refused(ec2.delete_tags().send().await, "MissingParameter", "resourceIdSet");
    assert_refused(ec2.terminate_instances().send().await, "InvalidParameterCombination", "No instances specified");

    let templates = ec2.describe_launch_templates().launch_template_names("absent").send().await;
    let words = "At least one of the launch templates specified in the request does not exist.";
    assert_refused(templates, "InvalidLaunchTemplateName.NotFoundException", words);
    let modify = ec2.modify_launch_template().launch_template_name("x").launch_template_id("lt-00000000000000001");
    assert_refused(modify.send().await, "InvalidParameterCombination", "Either provide launch template ID or");
    let versions = ec2.describe_launch_template_versions();
    assert_refused(versions.clone().send().await, "MissingParameter", "$Latest");
    assert_refused(versions.versions("1").send().await, "InvalidParameterValue", "$Latest");

    let update = stand.clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name("absent").send().await;
    assert_refused(update, "ValidationError", "AutoScalingGroup name not found - null");
    let group = stand.target_group("targets").await;
    let sticky = aws_sdk_elasticloadbalancingv2::types::TargetGroupAttribute::builder().key("stickiness.type");
    let modify = stand.clients.elbv2.modify_target_group_attributes().target_group_arn(group);
    let modify = modify.attributes(sticky.value("source_ip").build()).send().await;
    assert_refused(modify, "InvalidConfigurationRequest", "not supported for target groups with the HTTP protocol");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_tells_of_its_interface_what_the_interface_tells_of_itself() {
    let stand = Stand::new(Pace::Instant).await;
    stand.group_of(1, "a").await;
    let ec2 = &stand.clients.ec2;
    let instance = async || {
        let described = ec2.describe_instances().send().await.unwrap().reservations.unwrap().remove(0);
        described.instances.unwrap().remove(0)
    };
    let running = instance().await;
    let [own] = running.network_interfaces() else { panic!("{running:?}") };
    let described = ec2.describe_network_interfaces().send().await.unwrap().network_interfaces.unwrap().remove(0);
    assert_eq!(own.network_interface_id(), described.network_interface_id());
    assert_eq!(own.groups(), described.groups());
    assert_eq!(own.groups(), running.security_groups());
    assert_eq!(own.subnet_id(), running.subnet_id());
    assert_eq!(own.private_ip_address(), running.private_ip_address());
    assert_eq!(own.association().unwrap().public_ip(), running.public_ip_address());
    assert_eq!(described.association().unwrap().public_ip(), running.public_ip_address());
    assert_eq!(own.attachment().unwrap().attachment_id(), described.attachment().unwrap().attachment_id());
    assert_eq!(own.attachment().unwrap().device_index(), Some(0));
    let [device] = running.block_device_mappings() else { panic!("{running:?}") };
    assert_eq!(device.device_name(), running.root_device_name());
    assert_eq!(device.ebs().unwrap().delete_on_termination(), Some(true));

    ec2.terminate_instances().instance_ids(running.instance_id().unwrap()).send().await.unwrap();
    let mut ended = ec2.describe_instances().filters(filter("instance-state-name", &["terminated"]));
    ended = ended.instance_ids(running.instance_id().unwrap());
    let ended = ended.send().await.unwrap().reservations.unwrap().remove(0).instances.unwrap().remove(0);
    assert_eq!((ended.network_interfaces(), ended.block_device_mappings()), (&[][..], &[][..]));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_no_key_pairs_no_launch_configurations_and_no_alias() {
    let stand = Stand::new(Pace::Instant).await;
    let key_pairs = || stand.clients.ec2.describe_key_pairs();
    assert_eq!(key_pairs().send().await.unwrap().key_pairs(), []);
    assert_refused(key_pairs().key_names("mine").send().await, "InvalidKeyPair.NotFound", "'mine' does not exist");
    assert_refused(key_pairs().key_pair_ids("key-0").send().await, "InvalidKeyPair.Format", "key-0");
    let configurations = stand.clients.autoscaling.describe_launch_configurations().send().await.unwrap();
    assert_eq!(configurations.launch_configurations(), []);
    let aliases = stand.clients.iam.list_account_aliases().send().await.unwrap();
    assert!(aliases.account_aliases().is_empty());
    stand.end().await;
}
