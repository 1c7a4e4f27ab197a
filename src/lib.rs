//! zonewalk: zone-aware routing in Amazon ECS Service Connect, provisioned, proven, drilled, inspected and torn down.
//!
//! The way of the data: [`cli`] resolves arguments into [`settings`] and calls one of [`commands`]; `up` and `down` are
//! the [`walkthrough`] over [`stages`], which speak to a cloud through [`aws`]; [`traffic`] is driven through the result
//! and judged against [`routing`], Envoy's algorithm; [`envoy`] reads the proxies' own counters; [`plan`] and [`events`] are
//! the words in which it is told, and [`report`] shows it as progress and tables; [`runs`] keeps what came of it. On one
//! machine, [`cloud`] answers in AWS's place, [`live`] is the page about it, and [`mesh`] carries the traffic, which it also
//! does where an emulator answers and [`local_traffic`] plays the part
//! of its instances.

pub mod audit;
pub mod aws;
pub mod cli;
pub mod cloud;
pub mod commands;
pub mod data_plane;
pub mod envoy;
pub mod events;
#[cfg(test)]
#[path = "../tests/fuzz/replay.rs"]
mod fuzz_replay;
#[cfg(test)]
#[path = "../tests/fuzz/targets.rs"]
mod fuzz_targets;
mod http;
pub mod live;
pub mod local_traffic;
pub mod logs_insights;
pub mod mesh;
mod plain;
pub mod plan;
mod prices;
pub mod processes;
pub mod report;
pub mod routing;
pub mod runs;
pub mod settings;
pub mod stages;
mod text_file;
pub mod traffic;
pub mod walkthrough;
