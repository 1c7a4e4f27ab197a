//! `down`: removes everything that carries our tag, then looks for what is left.

use std::fmt::Write;

use super::Error;
use super::outcome::Outcome;
use super::text::removed;
use crate::report::page::Page;
use crate::stages::Context;
use crate::walkthrough::{self, Down};

pub async fn run(ctx: &Context) -> Result<Down, Error> {
    ctx.events.patiently("the hosts to be ready", ctx.data_plane.drain()).await?;
    Ok(walkthrough::down(ctx).await?)
}

impl Outcome for Down {
    fn title(&self) -> &'static str {
        "down"
    }

    fn text(&self, _page: &Page) -> String {
        let removed = removed(self.removed.iter().map(|removed| removed.kind));
        let mut text = format!("{removed}, {} left over", self.leftovers.len());
        for left in &self.leftovers {
            let _ = write!(text, "\n  {} {}: {}", left.kind, left.id, left.reason);
        }
        for other in &self.not_ours {
            let _ = write!(text, "\n  not ours, left alone: {} {}: {}", other.kind, other.id, other.reason);
        }
        text
    }

    fn holds(&self) -> bool {
        self.leftovers.is_empty()
    }

    fn left_nothing(&self) -> bool {
        self.leftovers.is_empty()
    }
}
