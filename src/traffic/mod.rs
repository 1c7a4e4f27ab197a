//! Proof by traffic: requests through the load balancer ([`driver`]), what their answers say about zones ([`observation`]),
//! what Envoy's algorithm says they should ([`expectation`]), and whether the two agree ([`verdict`]).

mod driver;
mod expectation;
mod observation;
mod verdict;

pub use driver::{DriveError, Load, drive};
pub use expectation::{Expectation, TasksByZone};
pub use observation::{Latencies, Observation};
pub use verdict::{Cell, Expected, LatencyMs, Percentiles, Verdict, Verification, verify};
