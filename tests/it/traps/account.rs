//! Traps of the account and region: images, names that are spelled out, zones.

use aws_sdk_ec2::types::AttributeBooleanValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zonewalk::aws::{Clients, Target};
use zonewalk::cloud::Pace;
use zonewalk::events::Events;
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use super::{Walk, article, of_tasks};

#[tokio::test]
async fn trap_10_the_image_is_amazon_linux_2023_and_new_enough() {
    assert!(article("step-04-instances").contains("optimized-ami/amazon-linux-2/recommended"));
    let walk = Walk::up(1).await;
    let ec2 = &walk.ctx.clients.ec2;
    let versions = ec2.describe_launch_template_versions().launch_template_name(&walk.ctx.names.launch_template);
    let versions = versions.versions("$Latest").send().await.unwrap();
    let image = versions.launch_template_versions()[0].launch_template_data().unwrap().image_id().unwrap().to_owned();
    let images = ec2.describe_images().image_ids(image).send().await.unwrap();
    let name = images.images()[0].name().unwrap();
    assert!(name.starts_with("al2023-ami-ecs"), "{name}");
    let built = name.split(['-', '.']).find(|part| part.len() == 8 && part.chars().all(|c| c.is_ascii_digit()));
    assert!(built.unwrap() >= "20260323", "{name}: zone-aware routing needs an agent of then or later");
    walk.end().await;
}

#[tokio::test]
async fn trap_11_cluster_and_region_are_rendered_not_spelled_out() {
    assert!(article("step-04-instances").contains("ECS_CLUSTER=az-aware-cluster-ec2"));
    assert!(article("step-07-services").contains("\"awslogs-region\": \"us-east-1\""));
    let walk = Walk::with(Settings { name: "other".parse().unwrap(), ..of_tasks(1) }, Pace::Instant).await;
    let clients = Target::local(&walk.cloud.endpoint_url(), "eu-west-1").connect().await.unwrap();
    let ctx = Context::new(clients, (*walk.ctx.settings).clone(), Events::silent(), walk.ctx.cancel.clone());
    // Its instances join, so they were told of the cluster by its name.
    up(&ctx).await.unwrap();
    let (ec2, ecs) = (&ctx.clients.ec2, &ctx.clients.ecs);
    let versions = ec2.describe_launch_template_versions().launch_template_name(&ctx.names.launch_template);
    let versions = versions.versions("$Latest").send().await.unwrap();
    let data = versions.launch_template_versions()[0].launch_template_data().unwrap().user_data().unwrap().to_owned();
    let data = String::from_utf8(BASE64.decode(data).unwrap()).unwrap();
    assert!(data.contains(&ctx.names.cluster) && !data.contains("us-east-1"), "{data}");
    let definition = ecs.describe_task_definition().task_definition(&ctx.names.backend.service).send().await.unwrap();
    let definition = definition.task_definition.unwrap();
    let options = definition.container_definitions()[0].log_configuration().unwrap().options().unwrap();
    assert_eq!(options["awslogs-region"], "eu-west-1");
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    walk.end().await;
}

/// The default subnets of an account, zone and ID.
async fn subnets(clients: &Clients) -> Vec<(String, String)> {
    let subnets = clients.ec2.describe_subnets().send().await.unwrap().subnets.unwrap();
    subnets.iter().map(|s| (s.availability_zone().unwrap().to_owned(), s.subnet_id().unwrap().to_owned())).collect()
}

async fn delete_subnets(clients: &Clients, zones: &[&str]) {
    for (zone, id) in subnets(clients).await {
        if zones.iter().any(|gone| zone.ends_with(gone)) {
            clients.ec2.delete_subnet().subnet_id(id).send().await.unwrap();
        }
    }
}

async fn zones_in_use(ctx: &Context) -> Vec<String> {
    let balancers = ctx.clients.elbv2.describe_load_balancers().send().await.unwrap();
    let zones = balancers.load_balancers()[0].availability_zones().iter();
    let mut zones: Vec<_> = zones.filter_map(|zone| zone.zone_name().map(str::to_owned)).collect();
    zones.sort();
    zones
}

#[tokio::test]
async fn trap_14_a_local_zone_is_passed_over() {
    let walk = Walk::with(of_tasks(1), Pace::Instant).await;
    let ec2 = &walk.ctx.clients.ec2;
    let vpc = ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let create = ec2.create_subnet().vpc_id(vpc).cidr_block("172.31.240.0/24").availability_zone("us-east-1-bos-1a");
    let subnet = create.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let public = AttributeBooleanValue::builder().value(true).build();
    ec2.modify_subnet_attribute().subnet_id(&subnet).map_public_ip_on_launch(public).send().await.unwrap();
    let mut zones: Vec<_> = subnets(&walk.ctx.clients).await.into_iter().map(|(zone, _)| zone).collect();
    zones.sort();
    assert_eq!(zones[0], "us-east-1-bos-1a", "the article sorts by name and takes the first three");

    up(&walk.ctx).await.unwrap();
    assert_eq!(zones_in_use(&walk.ctx).await, ["us-east-1a", "us-east-1b", "us-east-1c"]);
    walk.end().await;
}

#[tokio::test]
async fn trap_14_a_zone_without_the_instance_type_is_passed_over() {
    let walk = Walk::with(of_tasks(1), Pace::Instant).await;
    // us-east-1e, which has no t3.medium, is now among the first three.
    delete_subnets(&walk.ctx.clients, &["a", "b", "c"]).await;
    assert_lacking(walk, &["2 Availability Zones that offer t3.medium (", " (us-east-1d), ", " (us-east-1f))"]).await;

    let walk = Walk::with(of_tasks(1), Pace::Instant).await;
    delete_subnets(&walk.ctx.clients, &["a", "b"]).await;
    up(&walk.ctx).await.unwrap();
    assert_eq!(zones_in_use(&walk.ctx).await, ["us-east-1c", "us-east-1d", "us-east-1f"]);
    walk.end().await;
}

/// `up` says what is lacking and what to type, and makes nothing.
async fn assert_lacking(walk: Walk, says: &[&str]) {
    let error = up(&walk.ctx).await.unwrap_err().to_string();
    for words in says {
        assert!(error.contains(words), "{error}");
    }
    let changes = ["Create", "Run", "Register", "Authorize"];
    let calls = walk.calls.lock().unwrap().clone();
    let up_calls = calls.split(|call| call == "sts:GetCallerIdentity").next_back().unwrap();
    let made = up_calls.iter().filter(|call| changes.iter().any(|change| call.contains(&format!(":{change}"))));
    assert_eq!(made.count(), 0, "{up_calls:?}");
    walk.end().await;
}

#[tokio::test]
async fn trap_14_fewer_than_three_zones_are_told_before_anything_is_made() {
    let walk = Walk::with(of_tasks(1), Pace::Instant).await;
    delete_subnets(&walk.ctx.clients, &["a", "b", "c", "d"]).await;
    assert_lacking(walk, &["1 Availability Zones", "3 are needed", "aws ec2 create-default-subnet"]).await;
}

#[tokio::test]
async fn trap_14_an_account_without_a_default_vpc_is_told_before_anything_is_made() {
    let walk = Walk::with(of_tasks(1), Pace::Instant).await;
    let ec2 = &walk.ctx.clients.ec2;
    delete_subnets(&walk.ctx.clients, &[""]).await;
    let vpc = ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let gateways = ec2.describe_internet_gateways().send().await.unwrap().internet_gateways.unwrap();
    let gateway = gateways[0].internet_gateway_id().unwrap();
    ec2.detach_internet_gateway().internet_gateway_id(gateway).vpc_id(&vpc).send().await.unwrap();
    ec2.delete_internet_gateway().internet_gateway_id(gateway).send().await.unwrap();
    ec2.delete_vpc().vpc_id(&vpc).send().await.unwrap();
    assert_lacking(walk, &["no default VPC", "aws ec2 create-default-vpc"]).await;
}
