//! `down`: removes everything that carries our tag, then looks for what is left.

use super::Error;
use crate::stages::Context;
use crate::walkthrough::{self, Down};

pub async fn run(ctx: &Context) -> Result<Down, Error> {
    ctx.data_plane.drain().await?;
    Ok(walkthrough::down(ctx).await?)
}
