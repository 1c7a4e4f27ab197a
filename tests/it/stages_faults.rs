//! The sweep: every AWS call of `up`, of an `up` that mends, and of `down` meets every fault that applies to it. The run,
//! or its repetition, ends with what an undisturbed run gives; `down` leaves nothing; resources beside, with names like
//! ours and without our tag, stand as they stood.
//!
//! A case is one fault at one call: the k-th of an operation, in one of the three phases. A journey goes through the
//! phases on a cloud of its own with a few cases in each that do not meet, since it is the journey that costs time; a
//! journey that fails is gone through again case by case, so that the case is named. `ZONEWALK_SWEEP=single` gives
//! every case its own journey.

mod cases;
mod journey;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;

use self::cases::Case;
use self::journey::{Expected, Journey};

/// Journeys under way at once: most of a journey's time is spent waiting.
const AT_A_TIME: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_at_any_call_up_and_down_end_as_ever() {
    let (expected, calls) = Expected::of_a_clean_journey().await;
    let cases = cases::all(&calls);
    let alone = std::env::var("ZONEWALK_SWEEP").is_ok_and(|how| how == "single");
    let journeys = if alone { cases.iter().cloned().map(|case| vec![case]).collect() } else { cases::packed(&cases) };
    println!(
        "{} calls of up, {} of an up that mends, {} of down; {} cases in {} journeys",
        calls[0].len(),
        calls[1].len(),
        calls[2].len(),
        cases.len(),
        journeys.len()
    );

    let repeated = AtomicUsize::new(0);
    let go = async |cases: Vec<Case>| {
        let outcome = Journey { cases: &cases, expected: &expected }.go().await;
        if let Ok(done) = &outcome {
            repeated.fetch_add(done.repetitions, Ordering::Relaxed);
        }
        (cases, outcome)
    };
    let first: Vec<_> = futures_util::stream::iter(journeys).map(&go).buffer_unordered(AT_A_TIME).collect().await;

    // What failed in company, and what was never met since the company changed the order of calls, goes alone.
    let mut again = vec![];
    let mut failures = vec![];
    let mut met = BTreeMap::<&'static str, usize>::new();
    for (cases, outcome) in first {
        match outcome {
            Ok(done) => {
                for (case, was_met) in cases.into_iter().zip(done.met) {
                    if was_met {
                        *met.entry(case.kind()).or_default() += 1;
                    } else {
                        again.push(vec![case]);
                    }
                }
            }
            Err(reason) if cases.len() == 1 => failures.push(format!("{}: {reason}", cases[0])),
            Err(reason) => {
                println!("in company: {reason}");
                again.extend(cases.into_iter().map(|case| vec![case]));
            }
        }
    }
    println!("{} cases once more, alone", again.len());
    let mut unmet = vec![];
    for (cases, outcome) in
        futures_util::stream::iter(again).map(&go).buffer_unordered(AT_A_TIME).collect::<Vec<_>>().await
    {
        let case = &cases[0];
        match outcome {
            Ok(done) if done.met[0] => *met.entry(case.kind()).or_default() += 1,
            Ok(_) => unmet.push(case.clone()),
            Err(reason) => failures.push(format!("{case}: {reason}")),
        }
    }
    println!(
        "{} cases: {met:?}; {} runs repeated; {} looks that were not needed this time",
        met.values().sum::<usize>(),
        repeated.into_inner(),
        unmet.len()
    );
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
    // How often is waited differs from run to run; what is changed does not.
    let unmet: Vec<_> = unmet.iter().filter(|case| !case.is_look()).map(Case::to_string).collect();
    assert!(unmet.is_empty(), "these changes were not made: {unmet:#?}");
    assert!(met.values().sum::<usize>() > 2_000, "{met:?}");
}
