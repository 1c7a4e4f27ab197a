//! Whether the statistics of a verdict keep their promises: ten thousand runs that go as predicted, and some that do not.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zonewalk::traffic::{CONFIDENCE, Interval, LEVEL, Null, Row};

const RUNS: u32 = 10_000;

/// Three zones with a third of the frontends each, the first of which has a quarter of the backends: a quarter of its requests
/// leaves it.
const SHARES: [[f64; 3]; 3] = [[0.75, 0.125, 0.125], [0.0, 1.0, 0.0], [0.05, 0.05, 0.9]];

/// A draw from so many requests: how many of each row's go where, by these shares.
fn draw(rng: &mut StdRng, requests: u64, shares: &[[f64; 3]; 3]) -> Vec<Row> {
    let row = |(shares, predicted): (&[f64; 3], &[f64; 3])| {
        let mut counts = vec![0; 3];
        for _ in 0..requests / 3 {
            let drawn: f64 = rng.random();
            counts[if drawn < shares[0] { 0 } else { 1 + usize::from(drawn >= shares[0] + shares[1]) }] += 1;
        }
        Row { counts, shares: predicted.to_vec() }
    };
    shares.iter().zip(&SHARES).map(row).collect()
}

/// In how many of `runs` the test finds p-values below a level.
fn denied(runs: u32, requests: u64, shares: &[[f64; 3]; 3], level: f64) -> f64 {
    let mut rng = StdRng::seed_from_u64(7);
    let null = Null::of(&draw(&mut rng, requests, shares));
    let denied = (0..runs).filter(|_| null.fit(&draw(&mut rng, requests, shares)).p_value < level).count();
    denied as f64 / f64::from(runs)
}

#[test]
fn intervals_contain_the_true_share_as_often_as_they_say() {
    let mut rng = StdRng::seed_from_u64(3);
    for (requests, share) in [(66, 0.75), (66, 0.98), (660, 0.75), (13, 1.0 / 3.0)] {
        let mut known = BTreeMap::new();
        let covered = (0..RUNS).filter(|_| {
            let hits = (0..requests).filter(|_| rng.random_bool(share)).count() as u64;
            known.entry(hits).or_insert_with(|| Interval::of(hits, requests)).contains(share)
        });
        let coverage = covered.count() as f64 / f64::from(RUNS);
        println!("{requests} requests, true share {share:.3}: {:.2}% of intervals contain it", coverage * 100.0);
        // Three standard errors of 10,000 runs.
        assert!(coverage >= CONFIDENCE - 0.0066, "{requests} {share}: {coverage}");
        assert!(coverage < 0.9999, "{requests} {share}: so wide that it says nothing: {coverage}");
    }
}

#[test]
fn the_test_of_the_matrix_finds_no_more_fault_than_its_level_says() {
    for requests in [60, 201] {
        for level in [0.05, 0.01, LEVEL] {
            let alarms = denied(RUNS, requests, &SHARES, level);
            println!("{requests} requests: p < {level} in {:.2}% of runs as predicted", alarms * 100.0);
            let error = (level * (1.0 - level) / f64::from(RUNS)).sqrt();
            assert!(alarms <= level + 3.0 * error, "{requests} {level}: {alarms}");
        }
    }
}

/// In the approximation for many requests, too.
#[test]
fn the_test_of_a_large_matrix_finds_no_more_fault_than_its_level_says() {
    let alarms = denied(RUNS / 10, 2_700, &SHARES, 0.05);
    println!("2,700 requests: p < 0.05 in {:.2}% of runs as predicted", alarms * 100.0);
    assert!(alarms <= 0.05 + 3.0 * (0.05 * 0.95 / 1_000.0_f64).sqrt(), "{alarms}");
}

#[test]
fn the_test_of_the_matrix_has_power() {
    // Five points more of the first zone's requests leave it than are to, and five more of the third's.
    let shifted = [[0.70, 0.15, 0.15], SHARES[1], [0.075, 0.075, 0.85]];
    let [few, many] = [201, 1_998].map(|requests| denied(1_000, requests, &shifted, 0.05));
    println!(
        "shifted by 5 points: found at p < 0.05 in {:.0}% of runs with 200 requests, {:.0}% with 2,000",
        few * 100.0,
        many * 100.0
    );
    let at_level = denied(1_000, 1_998, &shifted, LEVEL);
    println!("and at p < {LEVEL} in {:.0}% with 2,000", at_level * 100.0);
    assert!(few > 0.08 && many > 0.95 && at_level > 0.5, "{few} {many} {at_level}");
}

/// Backends taken in turn are spread more evenly than the test supposes: it is conservative.
#[test]
fn taking_turns_is_never_denied() {
    let shares = [[1.0 / 3.0; 3]; 3];
    for start in 0..3 {
        let row = |shares: &[f64; 3]| {
            let counts = (0..3).map(|zone| 22 + u64::from((zone + start) % 3 == 0)).collect();
            Row { counts, shares: shares.to_vec() }
        };
        let rows: Vec<Row> = shares.iter().map(row).collect();
        assert!(Null::of(&rows).fit(&rows).p_value > 0.9);
    }
}
