//! `up`: provisions what is missing, mends what differs, keeps the rest.

use super::Error;
use crate::stages::{Context, Plan};
use crate::walkthrough::{self, Up};

pub async fn run(ctx: &Context) -> Result<Up, Error> {
    Ok(walkthrough::up(ctx).await?)
}

/// What `up` would do; nothing is changed.
pub async fn dry_run(ctx: &Context) -> Result<Vec<Plan>, Error> {
    Ok(walkthrough::plan(ctx).await?)
}
