//! The one integration-test binary: a module per subject.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in helpers too")]

mod agreement;
mod mesh;
mod routing_laws;
mod routing_topology;
mod routing_truth;
mod sidecar;
