//! The one integration-test binary: a module per subject.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in helpers too")]

mod agreement;
mod answers;
mod article;
mod cli;
mod cloud_faults;
mod cloud_input;
mod cloud_json;
mod cloud_query;
mod emulator;
mod envoy_answers;
mod envoy_changes;
mod envoy_live;
mod envoy_loss;
mod envoy_peer;
mod envoy_sidecars;
mod hosts;
mod journey;
mod machine;
mod mesh;
mod mesh_stage;
mod moto;
mod peers;
mod permissions;
mod preflight;
mod redeploy;
mod routing_cases;
mod routing_draws;
mod routing_laws;
mod routing_outcomes;
mod routing_recorded;
mod routing_topology;
mod routing_truth;
mod sidecar;
mod situations;
mod stages_faults;
mod stages_kill;
mod stages_lost_answers;
mod stages_on_aws;
mod stages_roles;
mod stages_up_down;
mod stub_host;
mod support;
mod tidy;
mod traps;
