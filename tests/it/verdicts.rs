//! What is expected of the traffic between zones, and the verdict on what was seen.

use std::collections::BTreeMap;

use zonewalk::commands::failover::{MAX_ERRORS, OnOrOff, Phase};
use zonewalk::events::PhaseName;
use zonewalk::routing::PredictedState;
use zonewalk::traffic::{Counted, Demands, Expectation, Observation, RoutingState, TasksByZone, Verdict, Verification};

fn tasks(zones: &[(&str, u32)]) -> TasksByZone {
    zones.iter().map(|(zone, tasks)| ((*zone).to_owned(), *tasks)).collect()
}

fn two_zones() -> TasksByZone {
    tasks(&[("a", 3), ("b", 3)])
}

/// As under `--local`, where both statements decide, and without counters.
fn verify(observed: &Observation, expectation: &Expectation) -> Verification {
    judge(observed, expectation, None, true)
}

fn judge(observed: &Observation, expectation: &Expectation, kept: Option<u64>, exact: bool) -> Verification {
    let counted = kept.map(|all_directly| Counted { all_directly, ..Counted::default() });
    let counted = counted.ok_or_else(|| "ssm:SendCommand is denied".to_owned());
    zonewalk::traffic::verify(observed, expectation, counted, Demands { min_same_zone: 0.8, exact })
}

fn observed(cells: &[(&str, &str, u64)]) -> Observation {
    let cell = |&(frontend, backend, requests): &(&str, &str, _)| ((frontend.to_owned(), backend.to_owned()), requests);
    Observation { matrix: cells.iter().map(cell).collect(), ..Observation::default() }
}

#[test]
fn six_and_six_is_active_and_two_backends_are_not() {
    let frontends = tasks(&[("a", 2), ("b", 2), ("c", 2)]);
    let balanced = Expectation::of(&frontends, &frontends);
    assert!(balanced.is_active());
    assert_eq!(balanced.state(), Some(PredictedState::LocalityDirect));
    let scaled = Expectation::of(&frontends, &tasks(&[("a", 1), ("b", 1)]));
    assert!(!scaled.is_active());
    assert_eq!(scaled.state(), Some(PredictedState::NoLocalityRouting));
    assert_eq!(scaled.reasons().len(), 1, "{:?}", scaled.reasons());
}

#[test]
fn all_local_passes_and_a_single_stray_request_does_not() {
    let expectation = Expectation::of(&two_zones(), &two_zones());
    let clean = verify(&observed(&[("a", "a", 50), ("b", "b", 50)]), &expectation);
    assert_eq!(clean.verdict, Verdict::Pass, "{:?}", clean.reasons);
    let stray = verify(&observed(&[("a", "a", 49), ("a", "b", 1), ("b", "b", 50)]), &expectation);
    assert_eq!(stray.verdict, Verdict::Fail);
    assert!(!stray.as_predicted);
}

#[test]
fn below_the_threshold_the_matrix_agrees_and_the_verdict_is_still_fail() {
    let expectation = Expectation::of(&two_zones(), &tasks(&[("a", 1), ("b", 1)]));
    let spread = verify(&observed(&[("a", "a", 25), ("a", "b", 25), ("b", "a", 25), ("b", "b", 25)]), &expectation);
    assert!(spread.as_predicted, "{:?}", spread.reasons);
    assert_eq!(spread.verdict, Verdict::Fail);
    let local = verify(&observed(&[("a", "a", 50), ("b", "b", 50)]), &expectation);
    assert!(!local.as_predicted, "all local is not what round-robin does");
}

#[test]
fn errors_missing_rows_and_unknown_zones_fail() {
    let expectation = Expectation::of(&two_zones(), &two_zones());
    assert_eq!(verify(&Observation::default(), &expectation).verdict, Verdict::Fail);
    assert_eq!(verify(&observed(&[("a", "a", 9)]), &expectation).verdict, Verdict::Fail);
    assert_eq!(verify(&observed(&[("a", "a", 9), ("b", "b", 9), ("c", "c", 1)]), &expectation).verdict, Verdict::Fail);
    let errors = BTreeMap::from([("status 503".to_owned(), 1)]);
    let failing = verify(&Observation { errors, ..observed(&[("a", "a", 9), ("b", "b", 9)]) }, &expectation);
    assert_eq!((failing.verdict, failing.errors), (Verdict::Fail, 1));
}

#[test]
fn plausibility_is_exact_at_the_ends_and_binomial_between() {
    let by_zone = Expectation::of(&two_zones(), &two_zones());
    for (cells, plausible) in [
        (&[("a", "a", 10), ("b", "b", 10)][..], true),
        (&[("a", "a", 9), ("a", "b", 1), ("b", "b", 10)], false),
        (&[("a", "a", 9), ("a", "c", 1), ("b", "b", 10)], false),
    ] {
        assert_eq!(verify(&observed(cells), &by_zone).as_predicted, plausible, "{cells:?}");
    }
    // Plain round-robin over three zones: a third each.
    let backends = tasks(&[("a", 1), ("b", 1), ("c", 1)]);
    let in_turn = Expectation::of(&tasks(&[("a", 3)]), &backends);
    assert_eq!(in_turn.state(), Some(PredictedState::NoLocalityRouting));
    for (local, plausible) in [(66, true), (0, false), (200, false)] {
        let rest = (200 - local) / 2;
        let cells = [("a", "a", local), ("a", "b", rest), ("a", "c", 200 - local - rest)];
        assert_eq!(verify(&observed(&cells), &in_turn).as_predicted, plausible, "{cells:?}");
    }
}

/// AWS's guide promises "more than 80 %" for balanced endpoints (ECS Developer Guide, "Zone-aware routing").
#[test]
fn on_aws_a_share_as_promised_passes_though_envoy_would_keep_all() {
    let expectation = Expectation::of(&two_zones(), &two_zones());
    let mostly = observed(&[("a", "a", 45), ("a", "b", 5), ("b", "b", 50)]);
    let on_aws = judge(&mostly, &expectation, None, false);
    assert_eq!((on_aws.verdict, on_aws.as_predicted), (Verdict::Pass, false), "{:?}", on_aws.reasons);
    assert_eq!(on_aws.zone_aware_routing.state, RoutingState::On);
    assert_eq!(judge(&mostly, &expectation, None, true).verdict, Verdict::Fail, "--strict asks for both");
    let half = observed(&[("a", "a", 25), ("a", "b", 25), ("b", "a", 25), ("b", "b", 25)]);
    let off = judge(&half, &expectation, None, false);
    assert_eq!((off.verdict, off.zone_aware_routing.state), (Verdict::Fail, RoutingState::Off));
}

#[test]
fn on_aws_counters_that_stand_still_fail_whatever_the_share() {
    let expectation = Expectation::of(&two_zones(), &two_zones());
    let clean = observed(&[("a", "a", 50), ("b", "b", 50)]);
    assert_eq!(judge(&clean, &expectation, Some(100), false).verdict, Verdict::Pass);
    let by_chance = judge(&clean, &expectation, Some(0), false);
    assert_eq!((by_chance.verdict, by_chance.as_predicted), (Verdict::Fail, true));
}

#[test]
fn on_aws_a_failed_request_after_settling_fails() {
    let expectation = Expectation::of(&two_zones(), &two_zones());
    let errors = BTreeMap::from([("status 503".to_owned(), 1)]);
    let failing = Observation { errors, ..observed(&[("a", "a", 50), ("b", "b", 50)]) };
    assert_eq!(judge(&failing, &expectation, None, false).verdict, Verdict::Fail);
}

#[test]
fn while_tasks_stop_less_than_one_percent_may_fail_on_aws_and_none_elsewhere() {
    let expectation = Expectation::of(&two_zones(), &two_zones());
    let holds = |errors: u64, exact| {
        let failed = BTreeMap::from([("status 503".to_owned(), errors)]);
        let seen = Observation { errors: failed, ..observed(&[("a", "a", 500 - errors), ("b", "b", 500)]) };
        Phase::new(PhaseName::During, judge(&seen, &expectation, None, exact), MAX_ERRORS).holds()
    };
    assert!(holds(9, false) && !holds(10, false));
    assert!(!holds(1, true));
}

/// Where frontends and backends are not spread alike, less can be kept: the demand is a share of that.
#[test]
fn what_cannot_be_kept_in_its_zone_is_not_demanded() {
    let expectation = Expectation::of(&tasks(&[("a", 5), ("b", 1)]), &two_zones());
    let residual = observed(&[("a", "a", 60), ("a", "b", 40), ("b", "b", 20)]);
    let result = judge(&residual, &expectation, None, false);
    assert_eq!(result.zone_aware_routing.state, RoutingState::On, "{result:?}");
    assert!(result.zone_aware_routing.required_same_zone_share < Some(0.6), "{result:?}");
}

/// In a drill's failed-over phase that is as it should be; `verify` alone demands that it is on.
#[test]
fn below_the_threshold_it_is_off_by_design_unless_the_counters_say_otherwise() {
    let expectation = Expectation::of(&two_zones(), &tasks(&[("a", 1), ("b", 1)]));
    let spread = observed(&[("a", "a", 25), ("a", "b", 25), ("b", "a", 25), ("b", "b", 25)]);
    let off = judge(&spread, &expectation, Some(0), false);
    assert_eq!((off.verdict, off.zone_aware_routing.state), (Verdict::Fail, RoutingState::OffAsPredicted));
    assert!(off.holds_whatever_the_design());
    let local = observed(&[("a", "a", 50), ("b", "b", 50)]);
    assert_eq!(judge(&local, &expectation, Some(100), false).verdict, Verdict::Pass, "AWS's threshold is lower");
    assert!(!judge(&local, &expectation, Some(100), true).holds_whatever_the_design());
}

#[test]
fn every_pair_of_zones_has_a_cell_in_both_matrices() {
    let expectation = Expectation::of(&tasks(&[("a", 3), ("b", 2)]), &tasks(&[("a", 1), ("c", 1)]));
    let seen = verify(&observed(&[("a", "a", 3), ("a", "c", 4), ("b", "c", 1)]), &expectation);
    let json = serde_json::to_value(&seen).unwrap();
    let cells = |matrix: &serde_json::Value| -> Vec<(String, String, serde_json::Value)> {
        let text = |cell: &serde_json::Value, key: &str| cell[key].as_str().unwrap().to_owned();
        let cells = matrix.as_array().unwrap().iter();
        cells.map(|cell| (text(cell, "frontend"), text(cell, "backend"), cell["requests"].clone())).collect()
    };
    let (matrix, expected) = (cells(&json["matrix"]), cells(&json["expected"]["matrix"]));
    let pairs = |cells: &[(String, String, serde_json::Value)]| -> Vec<String> {
        cells.iter().map(|(frontend, backend, _)| format!("{frontend}{backend}")).collect()
    };
    assert_eq!(pairs(&matrix), ["aa", "ab", "ac", "ba", "bb", "bc", "ca", "cb", "cc"]);
    assert_eq!(pairs(&matrix), pairs(&expected));
    let requests: Vec<String> = expected.iter().map(|(.., requests)| requests.to_string()).collect();
    assert_eq!(requests, ["3.5", "0", "3.5", "0.5", "0", "0.5", "0", "0", "0"]);
    assert!(matrix.iter().all(|(.., requests)| requests.is_u64()), "{matrix:?}");
}

#[test]
fn failed_requests_are_told_by_their_status() {
    let expectation = Expectation::of(&two_zones(), &two_zones());
    let errors = [("HTTP 503", 2), ("HTTP 502", 1), ("no answer within 20 s", 4)];
    let errors = errors.map(|(error, requests)| (error.to_owned(), requests));
    let seen = Observation {
        errors: BTreeMap::from(errors),
        took: std::time::Duration::from_millis(500),
        ..observed(&[("a", "a", 9), ("b", "b", 9)])
    };
    let seen = verify(&seen, &expectation);
    assert_eq!((seen.errors, seen.error_kinds["no answer within 20 s"]), (7, 4));
    assert_eq!(seen.errors_by_status, BTreeMap::from([(502, 1), (503, 2)]));
    assert_eq!((seen.requests_per_second, seen.duration_s), (Some(50.0), 0.5));
}

#[test]
fn a_phase_that_is_as_it_should_be_has_no_verdict_that_fails() {
    let expectation = Expectation::of(&two_zones(), &tasks(&[("a", 1), ("b", 1)]));
    let off = judge(
        &observed(&[("a", "a", 25), ("a", "b", 25), ("b", "b", 25), ("b", "a", 25)]),
        &expectation,
        Some(0),
        true,
    );
    assert_eq!(off.verdict, Verdict::Fail);
    let phase = Phase::new(PhaseName::FailedOver, off.clone(), MAX_ERRORS);
    assert_eq!((phase.holds, phase.expected_state, phase.result.verdict), (true, Some(OnOrOff::Off), Verdict::Pass));
    let phase = Phase::new(PhaseName::Restored, off, MAX_ERRORS);
    assert_eq!((phase.holds, phase.expected_state, phase.result.verdict), (false, Some(OnOrOff::On), Verdict::Fail));
}
