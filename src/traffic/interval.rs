//! What is known of a zone's share from a sample: a confidence interval.

use schemars::JsonSchema;
use serde::Serialize;
use statrs::function::beta::beta_reg;

use super::expectation::Expectation;
use super::observation::Observation;

/// How often, of many runs, an interval is to contain the share that requests really have.
pub const CONFIDENCE: f64 = 0.95;

/// More halvings than a double has binary digits.
const HALVINGS: u32 = 60;

/// What was seen of the requests of one frontend zone, and what was predicted of them.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct ZoneShare {
    /// The zone of the frontends, by its ID.
    pub frontend: String,
    /// Its answered requests.
    pub requests: u64,
    /// The share of them that is to stay in the zone. Null: nothing is predicted for it.
    pub predicted_same_zone_share: Option<f64>,
    /// The share of them that did.
    pub same_zone_share: f64,
    /// Where the share of many more requests would be.
    pub interval: Interval,
}

/// A confidence interval of a share: Clopper and Pearson's, whose coverage is never below the confidence. Proxies that take
/// their backends in turn spread requests more evenly than chance does, so for them it is wider than it had to be.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How often, of many runs, it contains the true share at least.
    pub confidence: f64,
}

impl Interval {
    /// The interval for so many hits of so many.
    pub fn of(hits: u64, of: u64) -> Self {
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let (hits_f, of_f) = (hits as f64, of as f64);
        // The share at which so many hits or more, or so many or fewer, are as improbable as the tail.
        let at_least = |share: f64| beta_reg(hits_f, of_f - hits_f + 1.0, share);
        let at_most = |share: f64| 1.0 - beta_reg(hits_f + 1.0, of_f - hits_f, share);
        let low = if hits == 0 { 0.0 } else { crossing(|share| at_least(share) > tail) };
        let high = if hits >= of { 1.0 } else { crossing(|share| at_most(share) < tail) };
        Self { low, high, confidence: CONFIDENCE }
    }

    pub fn contains(&self, share: f64) -> bool {
        (self.low..=self.high).contains(&share)
    }
}

/// Where from 0 to 1 a condition begins to hold.
fn crossing(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    (low + high) / 2.0
}

pub(super) fn by_zone(observed: &Observation, expectation: &Expectation) -> Vec<ZoneShare> {
    let row = |(frontend, requests): (&str, u64)| {
        let stayed = observed.matrix.get(&(frontend.to_owned(), frontend.to_owned())).copied().unwrap_or(0);
        ZoneShare {
            frontend: frontend.to_owned(),
            requests,
            predicted_same_zone_share: expectation
                .answered_shares(frontend)
                .map(|shares| shares.iter().find(|(backend, _)| *backend == frontend).map_or(0.0, |(_, share)| *share)),
            same_zone_share: stayed as f64 / requests as f64,
            interval: Interval::of(stayed, requests),
        }
    };
    observed.by_frontend().into_iter().filter(|(_, requests)| *requests > 0).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_clopper_and_pearsons() {
        // SciPy's `binomtest(k, n).proportion_ci(0.95, "exact")`.
        for (hits, of, low, high) in
            [(0, 10, 0.0, 0.308_497), (10, 10, 0.691_503, 1.0), (7, 20, 0.153_909, 0.592_189), (66, 66, 0.945_637, 1.0)]
        {
            let interval = Interval::of(hits, of);
            assert!(
                (interval.low - low).abs() < 1e-5 && (interval.high - high).abs() < 1e-5,
                "{hits}/{of} {interval:?}"
            );
        }
    }
}
