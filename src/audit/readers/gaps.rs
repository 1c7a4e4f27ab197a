//! What could not be read: a source that is denied or fails makes figures unknown, and is named. The audit goes on.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::stages::Error;

/// What is not known, and why. Cheap to share among readers that work at the same time.
#[derive(Debug, Default)]
pub(super) struct Gaps(Mutex<BTreeMap<String, (String, u32)>>);

impl Gaps {
    /// What was found, or none, with the gap noted: `what` is not known then. An interruption stays one, and so does what would
    /// make every other call fail, too.
    pub(super) fn unless_refused<T>(&self, found: Result<T, Error>, what: &str) -> Result<Option<T>, Error> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Error::Cloud(error)) if !error.concerns_all_calls() => {
                let mut gaps = self.0.lock();
                let (_, times) = gaps.entry(what.to_owned()).or_insert_with(|| (error.without_hint(), 0));
                *times += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes what is not known for another reason than a call.
    pub(super) fn note(&self, what: &str, why: &str) {
        self.0.lock().entry(what.to_owned()).or_insert_with(|| (why.to_owned(), 1));
    }

    /// All of them: what is not known, and why.
    pub(super) fn told(&self) -> Vec<String> {
        let gaps = self.0.lock();
        let told = gaps.iter().map(|(what, (why, times))| match times {
            0..=1 => format!("{what}: {why}"),
            times => format!("{what}: {why} ({times} times)"),
        });
        told.collect()
    }
}
