//! The parsers of the package above, and no more than they need.

mod cloud;
#[path = "../../src/envoy/mod.rs"]
mod envoy;
#[path = "targets.rs"]
mod fuzz_targets;
#[path = "../../src/http/mod.rs"]
mod http;
#[path = "../../src/mesh/mod.rs"]
pub mod mesh;
#[path = "../../src/plain.rs"]
mod plain;
#[path = "../../src/routing/mod.rs"]
pub mod routing;
#[path = "../../src/text_file.rs"]
mod text_file;

/// Runs the target of this name, or, if it is empty, the one that the first byte chooses.
pub fn run(name: &str, bytes: &[u8]) {
    let targets = fuzz_targets::TARGETS;
    if let Some((_, target)) = targets.iter().find(|(known, _)| *known == name) {
        target(bytes);
    } else if let [first, rest @ ..] = bytes {
        targets[usize::from(*first) % targets.len()].1(rest);
    }
}
