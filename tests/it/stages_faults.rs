//! The sweep: the AWS calls of `up`, of an `up` that mends, and of `down` meet the faults that apply to them. The run,
//! or its repetition, ends with what an undisturbed run gives; `down` leaves nothing; resources beside, with names like
//! ours or our very names and without our tag, stand as they stood.
//!
//! A case is one fault at one call: the k-th of an operation, in one of the three phases. A journey goes through the
//! phases on a cloud that no other one uses with a few cases in each that do not meet, since it is the journey that costs
//! time; a journey that fails is gone through again case by case, so that the case is named. Between the phases others meddle
//! with what is ours, so that all is called that mends it.
//!
//! Which cases there are is told at [`Extent`]: `ZONEWALK_SWEEP=all` goes through every one of them, and
//! `ZONEWALK_SWEEP=single` gives each its own journey.

mod cases;
mod journey;
mod neighbours;
mod others;
mod spoiling;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;

use self::cases::{Case, Extent};
use self::journey::{Expected, Journey, Worlds};
use crate::permissions;

/// Journeys under way at once: most of a journey's time is spent waiting.
const AT_A_TIME: usize = 8;

/// Past the test harness, which shows what is printed only if a test fails: how many cases there were is a result.
fn say(line: &str) {
    std::io::stderr().write_all(format!("sweep: {line}\n").as_bytes()).unwrap();
}

/// What the policy allows and the sweep does not meet, and why.
const NOT_SWEPT: &[(&str, &[&str])] = &[
    (
        "only --adopt puts the tag on what is there already",
        &[
            "autoscaling:CreateOrUpdateTags",
            "ec2:CreateTags",
            "ecs:TagResource",
            "elasticloadbalancing:AddTags",
            "iam:TagInstanceProfile",
            "iam:TagRole",
            "logs:TagResource",
            "servicediscovery:TagResource",
        ],
    ),
    (
        "only `stats` asks the instances",
        &["ssm:DescribeInstanceInformation", "ssm:GetCommandInvocation", "ssm:SendCommand"],
    ),
    ("only `verify` asks about access logs", &["logs:GetQueryResults", "logs:StartQuery", "logs:StopQuery"]),
    (
        "only the drills stop tasks, and leave more instances than are wanted",
        &["autoscaling:TerminateInstanceInAutoScalingGroup", "ecs:StopTask"],
    ),
    ("ECS takes its instances out of Cloud Map itself, unless it fails to", &["servicediscovery:DeregisterInstance"]),
    ("AWS asks for them, on behalf of others", &permissions::NOT_CALLED),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_the_policy_allows_is_swept_or_said_not_to_be() {
    let (_, calls) = Expected::of_a_clean_journey().await;
    let met: BTreeSet<&str> = calls.phases.iter().chain([&calls.waiting]).flatten().map(String::as_str).collect();
    let not_swept: BTreeSet<&str> = NOT_SWEPT.iter().flat_map(|(_, actions)| actions.iter().copied()).collect();
    assert_eq!(met.intersection(&not_swept).collect::<Vec<_>>(), Vec::<&&str>::new(), "they are met after all");
    let allowed = permissions::allowed();
    let allowed: BTreeSet<&str> = allowed.iter().map(String::as_str).collect();
    let known: BTreeSet<&str> = met.union(&not_swept).copied().collect();
    let differ: Vec<_> = known.symmetric_difference(&allowed).collect();
    assert!(differ.is_empty(), "either allowed or swept and not both: {differ:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_at_any_call_up_and_down_end_as_ever() {
    let (expected, calls) = Expected::of_a_clean_journey().await;
    let (extent, alone) = match std::env::var("ZONEWALK_SWEEP").as_deref() {
        Err(_) => (Extent::Kinds, false),
        Ok("all") => (Extent::Everything, false),
        Ok("single") => (Extent::Everything, true),
        Ok(other) => panic!("ZONEWALK_SWEEP is all or single, not {other}"),
    };
    let cases = cases::all(&calls, extent);
    let every = whats(&cases::all(&calls, Extent::Everything));
    assert_eq!(whats(&cases), every, "each operation meets in each phase all that can happen to it");
    let journeys = if alone { cases.iter().cloned().map(|case| vec![case]).collect() } else { cases::packed(&cases) };
    say(&format!(
        "{} calls of up, {} of an up that mends, {} of down; {} cases in {} journeys",
        calls.phases[0].len(),
        calls.phases[1].len(),
        calls.phases[2].len(),
        cases.len(),
        journeys.len()
    ));

    let (repeated, worlds) = (AtomicUsize::new(0), Worlds::default());
    let go = async |cases: Vec<Case>| {
        let outcome = Journey { cases: &cases, expected: &expected, worlds: &worlds }.go().await;
        match &outcome {
            Ok(done) => drop(repeated.fetch_add(done.repetitions, Ordering::Relaxed)),
            Err(reason) => say(&format!("{} cases: {reason}", cases.len())),
        }
        (cases, outcome)
    };
    let first: Vec<_> = futures_util::stream::iter(journeys).map(&go).buffer_unordered(AT_A_TIME).collect().await;

    // What failed in company, and what was never met since the company changed the order of calls, goes alone; but not
    // looks that may not be made at all, unless all is gone through.
    let mut again = vec![];
    let (mut failures, mut met, mut unmet) = (vec![], vec![], vec![]);
    for (cases, outcome) in first {
        match outcome {
            Ok(done) => {
                for (case, was_met) in cases.into_iter().zip(done.met) {
                    if was_met {
                        met.push(case);
                    } else if extent == Extent::Kinds && case.may_be_unmet() {
                        unmet.push(case);
                    } else {
                        again.push(vec![case]);
                    }
                }
            }
            Err(reason) if cases.len() == 1 => failures.push(format!("{}: {reason}", cases[0])),
            Err(_) => again.extend(cases.into_iter().map(|case| vec![case])),
        }
    }
    say(&format!("{} cases once more, alone", again.len()));
    for (cases, outcome) in
        futures_util::stream::iter(again).map(&go).buffer_unordered(AT_A_TIME).collect::<Vec<_>>().await
    {
        let case = &cases[0];
        match outcome {
            Ok(done) if done.met[0] => met.extend(cases),
            Ok(_) => unmet.extend(cases),
            Err(reason) => failures.push(format!("{case}: {reason}")),
        }
    }
    worlds.end().await;
    let mut kinds = BTreeMap::<&str, usize>::new();
    for case in &met {
        *kinds.entry(case.kind()).or_default() += 1;
    }
    say(&format!(
        "{} cases: {kinds:?}; {} runs repeated; {} that there was no call for this time",
        met.len(),
        repeated.into_inner(),
        unmet.len()
    ));
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
    let missed: Vec<_> = unmet.iter().filter(|case| !case.may_be_unmet()).map(Case::to_string).collect();
    assert!(missed.is_empty(), "there was no call for these: {missed:#?}");
    let kinds_of = |cases: &[Case]| cases.iter().map(Case::kind).collect::<BTreeSet<_>>();
    assert_eq!(kinds_of(&met), kinds_of(&cases));
}

fn whats(cases: &[Case]) -> BTreeSet<String> {
    cases.iter().map(Case::what).collect()
}
