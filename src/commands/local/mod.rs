//! The commands about the local cloud itself, as far as it is a process: found, pointed at, read, ended.

pub mod age;
pub mod env;
pub mod faults;
pub mod logs;
pub mod mesh;
pub mod status;
pub mod stop;
