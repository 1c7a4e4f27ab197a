//! What others do to ours between two phases, so that the next one meets the calls that mend it, or find it.

use std::time::Duration;

use aws_sdk_ecs::types::ClusterServiceConnectDefaultsRequest;
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum};
use zonewalk::aws::Clients;
use zonewalk::settings::OWNER_TAG;

use super::journey::World;
use super::neighbours::other;
use crate::support;

/// All that `up` looks at and can change, and that other settings do not.
pub(super) async fn what_up_mends(world: &World) {
    let Clients { ec2, ecs, elbv2, iam, servicediscovery, region, .. } = &world.near;
    let names = support::settings().name.resources();

    let balancer = elbv2.describe_load_balancers().names(&names.load_balancer).send().await.unwrap();
    let balancer = &balancer.load_balancers()[0];
    let arn = balancer.load_balancer_arn().unwrap();
    let two = balancer.availability_zones().iter().take(2).map(|zone| zone.subnet_id().unwrap().to_owned()).collect();
    elbv2.set_subnets().load_balancer_arn(arn).set_subnets(Some(two)).send().await.unwrap();
    let groups = ec2.describe_security_groups().send().await.unwrap();
    let default = groups.security_groups().iter().find(|group| group.group_name() == Some("default")).unwrap();
    let ours =
        groups.security_groups().iter().find(|group| group.group_name() == Some(&names.lb_security_group)).unwrap();
    let request = ec2.revoke_security_group_egress().group_id(ours.group_id().unwrap());
    request.set_ip_permissions(ours.ip_permissions_egress.clone()).send().await.unwrap();
    let request = elbv2.set_security_groups().load_balancer_arn(arn).security_groups(default.group_id().unwrap());
    request.send().await.unwrap();

    let target_group = async |name: String| {
        let found = elbv2.describe_target_groups().names(name).send().await.unwrap();
        found.target_groups()[0].target_group_arn().unwrap().to_owned()
    };
    let listeners = elbv2.describe_listeners().load_balancer_arn(arn).send().await.unwrap();
    let to_another = Action::builder().r#type(ActionTypeEnum::Forward);
    let to_another = to_another.target_group_arn(target_group(other(&names.target_group)).await).build();
    let request = elbv2.modify_listener().listener_arn(listeners.listeners()[0].listener_arn().unwrap());
    request.default_actions(to_another).send().await.unwrap();
    let request = elbv2.modify_target_group().target_group_arn(target_group(names.target_group.clone()).await);
    request.health_check_path("/").send().await.unwrap();

    let namespaces = servicediscovery.list_namespaces().send().await.unwrap();
    let another = other(&names.namespace);
    let another = namespaces.namespaces().iter().find(|it| it.name() == Some(&another)).unwrap();
    let defaults = ClusterServiceConnectDefaultsRequest::builder().namespace(another.arn().unwrap()).build().unwrap();
    ecs.update_cluster().cluster(&names.cluster).service_connect_defaults(defaults).send().await.unwrap();

    let role = |name: &str| format!("{name}-{region}");
    let ssm = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    iam.detach_role_policy().role_name(role(&names.instance_role)).policy_arn(ssm).send().await.unwrap();
    let request = iam.delete_role_policy().role_name(role(&names.execution_role)).policy_name("zonewalk");
    request.send().await.unwrap();
    let profile = role(&names.instance_role);
    let request = iam.remove_role_from_instance_profile().instance_profile_name(&profile).role_name(&profile);
    request.send().await.unwrap();
    let request = iam.add_role_to_instance_profile().instance_profile_name(&profile).role_name(other(&profile));
    request.send().await.unwrap();
}

/// An instance with our tag that is not our group's, and the record of one that went without signing off.
pub(super) async fn what_down_finds(world: &World) {
    let Clients { autoscaling, ec2, ecs, .. } = &world.near;
    let names = support::settings().name.resources();

    // A group of somebody's launches it, and then launches no more.
    let group = other(&names.auto_scaling_group);
    let size = async |size| {
        let request = autoscaling.set_desired_capacity().auto_scaling_group_name(&group).desired_capacity(size);
        request.send().await.unwrap();
    };
    size(0).await;
    autoscaling.resume_processes().auto_scaling_group_name(&group).send().await.unwrap();
    size(1).await;
    let instance = loop {
        let found = autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(&group).send().await.unwrap();
        if let Some(instance) = found.auto_scaling_groups()[0].instances().first() {
            break instance.instance_id().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let request = autoscaling.suspend_processes().auto_scaling_group_name(&group).scaling_processes("Launch");
    request.send().await.unwrap();
    let owner = support::settings().name.to_string();
    let tag = aws_sdk_ec2::types::Tag::builder().key(OWNER_TAG).value(owner).build();
    ec2.create_tags().resources(&instance).tags(tag).send().await.unwrap();

    // The other walkthrough's instance stands for one that is gone: it does not leave our cluster with our instances.
    let theirs = other(support::settings().name.as_str()).parse::<zonewalk::settings::Name>().unwrap().resources();
    let found = autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(theirs.auto_scaling_group);
    let found = found.send().await.unwrap();
    let instance = found.auto_scaling_groups()[0].instances()[0].instance_id().unwrap();
    let document = serde_json::json!({ "instanceId": instance }).to_string();
    let request = ecs.register_container_instance().cluster(&names.cluster).instance_identity_document(document);
    request.send().await.unwrap();
}
