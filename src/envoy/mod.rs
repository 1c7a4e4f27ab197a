//! Envoy's own account of its routing: the text of `/stats`, and the script that asks for it on the hosts of real proxies.

pub mod script;
pub mod stats;
pub mod times;
