//! The one integration-test binary: a module per subject.

mod agreement;
mod mesh;
mod routing_laws;
mod routing_topology;
mod routing_truth;
