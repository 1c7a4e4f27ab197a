//! What stands beside ours and is not to be touched. In our region: another walkthrough, whose name ours begins, and a
//! resource of each kind that nobody's tag is on and whose name ours begins. In another one: everything with our very
//! names, without a tag. Where names are not a region's own, as with roles, ours begin theirs.

use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_ec2::types::{InstanceType, RequestLaunchTemplateData, Tag};
use aws_sdk_ecs::types::{AwsVpcConfiguration, ContainerDefinition, NetworkConfiguration, NetworkMode};
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetTypeEnum};
use zonewalk::aws::Clients;
use zonewalk::settings::{OWNER_TAG, Settings};
use zonewalk::walkthrough::up;

use super::journey::{World, context, small};
use crate::inventory::resources;
use crate::support;

/// After one of our names.
const OTHER: &str = "-o";

pub(super) fn other(name: &str) -> String {
    format!("{name}{OTHER}")
}

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": []}"#;

pub(super) async fn make(world: &World) {
    up(&context(&world.far, small(1))).await.unwrap();
    untag(&world.far).await;
    let name = other(support::settings().name.as_str()).parse().unwrap();
    up(&context(&world.near, Settings { name, ..small(1) })).await.unwrap();
    make_singles(world).await;
}

/// Takes the owner's tag off everything in a region.
async fn untag(clients: &Clients) {
    let Clients { autoscaling, ec2, ecs, elbv2, iam, logs, servicediscovery, region, .. } = clients;
    for resource in resources(clients).await {
        let id = resource.id.split(' ').next().unwrap().to_owned();
        let name = id.rsplit('/').next().unwrap().to_owned();
        match id.split(':').nth(2) {
            None => {
                let tag = Tag::builder().key(OWNER_TAG).build();
                drop(ec2.delete_tags().resources(id).tags(tag).send().await.unwrap());
            }
            Some("autoscaling") => {
                let tag = aws_sdk_autoscaling::types::Tag::builder().key(OWNER_TAG).resource_id(name);
                let tag = tag.resource_type("auto-scaling-group").build();
                drop(autoscaling.delete_tags().tags(tag).send().await.unwrap());
            }
            Some("ecs") => drop(ecs.untag_resource().resource_arn(id).tag_keys(OWNER_TAG).send().await.unwrap()),
            Some("elasticloadbalancing") => {
                drop(elbv2.remove_tags().resource_arns(id).tag_keys(OWNER_TAG).send().await.unwrap());
            }
            Some("logs") => drop(logs.untag_resource().resource_arn(id).tag_keys(OWNER_TAG).send().await.unwrap()),
            Some("servicediscovery") => {
                let request = servicediscovery.untag_resource().resource_arn(id).tag_keys(OWNER_TAG);
                drop(request.send().await.unwrap());
            }
            Some("iam") if !id.contains(region.as_str()) => {}
            Some("iam") if id.contains(":role/") => {
                drop(iam.untag_role().role_name(name).tag_keys(OWNER_TAG).send().await.unwrap());
            }
            Some("iam") => {
                let request = iam.untag_instance_profile().instance_profile_name(name).tag_keys(OWNER_TAG);
                drop(request.send().await.unwrap());
            }
            Some(service) => panic!("{service}"),
        }
    }
    let ours = format!(" of {}", support::settings().name);
    let tagged: Vec<_> =
        resources(clients).await.into_iter().map(|it| it.description).filter(|it| it.contains(&ours)).collect();
    assert_eq!(tagged, Vec::<String>::new());
}

/// One of each kind.
async fn make_singles(world: &World) {
    let Clients { autoscaling, ec2, ecs, elbv2, iam, logs, servicediscovery, region, .. } = &world.near;
    let vpc = ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let subnets = ec2.describe_subnets().send().await.unwrap().subnets.unwrap();
    let subnet_in = |zone: &str| {
        let zone = format!("{region}{zone}");
        let here = subnets.iter().find(|subnet| subnet.availability_zone() == Some(&zone)).unwrap();
        here.subnet_id().unwrap().to_owned()
    };
    let names = support::settings().name.resources();

    let group = ec2.create_security_group().group_name(other(&names.server_security_group)).description("-");
    group.vpc_id(&vpc).send().await.unwrap();
    let data = RequestLaunchTemplateData::builder().image_id(&world.image).instance_type(InstanceType::T3Medium);
    let template = ec2.create_launch_template().launch_template_name(other(&names.launch_template));
    template.launch_template_data(data.build()).send().await.unwrap();
    let template = LaunchTemplateSpecification::builder().launch_template_name(other(&names.launch_template));
    let group = autoscaling.create_auto_scaling_group().launch_template(template.version("$Latest").build());
    let group = group.auto_scaling_group_name(other(&names.auto_scaling_group)).min_size(0).max_size(1);
    group.desired_capacity(0).vpc_zone_identifier(subnet_in("c")).send().await.unwrap();

    ecs.create_cluster().cluster_name(other(&names.cluster)).send().await.unwrap();
    for service in [&names.backend, &names.frontend] {
        let container = ContainerDefinition::builder().name("x").image("y").memory(64).build();
        let family = ecs.register_task_definition().family(other(&service.service));
        family.network_mode(NetworkMode::Awsvpc).container_definitions(container).send().await.unwrap();
        let request = ecs.create_service().cluster(other(&names.cluster)).service_name(&service.service);
        let network = NetworkConfiguration::builder()
            .awsvpc_configuration(AwsVpcConfiguration::builder().subnets(subnet_in("c")).build().unwrap());
        let request = request.network_configuration(network.build()).desired_count(0);
        request.task_definition(other(&service.service)).send().await.unwrap();
        logs.create_log_group().log_group_name(other(&service.log_group)).send().await.unwrap();
    }
    servicediscovery.create_http_namespace().name(other(&names.namespace)).send().await.unwrap();
    let namespaces = servicediscovery.list_namespaces().send().await.unwrap();
    let wanted = other(&names.namespace);
    let namespace = namespaces.namespaces().iter().find(|it| it.name() == Some(&wanted)).unwrap();
    for name in [&names.backend.discovery_name, &names.frontend.discovery_name] {
        servicediscovery.create_service().namespace_id(namespace.id().unwrap()).name(name).send().await.unwrap();
    }

    let group = elbv2.create_target_group().name(other(&names.target_group)).vpc_id(&vpc).port(80);
    group.protocol(ProtocolEnum::Http).target_type(TargetTypeEnum::Ip).send().await.unwrap();

    let role = format!("{}-{region}", names.instance_role);
    iam.create_role().role_name(other(&role)).assume_role_policy_document(TRUST).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name(other(&role)).send().await.unwrap();
    let add = iam.add_role_to_instance_profile().instance_profile_name(other(&role)).role_name(other(&role));
    add.send().await.unwrap();
}
