//! The local data plane, and no more than it needs.

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
