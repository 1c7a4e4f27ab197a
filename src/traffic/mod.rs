//! Proof by traffic: requests through the load balancer ([`driver`]), what their answers say about zones ([`observation`]),
//! what Envoy's algorithm says they should ([`expectation`]), whether the two agree ([`verdict`]; by zone [`interval`], as a
//! whole [`fit`]) and whether requests stay in their zone as AWS promises ([`zone_aware_routing`]); and what
//! happened when ([`timeline`]).

mod driver;
mod expectation;
mod fit;
mod interval;
mod latency;
mod load;
mod observation;
mod proofs;
mod timeline;
mod transfer;
mod verdict;
mod wire;
mod zone_aware_routing;

pub use driver::{DriveError, drive};
pub use expectation::{Expectation, TasksByZone};
pub use fit::{Fit, FitTest, LEVEL, Null, Row};
pub use interval::{CONFIDENCE, Interval, ZoneShare};
pub use latency::{Latencies, LatencyBucket, LatencyMs, PairLatency, Percentiles};
pub use load::{Header, Load, ZoneFields};
pub use observation::{Exchanges, Meter, Observation, Pair};
pub use timeline::{Point, RunningTasks, Timeline};
pub use transfer::{PerMonth, Transfer, USD_PER_GB, Volume};
pub use verdict::{Cell, Expected, Verdict, Verification, verify};
pub use zone_aware_routing::{Counted, Demands, RoutingState, ZoneAwareRouting};
