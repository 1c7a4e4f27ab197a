//! `src/routing` alone: `routing` here is a link to it, so that cargo-mutants finds it below this package.

pub mod routing;
