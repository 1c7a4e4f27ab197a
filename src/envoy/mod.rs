//! Envoy's own account of its routing: the text of `/stats`, and the script that asks for it on the hosts of real proxies.

pub mod script;
pub mod stats;
pub mod times;

/// More than a proxy counts at a million requests a second in eight years. What is no such number is not Envoy's, and of those that are
/// there are too few for a sum that overflows.
const MOST_COUNTED: u64 = 1 << 48;

/// A counter, or a bucket of a histogram.
fn count(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|count| *count <= MOST_COUNTED)
}
