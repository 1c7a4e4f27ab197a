//! The commands that speak to a cloud: their arguments, and what each of them runs.

use clap::{Args as ClapArgs, Subcommand};

use super::args::ProvisionArgs;
use crate::commands::failover::{self, Mode};
use crate::commands::outcome::Outcome;
use crate::commands::{self, Error, redeploy, verify};
use crate::settings::Settings;
use crate::stages::Context;

/// The commands that speak to a cloud.
#[derive(Debug, Subcommand)]
pub(super) enum CloudCommand {
    /// The whole article: up, status, verify, failover, stats, down
    Walkthrough(WalkthroughArgs),
    /// Provision everything; safe to repeat, resumes what was interrupted
    Up(UpArgs),
    /// What exists, what is healthy, where the tasks are, what `up` would mend
    Status(ProvisionArgs),
    /// Send traffic and judge the zones of the answers: by AWS's promise, and by what Envoy's algorithm predicts
    Verify(verify::Options),
    /// Take backends away under traffic, look, and give them back
    Failover(FailoverArgs),
    /// Envoy's own zone counters, from every frontend's proxy
    Stats(verify::Traffic),
    /// Remove everything this tool made
    Down,
    /// What would stop `up`, and how to mend it
    Doctor(ProvisionArgs),
    /// Deploy services again: what makes those that are older than zone-aware routing zone-aware
    Redeploy(redeploy::Options),
}

impl CloudCommand {
    /// What is to be provisioned, if the command takes that.
    pub(super) fn provision(&self) -> Option<&ProvisionArgs> {
        match self {
            Self::Up(up) => Some(&up.provision),
            Self::Walkthrough(walkthrough) => Some(&walkthrough.provision),
            Self::Status(provision) | Self::Doctor(provision) => Some(provision),
            _ => None,
        }
    }

    /// What it is called while it is at work.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::Walkthrough(_) => "walkthrough",
            Self::Up(up) if up.dry_run => "plan",
            Self::Up(_) => "up",
            Self::Status(_) => "status",
            Self::Verify(_) => "verify",
            Self::Failover(_) => "failover",
            Self::Stats(_) => "stats",
            Self::Down => "down",
            Self::Doctor(_) => "doctor",
            Self::Redeploy(_) => "redeploy",
        }
    }

    pub(super) fn makes(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Walkthrough(_))
    }

    pub(super) fn removes(&self) -> bool {
        matches!(self, Self::Down | Self::Walkthrough(_))
    }

    pub(super) fn is_dry_run(&self) -> bool {
        matches!(self, Self::Up(up) if up.dry_run)
    }

    /// What of the arguments cannot be together with these settings, before anything is started or made.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Error> {
        match self {
            Self::Walkthrough(args) => failover::check(args.failover.options(), settings),
            _ => Ok(()),
        }
    }

    /// What a user may have to pay for when the command has ended like this. None: nothing more than before, or it has said so.
    pub(super) fn leaves(&self, ctx: &Context, result: Result<&dyn Outcome, &Error>) -> Option<&'static str> {
        let is_aws = ctx.clients.is_aws();
        match (self, result) {
            _ if !ctx.stands() => None,
            (Self::Walkthrough(_), Ok(outcome)) | (Self::Down, Ok(outcome)) if !outcome.left_nothing() => {
                is_aws.then_some("what `down` has not removed")
            }
            (Self::Walkthrough(_), Err(_)) => Some("all that was made"),
            (Self::Down, Err(_)) => is_aws.then_some("what `down` has not removed"),
            // Somebody else's cluster.
            (Self::Redeploy(redeploy::Options { cluster: Some(_), .. }), _) => None,
            (_, Err(_)) => is_aws.then_some("what was made"),
            _ => None,
        }
    }

    /// Runs the command. `on_part` is given each part of the walkthrough as it ends.
    pub(super) async fn run(&self, ctx: &Context, on_part: impl Fn(&dyn Outcome)) -> Result<Box<dyn Outcome>, Error> {
        Ok(match self {
            Self::Walkthrough(args) => {
                Box::new(commands::walkthrough::run(ctx, args.failover.options(), on_part).await?)
            }
            Self::Up(up) if up.dry_run => Box::new(commands::up::dry_run(ctx).await?),
            Self::Up(_) => Box::new(commands::up::run(ctx).await?),
            Self::Status(_) => Box::new(commands::status::run(ctx).await?),
            Self::Verify(options) => Box::new(verify::run(ctx, *options).await?),
            Self::Failover(args) => Box::new(failover::run(ctx, args.options()).await?),
            Self::Stats(traffic) => Box::new(commands::stats::run(ctx, *traffic).await?),
            Self::Down => Box::new(commands::down::run(ctx).await?),
            Self::Doctor(_) => Box::new(commands::doctor::run(ctx).await?),
            Self::Redeploy(options) => Box::new(redeploy::run(ctx, options.clone()).await?),
        })
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct UpArgs {
    #[command(flatten)]
    pub(super) provision: ProvisionArgs,
    /// Show what would be made or changed, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct WalkthroughArgs {
    #[command(flatten)]
    pub(super) provision: ProvisionArgs,
    #[command(flatten)]
    pub(super) failover: FailoverArgs,
}

#[derive(Debug, ClapArgs)]
pub(super) struct FailoverArgs {
    /// How the backends are taken away
    #[arg(long, value_enum, default_value_t = Mode::Scale)]
    mode: Mode,
    /// Backends that are left
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=15))]
    to: u32,
    /// Leave it failed over
    #[arg(long)]
    no_restore: bool,
    #[command(flatten)]
    verify: verify::Options,
}

impl FailoverArgs {
    pub(super) fn options(&self) -> failover::Options {
        failover::Options { mode: self.mode, to: self.to, restore: !self.no_restore, verify: self.verify }
    }
}
