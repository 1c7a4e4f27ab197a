//! The first statement of a verdict: whether zone-aware routing is on, by what AWS promises of it and by the proxies' own
//! counters. That the traffic is exactly what Envoy's algorithm would do is the second: Service Connect's settings of the
//! algorithm are not public, so that AWS may keep its promise and still differ.

use schemars::JsonSchema;
use serde::Serialize;

use crate::routing::Percent;

/// What is asked of a run of traffic.
#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// The share of requests that zone-aware routing keeps in their zone at least, where endpoints are balanced.
    pub min_same_zone: f64,
    /// Whether the traffic must also be exactly what Envoy's algorithm would do, and not one request may fail while tasks
    /// stop.
    pub exact: bool,
}

/// What the frontends' proxies counted while the requests were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Counted {
    /// `lb_zone_routing_all_directly`: sent to the own zone, which takes all.
    pub all_directly: u64,
    /// `lb_zone_routing_sampled`: sent to the own zone, which takes a share.
    pub sampled: u64,
    /// `lb_zone_routing_cross_zone`: sent to another zone, by what the own one leaves.
    pub cross_zone: u64,
}

impl Counted {
    pub fn kept(&self) -> u64 {
        self.all_directly + self.sampled
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingState {
    On,
    /// It should be on, and the traffic does not show it.
    Off,
    /// With the endpoints that there are, Envoy's algorithm does not route by zone.
    OffAsPredicted,
}

/// The first statement, and what it rests on.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ZoneAwareRouting {
    /// Whether it is shown to be on.
    pub state: RoutingState,
    /// The least share of requests in their zone that was asked for: the demanded share of what the algorithm could
    /// keep there. Null: the algorithm does not route by zone with these endpoints.
    pub required_same_zone_share: Option<f64>,
    /// What the proxies counted meanwhile. Null: their counters were not read.
    pub counters: Option<Counted>,
    /// Why the counters were not read, if they were not.
    pub counters_not_read: Option<String>,
}

/// What is known of a run of traffic.
pub(super) struct Evidence {
    pub(super) answered: u64,
    pub(super) same_zone_share: f64,
    /// The share that the algorithm would keep in its zone. None: it does not route by zone.
    pub(super) predicted_share: Option<f64>,
    /// The counters, or why they were not read.
    pub(super) counted: Result<Counted, String>,
}

impl ZoneAwareRouting {
    pub(super) fn of(evidence: Evidence, min_same_zone: f64) -> Self {
        let required = evidence.predicted_share.map(|share| share * min_same_zone);
        let least = required.unwrap_or(min_same_zone);
        let (counters, counters_not_read) = match evidence.counted {
            Ok(counted) => (Some(counted), None),
            Err(reason) => (None, Some(reason)),
        };
        let answered = evidence.answered as f64;
        // Equal shares may differ in their last bit: 0.75 × 0.8 is more than 0.6.
        let is_enough = |requests: f64| requests >= least * answered - 1e-6;
        let stays = evidence.answered > 0 && is_enough(evidence.same_zone_share * answered);
        let counted = counters.map(|counted| is_enough(counted.kept() as f64));
        let state = match (required, counted) {
            (Some(_), Some(true) | None) if stays => RoutingState::On,
            // AWS may have a lower threshold than Envoy: only the counters can tell that from chance.
            (None, Some(true)) if stays => RoutingState::On,
            (Some(_), _) => RoutingState::Off,
            (None, _) => RoutingState::OffAsPredicted,
        };
        Self { state, required_same_zone_share: required, counters, counters_not_read }
    }

    /// What speaks against it, if it is not shown to be on where it should.
    pub(super) fn complaint(&self) -> Option<String> {
        let required = self.required_same_zone_share.filter(|_| self.state == RoutingState::Off)?;
        let counted = self.counters.map(|counted| format!("; the proxies counted {} that did", counted.kept()));
        Some(format!(
            "expected zone-aware routing, found it off: at least {} of the requests should stay in their zone{}",
            Percent(required),
            counted.unwrap_or_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(predicted_share: Option<f64>, same_zone_share: f64, kept: Option<u64>) -> RoutingState {
        let counted = kept.map(|sampled| Counted { sampled, ..Counted::default() }).ok_or_else(|| "denied".to_owned());
        let evidence = Evidence { answered: 100, same_zone_share, predicted_share, counted };
        ZoneAwareRouting::of(evidence, 0.8).state
    }

    #[test]
    fn it_is_on_from_the_demanded_share_of_what_can_be_kept_on() {
        assert_eq!(state(Some(1.0), 0.8, None), RoutingState::On);
        assert_eq!(state(Some(1.0), 0.79, None), RoutingState::Off);
        assert_eq!(state(Some(0.75), 0.6, None), RoutingState::On);
        assert_eq!(state(Some(0.75), 0.59, None), RoutingState::Off);
    }

    #[test]
    fn a_share_that_the_counters_do_not_bear_out_is_chance() {
        assert_eq!(state(Some(1.0), 1.0, Some(80)), RoutingState::On);
        assert_eq!(state(Some(1.0), 1.0, Some(0)), RoutingState::Off);
    }

    #[test]
    fn below_envoys_threshold_the_counters_alone_can_show_that_it_is_on() {
        assert_eq!(state(None, 1.0, None), RoutingState::OffAsPredicted);
        assert_eq!(state(None, 0.33, Some(0)), RoutingState::OffAsPredicted);
        assert_eq!(state(None, 1.0, Some(100)), RoutingState::On);
    }
}
