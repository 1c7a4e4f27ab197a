//! What a user is asked before a command spends money on AWS, or removes what stands there.

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::{Error, cost, down};
use crate::report::page::Page;
use crate::stages::{Context, inventory, launch_type};

/// Whether to make resources that cost, and whose account pays. `profile` names whose credentials are used.
pub async fn before_making(ctx: &Context, profile: Option<&str>) -> Result<String, Error> {
    let account = inventory::find_account(ctx).await?;
    launch_type::learn(ctx).await?;
    let price = cost::hourly(ctx).text;
    Ok(format!("This creates resources {} that cost {price}, until `zonewalk down`.", place(ctx, &account, profile)))
}

/// Whether to remove what stands. None: nothing does.
pub async fn before_removing(ctx: &Context, profile: Option<&str>) -> Result<Option<String>, Error> {
    let account = inventory::find_account(ctx).await?;
    let plan = down::dry_run(ctx).await?;
    let nothing = plan.would_remove.is_empty() && plan.unknown.is_empty();
    let (name, place) = (&ctx.settings.name, place(ctx, &account, profile));
    Ok((!nothing).then(|| format!("This removes walkthrough {name} {place}: {}.", plan.summary())))
}

fn place(ctx: &Context, account: &str, profile: Option<&str>) -> String {
    let profile = profile.map(|profile| format!(" (profile {profile})")).unwrap_or_default();
    format!("in AWS account {account}, {}{profile}", ctx.clients.region)
}

/// The outcome of a command whose question was answered with no.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct Declined {
    /// Always true.
    pub declined: bool,
    #[serde(skip)]
    removes: bool,
}

impl Declined {
    pub fn new(removes: bool) -> Self {
        Self { declined: true, removes }
    }
}

impl Outcome for Declined {
    fn title(&self) -> &'static str {
        if self.removes { "down" } else { "up" }
    }

    fn text(&self, _page: &Page) -> String {
        if self.removes { "nothing was removed" } else { "nothing was created" }.to_owned()
    }
}
