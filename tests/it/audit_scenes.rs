//! `audit` of what the local cloud carries traffic for: what it predicts is what the mesh does, and its advice heals.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;
use zonewalk::audit::facts::Launch;
use zonewalk::audit::readers::{Measure, Source};
use zonewalk::audit::verdict::{Basis, Code, Pair, State};
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::audit::{self, Audit, Options};
use zonewalk::commands::redeploy;
use zonewalk::commands::verify::{self, Traffic};
use zonewalk::settings::{LaunchType, NetworkMode, Settings};
use zonewalk::stages::Context;
use zonewalk::walkthrough::up;

use crate::support::{REGION, context, impatient, settings, start_cloud};
use crate::{clients, peers};

/// Sends requests, and gives the share of them that stayed in their zone.
async fn send(ctx: &Context) -> f64 {
    let options = verify::Options { traffic: Traffic::of(240, 8), ..verify::Options::default() };
    verify::run(ctx, options).await.unwrap().same_zone_share.unwrap()
}

async fn audited(ctx: &Context, measure: &[Measure]) -> Audit {
    audit::run(ctx, &Options { measure: measure.to_vec(), ..Options::default() }).await.unwrap()
}

/// The one pair that talks.
fn talking(audit: &Audit) -> &Pair {
    let talking: Vec<&Pair> = audit.pairs.iter().filter(|pair| !pair.idle).collect();
    let [pair] = &*talking else { panic!("{audit:#?}") };
    pair
}

fn age(cloud: &LocalCloud, service: &str) {
    cloud.control("age", &json!({ "region": REGION, "service": service, "days": 3_000 })).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_off_until_it_is_deployed_again() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let [backend, frontend] = [ctx.names.backend.service.clone(), ctx.names.frontend.service.clone()];
    age(&cloud, &backend);
    age(&cloud, &frontend);
    let seen = send(&context(&cloud, impatient()).await).await;
    let audit = audited(&ctx, &[]).await;
    assert_eq!(audit.sources.metrics, Source::Read, "{:?}", audit.unknown);
    let off = talking(&audit);
    let codes: Vec<_> = off.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!((off.state, &*codes), (State::Off, &[Code::ServerDeploymentOld, Code::ClientDeploymentOld][..]));
    let predicted = off.same_zone.share.unwrap();
    assert!((predicted - 1.0 / 3.0).abs() < 1e-6 && (seen - predicted).abs() < 0.15, "{predicted} and {seen}");
    let (traffic, usd) = (off.traffic.as_ref().unwrap(), off.usd_per_month.unwrap());
    assert!(traffic.requests.unwrap() > 0.0 && traffic.bytes > 0.0 && usd.crossing > 0.0, "{off:#?}");
    assert_eq!((usd.saved, usd.could_save), (0.0, usd.crossing));
    let command =
        format!("`zonewalk redeploy --cluster {} --service {backend} --service {frontend}`", ctx.names.cluster);
    assert_eq!(audit.advice[0].command.as_deref(), Some(&*command));

    let stale = |dry_run| redeploy::Options { all_stale: true, dry_run, ..redeploy::Options::default() };
    let planned = redeploy::run(&ctx, stale(true)).await.unwrap();
    let planned: Vec<_> = planned.planned.iter().map(|id| id.service.as_str()).collect();
    assert_eq!(planned, [&*backend, &*frontend], "the called service comes first");
    let done = redeploy::run(&ctx, stale(false)).await.unwrap();
    let done: Vec<_> = done.deployments.iter().map(|deployment| deployment.service.as_str()).collect();
    assert_eq!(done, planned);

    assert_eq!(send(&ctx).await, 1.0);
    let audit = audited(&ctx, &[Measure::Proxies]).await;
    let on = talking(&audit);
    let share = (on.same_zone.predicted, on.same_zone.share, on.same_zone.evidence);
    assert_eq!((on.state, share), (State::On, (Some(1.0), Some(1.0), Some(Basis::Proxies))), "{on:#?}");
    assert!(on.usd_per_month.unwrap().saved > 0.0 && on.below_threshold_share.is_some(), "{on:#?}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3: tests/run.sh installs it"]
async fn services_that_others_made_on_fargate_are_judged_as_ours_are() {
    let cloud = start_cloud(Pace::Instant).await;
    let mut python = Command::new(peers::bin("aws").join("python3"));
    let python = python.arg(clients::script("make_services.py")).arg("shop").stdin(Stdio::null());
    clients::run(&cloud, python).await;
    let audit = audited(&context(&cloud, settings()).await, None).await;
    let [pair] = &*audit.pairs else { panic!("{:#?}", audit.pairs) };
    assert_eq!((pair.client.service.as_str(), pair.server.as_str(), pair.idle), ("web", "api", true));
    assert_eq!(
        (pair.state, pair.same_zone.share, pair.same_zone.evidence),
        (State::On, Some(1.0), Some(Basis::Predicted))
    );
    assert!(audit.services.iter().all(|service| service.launch_type == Launch::Fargate), "{:#?}", audit.services);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_network_mode_bridge_the_instances_zones_tell() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, Settings { network_mode: Some(NetworkMode::Bridge), ..settings() }).await;
    up(&ctx).await.unwrap();
    assert_eq!(send(&ctx).await, 1.0);
    let audit = audited(&ctx, Some(Measure::Proxies)).await;
    let on = talking(&audit);
    assert_eq!((on.state, on.same_zone.share, on.same_zone.evidence), (State::On, Some(1.0), Some(Basis::Proxies)));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_fargate_the_age_of_the_deployments_tells() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, Settings { launch_type: Some(LaunchType::Fargate), ..settings() }).await;
    up(&ctx).await.unwrap();
    assert_eq!(send(&ctx).await, 1.0);
    let audit = audited(&ctx, &[Measure::Proxies]).await;
    let on = talking(&audit);
    assert_eq!((on.state, on.same_zone.share, on.same_zone.evidence), (State::On, Some(1.0), Some(Basis::Predicted)));
    assert!(audit.services.iter().all(|service| service.launch_type == Launch::Fargate), "{:#?}", audit.services);
    assert_eq!(audit.sources.proxies, Source::NotRead);
    assert!(audit.unknown.iter().any(|gap| gap.contains("only tasks on EC2 instances")), "{:?}", audit.unknown);

    let request = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).desired_count(4);
    request.service(&ctx.names.backend.service).send().await.unwrap();
    let advice = audited(&ctx, &[]).await.advice;
    assert!(advice[0].costs_usd_per_month.unwrap() > 10.0, "two tasks more have a price: {advice:#?}");
    cloud.shutdown().await;
}
