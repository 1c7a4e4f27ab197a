//! `audit` of clusters in the local cloud: the walkthrough's own, and what is seen of it where something is denied.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use strum::VariantArray;
use zonewalk::audit::readers::Measure;
use zonewalk::audit::verdict::{Basis, Code, NoteCode, Pair, State};
use zonewalk::cloud::{Fault, FaultKind, Faults, Pace};
use zonewalk::commands::audit::{self, Audit, Options};
use zonewalk::commands::outcome::Outcome;
use zonewalk::commands::{failover, redeploy, verify};
use zonewalk::report::page::Page;
use zonewalk::stages::Context;
use zonewalk::walkthrough::up;

use crate::measured::{HOUR, log_flows};
use crate::permissions::allowed_to_audit;
use crate::support::{context, settings, start_cloud};

async fn audited(ctx: &Context) -> Audit {
    audit::run(ctx, &Options::default()).await.unwrap()
}

/// What the walkthrough's frontend sends to its backend, or others of their names.
fn pair<'a>(audit: &'a Audit, ctx: &Context) -> &'a Pair {
    let is_it = |pair: &&Pair| {
        let server = pair.server_service.as_ref().map(|server| &*server.service);
        pair.client.service == ctx.names.frontend.service && server == Some(&ctx.names.backend.service)
    };
    audit.pairs.iter().find(is_it).unwrap_or_else(|| panic!("{audit:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walkthroughs_own_cluster_is_on_and_with_two_backends_off() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let audit = audited(&ctx).await;
    let on = pair(&audit, &ctx);
    assert_eq!((on.state, &*on.reasons), (State::On, &[][..]), "{on:#?}");
    assert_eq!((on.same_zone.share, on.endpoints.healthy, on.endpoints.needed), (Some(1.0), 6, 6));
    assert_eq!(audit.services.len(), 2);
    assert_eq!(audit.unknown, [""; 0]);
    let zones: u32 = audit.services[0].tasks.as_ref().unwrap().values().sum();
    assert_eq!(zones, 6, "{:?}", audit.services[0]);

    let text = audit.text(&Page { zones: ctx.zones(), ..Page::default() });
    for part in ["CLIENT", "ROUTING", "100%", "6 of 6", "predicted from where tasks run", "just the 6 endpoints"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let none = redeploy::Options { all_stale: true, ..redeploy::Options::default() };
    let none = redeploy::run(&ctx, none).await.unwrap();
    assert!(none.deployments.is_empty() && none.text(&Page::default()).contains("no service is older"), "{none:?}");

    let drill = failover::Options {
        drill: failover::Drill::Scale { to: 2 },
        max_errors: failover::MAX_ERRORS,
        restore: false,
        verify: verify::Options { traffic: verify::Traffic::of(60, 4), ..verify::Options::default() },
    };
    failover::run(&ctx, drill).await.unwrap();
    let audit = audited(&ctx).await;
    let off = pair(&audit, &ctx);
    assert_eq!((off.state, off.reasons[0].code), (State::Off, Code::TooFewEndpoints), "{off:#?}");
    let advised: Vec<_> = audit.advice.iter().filter_map(|advice| advice.command.as_deref()).collect();
    assert!(advised.iter().any(|command| command.contains("--desired-count 6")), "{:#?}", audit.advice);
    cloud.shutdown().await;
}

/// The proxies' counters say the same as the prediction, and are what is told then.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_proxies_count_confirms_the_prediction() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let options = verify::Options { traffic: verify::Traffic::of(150, 8), ..verify::Options::default() };
    verify::run(&ctx, options).await.unwrap();
    let measure = Options { measure: vec![Measure::Proxies], ..Options::default() };
    let audit = audit::run(&ctx, &measure).await.unwrap();
    let on = pair(&audit, &ctx);
    let share = (on.same_zone.share, on.same_zone.evidence, on.same_zone.predicted);
    assert_eq!((on.state, share), (State::On, (Some(1.0), Some(Basis::Proxies), Some(1.0))), "{on:#?}");
    assert!(on.same_zone.measured[0].count >= 150, "{on:#?}");
    assert!(on.notes.iter().any(|note| note.code == NoteCode::Confirmed), "{on:#?}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_asked_for_decides_the_exit_code() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let request = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).desired_count(4);
    request.service(&ctx.names.backend.service).send().await.unwrap();
    let code = async |min_same_zone| {
        let asked = audit::run(&ctx, &Options { min_same_zone, ..Options::default() }).await.unwrap();
        asked.exit_code()
    };
    assert_eq!((code(None).await, code(Some(30)).await, code(Some(80)).await), (0, 0, 1));
    // A name that is mistyped lets nothing pass.
    let mistyped = Options { services: vec!["nope".to_owned()], ..Options::default() };
    let error = audit::run(&ctx, &mistyped).await.unwrap_err().to_string();
    assert!(error.starts_with("no service nope has Service Connect in us-east-1"), "{error}");
    let elsewhere = Options { clusters: vec!["nope".to_owned()], min_same_zone: Some(80), ..Options::default() };
    assert_eq!(audit::run(&ctx, &elsewhere).await.unwrap().exit_code(), 1);
    cloud.shutdown().await;
}

/// What is never asked in the walkthrough's cluster before any traffic: it has no name of another account's, nothing that is not
/// rolled, and no query has to be stopped.
const NOT_ASKED: [&str; 6] = [
    "cloudwatch:GetMetricData",
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "ecs:ListServiceDeployments",
    "logs:StopQuery",
    "servicediscovery:ListInstances",
];

/// Each action that an audit takes is denied in turn: the run ends well and names the action.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_denied_is_named_and_stops_nothing() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    log_flows(&ctx, None).await;
    for action in allowed_to_audit() {
        let measure = match action.split(':').next() {
            Some("ssm") => vec![Measure::Proxies],
            _ if action == "ec2:DescribeFlowLogs" || action.starts_with("logs:") => vec![Measure::FlowLogs(HOUR)],
            _ => vec![],
        };
        let denied = Fault {
            operation: Some(action.clone()),
            code: Some("AccessDeniedException".to_owned()),
            message: Some(format!("User is not authorized to perform: {action}")),
            ..Fault::new(FaultKind::Refuse)
        };
        cloud.set_faults(Faults { seed: 1, faults: vec![denied] });
        // Of a cluster, others in its namespace are looked for; without one, all clusters.
        let of_cluster = Options { clusters: vec![ctx.names.cluster.clone()], measure, ..Options::default() };
        let options = if action == "ecs:ListClusters" { Options::default() } else { of_cluster };
        let audit = audit::run(&ctx, &options).await.unwrap_or_else(|error| panic!("{action}: {error}"));
        let told = audit.unknown.iter().any(|gap| gap.contains(&action));
        assert_eq!(told, !NOT_ASKED.contains(&&*action), "{action}: {:?}", audit.unknown);
    }
    cloud.shutdown().await;
}

/// Whoever is not known at all cannot audit anything, and is told that.
#[tokio::test]
async fn an_expired_session_is_an_error_and_no_gap() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let expired = Fault {
        operation: Some("ecs:ListClusters".to_owned()),
        code: Some("ExpiredTokenException".to_owned()),
        message: Some("The security token included in the request is expired".to_owned()),
        ..Fault::new(FaultKind::Refuse)
    };
    cloud.set_faults(Faults { seed: 1, faults: vec![expired] });
    let error = audit::run(&ctx, &Options::default()).await.unwrap_err().to_string();
    assert!(error.contains("the session has expired"), "{error}");
    cloud.shutdown().await;
}

/// What the walkthrough's frontend sends to its backend, or others of their names, once that is in this state with so many backends.
pub(crate) async fn becomes(ctx: &Context, state: State, healthy: u32) -> Pair {
    for attempt in 0.. {
        let audit = audited(ctx).await;
        let found = pair(&audit, ctx);
        if (found.state, found.endpoints.healthy) == (state, healthy) {
            return found.clone();
        }
        assert!(attempt < 300, "{found:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("the last attempt fails")
}

/// The words in the first or the second column of the tables under a heading, in code quotes.
fn documented(heading: &str, column: usize) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.split('|').nth(column));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_document_tells_every_state_reason_and_note_and_no_other() {
    let words = |words: Vec<&'static str>| words.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let states = State::VARIANTS.iter().map(|state| state.into()).collect();
    assert_eq!(documented("States and reasons", 1), words(states));
    let codes = Code::VARIANTS.iter().map(|code| code.into()).collect();
    assert_eq!(documented("States and reasons", 2), words(codes));
    let notes = NoteCode::VARIANTS.iter().map(|note| note.into()).collect();
    assert_eq!(documented("Notes", 1), words(notes));
}
