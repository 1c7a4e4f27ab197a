#[path = "../../src/cloud/error.rs"]
pub(crate) mod error;
#[path = "../../src/cloud/user_data/mod.rs"]
pub(crate) mod user_data;
#[path = "../../src/cloud/wire/mod.rs"]
pub(crate) mod wire;
