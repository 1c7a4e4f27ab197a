//! The queries of CloudWatch Logs Insights that zonewalk asks. The local cloud runs no query of anyone's: it knows these by their
//! text, and what an event comes to for each.

pub mod access_logs;
pub mod flow_logs;

use access_logs::Accesses;
use flow_logs::Flows;

/// A query that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    Accesses(Accesses),
    Flows(Flows),
}

/// What an event adds to its row: the fields that rows are grouped by beside `@logStream`, and the numbers that are summed up, both
/// in the order of their names.
pub type Addend = (Vec<String>, Vec<f64>);

impl Query {
    /// The query that a text is, however it is wrapped.
    pub fn recognize(text: &str) -> Option<Self> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let accesses = || Accesses::recognize(&text).map(Self::Accesses);
        accesses().or_else(|| Flows::recognize(&text).map(Self::Flows))
    }

    /// What is sent to CloudWatch.
    pub fn text(&self) -> String {
        match self {
            Self::Accesses(accesses) => accesses.text().to_owned(),
            Self::Flows(flows) => flows.text(),
        }
    }

    /// The fields that rows are grouped by, beside `@logStream`.
    pub fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Accesses(_) => &["ip"],
            Self::Flows(_) => &["srcaddr", "dstaddr"],
        }
    }

    /// The numbers that are summed up in each row.
    pub fn sums(&self) -> &'static [&'static str] {
        match self {
            Self::Accesses(_) => &["requests", "down", "up"],
            Self::Flows(_) => &["total"],
        }
    }

    /// What an event adds, if the query is about it.
    pub fn of_event(&self, message: &str) -> Option<Addend> {
        match self {
            Self::Accesses(accesses) => accesses.of_event(message),
            Self::Flows(flows) => flows.of_event(message),
        }
    }
}

/// The most rows that any of these queries gives: one with as many may have left some out.
pub const MOST_ROWS: usize = 10_000;
