//! A scene for each reason of `audit`'s, built with boto3: what is predicted, what answers say and what is counted agree, and after the
//! advised command zone-aware routing is on and the zones follow.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_ecs::types::{ServiceDeploymentLifecycleStage, ServiceDeploymentStatus};
use serde_json::{Deserializer, Value};
use strum::VariantArray;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use zonewalk::audit::facts::Unit;
use zonewalk::audit::readers::{Measure, Source};
use zonewalk::audit::verdict::{Code, NoteCode, Pair, State};
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Pace};
use zonewalk::commands::audit::{self, Audit, Options};
use zonewalk::stages::Context;
use zonewalk::traffic::{Load, Observation, drive};

use crate::clients;
use crate::measured::HOUR;
use crate::peers;
use crate::support::{context, settings, start_cloud};

/// What is expected of a scene, by the name of its cluster.
struct Scene {
    cluster: &'static str,
    state: State,
    code: Option<Code>,
    /// The share that stays in its zone. None: nothing is carried.
    share: Option<f64>,
    /// What counters tell where the API does not.
    measured: Option<State>,
}

const fn scene(cluster: &'static str, state: State, code: Code, share: f64) -> Scene {
    Scene { cluster, state, code: Some(code), share: Some(share), measured: None }
}

const THIRD: f64 = 1.0 / 3.0;

const SCENES: [Scene; 14] = [
    Scene { code: None, ..scene("on", State::On, Code::Measured, 1.0) },
    scene("server-deployment-old", State::Off, Code::ServerDeploymentOld, THIRD),
    scene("client-deployment-old", State::Off, Code::ClientDeploymentOld, THIRD),
    scene("host-too-old", State::Off, Code::HostTooOld, THIRD),
    scene("too-few-endpoints", State::Off, Code::TooFewEndpoints, THIRD),
    // Half of the callers keep all.
    scene("mixed", State::Partly, Code::Mixed, 2.0 / 3.0),
    scene("no-local-endpoint", State::Partly, Code::NoLocalEndpoint, 2.0 / 3.0),
    scene("uneven", State::Partly, Code::Uneven, 2.0 / 3.0),
    scene("one-zone", State::OneZone, Code::OneZone, 1.0),
    Scene { measured: Some(State::On), ..scene("launch-day", State::Unclear, Code::LaunchDay, 1.0) },
    Scene { measured: Some(State::On), ..scene("custom-image", State::Unclear, Code::CustomImage, 1.0) },
    // Envoy's default of six endpoints holds, as AWS's formula does not say.
    Scene { measured: Some(State::Off), ..scene("threshold", State::Unclear, Code::Threshold, 0.5) },
    Scene { share: None, ..scene("no-tasks", State::NotRunning, Code::NoTasks, 0.0) },
    Scene { share: None, ..scene("other-account", State::Unclear, Code::OtherAccount, 0.0) },
];

/// A multiple of the callers of each scene, so that each sends as much.
const REQUESTS: u64 = 120;

/// Between a prediction and what was seen of so many requests: three and a half standard deviations of the most uncertain.
const TOLERANCE: f64 = 0.16;

async fn script(cloud: &LocalCloud, what: &str) -> String {
    let mut python = Command::new(peers::bin("aws").join("python3"));
    clients::run(cloud, python.arg(clients::script("build_scenes.py")).arg(what).stdin(Stdio::null())).await
}

/// Runs a command as an advice has it, in back quotes, and as a user would, in a shell.
async fn run(cloud: &LocalCloud, advised: &str) -> String {
    let zonewalk = Path::new(env!("CARGO_BIN_EXE_zonewalk")).parent().unwrap();
    let command = advised.replace('`', "");
    let line = format!("PATH={}:{}:$PATH; {command}", zonewalk.display(), peers::bin("aws").display());
    clients::run(cloud, Command::new("bash").args(["-c", &line]).stdin(Stdio::null())).await
}

/// What tells by itself where requests went.
const ALL: [Measure; 3] = [Measure::Proxies, Measure::AccessLogs(HOUR), Measure::FlowLogs(HOUR)];

async fn audited(ctx: &Context, measure: &[Measure]) -> Audit {
    audit::run(ctx, &Options { measure: measure.to_vec(), ..Options::default() }).await.unwrap()
}

fn pair<'a>(audit: &'a Audit, cluster: &str) -> &'a Pair {
    let pairs: Vec<&Pair> = audit.pairs.iter().filter(|pair| pair.client.cluster == cluster).collect();
    let [pair] = &*pairs else { panic!("{cluster}: {pairs:#?}") };
    pair
}

/// The command that is advised for a scene, if one is.
fn command<'a>(audit: &'a Audit, cluster: &str) -> Option<&'a str> {
    let named = format!("--cluster {cluster} ");
    audit.advice.iter().filter_map(|advice| advice.command.as_deref()).find(|command| command.contains(&named))
}

async fn send(address: &str) -> Observation {
    let load = Load { url: format!("http://{address}/"), requests: Some(REQUESTS), concurrency: 6, ..Load::default() };
    let seen = drive(&load, &CancellationToken::new(), |_| ()).await.unwrap();
    assert!(seen.errors.is_empty(), "{address}: {:?}", seen.errors);
    seen
}

/// What each way to look at a pair says of the share of this traffic that stayed in its zone: predicted, seen in the answers, and by each
/// source of evidence that has counted all of it, of which it may have counted other traffic before.
fn shares(now: &Pair, before: Option<&Pair>, seen: &Observation) -> BTreeMap<String, f64> {
    let same = |requests: u64, share: f64| (requests as f64 * share).round();
    let stayed: u64 = seen.matrix.iter().filter(|((from, to), _)| from == to).map(|(_, requests)| requests).sum();
    let mut shares = BTreeMap::from([("answers".to_owned(), stayed as f64 / REQUESTS as f64)]);
    shares.extend(now.same_zone.predicted.map(|share| ("prediction".to_owned(), share)));
    for measured in &now.same_zone.measured {
        let earlier = before.and_then(|pair| pair.same_zone.measured.iter().find(|it| it.source == measured.source));
        // Proxies that were replaced since have taken their counts along.
        let earlier = earlier.filter(|earlier| earlier.count < measured.count);
        let (before, kept) = earlier.map_or((0, 0.0), |earlier| (earlier.count, same(earlier.count, earlier.share)));
        let count = measured.count - before;
        // Flow logs know bytes only.
        if count == REQUESTS || measured.unit == Unit::Bytes {
            let kept = same(measured.count, measured.share) - kept;
            shares.insert(format!("{:?}", measured.source), kept / count as f64);
        }
    }
    shares
}

fn assert_agree(cluster: &str, shares: &BTreeMap<String, f64>, expected: f64) {
    for (source, share) in shares {
        let near = match &**source {
            "answers" if expected < 1.0 => TOLERANCE,
            // Not all answers are of the same length.
            "FlowLogs" => 0.02,
            _ => 2e-3,
        };
        let to = if source == "answers" || source == "prediction" { expected } else { shares["answers"] };
        assert!((share - to).abs() < near, "{cluster}: {source} {share} and not {to}: {shares:?}");
    }
}

/// The requests of a pair in the window, as CloudWatch has them.
fn requests(audit: &Audit, pair: &Pair) -> u64 {
    let span = [&audit.window.from, &audit.window.to].map(|time| time.parse::<jiff::Timestamp>().unwrap().as_second());
    let hours = (span[1] - span[0]) as f64 / 3_600.0;
    let monthly = pair.traffic.as_ref().and_then(|traffic| traffic.requests).unwrap_or_default();
    (monthly * hours / 730.0).round() as u64
}

/// An audit of a cluster where an action is denied: it ends well and names the action.
async fn audited_without(cloud: &LocalCloud, ctx: &Context, action: &str, cluster: &str) -> Audit {
    let denied = Fault {
        operation: Some(action.to_owned()),
        code: Some("AccessDeniedException".to_owned()),
        ..Fault::new(FaultKind::Refuse)
    };
    cloud.set_faults(Faults { seed: 1, faults: vec![denied] });
    let options = Options { clusters: vec![cluster.to_owned()], ..Options::default() };
    let audit = audit::run(ctx, &options).await.unwrap();
    assert!(audit.unknown.iter().any(|gap| gap.contains(action)), "{action}: {:?}", audit.unknown);
    cloud.set_faults(Faults::default());
    audit
}

/// Where a source that decides may not be read, that is the reason; others leave figures out.
async fn assert_not_known(cloud: &LocalCloud, ctx: &Context) {
    let audit = audited_without(cloud, ctx, "ecs:DescribeTasks", "on").await;
    let unclear = pair(&audit, "on");
    assert_eq!((unclear.state, unclear.reasons[0].code), (State::Unclear, Code::NotKnown), "{unclear:#?}");
    let audit = audited_without(cloud, ctx, "ec2:DescribeImages", "custom-image").await;
    let unclear = pair(&audit, "custom-image");
    assert_eq!(
        unclear.reasons[0].code,
        Code::NotKnown,
        "an image that was not looked at may be Amazon's: {unclear:#?}"
    );
    let audit = audited_without(cloud, ctx, "cloudwatch:GetMetricData", "on").await;
    assert_eq!((pair(&audit, "on").state, &pair(&audit, "on").traffic), (State::On, &None));
    let audit = audited_without(cloud, ctx, "servicediscovery:ListInstances", "other-account").await;
    assert_eq!(pair(&audit, "other-account").reasons[0].code, Code::OtherAccount);
}

/// `stats` of any service on EC2: its proxies' counters.
async fn assert_stats_of(cloud: &LocalCloud, cluster: &str) {
    let said = run(cloud, &format!("zonewalk stats --cluster {cluster} --service web --output json")).await;
    let document = Deserializer::from_str(&said).into_iter::<Value>().next().unwrap().unwrap();
    let (totals, proxies) = (&document["result"]["totals"], document["result"]["proxies"].as_array().unwrap());
    assert_eq!((proxies.len(), &document["result"]["verdict"]), (3, &Value::Null), "{document}");
    let counted = totals["zone_requests"].as_array().unwrap();
    assert!(counted.iter().all(|pair| pair["frontend"] == pair["backend"]), "{totals}");
    assert_eq!(counted.iter().map(|pair| pair["requests"].as_u64().unwrap()).sum::<u64>(), REQUESTS, "{totals}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3 and the AWS CLI: tests/run.sh installs them"]
async fn each_reason_is_what_the_traffic_shows_and_its_advice_heals() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let built = script(&cloud, "build").await;
    let addresses: BTreeMap<String, Option<String>> = serde_json::from_str(built.trim()).unwrap();
    let address = |cluster: &str| addresses[cluster].as_deref().unwrap();
    let mut seen = BTreeMap::new();
    for Scene { cluster, .. } in SCENES.iter().filter(|scene| scene.share.is_some()) {
        seen.insert(*cluster, send(address(cluster)).await);
    }

    let (plain, measured) = (audited(&ctx, &[]).await, audited(&ctx, &ALL).await);
    let sources = &measured.sources;
    let read = [plain.sources.metrics, sources.proxies, sources.access_logs, sources.flow_logs];
    assert_eq!(read, [Source::Read; 4], "{:?}", measured.unknown);
    for Scene { cluster, state, code, share, measured: told } in &SCENES {
        let found = pair(&plain, cluster);
        let first = found.reasons.first().map(|reason| reason.code);
        assert_eq!((found.state, first), (*state, *code), "{found:#?}");
        let counted = pair(&measured, cluster);
        let decided = told.map_or((*state, *code), |told| (told, Some(Code::Measured)));
        assert_eq!((counted.state, counted.reasons.first().map(|reason| reason.code)), decided, "{counted:#?}");
        let (Some(share), Some(seen)) = (share, seen.get(cluster)) else { continue };
        let shares = shares(counted, None, seen);
        let logs = ["AccessLogs", "FlowLogs"];
        assert!(logs.iter().all(|source| shares.contains_key(*source)), "{cluster}: {shares:?}");
        assert_agree(cluster, &shares, *share);
        assert_eq!(counted.same_zone.predicted.is_none(), *state == State::Unclear, "{counted:#?}");
        // Whatever is told is what was seen, of old proxies, too, which count nothing.
        assert!((counted.same_zone.share.unwrap() - share).abs() < TOLERANCE, "{counted:#?}");
        assert_eq!(requests(&plain, found), REQUESTS, "{cluster}");
    }
    let told = SCENES.iter().filter_map(|scene| scene.code).chain([Code::Measured, Code::NotKnown]);
    let told: Vec<Code> = told.collect();
    assert!(Code::VARIANTS.iter().all(|code| told.contains(code)), "{told:?}");
    assert_not_known(&cloud, &ctx).await;
    assert_stats_of(&cloud, "on").await;

    script(&cloud, "renew").await;
    for Scene { cluster, .. } in &SCENES {
        for audit in [&plain, &measured] {
            if let Some(advised) = command(audit, cluster) {
                run(&cloud, advised).await;
                // What is to be measured has been: its advice comes with that.
                if !advised.contains("--measure") {
                    break;
                }
            }
        }
    }
    // Nothing is advised where nobody is known to want tasks.
    run(&cloud, "aws ecs update-service --cluster no-tasks --service api --desired-count 6").await;
    let healed = |pair: &Pair| match &*pair.client.cluster {
        "one-zone" => pair.state == State::OneZone,
        // Whatever is done in this account.
        "other-account" => pair.state == State::Unclear,
        // Two zones come to four endpoints by AWS's formula, and have six now.
        _ => pair.state == State::On,
    };
    for attempt in 0.. {
        let now = audited(&ctx, &[]).await;
        if now.pairs.iter().all(healed) {
            break;
        }
        let left: Vec<&Pair> = now.pairs.iter().filter(|pair| !healed(pair)).collect();
        assert!(attempt < 100, "{left:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let before = audited(&ctx, &ALL).await;
    seen.clear();
    for (cluster, address) in &addresses {
        if let Some(address) = address {
            seen.insert(cluster, send(address).await);
        }
    }
    let after = audited(&ctx, &ALL).await;
    for (cluster, seen) in &seen {
        let shares = shares(pair(&after, cluster), Some(pair(&before, cluster)), seen);
        assert_eq!(shares.len(), 5, "every source has counted all of {cluster}: {shares:?}");
        assert_agree(cluster, &shares, 1.0);
    }
    cloud.shutdown().await;
}

/// While blue and green are both there, the one with the traffic is judged.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3: tests/run.sh installs it"]
async fn a_blue_green_deployment_is_judged_by_who_has_the_traffic() {
    let cloud = start_cloud(Pace::Fast).await;
    let ctx = context(&cloud, settings()).await;
    let built = script(&cloud, "blue-green").await;
    let addresses: BTreeMap<String, String> = serde_json::from_str(built.trim()).unwrap();
    let deployment = async || {
        let ecs = &ctx.clients.ecs;
        let listed = ecs.list_service_deployments().cluster("blue-green").service("api").send().await.unwrap();
        let newest = listed.service_deployments()[0].service_deployment_arn().unwrap().to_owned();
        let described = ecs.describe_service_deployments().service_deployment_arns(newest).send().await.unwrap();
        described.service_deployments()[0].clone()
    };
    let at = async |stage: ServiceDeploymentLifecycleStage| {
        for _ in 0..500 {
            if deployment().await.lifecycle_stage() == Some(&stage) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never at {stage:?}: {:#?}", deployment().await);
    };
    let is_under_way = |pair: &Pair| pair.notes.iter().any(|note| note.code == NoteCode::DeploymentUnderWay);

    at(ServiceDeploymentLifecycleStage::ScaleUp).await;
    let seen = send(&addresses["blue-green"]).await;
    let audit = audited(&ctx, &[]).await;
    let blue = pair(&audit, "blue-green");
    assert_eq!((blue.state, blue.reasons[0].code), (State::Off, Code::ServerDeploymentOld), "{blue:#?}");
    assert!(blue.endpoints.healthy == 6 && is_under_way(blue), "{blue:#?}");
    assert_agree("blue", &shares(blue, None, &seen), THIRD);

    script(&cloud, "room").await;
    at(ServiceDeploymentLifecycleStage::BakeTime).await;
    let seen = send(&addresses["blue-green"]).await;
    let audit = audited(&ctx, &[]).await;
    let bakes = deployment().await;
    assert_eq!(bakes.lifecycle_stage(), Some(&ServiceDeploymentLifecycleStage::BakeTime), "{bakes:#?}");
    let [before] = bakes.source_service_revisions() else { panic!("{bakes:#?}") };
    assert_eq!((before.running_task_count(), before.requested_production_traffic_weight()), (6, Some(0.0)));
    let green = pair(&audit, "blue-green");
    assert_eq!((green.state, green.endpoints.healthy, is_under_way(green)), (State::On, 6, true), "{green:#?}");
    assert_agree("green", &shares(green, None, &seen), 1.0);

    for attempt in 0.. {
        let ended = deployment().await;
        if ended.status() == Some(&ServiceDeploymentStatus::Successful) {
            break;
        }
        assert!(attempt < 2_000, "{ended:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let audit = audited(&ctx, &[]).await;
    let alone = pair(&audit, "blue-green");
    assert_eq!((alone.state, alone.endpoints.healthy, is_under_way(alone)), (State::On, 6, false), "{alone:#?}");
    cloud.shutdown().await;
}

/// Callers that offer no name, and called services that speak HTTP or anything else over TCP, whose ports have no `appProtocol`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3: tests/run.sh installs it"]
async fn an_application_of_several_services_is_judged_pair_by_pair() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let built = script(&cloud, "application").await;
    let addresses: BTreeMap<String, String> = serde_json::from_str(built.trim()).unwrap();
    let audit = audited(&ctx, &[]).await;
    let told: Vec<_> = audit.pairs.iter().map(|pair| (&*pair.client.service, &*pair.server)).collect();
    // Whoever is older than a name does not know it.
    let expected = [
        ("api", "cache"),
        ("api", "database"),
        ("database", "cache"),
        ("web", "api"),
        ("web", "cache"),
        ("web", "database"),
    ];
    assert_eq!(told, expected);
    for pair in &audit.pairs {
        assert_eq!((pair.state, pair.idle, pair.same_zone.share), (State::On, true, Some(1.0)), "{pair:#?}");
        let is_tcp = pair.notes.iter().any(|note| note.code == NoteCode::NoAppProtocol);
        assert_eq!(is_tcp, pair.server != "api", "{pair:#?}");
    }
    let seen = send(&addresses["guestbook"]).await;
    let audit = audited(&ctx, &[]).await;
    let [talking] = &*audit.pairs.iter().filter(|pair| !pair.idle).collect::<Vec<_>>() else {
        panic!("{:#?}", audit.pairs)
    };
    assert_eq!((&*talking.client.service, &*talking.server), ("web", "api"));
    assert_agree("guestbook", &shares(talking, None, &seen), 1.0);
    cloud.shutdown().await;
}
