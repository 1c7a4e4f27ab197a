//! The article's steps, one file per resource, each a [`Stage`]: `find`, `plan`, `ensure`, `remove`. What a stage makes is
//! the only way to get what a later one takes, so an order that AWS would refuse does not compile.
//!
//! What they all work with is in `context`, the pattern they share in `stage`, and which stage needs which in
//! [`crate::walkthrough`].

pub mod access_logs;
pub(crate) mod auto_scaling_group;
pub(crate) mod console_links;
pub(crate) mod container_instances;
mod context;
pub(crate) mod ecs_cluster;
mod elbv2_tags;
mod error;
mod fargate_placement;
pub mod finding;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod instance_profile;
mod instance_type;
pub mod inventory;
mod launch_failures;
pub(crate) mod launch_template;
pub mod launch_type;
pub(crate) mod listener;
pub(crate) mod load_balancer;
pub(crate) mod log_groups;
pub(crate) mod log_query;
pub(crate) mod namespace;
mod needed_permissions;
pub(crate) mod network;
pub(crate) mod network_mode;
pub mod permissions;
pub mod placement;
pub mod preflight;
mod quota;
pub(crate) mod removal;
pub(crate) mod role_choice;
pub(crate) mod roles;
pub mod rollout;
pub mod run_command;
pub(crate) mod security_groups;
pub(crate) mod services;
pub(crate) mod stage;
mod subnets;
pub(crate) mod target_group;
pub mod task_definitions;
mod task_document;
mod task_spec;
mod tasks;
pub(crate) mod templates;
mod wait;
mod ways_out;

pub use context::Context;
pub use error::Error;
