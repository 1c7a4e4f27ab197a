//! Worlds in which something is not as it seems: `verify` fails, and names what it is.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_util::sync::CancellationToken;
use zonewalk::aws::Target;
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::application::Application;
use zonewalk::commands::verify;
use zonewalk::events::Events;
use zonewalk::mesh::Conditions;
use zonewalk::routing::Runtime;
use zonewalk::settings::Settings;
use zonewalk::stages::{Context, inventory};
use zonewalk::traffic::{RoutingState, Verdict, Verification};
use zonewalk::walkthrough::up;

use crate::forward_proxy::Relay;
use crate::support::{REGION, context, impatient, settings, start_cloud};

/// A walkthrough that is up, and a context that waits for nothing to settle.
async fn world() -> (LocalCloud, Context) {
    let cloud = start_cloud(Pace::Instant).await;
    up(&context(&cloud, settings()).await).await.unwrap();
    let ctx = context(&cloud, impatient()).await;
    (cloud, ctx)
}

/// Verifies with the load balancer behind a relay that edits its answers.
async fn with_answers(ctx: &Context, edit: impl Fn(String) -> String + Send + Sync + 'static) -> Verification {
    let url = inventory::find_load_balancer_url(ctx).await.unwrap().unwrap();
    let (_, relay) = Relay::editing(url.trim_start_matches("http://").trim_end_matches('/'), edit).await;
    let services = format!("{},{}", ctx.names.frontend.service, ctx.names.backend.service);
    let application = Application {
        url: Some(format!("http://{relay}/")),
        services: Some(services.parse().unwrap()),
        ..Application::default()
    };
    let asked = verify::Asked { application, ..verify::Asked::default() };
    verify::run_until_interrupted(ctx, asked).await.unwrap()
}

#[track_caller]
fn fails_with(result: &Verification, named: &[&str]) {
    assert_eq!(result.verdict, Verdict::Fail, "{:?}", result.reasons);
    let reasons = result.reasons.join("\n");
    assert!(named.iter().all(|part| reasons.contains(part)), "{named:?} in\n{reasons}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_true_world_both_proofs_agree() {
    let (cloud, ctx) = world().await;
    let result = with_answers(&ctx, |answer| answer).await;
    assert_eq!((result.verdict, result.proofs_agree), (Verdict::Pass, Some(true)), "{:?}", result.reasons);
    let counted: u64 = result.counted_matrix.unwrap().iter().map(|cell| cell.requests).sum();
    assert!(counted >= result.requests, "{counted}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_logs_see_through_it_as_counters_do() {
    let cloud = start_cloud(Pace::Instant).await;
    let logging = Settings { access_logs: Some(true), ..settings() };
    up(&context(&cloud, logging).await).await.unwrap();
    let ctx = context(&cloud, impatient()).await;
    let result = with_answers(&ctx, |answer| answer).await;
    assert_eq!((result.verdict, result.logs_agree), (Verdict::Pass, Some(true)), "{:?}", result.reasons);
    let result = with_answers(&ctx, |answer| answer.replace("use1-az1", "use1-az4")).await;
    fails_with(&result, &["answers and counters disagree", "answers and access logs disagree", "use1-az4"]);
    assert_eq!(result.logs_agree, Some(false));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zone_routing_that_is_switched_off_in_the_proxies() {
    let (cloud, ctx) = world().await;
    let runtime = Runtime { zone_routing_enabled: Some(0), ..Runtime::NONE };
    cloud.set_conditions(Conditions { runtime, ..Conditions::default() });
    let result = verify::run(&ctx, verify::Options::default()).await.unwrap();
    assert_eq!((result.zone_aware_routing.state, result.proofs_agree), (RoutingState::Off, Some(true)));
    fails_with(&result, &["expected zone-aware routing, found it off", "switched off in them"]);
    assert!(result.fit.unwrap().p_value < 1e-3, "{:?}", result.fit);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zone_whose_tasks_say_that_they_are_in_another() {
    let (cloud, ctx) = world().await;
    let result = with_answers(&ctx, |answer| answer.replace("use1-az1", "use1-az4")).await;
    fails_with(&result, &["answers and counters disagree", "frontends report a wrong zone", "use1-az4"]);
    assert_eq!(result.proofs_agree, Some(false));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_answers_for_another_zone() {
    let (cloud, ctx) = world().await;
    let answers = AtomicU32::new(0);
    let lie = move |answer: String| {
        let told = r#""upstreamAvailabilityZoneId":"use1-az1""#;
        // Two backends are in the zone, and take turns.
        let lies = answer.contains(told) && answers.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        if lies { answer.replace(told, r#""upstreamAvailabilityZoneId":"use1-az4""#) } else { answer }
    };
    let result = with_answers(&ctx, lie).await;
    let named = ["answers and counters disagree", "from use1-az1 to use1-az4", "report a zone that is not theirs"];
    fails_with(&result, &named);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_that_stand_still() {
    let (cloud, _) = world().await;
    // What the proxies' counters are, whenever they are asked.
    let stopped = |answer: String| {
        let line = |line: &str| match line.split_once(": ").filter(|_| line.starts_with("cluster.")) {
            Some((name, value)) => {
                let rest = value.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{name}: 7{rest}")
            }
            None => line.to_owned(),
        };
        answer.split("\\n").map(line).collect::<Vec<_>>().join("\\n")
    };
    let (_, relay) = Relay::editing(cloud.endpoint_url().trim_start_matches("http://"), stopped).await;
    let clients = Target::local(&format!("http://{relay}"), REGION).connect().await.unwrap();
    let ctx = Context::new(clients, impatient(), Events::silent(), CancellationToken::new());
    let result = verify::run(&ctx, verify::Options::default()).await.unwrap();
    assert_eq!(result.zone_aware_routing.counters.map(|counted| counted.kept()), Some(0));
    fails_with(&result, &["200 requests were answered, and the proxies' counters stood still"]);
    cloud.shutdown().await;
}
