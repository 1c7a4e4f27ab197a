//! The latest API calls that the page tells of: those that change something, and those that fail.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::cloud::Served;

/// The most calls that are kept.
const KEPT: usize = 60;

/// The latest calls, oldest first. Clones share them.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<VecDeque<Served>>>);

impl Calls {
    pub fn note(&self, served: &Served) {
        let Some((_, operation)) = served.what.split_once(':') else { return };
        let looks = ["Describe", "Get", "List", "Simulate"].iter().any(|verb| operation.starts_with(verb));
        let went_well = served.status.is_some_and(|status| status < 400);
        if looks && went_well {
            return;
        }
        let mut calls = self.0.lock();
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(served.clone());
    }

    pub(super) fn latest(&self) -> Vec<Served> {
        self.0.lock().iter().cloned().collect()
    }
}
