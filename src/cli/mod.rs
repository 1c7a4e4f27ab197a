//! The command line: arguments ([`args`]) are resolved once into settings ([`resolve`]); a command runs and its outcome is
//! printed. Data goes to stdout, progress and messages to stderr. Only this module prints.

mod advice;
mod args;
mod interrupt;
mod output;
mod resolve;

use std::io::{BufReader, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::time::Instant;

use self::advice::Advice;
use self::args::{Args, Command, FaultsArgs, Global, LocalCommand, PredictArgs, ServeArgs};
use self::output::{Output, write_stdout};
use self::resolve::{Destination, Resolved};
use crate::aws::Target;
use crate::cloud::Faults;
use crate::commands::outcome::Outcome;
use crate::commands::{self, Error, failover, hosts, local, predict, verify};
use crate::report::progress::Progress;
use crate::stages::Context;
use crate::walkthrough::Down;

/// Parses the arguments, runs the command, and gives its exit code: 0 done, 1 a check did not hold, 2 usage, 3 the cloud
/// refused or failed, 130 interrupted.
pub fn main() -> ExitCode {
    let args = Args::parse();
    output::set_colors(args.global.no_color);
    output::set_advice(Advice::new(&args.global));
    start_logging(args.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&anyhow::Error::new(error).context("no async runtime"));
            return ExitCode::from(3);
        }
    };
    let result = runtime.block_on(run(args));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let code = error.exit_code();
            output::error(&error.into());
            ExitCode::from(code)
        }
    }
}

/// `-v` shows each request to the cloud, `-vv` also what the libraries say.
fn start_logging(verbose: u8) {
    let filter = match verbose {
        0 => "warn",
        1 => "zonewalk=debug",
        _ => "debug",
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}

/// Whether everything held.
async fn run(args: Args) -> Result<bool, Error> {
    match args.command {
        Command::Predict(predict) => run_predict(&predict),
        Command::Local(LocalCommand::Serve(serve)) => run_serve(&serve, &args.global).await,
        Command::Policy => {
            let settings = resolve::resolve(args.global, &args.command)?.settings;
            write_stdout(&crate::stages::permissions::policy(&settings.name));
            Ok(true)
        }
        Command::Local(LocalCommand::Faults(faults)) => run_faults(&faults, args.global.output).await,
        Command::Local(LocalCommand::Hosts) => run_hosts(args.global).await,
        command => {
            let output = args.global.output;
            let resolved = resolve::resolve(args.global, &command)?;
            run_against_cloud(command, resolved, output).await
        }
    }
}

async fn run_against_cloud(command: Command, resolved: Resolved, output: Output) -> Result<bool, Error> {
    let started = Instant::now();
    let makes = matches!(command, Command::Up(_) | Command::Walkthrough(_));
    let removes = matches!(command, Command::Down | Command::Walkthrough(_));
    let (target, local) = match resolved.destination {
        Destination::Cloud(target) => (target, None),
        Destination::Local { region, proxy, new, faults } => {
            let record = if makes { Some(local::find_or_start(new).await?) } else { local::find().await? };
            let Some(record) = record else {
                return match command {
                    // Nothing runs here, so there is nothing to remove.
                    Command::Down => {
                        output::progress_line(&format!("{:>16}  no local cloud is running", ""));
                        finish(&Outcome::Down(Down::default()), output, started)
                    }
                    _ => Err(local::Error::NotRunning.into()),
                };
            };
            record.check_proxy(proxy)?;
            if let Some(faults) = faults {
                local::set_faults(&record, &faults).await?;
            }
            (Target::local(&record.endpoint_url, &region), Some(record))
        }
    };
    let progress = Arc::new(Progress::new(std::io::stderr().is_terminal(), output::progress_line));
    let (clients, mut settings) = (target.connect().await?, resolved.settings);
    if makes && hosts::is_aws(&clients) && !resolved.dry_run && !resolved.yes {
        output::confirm_cost(&settings, &clients.region, target.profile.as_deref())?;
    }
    let hosts = if resolved.local_traffic && !resolved.dry_run {
        let record = hosts::find_or_start(&clients, &settings.name, target.profile.as_deref()).await?;
        settings.local_hosts = Some(record.control_url.clone());
        Some(record)
    } else {
        None
    };
    let ctx = Context::new(clients, settings, progress.events(), interrupt::token());
    let on_part = |part: Outcome| progress.interrupt(|| output.print_part(&part));
    let outcome = run_command(&ctx, &command, resolved.dry_run, on_part).await?;
    if let Some(record) = hosts
        && removes
    {
        hosts::stop(&ctx.clients, &ctx.settings.name, &record).await?;
    }
    if let Some(record) = local
        && removes
        && record.background
        && outcome.left_nothing()
    {
        local::stop(&record).await?;
    }
    let finished = finish(&outcome, output, started)?;
    if let Outcome::Up(_) = &outcome {
        let next = "`zonewalk verify`; `zonewalk down` removes everything";
        output::progress_line(&format!("{:>16}  {next}", "next"));
    }
    Ok(finished)
}

async fn run_command(
    ctx: &Context,
    command: &Command,
    dry_run: bool,
    on_part: impl Fn(Outcome),
) -> Result<Outcome, Error> {
    Ok(match command {
        Command::Up(_) if dry_run => Outcome::DryRun(commands::up::dry_run(ctx).await?),
        Command::Up(_) => Outcome::Up(commands::up::run(ctx).await?),
        Command::Status(_) => Outcome::Status(commands::status::run(ctx).await?),
        Command::Verify(traffic) => Outcome::Verify(verify::run(ctx, traffic.options()).await?),
        Command::Failover(args) => Outcome::Failover(failover::run(ctx, args.options()).await?),
        Command::Stats(traffic) => Outcome::Stats(commands::stats::run(ctx, traffic.options()).await?),
        Command::Doctor(_) => Outcome::Doctor(commands::doctor::run(ctx).await?),
        Command::Redeploy(args) => Outcome::Redeploy(commands::redeploy::run(ctx, args.options()).await?),
        Command::Down => Outcome::Down(commands::down::run(ctx).await?),
        Command::Walkthrough(args) => {
            Outcome::Walkthrough(Box::new(commands::walkthrough::run(ctx, args.failover.options(), on_part).await?))
        }
        Command::Predict(_) | Command::Policy | Command::Local(_) => unreachable!("handled without a cloud"),
    })
}

fn finish(outcome: &Outcome, output: Output, started: Instant) -> Result<bool, Error> {
    output.print(outcome);
    output::progress_line(&format!("{:>16}  in {:.1} s", "done", started.elapsed().as_secs_f64()));
    Ok(outcome.holds())
}

fn run_predict(args: &PredictArgs) -> Result<bool, Error> {
    let simulation = args.simulation();
    let lines: Box<dyn Iterator<Item = _>> = if args.file.as_os_str() == "-" {
        Box::new(predict::run(std::io::stdin().lock(), simulation))
    } else {
        let file = std::fs::File::open(&args.file)
            .map_err(|reason| predict::Error::Open { path: args.file.clone(), reason })?;
        Box::new(predict::run(BufReader::new(file), simulation))
    };
    for line in lines {
        write_stdout(&output::json_line(&line?));
    }
    Ok(true)
}

async fn run_hosts(global: Global) -> Result<bool, Error> {
    let resolved = resolve::resolve(global, &Command::Local(LocalCommand::Hosts))?;
    let Destination::Cloud(target) = resolved.destination else {
        return Err(Error::Usage("the local cloud has hosts of its own".to_owned()));
    };
    hosts::serve(target.connect().await?, &resolved.settings.name, interrupt::token().cancelled()).await?;
    Ok(true)
}

async fn run_serve(args: &ServeArgs, global: &Global) -> Result<bool, Error> {
    let stop = interrupt::token();
    local::serve(args.options(global)?, |record| global.output.print_serving(record), stop.cancelled()).await?;
    Ok(true)
}

async fn run_faults(args: &FaultsArgs, output: Output) -> Result<bool, Error> {
    let wanted = match &args.file {
        Some(file) => Some(local::read_faults(file)?),
        None if args.clear => Some(Faults::default()),
        None => None,
    };
    let record = local::find().await?.ok_or(local::Error::NotRunning)?;
    let report = match wanted {
        Some(faults) => local::set_faults(&record, &faults).await?,
        None => local::faults(&record).await?,
    };
    output.print_faults(&report);
    Ok(true)
}
