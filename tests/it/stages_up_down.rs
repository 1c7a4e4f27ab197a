//! What `up` and `down` promise about resources: nothing twice, nothing left, nothing of others touched.

use std::sync::{Arc, Mutex};

use base64::Engine;
use tokio_util::sync::CancellationToken;
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Options, Pace};
use zonewalk::events::{Event, Events};
use zonewalk::plan::{Action, Kind};
use zonewalk::settings::{OWNER_TAG, ServiceConnectMode, Settings, TaskCount};
use zonewalk::stages::{Context, Error};
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{context, plan, settings, start_cloud};

fn actions(resources: &[zonewalk::plan::ResourceReport]) -> Vec<Action> {
    resources.iter().map(|resource| resource.action).collect()
}

#[tokio::test]
async fn a_second_up_changes_nothing() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let first = up(&ctx).await.unwrap();
    assert_eq!(first.resources.len(), 19, "{:#?}", first.resources);
    assert!(actions(&first.resources).iter().all(|action| *action == Action::Created));
    let stands = inventory(&ctx.clients).await;

    let second = up(&ctx).await.unwrap();
    assert!(actions(&second.resources).iter().all(|action| *action == Action::Kept), "{:#?}", second.resources);
    assert_eq!(second.alb_url, first.alb_url);
    assert_eq!(inventory(&ctx.clients).await, stands);
    cloud.shutdown().await;
}

#[tokio::test]
async fn down_leaves_nothing_and_can_be_repeated() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let before = inventory(&ctx.clients).await;
    let up = up(&ctx).await.unwrap();

    let removed = down(&ctx).await.unwrap();
    assert_eq!(removed.leftovers, []);
    assert_eq!(removed.not_ours, []);
    for resource in up.resources.iter().filter(|resource| resource.kind != Kind::SecurityGroupRule) {
        assert!(removed.removed.iter().any(|removed| removed.kind == resource.kind), "{resource:?}");
    }
    assert_eq!(inventory(&ctx.clients).await, before);

    let again = down(&ctx).await.unwrap();
    assert_eq!(again.removed, []);
    assert_eq!(again.leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_plan_foresees_what_up_does_and_does_nothing() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let before = inventory(&ctx.clients).await;
    let foreseen: Vec<_> = plan(&ctx).await.unwrap().iter().map(|plan| (plan.kind, plan.action)).collect();
    assert_eq!(inventory(&ctx.clients).await, before);

    let done: Vec<_> = up(&ctx).await.unwrap().resources.iter().map(|done| (done.kind, done.action)).collect();
    assert_eq!(foreseen, done);
    assert!(plan(&ctx).await.unwrap().iter().all(|plan| plan.action == Action::Kept && plan.differences.is_empty()));
    cloud.shutdown().await;
}

#[tokio::test]
async fn up_mends_just_what_differs() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();

    let other = Settings {
        allow_cidrs: vec!["10.0.0.0/8".parse().unwrap()],
        image: "another/image:1".to_owned(),
        task_count: TaskCount::new(7).unwrap(),
        ..settings()
    };
    let ctx = context(&cloud, other).await;
    let mended = up(&ctx).await.unwrap();
    let changed: Vec<_> = mended.resources.iter().filter(|r| r.action == Action::Changed).map(|r| r.kind).collect();
    assert_eq!(
        changed,
        [
            Kind::SecurityGroupRule,
            Kind::AutoScalingGroup,
            Kind::TaskDefinition,
            Kind::TaskDefinition,
            Kind::Service,
            Kind::Service
        ]
    );
    let stands = inventory(&ctx.clients).await;
    assert!(
        stands.contains(&"security group az-aware-routing-lb-sg of az-aware: 80 from 10.0.0.0/8".to_owned()),
        "{stands:#?}"
    );
    assert!(
        stands.contains(&"service az-aware-fe-service-ec2 of az-aware: 7 of 7 of another/image:1".to_owned()),
        "{stands:#?}"
    );
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

/// Resources with our names and without our tag, one of each kind that can stand alone.
async fn make_decoys(ctx: &Context) {
    let (clients, names) = (&ctx.clients, &ctx.names);
    let vpcs = clients.ec2.describe_vpcs().send().await.unwrap();
    let vpc = vpcs.vpcs()[0].vpc_id().unwrap();
    let group =
        clients.ec2.create_security_group().group_name(&names.server_security_group).description("-").vpc_id(vpc);
    group.send().await.unwrap();
    clients.ecs.create_cluster().cluster_name(&names.cluster).send().await.unwrap();
    clients.logs.create_log_group().log_group_name(&names.backend.log_group).send().await.unwrap();
    let target_group = clients.elbv2.create_target_group().name(&names.target_group).vpc_id(vpc).port(80);
    target_group
        .protocol(aws_sdk_elasticloadbalancingv2::types::ProtocolEnum::Http)
        .target_type(aws_sdk_elasticloadbalancingv2::types::TargetTypeEnum::Ip)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_not_ours_is_neither_used_nor_removed() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    make_decoys(&ctx).await;
    let decoys = inventory(&ctx.clients).await;

    let error = up(&ctx).await.unwrap_err();
    assert!(matches!(error, Error::Preflight { .. }), "{error}");
    assert!(error.to_string().contains("--adopt"), "{error}");
    let refused = plan(&ctx).await.unwrap();
    let refused: Vec<_> = refused.iter().filter(|plan| plan.action == Action::Refused).map(|plan| plan.kind).collect();
    assert_eq!(refused, [Kind::SecurityGroup, Kind::Cluster, Kind::TargetGroup, Kind::LogGroup]);
    assert_eq!(inventory(&ctx.clients).await, decoys);

    let removed = down(&ctx).await.unwrap();
    assert_eq!(removed.leftovers, []);
    assert_eq!(removed.not_ours.len(), 4, "{:#?}", removed.not_ours);
    assert_eq!(inventory(&ctx.clients).await, decoys);
    cloud.shutdown().await;
}

#[tokio::test]
async fn adopted_resources_are_tagged_used_and_removed() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, Settings { adopt: true, ..settings() }).await;
    let before = inventory(&ctx.clients).await;
    make_decoys(&ctx).await;

    let done = up(&ctx).await.unwrap();
    let adopted: Vec<_> = done.resources.iter().filter(|r| r.action == Action::Adopted).map(|r| r.kind).collect();
    assert_eq!(adopted, [Kind::SecurityGroup, Kind::Cluster, Kind::TargetGroup, Kind::LogGroup]);
    let tags = ctx
        .clients
        .ecs
        .list_tags_for_resource()
        .resource_arn(&done.resources.iter().find(|resource| resource.kind == Kind::Cluster).unwrap().id);
    assert!(tags.send().await.unwrap().tags().iter().any(|tag| tag.key() == Some(OWNER_TAG)));

    // From now on they are ours, also for a run that adopts nothing.
    let ctx = context(&cloud, settings()).await;
    assert!(actions(&up(&ctx).await.unwrap().resources).iter().all(|action| *action == Action::Kept));
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    assert_eq!(inventory(&ctx.clients).await, before);
    cloud.shutdown().await;
}

#[tokio::test]
async fn two_walkthroughs_live_side_by_side() {
    let cloud = start_cloud(Pace::Instant).await;
    let one = context(&cloud, settings()).await;
    let other = Settings { name: "other".parse().unwrap(), task_count: TaskCount::new(3).unwrap(), ..settings() };
    let other = context(&cloud, other).await;
    up(&one).await.unwrap();
    let stands = inventory(&one.clients).await;
    up(&other).await.unwrap();
    let removed = down(&other).await.unwrap();
    assert_eq!((removed.leftovers, removed.not_ours), (vec![], vec![]));
    assert_eq!(inventory(&one.clients).await, stands);
    assert!(actions(&up(&one).await.unwrap().resources).iter().all(|action| *action == Action::Kept));
    cloud.shutdown().await;
}

#[tokio::test]
async fn without_a_cloud_the_error_says_how_to_start_one() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    cloud.shutdown().await;
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("no local cloud is running") && error.contains("up --local"), "{error}");
}

#[tokio::test]
async fn an_interrupted_up_says_how_to_resume_and_resumes() {
    let cloud = start_cloud(Pace::Fast).await;
    let ctx = context(&cloud, settings()).await;
    let cancel = ctx.cancel.clone();
    let events = Events::new(move |event| {
        if matches!(event, Event::Waiting { .. }) {
            cancel.cancel();
        }
    });
    let error = up(&ctx.with_events(events)).await.unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

/// What an `up` says of what stands when it is interrupted at an event.
async fn note_of_an_up_interrupted_at(
    ctx: &Context,
    at: impl Fn(&Event) -> bool + Send + Sync + 'static,
) -> Vec<String> {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let (cancel, noted) = (CancellationToken::new(), Arc::clone(&notes));
    let ctx = ctx.with_cancel(cancel.clone());
    let events = Events::new(move |event| {
        if at(&event) {
            cancel.cancel();
        }
        if let Event::Note { message } = event {
            noted.lock().unwrap().push(message);
        }
    });
    assert!(up(&ctx.with_events(events)).await.unwrap_err().is_interrupted());
    std::mem::take(&mut notes.lock().unwrap())
}

#[tokio::test]
async fn an_up_that_does_not_end_tells_what_it_has_begun() {
    // Security groups are seen late, what is in front of them not in this test's time, and a zone has no machines.
    let hidden = |operation: &str| Fault { operation: Some(operation.to_owned()), ..Fault::new(FaultKind::Hide) };
    let faults = vec![
        Fault { calls: Some(8), first: Some(3), ..hidden("ec2:CreateSecurityGroup") },
        Fault { milliseconds: Some(600_000), ..hidden("elasticloadbalancing:Create*") },
        Fault { zone: Some("us-east-1b".to_owned()), ..Fault::new(FaultKind::NoCapacity) },
    ];
    let faults = Faults { seed: 1, faults };
    let cloud = LocalCloud::start(Options { pace: Pace::Fast, faults, ..Options::default() }).await.unwrap();
    let ctx = context(&cloud, settings()).await;

    let notes = note_of_an_up_interrupted_at(&ctx, |event| matches!(event, Event::StageStarted { .. })).await;
    assert_eq!(notes, Vec::<String>::new(), "nothing was begun");

    let waits_for_group =
        |event: &Event| matches!(event, Event::Waiting { what, .. } if what.contains("security group"));
    let notes = note_of_an_up_interrupted_at(&ctx, waits_for_group).await;
    assert!(notes[0].contains("under way (") && notes[0].contains("security group"), "{notes:?}");
    assert!(!notes[0].contains("ready"), "{notes:?}");

    // The run that makes them, and one that finds the group.
    for _ in 0..2 {
        let waits_for_instances =
            |event: &Event| matches!(event, Event::Waiting { what, .. } if what.contains("container instances"));
        let notes = note_of_an_up_interrupted_at(&ctx, waits_for_instances).await;
        let all =
            "3 are under way (1 Auto Scaling group and its instances, 1 load balancer, 1 target group): `zonewalk up`";
        assert!(notes[0].contains(all), "{notes:?}");
        assert!(notes[0].contains(" resources are ready (3 security group, "), "{notes:?}");
    }
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_service_without_service_connect_gets_it_back() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let off = aws_sdk_ecs::types::ServiceConnectConfiguration::builder().enabled(false).build();
    let request = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).service(&ctx.names.backend.service);
    request.service_connect_configuration(off).send().await.unwrap();

    let foreseen = plan(&ctx).await.unwrap();
    let changes: Vec<_> = foreseen.iter().filter(|plan| plan.action == Action::Changed).collect();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0].differences[0].to_string(), "Service Connect alias: off → sc.test.az.aware.backend");
    up(&ctx).await.unwrap();
    assert!(plan(&ctx).await.unwrap().iter().all(|plan| plan.action == Action::Kept));
    cloud.shutdown().await;
}

#[tokio::test]
async fn another_instance_type_replaces_the_instances() {
    let cloud = start_cloud(Pace::Fast).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let types = async || {
        let answer = ctx.clients.ec2.describe_instances().send().await.unwrap();
        let instances = answer.reservations().iter().flat_map(|reservation| reservation.instances());
        let standing = instances.filter(|i| i.state().unwrap().name().unwrap().as_str() == "running");
        standing.map(|instance| instance.instance_type().unwrap().as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(types().await, ["t3.medium"; 12]);

    let larger = context(&cloud, Settings { instance_type: "t3.large".to_owned(), ..settings() }).await;
    let mended = up(&larger).await.unwrap();
    let changed: Vec<_> = mended.resources.iter().filter(|r| r.action == Action::Changed).map(|r| r.kind).collect();
    assert_eq!(changed, [Kind::LaunchTemplate, Kind::AutoScalingGroup]);
    assert_eq!(types().await, ["t3.large"; 12]);
    let stands = inventory(&ctx.clients).await;
    let service = format!("service az-aware-fe-service-ec2 of az-aware: 6 of 6 of {}", settings().image);
    assert!(stands.contains(&service), "{stands:#?}");
    assert!(plan(&larger).await.unwrap().iter().all(|plan| plan.action == Action::Kept));
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn several_ranges_may_reach_the_load_balancer() {
    let cloud = start_cloud(Pace::Instant).await;
    let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let both = ranges(&["192.0.2.0/24", "2001:db8::/32"]);
    let ctx = context(&cloud, Settings { allow_cidrs: both, ..settings() }).await;
    up(&ctx).await.unwrap();
    assert!(plan(&ctx).await.unwrap().iter().all(|plan| plan.action == Action::Kept));

    let ctx =
        context(&cloud, Settings { allow_cidrs: ranges(&["192.0.2.0/24", "198.51.100.7/32"]), ..settings() }).await;
    let changes = plan(&ctx).await.unwrap();
    let changes: Vec<_> = changes.iter().flat_map(|plan| &plan.differences).map(ToString::to_string).collect();
    assert_eq!(changes, ["sources: 192.0.2.0/24, 2001:db8::/32 → 192.0.2.0/24, 198.51.100.7/32"]);
    up(&ctx).await.unwrap();
    let stands = inventory(&ctx.clients).await;
    let rule = "security group az-aware-routing-lb-sg of az-aware: 80 from 192.0.2.0/24, 80 from 198.51.100.7/32";
    assert!(stands.iter().any(|line| line == rule), "{stands:#?}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn the_frontend_can_be_a_mere_client() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, Settings { frontend_mode: ServiceConnectMode::ClientOnly, ..settings() }).await;
    up(&ctx).await.unwrap();
    let services = ctx.clients.servicediscovery.list_services().send().await.unwrap();
    let names: Vec<_> = services.services().iter().filter_map(|service| service.name()).collect();
    assert_eq!(names, ["sc-test-az-aware-backend"]);
    assert!(plan(&ctx).await.unwrap().iter().all(|plan| plan.action == Action::Kept));

    let ctx = context(&cloud, settings()).await;
    let changes = plan(&ctx).await.unwrap();
    let changes: Vec<_> = changes.iter().flat_map(|plan| &plan.differences).map(ToString::to_string).collect();
    assert_eq!(changes, ["Service Connect alias: none (client only) → sc.test.az.aware.fe"]);
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn templates_and_commands_can_be_replaced() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("user_data.sh"),
        "#!/bin/sh\necho ECS_CLUSTER={{ cluster }} >> /etc/ecs/ecs.config\n# own\n",
    )
    .unwrap();
    let cloud = start_cloud(Pace::Instant).await;
    let command: Vec<String> =
        ["server", "-port=8090", "-protocol=http", "-name=own", "-routes=[]"].map(String::from).into();
    let own =
        Settings { templates: Some(directory.path().to_owned()), backend_command: Some(command.clone()), ..settings() };
    let ctx = context(&cloud, own).await;
    up(&ctx).await.unwrap();
    let family = &ctx.names.backend.service;
    let definition = ctx.clients.ecs.describe_task_definition().task_definition(family).send().await.unwrap();
    let definition = definition.task_definition().unwrap();
    assert_eq!(definition.container_definitions()[0].command(), command);
    let versions = ctx.clients.ec2.describe_launch_template_versions().launch_template_name(&ctx.names.launch_template);
    let versions = versions.send().await.unwrap();
    let data = versions.launch_template_versions()[0].launch_template_data().unwrap();
    let user_data = base64::engine::general_purpose::STANDARD.decode(data.user_data().unwrap()).unwrap();
    assert!(user_data.ends_with(b"# own"), "{}", String::from_utf8_lossy(&user_data));

    let missing = Settings { templates: Some(directory.path().join("nowhere")), ..settings() };
    let error = up(&context(&cloud, missing).await).await.unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
    cloud.shutdown().await;
}
