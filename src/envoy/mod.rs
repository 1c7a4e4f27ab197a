//! Envoy's own account of its routing: the text of `/stats`, and how it is asked for on the hosts of real proxies.

pub mod script;
pub mod stats;
