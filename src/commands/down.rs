//! `down`: removes what carries our tag, and looks again for what is left.

use super::Error;
use crate::processes::local_traffic;
use crate::stages::Context;
use crate::walkthrough::{self, Down};

pub async fn run(ctx: &Context) -> Result<Down, Error> {
    local_traffic::leave(ctx).await?;
    Ok(walkthrough::down(ctx).await?)
}
