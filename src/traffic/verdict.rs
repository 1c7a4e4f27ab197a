//! Two statements on what was observed: whether zone-aware routing is on ([`super::zone_aware_routing`]), and whether the
//! traffic is what was predicted.
//!
//! Zero and one are exact: where the prediction says that no request goes, a single one contradicts it. Any other share
//! is a chance, drawn for each request or, for proxies that take their hosts in turn, spread more evenly than by chance;
//! the count of a zone is then held against the binomial distribution, and contradicts the prediction if a count as far
//! out has a probability below [`FALSE_ALARM`], shared among all zones tested. The matrix as a whole has a test of its own
//! ([`super::fit`]), which finds what is too little to be seen in any one zone.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Number;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::expectation::{Expectation, routes_by_zone};
use super::fit::{self, Fit};
use super::interval::{self, ZoneShare};
use super::latency::{self, LatencyBucket, LatencyMs, PairLatency};
use super::observation::Observation;
use super::timeline::RunningTasks;
use super::transfer::{Transfer, Volume};
use super::zone_aware_routing::{Counted, Demands, Evidence, RoutingState, ZoneAwareRouting};
use crate::envoy::times::ZoneTimes;
use crate::routing::{Percent, PredictedState};

/// The probability that a run which is as predicted is called a contradiction.
const FALSE_ALARM: f64 = 1e-6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
}

impl Verdict {
    pub fn of(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }

    pub fn passed(self) -> bool {
        self == Self::Pass
    }
}

/// The requests from a frontend's to a backend's zone: a whole number if observed, an expected value if predicted.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Cell<N> {
    /// The zone of the frontends, by its ID.
    pub frontend: String,
    /// The zone of the backends, by its ID.
    pub backend: String,
    /// How many requests went that way.
    pub requests: N,
}

impl<N> Cell<N> {
    pub(super) fn new(frontend: &str, backend: &str, requests: N) -> Self {
        Self { frontend: frontend.to_owned(), backend: backend.to_owned(), requests }
    }
}

/// The verdict on a run of traffic, and what it rests on.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Verification {
    /// The requests that were sent.
    pub requests: u64,
    /// The requests that failed.
    pub errors: u64,
    /// The requests that failed, by what went wrong.
    pub error_kinds: BTreeMap<String, u64>,
    /// The URL that was asked in the place of the walkthrough's load balancer. Null: that was asked.
    pub url: Option<String>,
    /// Whose Service Connect proxies routed the requests. Null: AWS's, of which nothing is known.
    pub proxies: Option<String>,
    /// Whether the user interrupted it: it is about the requests that had been answered by then.
    pub interrupted: bool,
    /// Those of them that were answered with an error, by its HTTP status.
    pub errors_by_status: BTreeMap<u16, u64>,
    /// The time from the first request's start to the last one's end, in seconds.
    pub duration_s: f64,
    /// The requests a second, on average. Null: nothing was sent.
    pub requests_per_second: Option<f64>,
    /// The answered requests, for every pair of zones.
    pub matrix: Vec<Cell<u64>>,
    /// The requests between zones that the proxies counted meanwhile: the second proof, and of all requests that there were. Null:
    /// their counters were not read, or proxies came and went.
    pub counted_matrix: Option<Vec<Cell<u64>>>,
    /// Whether the proxies counted what the answers say. Null: there is no such count.
    pub proofs_agree: Option<bool>,
    /// The requests between zones that the frontends' proxies logged meanwhile: the third proof. Null: they log no accesses to CloudWatch
    /// Logs, or those could not be asked for.
    pub logged_matrix: Option<Vec<Cell<u64>>>,
    /// Whether the access logs have what the answers say. Null: there are none, or not all have arrived.
    pub logs_agree: Option<bool>,
    /// The share of the answered requests that stayed in their zone.
    pub same_zone_share: Option<f64>,
    /// What Envoy's algorithm predicts for these requests.
    pub expected: Expected,
    /// The frontends' zones, each with its share of requests that stayed, as predicted and as seen.
    pub zones: Vec<ZoneShare>,
    /// How well the whole matrix fits the prediction. Null: nothing was predicted for what was answered.
    pub fit: Option<Fit>,
    /// How long answers took by the clock of this machine, which sent the requests, in milliseconds, counted from when each request
    /// was to start.
    pub latency_ms: LatencyMs,
    /// The same for each pair of zones between which requests went.
    pub latency_pairs_ms: Vec<PairLatency>,
    /// How long requests between each pair of zones took by the frontends' proxies' own clocks, without the load balancer and the way
    /// to it. Null: that was not read, or the proxies do not tell.
    pub proxy_times: Option<Vec<ZoneTimes>>,
    /// The tasks that ran, by service and zone, which the prediction rests on. Empty: that is not known.
    pub tasks: Vec<RunningTasks>,
    /// How many answers took how long.
    pub latency_buckets: Vec<LatencyBucket>,
    /// What crossed zones, in bytes and dollars. Null: nothing was answered.
    pub transfer: Option<Transfer>,
    /// The first statement: whether zone-aware routing is on.
    pub zone_aware_routing: ZoneAwareRouting,
    /// The second: whether the observed matrix is the predicted one, whatever that is.
    pub as_predicted: bool,
    /// Whether the second decides, too.
    pub exact: bool,
    /// Whether zone-aware routing is on, nothing failed and, if it decides, all is as predicted.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub reasons: Vec<String>,
}

impl Verification {
    /// Whether it is as it should be where zone-aware routing may be off: it is off by design, or on.
    pub fn holds_whatever_the_design(&self) -> bool {
        self.errors == 0
            && self.requests > 0
            && self.zone_aware_routing.state != RoutingState::Off
            && self.proofs_agree != Some(false)
            && self.logs_agree != Some(false)
            && (!self.exact || self.as_predicted)
    }

    /// The same with what a month's traffic would cost.
    pub fn in_a_month(self, volume: Volume) -> Self {
        Self { transfer: self.transfer.map(|transfer| transfer.in_a_month(volume)), ..self }
    }
}

/// The prediction for the requests that each frontend zone had.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Expected {
    /// What Envoy's algorithm does with the endpoints that there are. Null: that differs by zone.
    #[schemars(schema_with = "predicted_state")]
    pub state: Option<PredictedState>,
    /// The share of the requests that are to stay in their zone. Null: none were answered, or nothing is predicted.
    pub same_zone_share: Option<f64>,
    /// The requests that are to be expected, for every pair of zones: a mean, which need not be a whole number.
    #[serde(serialize_with = "means")]
    #[schemars(with = "Vec<Cell<f64>>")]
    pub matrix: Vec<Cell<f64>>,
}

fn predicted_state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": PredictedState::ALL.map(Some).into_iter().chain([None]).collect::<Vec<_>>() })
}

/// A mean that is a whole number is written as one.
fn means<S: Serializer>(cells: &[Cell<f64>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(cells.iter().map(|cell| {
        let mean = (cell.requests * 1000.0).round() / 1000.0;
        let whole = (mean.fract() == 0.0).then(|| Number::from(mean as u64));
        Cell::new(&cell.frontend, &cell.backend, whole.or_else(|| Number::from_f64(mean)))
    }))
}

/// Judges an observation by an expectation, by the proxies' counters (or by the reason why they were not read), and by what
/// is asked of it.
pub fn verify(
    observed: &Observation,
    expectation: &Expectation,
    counted: Result<Counted, String>,
    demands: Demands,
) -> Verification {
    let zones = zones(observed, expectation);
    let expected = expected(observed, expectation, &zones);
    let fit = fit::of(observed, expectation);
    let mut contradictions = contradictions(observed, expectation);
    // What is impossible has been named zone by zone.
    contradictions
        .extend(fit.filter(|fit| fit.denies() && contradictions.is_empty()).map(|fit| {
            format!("all zones together are not as predicted: p = {:.5}, below {}", fit.p_value, fit.level)
        }));
    let failures = failures(observed);
    let as_predicted = contradictions.is_empty() && failures.is_empty() && expectation.is_known();
    let exact = demands.exact && expectation.is_known();
    // Where nothing is predicted, what AWS promises of balanced endpoints is demanded.
    let predicted_share =
        if expectation.is_known() { expected.same_zone_share.filter(|_| expectation.is_active()) } else { Some(1.0) };
    let evidence = Evidence {
        answered: observed.answered(),
        same_zone_share: observed.same_zone_share().unwrap_or_default(),
        predicted_share,
        counted,
    };
    let zone_aware_routing = ZoneAwareRouting::of(evidence, demands.min_same_zone);
    // The first says most: what failed; then why it is off by design, or why it should be on and is not.
    let mut reasons = failures;
    if !expectation.is_known() {
        reasons.extend(zone_aware_routing.complaint());
        reasons.push("nothing is predicted, since it is not known where the services' tasks run".to_owned());
    } else if expectation.is_active() {
        reasons.extend(zone_aware_routing.complaint());
        reasons.extend(contradictions);
        reasons.extend(expectation.reasons());
    } else {
        let across = expected.same_zone_share.map(|share| {
            let share = Percent(1.0 - share);
            format!("expect {share} of the requests across zones")
        });
        let off = expectation.reasons().into_iter().chain(across).collect::<Vec<_>>();
        reasons.extend((!off.is_empty()).then(|| off.join("; ")));
        reasons.extend(contradictions);
    }
    let is_on = zone_aware_routing.state == RoutingState::On;
    let nothing_failed = observed.requests() > 0 && observed.failed() == 0;
    Verification {
        requests: observed.requests(),
        errors: observed.failed(),
        error_kinds: observed.errors.clone(),
        url: None,
        proxies: None,
        interrupted: false,
        errors_by_status: observed.errors_by_status(),
        duration_s: observed.took.as_secs_f64(),
        requests_per_second: observed.requests_per_second(),
        matrix: matrix(&zones, &observed.matrix),
        counted_matrix: None,
        proofs_agree: None,
        logged_matrix: None,
        logs_agree: None,
        same_zone_share: observed.same_zone_share(),
        expected,
        zones: interval::by_zone(observed, expectation),
        fit,
        latency_ms: latency::of_kinds(observed),
        latency_pairs_ms: latency::of_pairs(observed),
        proxy_times: None,
        tasks: vec![],
        latency_buckets: latency::buckets(observed),
        transfer: Transfer::of(observed, expectation),
        zone_aware_routing,
        as_predicted,
        exact,
        verdict: Verdict::of(nothing_failed && is_on && (as_predicted || !exact)),
        reasons,
    }
}

/// What failed, the most frequent first.
fn failures(observed: &Observation) -> Vec<String> {
    if observed.requests() == 0 {
        return vec!["no request was sent".to_owned()];
    }
    let mut errors: Vec<(&String, &u64)> = observed.errors.iter().collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told =
        errors.iter().map(|(error, count)| format!("{count} of {} requests failed: {error}", observed.requests()));
    told.collect()
}

/// The zones that tasks run in or answers came from.
fn zones(observed: &Observation, expectation: &Expectation) -> BTreeSet<String> {
    let seen = observed.matrix.keys().flat_map(|(frontend, backend)| [frontend, backend]);
    let predicted =
        expectation.predictions.iter().flat_map(|(zone, prediction)| prediction.zone_share.keys().chain([zone]));
    seen.chain(predicted).cloned().collect()
}

/// A cell for every pair of zones, whether there is something in it or not.
fn matrix<N: Copy + Default>(zones: &BTreeSet<String>, cells: &BTreeMap<(String, String), N>) -> Vec<Cell<N>> {
    let cell = |frontend: &String, backend: &String| {
        let requests = cells.get(&(frontend.clone(), backend.clone())).copied().unwrap_or_default();
        Cell::new(frontend, backend, requests)
    };
    zones.iter().flat_map(|frontend| zones.iter().map(move |backend| cell(frontend, backend))).collect()
}

fn expected(observed: &Observation, expectation: &Expectation, zones: &BTreeSet<String>) -> Expected {
    let rows = observed.by_frontend();
    let mut cells = BTreeMap::new();
    let mut same_zone = 0.0;
    for (frontend, prediction) in &expectation.predictions {
        let requests = rows.get(frontend.as_str()).copied().unwrap_or(0) as f64;
        for (backend, share) in &prediction.zone_share {
            if frontend == backend {
                same_zone += requests * share;
            }
            cells.insert((frontend.clone(), backend.clone()), requests * share);
        }
    }
    let answered = observed.answered();
    Expected {
        state: expectation.state(),
        same_zone_share: (answered > 0 && expectation.is_known()).then(|| same_zone / answered as f64),
        matrix: matrix(zones, &cells),
    }
}

/// Says where the observation contradicts the prediction.
fn contradictions(observed: &Observation, expectation: &Expectation) -> Vec<String> {
    if !expectation.is_known() {
        return vec![];
    }
    let rows = observed.by_frontend();
    let mut found = vec![];
    for frontend in rows.keys().filter(|frontend| !expectation.predictions.contains_key(**frontend)) {
        found.push(format!("answers came from frontends in {frontend}, where no frontend runs"));
    }
    let is_silent = |frontend: &&String| !rows.contains_key(frontend.as_str()) && observed.answered() > 0;
    for frontend in expectation.predictions.keys().filter(is_silent) {
        found.push(format!("no answer came from the frontends in {frontend}; send more --requests"));
    }
    let tests: usize = expectation.predictions.values().map(|prediction| prediction.zone_share.len()).sum();
    for (frontend, prediction) in &expectation.predictions {
        let Some(&row) = rows.get(frontend.as_str()) else { continue };
        let mut elsewhere = row;
        for (backend, share) in expectation.answered_shares(frontend).into_iter().flatten() {
            let count = observed.matrix.get(&(frontend.clone(), backend.clone())).copied().unwrap_or(0);
            elsewhere -= count;
            if !is_plausible(count, row, share, FALSE_ALARM / tests as f64) {
                let kind = if routes_by_zone(prediction.state) { "zone-aware routing" } else { "plain round-robin" };
                found.push(format!(
                    "{count} of {row} requests of the frontends in {frontend} went to {backend}, where {kind} would send {:.0}",
                    share * row as f64
                ));
            }
        }
        if elsewhere > 0 {
            found.push(format!(
                "{elsewhere} requests of the frontends in {frontend} went to zones where no backend runs"
            ));
        }
    }
    found
}

/// Whether `count` hits of `n` are plausible if each is one with probability `share`; `alarm` bounds the probability of
/// denying it wrongly.
fn is_plausible(count: u64, n: u64, share: f64, alarm: f64) -> bool {
    if share <= 0.0 {
        return count == 0;
    }
    if share >= 1.0 {
        return count == n;
    }
    let Ok(binomial) = Binomial::new(share, n) else { return false };
    let at_most = binomial.cdf(count);
    let at_least = if count == 0 { 1.0 } else { binomial.sf(count - 1) };
    at_most.min(at_least) >= alarm / 2.0
}
