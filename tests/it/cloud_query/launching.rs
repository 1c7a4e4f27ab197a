//! What a launch template may not say if a group is to launch from it, and images that are looked up at each launch.

use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_ec2::types::builders::RequestLaunchTemplateDataBuilder;
use aws_sdk_ec2::types::{
    LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest as Interface, RequestLaunchTemplateData,
};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused};

const IMAGE: &str = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id";

fn data() -> RequestLaunchTemplateDataBuilder {
    RequestLaunchTemplateData::builder().image_id(IMAGE).instance_type("t3.medium".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_needs_a_template_that_can_be_launched_from() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("group").await;
    let interface = || Interface::builder().device_index(0).groups(&group).build();
    let both = LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
        .name("ecsInstanceRole")
        .arn("arn:aws:iam::000000000000:instance-profile/ecsInstanceRole");
    let invalid = [
        (data().security_group_ids(&group).network_interfaces(interface()), "an instance-level security groups"),
        (data().security_groups("group"), "The parameter groupName cannot be used with the parameter subnet"),
        (data().key_name("mine"), "The key pair 'mine' does not exist"),
        (data().image_id("ami-01234567"), "The image id '[ami-01234567]' does not exist"),
        (data().image_id("resolve:ssm:/mine"), "The parameter /mine of the image was not found"),
        (data().image_id(IMAGE.trim_end_matches("/image_id")), "Invalid id:"),
        (data().security_group_ids("sg-01234567"), "The security group 'sg-01234567' does not exist"),
        (data().network_interfaces(Interface::builder().groups(&group).build()), "requires a device index"),
        (data().iam_instance_profile(both.build()), "may not be used in combination with"),
    ];
    let autoscaling = &stand.clients.autoscaling;
    let create = |name: &str, template: String| {
        let template = LaunchTemplateSpecification::builder().launch_template_id(template).build();
        let create = autoscaling.create_auto_scaling_group().auto_scaling_group_name(name).launch_template(template);
        create.min_size(0).max_size(1)
    };
    let subnet = stand.subnets("a").remove(0);
    let good = stand.launch_template("good", data().network_interfaces(interface()).build()).await;
    create("good", good).vpc_zone_identifier(&subnet).send().await.unwrap();
    for (index, (data, words)) in invalid.into_iter().enumerate() {
        let template = stand.launch_template(&format!("template-{index}"), data.build()).await;
        let created = create("bad", template.clone()).vpc_zone_identifier(&subnet).send().await;
        assert_refused(created, "ValidationError", "You must use a valid fully-formed launch template. ");
        let specification = LaunchTemplateSpecification::builder().launch_template_id(&template).build();
        let update = autoscaling.update_auto_scaling_group().auto_scaling_group_name("good");
        assert_refused(update.launch_template(specification).send().await, "ValidationError", words);
    }

    // Groups go by name in the default subnet of a zone, until a subnet is named.
    let named = stand.launch_template("named", data().security_groups("group").build()).await;
    create("zonal", named).availability_zones("us-east-1a").send().await.unwrap();
    let update = autoscaling.update_auto_scaling_group().auto_scaling_group_name("zonal");
    assert_refused(update.vpc_zone_identifier(&subnet).send().await, "ValidationError", "groupName cannot be used");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_a_parameter_names_is_looked_up_at_launch() {
    let stand = Stand::new(Pace::Instant).await;
    let template = stand.launch_template("template", data().build()).await;
    let ec2 = &stand.clients.ec2;
    let versions = ec2.describe_launch_template_versions().launch_template_id(&template);
    let image = async |resolve: bool| {
        let answer = versions.clone().resolve_alias(resolve).send().await.unwrap();
        answer.launch_template_versions()[0].launch_template_data().unwrap().image_id().unwrap().to_owned()
    };
    assert_eq!(image(false).await, IMAGE);
    let id = image(true).await;
    let specification = LaunchTemplateSpecification::builder().launch_template_id(&template).build();
    let create = stand.clients.autoscaling.create_auto_scaling_group().auto_scaling_group_name("group");
    let create =
        create.launch_template(specification).min_size(1).max_size(1).vpc_zone_identifier(&stand.subnets("a")[0]);
    create.send().await.unwrap();
    let launched = async || ec2.describe_instances().send().await.unwrap().reservations.unwrap().pop();
    super::until("it is launched", async || launched().await.is_some()).await;
    assert_eq!(launched().await.unwrap().instances()[0].image_id(), Some(id.as_str()));
    stand.end().await;
}
