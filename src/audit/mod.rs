//! Zone-aware routing of any services with Service Connect: [`readers`] look at a cluster and change nothing, what they find are plain
//! [`facts`], and the [`judge`] makes a [`verdict`] of them.

pub mod facts;
pub mod judge;
pub mod readers;
pub mod verdict;

/// A share in words: `33.3%`.
pub(crate) fn percent(share: f64) -> String {
    crate::routing::Percent(share).to_string()
}
