//! The commands that speak to a cloud: their arguments, and what each of them runs.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::options::ProvisionArgs;
use super::values::percentage;
use crate::commands::failover::{self, Drill, DrillName, MAX_ERRORS};
use crate::commands::limits::{wait, within};
use crate::commands::outcome::Outcome;
use crate::commands::status::Now;
use crate::commands::watch::{self, Watch};
use crate::commands::{self, Error, audit, compare, redeploy, stats, status, verify, walkthrough};
use crate::settings::Settings;
use crate::stages::{Context, templates};
use crate::traffic::Verification;

/// The commands that speak to a cloud.
#[derive(Debug, Subcommand)]
pub(super) enum CloudCommand {
    /// Run up, status, verify, failover, stats and down, one after the other
    Walkthrough(WalkthroughArgs),
    /// Provision everything; safe to repeat, and resumes what was interrupted
    #[command(visible_aliases = ["create", "apply"])]
    Up(UpArgs),
    /// Show what `up` would create or change: `up --dry-run`
    #[command(hide = true)]
    Plan(ProvisionArgs),
    /// Show whether zone-aware routing is on, what is healthy, where the tasks run, and drift
    Status(StatusArgs),
    /// Send traffic and check that requests stay in their zone, as Envoy's algorithm predicts
    Verify(Box<VerifyArgs>),
    /// Take backends or a zone away under load, check where requests go, restore them
    Failover(FailoverArgs),
    /// Read the zone counters of every frontend's Envoy
    Stats(stats::Options),
    /// Remove everything that zonewalk created; on AWS it asks first
    #[command(visible_aliases = ["destroy", "delete"])]
    Down(DownArgs),
    /// Check what would stop `up`, and say how to fix it
    Doctor(ProvisionArgs),
    /// Force a new deployment, which turns zone-aware routing on for older services
    Redeploy(redeploy::Options),
    /// Say of any services with Service Connect whether zone-aware routing is on, why not, and what it is worth
    Audit(Box<audit::Options>),
}

impl CloudCommand {
    /// What is to be provisioned, if the command takes that.
    pub(super) fn provision(&self) -> Option<&ProvisionArgs> {
        match self {
            Self::Up(up) => Some(&up.provision),
            Self::Walkthrough(walkthrough) => Some(&walkthrough.provision),
            Self::Status(status) => Some(&status.provision),
            Self::Plan(provision) | Self::Doctor(provision) => Some(provision),
            _ => None,
        }
    }

    /// What it is called while it is at work.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::Walkthrough(_) => "walkthrough",
            Self::Up(_) | Self::Plan(_) if self.is_dry_run() => "plan",
            Self::Up(_) | Self::Plan(_) => "up",
            Self::Status(_) => "status",
            Self::Verify(_) => "verify",
            Self::Failover(_) => "failover",
            Self::Stats(_) => "stats",
            Self::Down(_) => "down",
            Self::Doctor(_) => "doctor",
            Self::Redeploy(_) => "redeploy",
            Self::Audit(_) => "audit",
        }
    }

    /// Whether it makes something, or would in a dry run.
    pub(super) fn makes(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Plan(_) | Self::Walkthrough(_))
    }

    pub(super) fn removes(&self) -> bool {
        match self {
            Self::Down(args) => !args.dry_run,
            Self::Walkthrough(args) => !args.keep,
            _ => false,
        }
    }

    pub(super) fn is_dry_run(&self) -> bool {
        matches!(self, Self::Plan(_) | Self::Up(UpArgs { dry_run: true, .. }) | Self::Down(DownArgs { dry_run: true }))
    }

    /// Whether a run of it is kept: what it found, made or removed is worth a look later.
    pub(super) fn is_kept(&self) -> bool {
        let is_look = match self {
            Self::Status(_) | Self::Doctor(_) | Self::Audit(_) => true,
            Self::Redeploy(options) => options.dry_run,
            _ => false,
        };
        !is_look && !self.is_dry_run()
    }

    /// Whether the local cloud's live page is to be opened.
    pub(super) fn opens_page(&self) -> bool {
        matches!(self, Self::Up(UpArgs { open: true, .. }))
    }

    /// What an interrupted command does before it ends.
    pub(super) fn before_it_ends(&self) -> Option<&'static str> {
        match self {
            Self::Failover(args) if args.drill.no_restore => None,
            Self::Failover(_) => Some("restoring everything first"),
            Self::Down(DownArgs { dry_run: false }) => Some("the removals under way are finished first"),
            Self::Up(UpArgs { dry_run: false, .. }) | Self::Walkthrough(_) | Self::Redeploy(_) => {
                Some("the requests under way are finished first")
            }
            _ => None,
        }
    }

    /// What an interrupted command says that is not let end by itself.
    pub(super) fn if_ended_at_once(&self) -> Option<&'static str> {
        let drills = matches!(self, Self::Failover(_) | Self::Walkthrough(_));
        drills.then_some("what a drill has changed may not be restored: `zonewalk up` does that")
    }

    /// What of the arguments cannot be together with these settings, before anything is started or made.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Error> {
        if let Some(directory) = settings.templates.as_deref().filter(|_| self.provision().is_some()) {
            let error = |reason| Error::Usage(format!("templates in {}: {reason}", directory.display()));
            templates::check(directory).map_err(error)?;
        }
        match self {
            Self::Walkthrough(args) => commands::walkthrough::check(&args.options(), settings),
            Self::Failover(args) => args.check(),
            _ => Ok(()),
        }
    }

    /// What a user may have to pay for when the command has ended like this. None: nothing more than before, or it has said so.
    pub(super) fn leaves(&self, ctx: &Context, result: Result<&dyn Outcome, &Error>) -> Option<&'static str> {
        let is_aws = ctx.clients.is_aws();
        match (self, result) {
            _ if !ctx.stands() || self.is_dry_run() => None,
            (Self::Walkthrough(args), Ok(_)) if args.keep => is_aws.then_some("everything that was created"),
            (Self::Walkthrough(_), Ok(outcome)) | (Self::Down(_), Ok(outcome)) if !outcome.left_nothing() => {
                is_aws.then_some("what `down` has not removed")
            }
            // That is not its own.
            (Self::Walkthrough(_), Err(Error::Stands(_))) => None,
            (Self::Walkthrough(_), Err(_)) => Some("everything that was created"),
            (Self::Down(_), Err(_)) => is_aws.then_some("what `down` has not removed"),
            // Somebody else's cluster.
            (Self::Audit(_), _) => None,
            (
                Self::Redeploy(redeploy::Options { cluster: Some(_), .. } | redeploy::Options { all_stale: true, .. }),
                _,
            ) => None,
            (_, Err(_)) => is_aws.then_some("what was created"),
            _ => None,
        }
    }

    /// Whether it draws on the whole terminal.
    pub(super) fn takes_screen(&self) -> bool {
        matches!(self, Self::Verify(args) if args.asked.watch)
    }

    /// Runs the command. `on_part` is given each part of the walkthrough as it ends, `on_look` each look of `status --watch`;
    /// `on_watch` runs `verify --watch` on the whole terminal.
    pub(super) async fn run(
        &self,
        ctx: &Context,
        on_part: impl Fn(&dyn Outcome),
        on_look: impl Fn(&Now),
        on_watch: impl AsyncFn(verify::Asked) -> Result<Verification, Error>,
    ) -> Result<Box<dyn Outcome>, Error> {
        Ok(match self {
            Self::Walkthrough(args) => Box::new(commands::walkthrough::run(ctx, args.options(), on_part).await?),
            Self::Plan(_) | Self::Up(UpArgs { dry_run: true, .. }) => Box::new(commands::up::dry_run(ctx).await?),
            Self::Up(_) => Box::new(commands::up::run(ctx).await?),
            Self::Status(args) if args.watch => Box::new(watch::run(ctx, args.looks(), on_look).await?),
            Self::Status(args) => Box::new(status::run(ctx, args.options()).await?),
            Self::Verify(args) if args.asked.watch => Box::new(on_watch(args.asked.clone()).await?),
            Self::Verify(args) if args.compare => Box::new(compare::run(ctx, args.asked.options).await?),
            Self::Verify(args) => Box::new(verify::run_until_interrupted(ctx, args.asked.clone()).await?),
            Self::Failover(args) => Box::new(failover::run(ctx, args.options()).await?),
            Self::Stats(options) => Box::new(stats::run_for(ctx, options).await?),
            Self::Down(args) if args.dry_run => Box::new(commands::down::dry_run(ctx).await?),
            Self::Down(_) => Box::new(commands::down::run(ctx).await?),
            Self::Doctor(_) => Box::new(commands::doctor::run(ctx).await?),
            Self::Audit(options) => Box::new(audit::run(ctx, options).await?),
            Self::Redeploy(options) => Box::new(redeploy::run(ctx, options.clone()).await?),
        })
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct UpArgs {
    /// Show what would be created or changed, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Open the live page of the local cloud in the browser
    #[arg(long, requires = "local", conflicts_with = "dry_run")]
    open: bool,
    #[command(flatten)]
    pub(super) provision: ProvisionArgs,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DownArgs {
    /// Show what would be removed, and what of others would stay; change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct StatusArgs {
    /// Also list every resource: its kind, name, age, ARN or ID, and its page in AWS's console
    #[arg(long)]
    resources: bool,
    /// Exit with 1 if zone-aware routing is off, something has drifted or `up` is blocked
    #[arg(long)]
    exit_code: bool,
    /// Look again and again until Ctrl-C: drawn in place on a terminal, elsewhere a line with the time for each change
    #[arg(long, conflicts_with_all = ["resources", "exit_code"])]
    watch: bool,
    /// Time from one look to the next, such as 2s or 1m
    #[arg(long, value_name = "DURATION", default_value = "2s", requires = "watch", value_parser = wait)]
    interval: Duration,
    /// End the watch after this time, such as 30s or 5m
    #[arg(long = "for", value_name = "DURATION", requires = "watch", value_parser = wait)]
    limit: Option<Duration>,
    #[command(flatten)]
    pub(super) provision: ProvisionArgs,
}

impl StatusArgs {
    fn options(&self) -> status::Options {
        status::Options { resources: self.resources, exit_code: self.exit_code }
    }

    fn looks(&self) -> Watch {
        Watch { interval: self.interval, limit: self.limit }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct VerifyArgs {
    /// Show what zone-aware routing does to the latency: in the local cloud by traffic with it and without; on AWS, which has no switch
    /// for it, by what the proxies timed within zones and between them
    #[arg(long, conflicts_with_all = ["volume", "watch", "url", "headers", "zone_fields"])]
    compare: bool,
    #[command(flatten)]
    asked: verify::Asked,
}

#[derive(Debug, ClapArgs)]
pub(super) struct WalkthroughArgs {
    #[command(flatten)]
    pub(super) drill: DrillArgs,
    /// Leave everything standing at the end, and go on with what stands already
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    pub(super) provision: ProvisionArgs,
}

impl WalkthroughArgs {
    fn options(&self) -> walkthrough::Options {
        let drill = Drill::Scale { to: self.drill.to.unwrap_or(DEFAULT_TO) };
        walkthrough::Options { failover: self.drill.options(drill), keep: self.keep }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct FailoverArgs {
    /// What is taken away: backends (scale, the article's drill), those of one zone (spillover), or all of a zone, as in an outage
    /// (zone-loss)
    #[arg(value_enum, value_name = "DRILL", default_value_t = DrillName::Scale)]
    what: DrillName,
    /// Zone to take away, by its ID or name; the first of the walkthrough's if none is given
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    #[command(flatten)]
    drill: DrillArgs,
}

/// How many backends the drill `scale` leaves: the article's.
const DEFAULT_TO: u32 = 2;

impl FailoverArgs {
    /// What of the arguments belongs to another drill.
    fn check(&self) -> Result<(), Error> {
        let is_scale = self.what == DrillName::Scale;
        if is_scale && self.zone.is_some() {
            let what = "--zone is for the drills that take a zone away: `zonewalk failover spillover`, `zonewalk failover zone-loss`";
            return Err(Error::Usage(what.to_owned()));
        }
        if !is_scale && self.drill.to.is_some() {
            return Err(Error::Usage("--to is for the drill scale: leave it out".to_owned()));
        }
        Ok(())
    }

    fn options(&self) -> failover::Options {
        let zone = self.zone.clone();
        self.drill.options(match self.what {
            DrillName::Scale => Drill::Scale { to: self.drill.to.unwrap_or(DEFAULT_TO) },
            DrillName::Spillover => Drill::Spillover { zone },
            DrillName::ZoneLoss => Drill::ZoneLoss { zone },
        })
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct DrillArgs {
    /// Backends that the drill scale leaves [default: 2]
    #[arg(long, value_name = "COUNT", value_parser = within::<u32>(1..=15))]
    to: Option<u32>,
    /// Do not restore what was taken away
    #[arg(long)]
    no_restore: bool,
    /// On AWS, share of failed requests that fails the drill while tasks come and go; with --local, none may fail
    #[arg(long, value_name = "PERCENT", default_value_t = MAX_ERRORS, value_parser = percentage)]
    max_errors: f64,
    #[command(flatten)]
    verify: verify::Options,
}

impl DrillArgs {
    fn options(&self, drill: Drill) -> failover::Options {
        failover::Options { drill, restore: !self.no_restore, max_errors: self.max_errors, verify: self.verify }
    }
}
