//! What logs add up to: for each client and name, a matrix of zones.

use std::collections::BTreeMap;

use super::whereabouts::End;
use crate::audit::facts::{Evidence, EvidenceSource, ServiceId, Unit};
use crate::aws::AzId;

/// A client, the name that it calls, and what is counted.
type Key = (ServiceId, String, Unit);

/// By the zones of the caller and the called.
type Matrix = BTreeMap<(AzId, AzId), u64>;

#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<Key, Matrix>);

impl Counts {
    pub(super) fn add(&mut self, client: &End, server: &End, name: &str, unit: Unit, count: u64) {
        let matrix = self.0.entry((client.0.clone(), name.to_owned(), unit)).or_default();
        *matrix.entry((client.1.clone(), server.1.clone())).or_default() += count;
    }

    pub(super) fn evidence(self, source: EvidenceSource) -> Vec<Evidence> {
        let of = |((client, server, unit), matrix)| Evidence { client, server: Some(server), source, unit, matrix };
        self.0.into_iter().map(of).collect()
    }
}
