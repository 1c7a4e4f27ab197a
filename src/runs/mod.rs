//! The runs of commands, kept: a record of each on disk ([`store`]), and what it says ([`document`], [`findings`]). Records are
//! read by types of their own, which take what they know and pass over the rest, so that those of other versions open, too.

pub mod audited;
pub mod document;
pub mod findings;
pub mod store;

pub use document::Document;
pub use findings::Findings;
pub use store::{Error, Record, Store};

use serde_json::{Map, Value};

/// A run as it is shown: its record, read.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    /// What is to be known of its record's form, if that is newer than this program's.
    pub note: Option<String>,
    pub asked: Map<String, Value>,
    pub document: Document,
    pub findings: Findings,
}

impl Run {
    pub fn of(record: &Record) -> Result<Self, String> {
        let document = record.read()?;
        Ok(Self {
            id: record.id.clone(),
            note: record.note(),
            asked: record.asked.clone(),
            findings: Findings::of(&document)?,
            document,
        })
    }
}
