//! What the commands say at their end: on a narrow and a wide terminal, and where there is none. The numbers are made up, the
//! verdicts are not.

use std::collections::BTreeMap;
use std::time::Duration;

use zonewalk::aws::{AzId, AzName, ZoneNames};
use zonewalk::cloud::Pace;
use zonewalk::commands::failover::{DrillName, Failover, MAX_ERRORS, Phase, ZoneLoad};
use zonewalk::commands::outcome::Outcome;
use zonewalk::commands::redeploy::Redeployment;
use zonewalk::commands::stats::{Proxy, Stats, Totals};
use zonewalk::commands::{doctor, up};
use zonewalk::envoy::stats::{ZoneRequests, ZoneStats};
use zonewalk::envoy::times::{Summary, ZoneTimes};
use zonewalk::events::PhaseName;
use zonewalk::report::page::Page;
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::rollout::Deployment;
use zonewalk::traffic::{
    Counted, Demands, Expectation, LatencyMs, Observation, Percentiles, TasksByZone, Verdict, Verification, verify,
};
use zonewalk::walkthrough;

use crate::support::{context, settings, start_cloud};

const ZONES: [(&str, &str); 3] = [("us-east-1a", "use1-az1"), ("us-east-1b", "use1-az4"), ("us-east-1c", "use1-az6")];

fn page(width: Option<u16>, verbose: bool) -> Page {
    let zones: BTreeMap<_, _> = ZONES.iter().map(|(name, id)| (AzName::new(*name), AzId::new(*id))).collect();
    Page { width, verbose, zones: ZoneNames::new(&zones) }
}

/// The text without colors, at 80 and 120 columns and with no width, each of which is told once where they are alike.
fn screens(outcome: &dyn Outcome, verbose: bool) -> String {
    screens_on(outcome, &page(None, verbose))
}

/// The same with the page's zones.
fn screens_on(outcome: &dyn Outcome, page: &Page) -> String {
    let mut screens: Vec<(String, String)> = vec![];
    for width in [Some(80), Some(120), None] {
        let text = anstream::adapter::strip_str(&outcome.text(&Page { width, ..page.clone() })).to_string();
        let is_whole = |line: &str| line.trim_start().split(' ').count() == 1;
        let columns = usize::from(width.unwrap_or(u16::MAX));
        let too_wide: Vec<&str> = text.lines().filter(|l| l.chars().count() > columns && !is_whole(l)).collect();
        assert!(too_wide.is_empty(), "wider than {columns}: {too_wide:#?}");
        assert!(text.lines().all(|line| line == line.trim_end()), "blanks at an end: {text}");
        let name = width.map_or("no terminal".to_owned(), |columns| format!("{columns} columns"));
        match screens.last_mut().filter(|(_, last)| *last == text) {
            Some((names, _)) => *names = format!("{names}, {name}"),
            None => screens.push((name, text)),
        }
    }
    let next = outcome.next().map(|next| format!("\n── next ──\n{next}")).unwrap_or_default();
    let screens = screens.iter().map(|(name, text)| format!("── {name} ──\n{text}"));
    screens.collect::<Vec<_>>().join("\n\n") + &next
}

/// IDs, ports and versions as as many letters x.
fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let id = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_id = id.len() >= 10 && id.chars().all(|c| c.is_ascii_hexdigit()) || shown.ends_with("127.0.0.1:");
        shown.push_str(&if is_id { part.replace(id, &"x".repeat(id.len())) } else { part.to_owned() });
    }
    shown
}

fn tasks(counts: [u32; 3]) -> TasksByZone {
    ZONES.iter().map(|(_, id)| (*id).to_owned()).zip(counts).filter(|(_, count)| *count > 0).collect()
}

fn latencies(ms: f64) -> Percentiles {
    let [p50, p90, p95, p99] = [1.0, 2.0, 2.6, 3.4].map(|times| Some(ms * times));
    Percentiles { p50, p90, p95, p99 }
}

/// What comes of requests, a row for each frontend's zone, to so many backends in each zone.
fn verified(rows: [[u64; 3]; 3], backends: [u32; 3], counted: Result<Counted, String>, failed: u64) -> Verification {
    let matrix = rows.iter().zip(ZONES).flat_map(|(row, (_, from))| {
        row.iter().zip(ZONES).map(move |(requests, (_, to))| ((from.to_owned(), to.to_owned()), *requests))
    });
    let errors = (failed > 0).then(|| ("HTTP 503".to_owned(), failed));
    let observed = Observation {
        matrix: matrix.filter(|(_, requests)| *requests > 0).collect(),
        errors: errors.into_iter().collect(),
        took: Duration::from_millis(145),
        ..Observation::default()
    };
    let expectation = Expectation::of(&tasks([2, 2, 2]), &tasks(backends));
    let demands = Demands { min_same_zone: 0.8, exact: true };
    let result = verify(&observed, &expectation, counted, demands);
    let latency_ms = LatencyMs { all: latencies(1.5), same_zone: latencies(1.4), cross_zone: latencies(1.9) };
    let proxy_times = Some(vec![timed("use1-az1", "use1-az1", 0.9), timed("use1-az1", "use1-az4", 2.1)]);
    Verification { latency_ms, proxy_times, proxies: Some("Envoy 1.40.0".to_owned()), ..result }
}

/// What proxies timed between two zones.
fn timed(frontend: &str, backend: &str, mean_ms: f64) -> ZoneTimes {
    let summary = Summary { requests: 67, mean_ms, p50_ms: 0, p99_ms: 4 };
    ZoneTimes { frontend: frontend.to_owned(), backend: backend.to_owned(), summary }
}

const ALL_LOCAL: [[u64; 3]; 3] = [[66, 0, 0], [0, 67, 0], [0, 0, 67]];
const SPREAD: [[u64; 3]; 3] = [[22, 23, 22], [22, 22, 23], [22, 22, 22]];

fn counted(all_directly: u64) -> Result<Counted, String> {
    Ok(Counted { all_directly, ..Counted::default() })
}

#[test]
fn a_verification_that_passes() {
    let passing = verified(ALL_LOCAL, [2, 2, 2], counted(200), 0);
    insta::assert_snapshot!(screens(&passing, false));
    insta::assert_snapshot!("a_verification_that_passes_verbose", screens(&passing, true));
}

#[test]
fn a_verification_with_too_few_backends() {
    insta::assert_snapshot!(screens(&verified(SPREAD, [1, 1, 1], counted(0), 0), false));
}

#[test]
fn a_verification_of_traffic_that_strays() {
    let strays = [[60, 6, 0], [0, 67, 0], [0, 0, 67]];
    let denied = Err("ssm:SendCommand is denied".to_owned());
    insta::assert_snapshot!(screens(&verified(strays, [2, 2, 2], denied, 12), false));
}

#[test]
fn a_verification_that_was_interrupted() {
    let partial = verified(ALL_LOCAL, [2, 2, 2], Err("interrupted".to_owned()), 0);
    insta::assert_snapshot!(screens(&Verification { interrupted: true, ..partial }, false));
}

/// In a zone with fewer backends than its share not all requests can stay: why is told, though it passes.
#[test]
fn a_verification_of_an_uneven_placement() {
    let residual = [[50, 9, 8], [0, 67, 0], [0, 0, 66]];
    let counted = Ok(Counted { all_directly: 133, sampled: 50, cross_zone: 17 });
    insta::assert_snapshot!(screens(&verified(residual, [2, 3, 3], counted, 0), false));
}

fn failover(drill: DrillName, phases: Vec<Phase>, restored: bool) -> Failover {
    let failed = phases.iter().filter(|phase| !phase.holds());
    let reasons: Vec<String> = failed.map(|it| format!("{}: {}", it.phase, it.result.reasons.join("; "))).collect();
    Failover {
        drill,
        zone: (drill != DrillName::Scale).then(|| ZONES[0].1.to_owned()),
        from: 6,
        to: [(DrillName::Scale, 2), (DrillName::ZoneLoss, 4)]
            .iter()
            .find(|(it, _)| *it == drill)
            .map_or(6, |(_, to)| *to),
        recovered_after_s: None,
        load: vec![],
        timeline: vec![],
        errors: phases.iter().map(|phase| phase.result.errors).sum(),
        phases,
        restored,
        verdict: Verdict::of(reasons.is_empty()),
        reasons,
    }
}

#[test]
fn a_drill_that_passes() {
    let all_local = || verified(ALL_LOCAL, [2, 2, 2], counted(200), 0);
    let failed_over = || verified([[0, 34, 33], [0, 33, 34], [0, 33, 33]], [0, 1, 1], counted(0), 0);
    let phases = vec![
        Phase::new(PhaseName::Before, all_local(), MAX_ERRORS),
        Phase::new(PhaseName::During, failed_over(), MAX_ERRORS),
        Phase::new(PhaseName::FailedOver, failed_over(), MAX_ERRORS),
        Phase::new(PhaseName::Restoring, all_local(), MAX_ERRORS),
        Phase::new(PhaseName::Restored, all_local(), MAX_ERRORS),
    ];
    insta::assert_snapshot!(screens(&failover(DrillName::Scale, phases.clone(), true), false));
    let unrestored = failover(DrillName::Scale, phases[..3].to_vec(), false);
    assert_eq!(unrestored.next().unwrap(), "`zonewalk up` restores the backends");
}

/// Of a zone without backends, and of one without anything, where some requests fail while its tasks stop.
#[test]
fn drills_that_take_a_zone_away() {
    let all_local = || verified(ALL_LOCAL, [2, 2, 2], counted(200), 0);
    let load = |before: Option<f64>, failed_over: Option<f64>, index: usize| ZoneLoad {
        zone: ZONES[index].1.to_owned(),
        frontend_share_before: before,
        frontend_share_failed_over: before,
        backend_share_before: before,
        backend_share_failed_over: failed_over,
    };
    let third = Some(1.0 / 3.0);
    let load = vec![load(third, Some(0.0), 0), load(third, Some(0.5), 1), load(third, Some(0.5), 2)];
    let spilled = || verified([[0, 33, 33], [0, 67, 0], [0, 0, 67]], [0, 3, 3], counted(134), 0);
    let phases = |failed_over: Verification, during: Verification| {
        vec![
            Phase::new(PhaseName::Before, all_local(), MAX_ERRORS),
            Phase::new(PhaseName::During, during, MAX_ERRORS),
            Phase::new(PhaseName::FailedOver, failed_over, MAX_ERRORS),
            Phase::new(PhaseName::Restoring, all_local(), MAX_ERRORS),
            Phase::new(PhaseName::Restored, all_local(), MAX_ERRORS),
        ]
    };
    let spillover = failover(DrillName::Spillover, phases(spilled(), spilled()), true);
    insta::assert_snapshot!(screens(&Failover { load: load.clone(), ..spillover }, false));
    let lost = || verified([[0, 0, 0], [0, 50, 50], [0, 50, 50]], [0, 2, 2], counted(0), 0);
    let with_errors = Verification { exact: false, ..verified(ALL_LOCAL, [2, 2, 2], counted(200), 1) };
    let zone_loss = failover(DrillName::ZoneLoss, phases(lost(), with_errors), true);
    insta::assert_snapshot!(screens(&Failover { load, recovered_after_s: Some(3.41), ..zone_loss }, false));
}

#[test]
fn a_drill_that_does_not_begin_as_it_should() {
    let before = Phase::new(PhaseName::Before, verified(SPREAD, [1, 1, 1], counted(0), 0), MAX_ERRORS);
    insta::assert_snapshot!(screens(&failover(DrillName::Scale, vec![before], false), false));
}

fn stats(verdict: Option<Verdict>, reasons: &[&str]) -> Stats {
    let counters = |numbers: [u64; 5]| -> BTreeMap<String, u64> {
        let names =
            ["zone_cluster_too_small", "zone_routing_all_directly", "zone_routing_cross_zone", "zone_routing_sampled"];
        names.iter().chain(&["healthy_panic"]).map(|name| format!("lb_{name}")).zip(numbers).collect()
    };
    let requests = |rows: [[u64; 3]; 3]| -> Vec<ZoneRequests> {
        let row = |(row, (_, from)): ([u64; 3], (&str, &'static str))| {
            row.into_iter().zip(ZONES).map(move |(requests, (_, to))| ZoneRequests {
                from: from.into(),
                to: to.into(),
                requests,
            })
        };
        rows.into_iter().zip(ZONES).flat_map(row).collect()
    };
    let totals = Totals {
        counters: counters([12, 1_361, 0, 0, 0]),
        zone_requests: requests([[454, 48, 47], [0, 502, 47], [0, 48, 501]]),
        growth: counters([0, 200, 0, 0, 0]),
        zone_growth: requests(ALL_LOCAL),
        requests_sent: 200,
        zone_times: ZONES.iter().map(|(_, id)| timed(id, id, 0.9)).collect(),
    };
    let proxy = Proxy {
        task: "arn:aws:ecs:us-east-1:000000000000:task/c/1".to_owned(),
        az_id: "use1-az1".to_owned(),
        instance: "i-1".to_owned(),
        stats: ZoneStats::default(),
    };
    Stats {
        proxies: vec![proxy; 6],
        totals,
        verdict,
        reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
    }
}

#[test]
fn counters_that_grow() {
    let told = ["200 requests: 200 same-zone, 0 same-zone by sampling, 0 cross-zone"];
    insta::assert_snapshot!(screens(&stats(Some(Verdict::Pass), &told), false));
    insta::assert_snapshot!("counters_that_grow_verbose", screens(&stats(Some(Verdict::Pass), &told), true));
}

#[test]
fn counters_that_are_only_read() {
    insta::assert_snapshot!(screens(&stats(None, &[]), false));
}

#[test]
fn a_redeployment() {
    let deployment = |service: &str, service_connect| Deployment {
        service: service.to_owned(),
        id: "ecs-svc/1470395400599093556".to_owned(),
        tasks: 6,
        service_connect,
    };
    let deployments = vec![deployment("az-aware-backend-service-ec2", true), deployment("legacy", false)];
    insta::assert_snapshot!(screens(
        &Redeployment { cluster: Some("c".to_owned()), deployments, planned: vec![], unknown: vec![] },
        false
    ));
}

/// Of a walkthrough on a local cloud: as it is planned, made, changed and removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_planned_and_what_comes_of_it() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let told = |outcome: &dyn Outcome, verbose| {
        without_ids(&screens_on(outcome, &Page { width: None, verbose, zones: ctx.zones() }))
    };
    insta::assert_snapshot!("a_plan", told(&up::dry_run(&ctx).await.unwrap(), false));
    insta::assert_snapshot!("up", told(&up::run(&ctx).await.unwrap(), false));
    insta::assert_snapshot!("up_again", told(&up::run(&ctx).await.unwrap(), false));

    let image = "public.ecr.aws/docker/library/another-image-with-a-long-name:and-a-tag".to_owned();
    let other = Settings { image, task_count: TaskCount::new(7).unwrap(), ..settings() };
    let plan = up::dry_run(&context(&cloud, other).await).await.unwrap();
    insta::assert_snapshot!("a_plan_of_changes", told(&plan, false));
    insta::assert_snapshot!("a_plan_of_changes_verbose", told(&plan, true));

    let too_large = Settings { task_count: TaskCount::new(15).unwrap(), ..settings() };
    let too_large = Settings { instance_type: "m7i.8xlarge".to_owned(), ..too_large };
    insta::assert_snapshot!(
        "doctor_blocked",
        told(&doctor::run(&context(&cloud, too_large).await).await.unwrap(), false)
    );
    insta::assert_snapshot!("doctor_ready", told(&doctor::run(&ctx).await.unwrap(), false));
    insta::assert_snapshot!("down", told(&walkthrough::down(&ctx).await.unwrap(), false));
    cloud.shutdown().await;
}

#[test]
fn verdicts_and_cells_have_their_colors() {
    let text = |result: Verification| result.text(&page(Some(80), false));
    let passing = text(verified(ALL_LOCAL, [2, 2, 2], counted(200), 0));
    assert!(passing.starts_with("\u{1b}[32mPASS\u{1b}[0m  100% of 200"), "{passing:?}");
    assert!(passing.contains("\u{1b}[32mON\u{1b}[0m"), "{passing:?}");
    let straying = text(verified([[65, 1, 0], [0, 67, 0], [0, 0, 67]], [2, 2, 2], counted(199), 0));
    assert!(straying.starts_with("\u{1b}[31mFAIL\u{1b}[0m  65 of 66"), "{straying:?}");
    // comfy-table spells colors with 256 of them.
    assert!(straying.contains("\u{1b}[38;5;1m1 (0)"), "the one that should be 0 is not red: {straying:?}");
    assert!(straying.contains("\u{1b}[33mno\u{1b}[0m"), "{straying:?}");
}
