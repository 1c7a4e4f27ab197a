//! What is of before zone-aware routing, deployments and hosts, routes without zones; redeployments heal it.

use std::time::Duration;

use aws_sdk_autoscaling::types::{LaunchTemplateSpecification, RefreshPreferences};
use aws_sdk_ec2::types::{Filter, RequestLaunchTemplateData};
use aws_sdk_ecs::types::ContainerInstance;
use serde_json::json;
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::redeploy;
use zonewalk::commands::verify::{self, Traffic};
use zonewalk::stages::Context;
use zonewalk::traffic::{RoutingState, Verification};
use zonewalk::walkthrough::up;

use crate::support::{REGION, context, impatient, settings, start_cloud};

async fn verify(ctx: &Context) -> Verification {
    let options = verify::Options { traffic: Traffic::of(120, 4), ..verify::Options::default() };
    verify::run(ctx, options).await.unwrap()
}

fn age(cloud: &LocalCloud, service: &str, days: u32) -> bool {
    let age = json!({ "region": REGION, "service": service, "days": days });
    cloud.control("age", &age).unwrap()["zone_aware"].as_bool().unwrap()
}

async fn redeploy(ctx: &Context, service: &str) {
    let options = redeploy::Options { services: vec![service.to_owned()], ..redeploy::Options::default() };
    redeploy::run(ctx, options).await.unwrap();
}

/// Routed over all endpoints alike, of which a third is in the own zone.
fn assert_off(seen: &Verification) {
    assert_eq!(seen.zone_aware_routing.state, RoutingState::Off, "{:?}", seen.reasons);
    let share = seen.same_zone_share.unwrap();
    assert!((0.2..0.5).contains(&share), "{share}");
    let counted: u64 = seen.counted_matrix.iter().flatten().map(|cell| cell.requests).sum();
    assert_eq!(counted, 0, "an old proxy counts no zones");
}

fn assert_on(seen: &Verification) {
    assert_eq!(seen.zone_aware_routing.state, RoutingState::On, "{:?}", seen.reasons);
    assert_eq!(seen.same_zone_share, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_deployment_of_either_side_routes_without_zones_until_it_is_redeployed() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let hasty = context(&cloud, impatient()).await;
    up(&ctx).await.unwrap();
    assert_on(&verify(&ctx).await);
    let [backend, frontend] = [&ctx.names.backend.service, &ctx.names.frontend.service];
    for service in [backend, frontend] {
        assert!(age(&cloud, service, 10), "it is of after zone-aware routing came");
        assert_on(&verify(&ctx).await);
        assert!(!age(&cloud, service, 3_000));
        let described = ctx.clients.ecs.describe_services().cluster(&ctx.names.cluster).services(service);
        let described = described.send().await.unwrap().services.unwrap().remove(0);
        let created = described.deployments()[0].created_at().unwrap().secs();
        assert!(created < 1_782_864_000, "{created} is before 2026-07-01");
        assert_eq!(described.created_at().unwrap().secs(), created);
        assert_off(&verify(&hasty).await);

        redeploy(&ctx, service).await;
        assert_on(&verify(&ctx).await);
    }
    // Both: one redeployment is not enough.
    age(&cloud, backend, 3_000);
    age(&cloud, frontend, 3_000);
    redeploy(&ctx, backend).await;
    assert_off(&verify(&hasty).await);
    redeploy(&ctx, frontend).await;
    assert_on(&verify(&ctx).await);

    let unknown = json!({ "region": REGION, "service": "nobody", "days": 1 });
    assert_eq!(cloud.control("age", &unknown).unwrap_err(), "there is no service nobody");
    cloud.shutdown().await;
}

/// The group's instances are replaced by ones of another image.
async fn move_to(ctx: &Context, image_id: &str) {
    let names = &ctx.names;
    let data = RequestLaunchTemplateData::builder().image_id(image_id).build();
    let next = ctx.clients.ec2.create_launch_template_version().launch_template_name(&names.launch_template);
    let next = next.source_version("$Latest").launch_template_data(data).send().await.unwrap();
    let version = next.launch_template_version().unwrap().version_number().unwrap().to_string();
    let of_group =
        LaunchTemplateSpecification::builder().launch_template_name(&names.launch_template).version(version).build();
    let group = &names.auto_scaling_group;
    let update = ctx.clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group);
    update.launch_template(of_group).send().await.unwrap();
    let refresh = ctx.clients.autoscaling.start_instance_refresh().auto_scaling_group_name(group);
    refresh.preferences(RefreshPreferences::builder().min_healthy_percentage(0).build()).send().await.unwrap();
}

async fn hosts(ctx: &Context) -> Vec<ContainerInstance> {
    let cluster = &ctx.names.cluster;
    let listed = ctx.clients.ecs.list_container_instances().cluster(cluster).send().await.unwrap();
    let arns = listed.container_instance_arns.unwrap_or_default();
    if arns.is_empty() {
        return vec![];
    }
    let described = ctx.clients.ecs.describe_container_instances().cluster(cluster);
    described.set_container_instances(Some(arns)).send().await.unwrap().container_instances.unwrap()
}

async fn are_steady(ctx: &Context) -> bool {
    let described = ctx.clients.ecs.describe_services().cluster(&ctx.names.cluster);
    let described = described.services(&ctx.names.backend.service).services(&ctx.names.frontend.service);
    described.send().await.unwrap().services().iter().all(|service| {
        let last = service.events().first().and_then(|event| event.message());
        service.running_count() == service.desired_count() && last.is_some_and(|it| it.ends_with("a steady state."))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_with_an_image_of_before_route_without_zones() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let hasty = context(&cloud, impatient()).await;
    up(&ctx).await.unwrap();
    let expected = hosts(&ctx).await.len();
    for (version, agent, is_on) in
        [("20250923", "1.99.1", false), ("20260226", "1.102.0", false), ("20260901", "1.106.2", true)]
    {
        let name = format!("al2023-ami-ecs-hvm-2023.0.{version}-kernel-6.1-x86_64");
        let filter = Filter::builder().name("name").values(&name).build();
        let images = ctx.clients.ec2.describe_images().owners("amazon").filters(filter).send().await.unwrap();
        let [image] = images.images() else { panic!("{:?}", images.images()) };
        let image_id = image.image_id().unwrap();
        let parameter = format!("/aws/service/ecs/optimized-ami/amazon-linux-2023/{name}/image_id");
        let named = ctx.clients.ssm.get_parameter().name(parameter).send().await.unwrap();
        assert_eq!(named.parameter().unwrap().value(), Some(image_id));

        move_to(&ctx, image_id).await;
        let ami = |host: &ContainerInstance| {
            let mut attributes = host.attributes().iter();
            attributes.find(|attribute| attribute.name() == "ecs.ami-id").and_then(|ami| ami.value.clone())
        };
        let moved = async || {
            let hosts = hosts(&ctx).await;
            hosts.len() == expected && hosts.iter().all(|host| ami(host).as_deref() == Some(image_id))
        };
        for attempt in 0.. {
            if moved().await {
                break;
            }
            assert!(attempt < 1_000, "the group's instances are not replaced");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(hosts(&ctx).await.iter().all(|host| host.version_info().unwrap().agent_version() == Some(agent)));
        for attempt in 0.. {
            if are_steady(&ctx).await {
                break;
            }
            assert!(attempt < 1_000, "the services do not get steady");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if is_on {
            assert_on(&verify(&ctx).await);
        } else {
            assert_off(&verify(&hasty).await);
        }
    }
    cloud.shutdown().await;
}
