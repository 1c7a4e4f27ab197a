//! Proof by traffic: requests through the load balancer ([`driver`]), what their answers say about zones ([`observation`]),
//! what Envoy's algorithm says they should ([`expectation`]), whether the two agree ([`verdict`]) and whether requests stay in
//! their zone as AWS promises ([`zone_aware_routing`]); and what happened when ([`timeline`]).

mod driver;
mod expectation;
mod observation;
mod timeline;
mod verdict;
mod zone_aware_routing;

pub use driver::{DriveError, Load, drive};
pub use expectation::{Expectation, TasksByZone};
pub use observation::{Latencies, Observation};
pub use timeline::{Point, RunningTasks, Timeline};
pub use verdict::{Cell, Expected, LatencyMs, Percentiles, Verdict, Verification, verify};
pub use zone_aware_routing::{Counted, Demands, RoutingState, ZoneAwareRouting};
