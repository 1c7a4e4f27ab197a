//! What `status` answers: on or off and why, whatever a walkthrough has come to, and what to type next.

use std::time::Duration;

use zonewalk::aws::ZoneNames;
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Pace};
use zonewalk::commands::forecast::{Cause, Switch};
use zonewalk::commands::outcome::Outcome;
use zonewalk::commands::status::{self, Options, Status};
use zonewalk::report::page::Page;
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::rollout::scale_service;
use zonewalk::stages::{Context, inventory};
use zonewalk::walkthrough::{down, up};

use crate::support::{context, settings, start_cloud};

fn of_tasks(tasks: u32) -> Settings {
    Settings { task_count: TaskCount::new(tasks).unwrap(), ..settings() }
}

async fn stand(settings: Settings) -> (LocalCloud, Context) {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings).await;
    up(&ctx).await.unwrap();
    (cloud, ctx)
}

async fn status(ctx: &Context) -> Status {
    status::run(ctx, Options::default()).await.unwrap()
}

/// The text as it is read at a width, without colors, and with what differs from run to run replaced.
async fn screen(ctx: &Context, status: &dyn Outcome, width: Option<u16>) -> String {
    let zones = ZoneNames::new(&inventory::find_zones(ctx).await.unwrap());
    let text = status.text(&Page { width, verbose: false, zones });
    let text = anstream::adapter::strip_str(&text).to_string();
    let url = ctx.clients.endpoint_url.clone().unwrap();
    let lines = text.lines().map(|line| {
        let line = line.replace(&url, "ENDPOINT");
        match line.split_once("http://") {
            Some((before, _)) => format!("{before}ADDRESS"),
            None => line,
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let age = text.split_once(" · up ").map(|(_, rest)| rest.split([' ', '\n']).next().unwrap().to_owned());
    age.map_or(text.clone(), |age| text.replace(&format!("up {age}"), "up AGE"))
}

#[tokio::test]
async fn a_sound_walkthrough_is_on_and_every_request_predicted_to_stay() {
    let (cloud, ctx) = stand(settings()).await;
    let found = status(&ctx).await;
    let routing = &found.now.zone_aware_routing;
    assert_eq!((routing.state, routing.cause), (Switch::On, Cause::EnoughInEveryZone));
    assert_eq!(routing.same_zone_share, Some(1.0));
    assert!(found.is_well() && found.now.under_way.is_empty(), "{found:?}");
    assert!(found.next().unwrap().contains("`zonewalk verify`"), "{:?}", found.next());
    for (name, width) in [("status_on_80", Some(80)), ("status_on_120", Some(120)), ("status_on", None)] {
        let screen = screen(&ctx, &found, width).await;
        assert!(width.is_none_or(|width| screen.lines().all(|line| line.chars().count() <= width.into())), "{screen}");
        insta::assert_snapshot!(name, screen);
    }
    cloud.shutdown().await;
}

#[tokio::test]
async fn five_backends_are_too_few_and_up_restores_them() {
    let (cloud, ctx) = stand(settings()).await;
    scale_service(&ctx, &ctx.names.backend.service, 5).await.unwrap();
    let found = status::run(&ctx, Options { exit_code: true, ..Options::default() }).await.unwrap();
    let routing = &found.now.zone_aware_routing;
    assert_eq!((routing.state, routing.cause), (Switch::Off, Cause::TooFewBackends));
    assert_eq!((routing.backends(), routing.backends_needed), (5, 6));
    assert!(!found.holds() && !found.is_well());
    assert!(status(&ctx).await.holds(), "a status could be told");
    assert_eq!(found.next().unwrap(), "`zonewalk up` restores the backends (5 → 6)");
    insta::assert_snapshot!("status_off_80", screen(&ctx, &found, Some(80)).await);
    cloud.shutdown().await;
}

#[tokio::test]
async fn few_tasks_by_design_are_no_drift_and_still_off() {
    let (cloud, ctx) = stand(of_tasks(3)).await;
    let found = status(&ctx).await;
    assert_eq!(found.drift.as_ref().map(Vec::len), Some(0));
    assert_eq!(found.now.zone_aware_routing.cause, Cause::TooFewBackends);
    assert!(found.next().unwrap().starts_with("`zonewalk up --task-count 6`"), "{:?}", found.next());
    cloud.shutdown().await;
}

/// The group puts its instances elsewhere while a zone has no machines: the zone has 0, and does not vanish.
#[tokio::test]
async fn a_zone_that_has_lost_everything_is_shown_with_zeros() {
    let (cloud, ctx) = stand(settings()).await;
    let zone = ZoneNames::new(&inventory::find_zones(&ctx).await.unwrap()).label("us-east-1a");
    let az_id = zone.split(' ').next().unwrap();
    let fault = Fault { zone: Some("us-east-1a".to_owned()), ..Fault::new(FaultKind::NoCapacity) };
    cloud.set_faults(Faults { seed: 1, faults: vec![fault] });
    let hosts = inventory::find_container_hosts(&ctx).await.unwrap();
    let lost: Vec<_> = hosts.iter().filter(|host| host.place.az_id.as_str() == az_id).collect();
    assert_eq!(lost.len(), 4);
    for host in lost {
        let terminate = ctx.clients.ec2.terminate_instances().instance_ids(&host.place.ec2_instance_id);
        terminate.send().await.unwrap();
    }
    let found = status(&ctx).await;
    let now = &found.now;
    let in_zone = now.instances_by_zone.iter().find(|(id, _)| id.as_str() == az_id);
    assert_eq!(in_zone.map(|(_, n)| *n), Some(0), "{:?}", now.instances_by_zone);
    assert!(now.services.iter().all(|service| service.tasks_by_zone.len() == 3), "{:?}", now.services);
    let text = screen(&ctx, &found, None).await;
    assert!(text.contains("(us-east-1a)"), "{text}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn nothing_is_told_as_nothing_and_half_a_walkthrough_as_what_it_is() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let nothing = status(&ctx).await;
    assert_eq!(nothing.now.zone_aware_routing.cause, Cause::NoServices);
    assert_eq!((nothing.resources.len(), nothing.drift.is_none()), (0, true));
    assert_eq!(nothing.next().unwrap(), "`zonewalk up`");
    insta::assert_snapshot!("status_nothing_80", screen(&ctx, &nothing, Some(80)).await);

    // As a removal leaves it that was interrupted.
    up(&ctx).await.unwrap();
    let (ecs, names) = (&ctx.clients.ecs, &ctx.names);
    for service in [&names.frontend.service, &names.backend.service] {
        ecs.delete_service().cluster(&names.cluster).service(service).force(true).send().await.unwrap();
    }
    let half = status(&ctx).await;
    assert_eq!(half.now.zone_aware_routing.cause, Cause::NoServices);
    let next = half.next().unwrap();
    assert!(next.contains("`zonewalk up` fixes the drift") && next.contains("`zonewalk down`"), "{next}");
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_up_that_is_under_way_is_told() {
    let cloud = start_cloud(Pace::Aws).await;
    let patient = Settings { timeout: Duration::from_secs(900), ..settings() };
    let ctx = context(&cloud, patient).await;
    let seen = async {
        for _ in 0..2_000 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let found = status(&ctx).await;
            let kinds: Vec<_> = found.now.under_way.iter().map(|it| it.kind).collect();
            if kinds.contains(&zonewalk::plan::Kind::LoadBalancer) {
                return found;
            }
        }
        panic!("nothing was under way");
    };
    let (up, seen) = tokio::join!(up(&ctx), seen);
    up.unwrap();
    let states: Vec<_> = seen.now.under_way.iter().map(|it| it.state.as_str()).collect();
    assert!(states.contains(&"provisioning"), "{states:?}");
    assert!(status(&ctx).await.now.under_way.is_empty());
    cloud.shutdown().await;
}

#[tokio::test]
async fn every_resource_has_its_id_and_its_age_and_off_aws_no_link() {
    let (cloud, ctx) = stand(of_tasks(1)).await;
    let found = status::run(&ctx, Options { resources: true, ..Options::default() }).await.unwrap();
    // `down` removes as many: rules go with their groups.
    let removed = down(&ctx).await.unwrap().removed.len();
    // The group takes its instances along, and they their registrations.
    let of_group =
        |kind: &zonewalk::plan::Kind| ["instance", "container instance"].contains(&kind.to_string().as_str());
    assert_eq!(found.resources.iter().filter(|resource| !of_group(&resource.kind)).count(), removed);
    assert_eq!(found.resources.iter().filter(|resource| of_group(&resource.kind)).count(), 4);
    assert!(found.resources.iter().all(|resource| resource.console_url.is_none()));
    let group = found.resources.iter().find(|it| it.kind.to_string() == "Auto Scaling group").unwrap();
    assert!(group.age_s.is_some() && group.created_at.is_some() && group.id.starts_with("arn:"), "{group:?}");
    let text = found.text(&Page::default());
    assert!(found.resources.iter().all(|resource| text.contains(&resource.id)), "{text}");
    let json = serde_json::to_value(&found).unwrap();
    let task = &json["services"][0]["tasks"][0];
    assert!(task["id"].as_str().unwrap().starts_with("arn:aws:ecs:") && task["healthy"] == true, "{json}");
    cloud.shutdown().await;
}
