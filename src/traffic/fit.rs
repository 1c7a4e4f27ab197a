//! One test of the whole matrix against the prediction: Pearson's statistic, the sum of `(observed − expected)² / expected`
//! over all cells, given how many requests each frontend zone had.
//!
//! Where no request is to go, one that went is impossible, whatever the rest. Of the other cells some expect few requests, for
//! which the chi-squared distribution is a poor approximation; so the statistic's distribution is drawn, with a fixed seed: the
//! same matrix has the same p-value. Beyond [`MOST_DRAWN`] requests the approximation is good once small cells are put together.
//!
//! The draws are independent, request by request. Proxies that take backends in turn spread requests more evenly: for them
//! the test is conservative, that is, it finds fault with fewer true predictions than its level says.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schemars::JsonSchema;
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::expectation::Expectation;
use super::observation::Observation;

/// A p-value below this contradicts the prediction.
pub const LEVEL: f64 = 1e-4;

/// Matrices with more requests are not drawn.
const MOST_DRAWN: u64 = 2_000;

/// The matrices that are drawn, so many that the lowest p-value is half the level.
const DRAWS: usize = 20_000;

const SEED: u64 = 1;

/// The chi-squared approximation is used for cells that expect as many (Cochran's rule).
const LEAST_EXPECTED: f64 = 5.0;

/// How well the whole matrix fits the prediction.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Fit {
    /// How the p-value came about.
    pub test: FitTest,
    /// The probability that a matrix fits as badly or worse, if requests go as predicted.
    pub p_value: f64,
    /// A lower p-value contradicts the prediction.
    pub level: f64,
    /// Pearson's statistic over the cells that expect requests.
    pub chi_squared: f64,
    /// How many of those cells are free, the rows' sums given.
    pub degrees_of_freedom: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FitTest {
    /// Nothing is left to chance: each row has one zone to go to, or a request went where none can.
    Exact,
    /// Pearson's statistic, by matrices drawn with a fixed seed.
    MonteCarlo,
    /// Pearson's statistic, by the chi-squared distribution.
    ChiSquared,
}

impl Fit {
    /// Whether the matrix contradicts the prediction.
    pub(super) fn denies(&self) -> bool {
        self.p_value < self.level
    }
}

/// The requests of one frontend zone by backend zone, and the shares that they are to have.
pub struct Row {
    pub counts: Vec<u64>,
    pub shares: Vec<f64>,
}

impl Row {
    fn requests(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn is_free(&self) -> bool {
        self.cells() > 1 && self.requests() > 0
    }

    /// How many cells expect requests.
    fn cells(&self) -> u64 {
        self.shares.iter().filter(|share| **share > 0.0).count() as u64
    }

    fn is_impossible(&self) -> bool {
        self.counts.iter().zip(&self.shares).any(|(count, share)| *share <= 0.0 && *count > 0)
    }

    fn statistic(&self, counts: &[u64]) -> f64 {
        let requests = self.requests() as f64;
        counts.iter().zip(&self.shares).map(|(count, share)| term(*count as f64, requests * share)).sum()
    }

    /// The statistic and its degrees of freedom, with the cells that expect few put together with the largest one.
    fn pooled(&self) -> (f64, u64) {
        let requests = self.requests() as f64;
        let largest = (0..self.shares.len()).max_by(|a, b| self.shares[*a].total_cmp(&self.shares[*b])).unwrap_or(0);
        let (mut observed, mut expected, mut sum, mut cells) = (0.0, 0.0, 0.0, 0);
        for (i, (count, share)) in self.counts.iter().zip(&self.shares).enumerate() {
            let (count, mean) = (*count as f64, requests * share);
            if i == largest || mean < LEAST_EXPECTED {
                (observed, expected) = (observed + count, expected + mean);
            } else {
                (sum, cells) = (sum + term(count, mean), cells + 1);
            }
        }
        (sum + term(observed, expected), cells)
    }
}

fn term(observed: f64, expected: f64) -> f64 {
    if expected > 0.0 { (observed - expected).powi(2) / expected } else { 0.0 }
}

/// The fit of a matrix to its prediction. None: no request was answered that anything is predicted for.
pub(super) fn of(observed: &Observation, expectation: &Expectation) -> Option<Fit> {
    let rows = observed.by_frontend();
    let row = |(frontend, _): (&&str, &u64)| {
        let mut shares = expectation.answered_shares(frontend)?;
        let mut counts = vec![0; shares.len()];
        for ((_, to), requests) in observed.matrix.iter().filter(|((from, _), _)| from == frontend) {
            match shares.iter().position(|(backend, _)| backend == to) {
                Some(place) => counts[place] = *requests,
                None => {
                    shares.push((to.clone(), 0.0));
                    counts.push(*requests);
                }
            }
        }
        Some(Row { counts, shares: shares.into_iter().map(|(_, share)| share).collect() })
    };
    let rows: Vec<Row> = rows.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Null::of(&rows).fit(&rows))
}

/// What the statistic is where requests go as predicted.
pub enum Null {
    /// As it was drawn, in ascending order.
    Drawn(Vec<f64>),
    ChiSquared,
}

impl Null {
    /// For matrices whose rows have as many requests as these.
    pub fn of(rows: &[Row]) -> Self {
        let free = || rows.iter().filter(|row| row.is_free());
        if free().map(Row::requests).sum::<u64>() > MOST_DRAWN {
            return Self::ChiSquared;
        }
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut drawn = vec![0.0; if free().next().is_some() { DRAWS } else { 0 }];
        for row in free() {
            let mut spread = Spread::new(row);
            for statistic in &mut drawn {
                *statistic += row.statistic(spread.draw(&mut rng));
            }
        }
        drawn.sort_by(f64::total_cmp);
        Self::Drawn(drawn)
    }

    pub fn fit(&self, rows: &[Row]) -> Fit {
        let free = || rows.iter().filter(|row| row.is_free());
        let statistic = free().map(|row| row.statistic(&row.counts)).fold(0.0, |sum, of_row| sum + of_row);
        let (test, p_value) = match self {
            _ if rows.iter().any(Row::is_impossible) => (FitTest::Exact, 0.0),
            _ if free().next().is_none() => (FitTest::Exact, 1.0),
            Self::Drawn(drawn) => {
                // Equal matrices may differ in the last bits of their statistics.
                let lower = drawn.partition_point(|other| *other < statistic * (1.0 - 1e-9));
                let as_bad = drawn.len() - lower;
                (FitTest::MonteCarlo, (as_bad + 1) as f64 / (drawn.len() + 1) as f64)
            }
            Self::ChiSquared => {
                let pooled: Vec<(f64, u64)> = free().map(Row::pooled).collect();
                let freedom: u64 = pooled.iter().map(|(_, cells)| cells).sum();
                let statistic: f64 = pooled.iter().map(|(statistic, _)| statistic).sum();
                let p_value = ChiSquared::new(freedom as f64).map_or(1.0, |distribution| distribution.sf(statistic));
                (FitTest::ChiSquared, p_value)
            }
        };
        let degrees_of_freedom = free().map(|row| row.cells() - 1).sum();
        Fit { test, p_value, level: LEVEL, chi_squared: statistic, degrees_of_freedom }
    }
}

/// Draws rows: one zone's count after the other, each from its binomial distribution among the requests that are left.
struct Spread {
    requests: u64,
    /// The share of each zone among it and those after it.
    shares: Vec<f64>,
    counts: Vec<u64>,
    /// The distribution functions that have been needed, by zone and requests left.
    known: BTreeMap<(usize, u64), Vec<f64>>,
}

impl Spread {
    fn new(row: &Row) -> Self {
        let rest = |zone: usize| row.shares[zone..].iter().sum::<f64>();
        let share = |zone: usize| if rest(zone) > 0.0 { row.shares[zone] / rest(zone) } else { 0.0 };
        let shares = (0..row.shares.len()).map(share).collect();
        Self { requests: row.requests(), shares, counts: vec![0; row.shares.len()], known: BTreeMap::new() }
    }

    fn draw(&mut self, rng: &mut StdRng) -> &[u64] {
        let mut left = self.requests;
        for (zone, share) in self.shares.iter().enumerate() {
            let count = if left == 0 || *share <= 0.0 {
                0
            } else if *share > 1.0 - 1e-12 {
                left
            } else {
                let function = self.known.entry((zone, left)).or_insert_with(|| distribution_function(left, *share));
                let drawn: f64 = rng.random();
                (function.partition_point(|sum| *sum <= drawn) as u64).min(left)
            };
            self.counts[zone] = count;
            left -= count;
        }
        &self.counts
    }
}

/// The binomial distribution's: the probability of at most 0, 1, 2, … hits.
fn distribution_function(n: u64, share: f64) -> Vec<f64> {
    // By logarithms: the probability of no hit at all may be too small for a double.
    let odds = (share / (1.0 - share)).ln();
    let (mut log, mut sum) = (n as f64 * (1.0 - share).ln(), 0.0);
    let mut next = |hits: u64| {
        if hits > 0 {
            log += odds + ((n - hits + 1) as f64 / hits as f64).ln();
        }
        sum += log.exp();
        sum
    };
    (0..=n).map(&mut next).collect()
}
