//! What goes wrong in a region's data plane on purpose, while its API does well. Faults are for the API.

use std::collections::BTreeSet;

use serde::Serialize;

/// Zones are AZ IDs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The zones whose backends, the tasks behind no load balancer, fail every request.
    pub failing_zones: BTreeSet<String>,
    /// The zones that nothing gets into from another, nor out of: it is dropped in silence.
    pub cut_zones: BTreeSet<String>,
}

impl Trouble {
    /// Whether nothing gets from one zone to another.
    pub fn parts(&self, from: &str, to: &str) -> bool {
        from != to && (self.cut_zones.contains(from) || self.cut_zones.contains(to))
    }
}
