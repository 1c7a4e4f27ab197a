//! The command line: arguments ([`args`]) are resolved once into settings ([`resolve`]); a command runs in a [`session`] with
//! what it needs, and its outcome is printed by the [`console`]. Data goes to stdout, progress and messages to stderr.

mod advice;
mod args;
mod cloud_command;
mod console;
mod interrupt;
mod resolve;
mod session;

use std::io::BufReader;
use std::process::ExitCode;

use clap::Parser;
use tokio::time::Instant;

use self::args::{Args, Command, FaultsArgs, Global, LocalCommand, PredictArgs, ServeArgs};
use self::cloud_command::CloudCommand;
use self::console::{Console, write_stdout};
use self::resolve::Destination;
use self::session::Session;
use crate::cloud::Faults;
use crate::commands::outcome::Outcome;
use crate::commands::{Error, cost, predict};
use crate::processes::{local_cloud, local_traffic};
use crate::stages::permissions;
use crate::walkthrough::Down;

/// Parses the arguments, runs the command, and gives its exit code: 0 done, 1 a check did not hold, 2 usage, 3 the cloud
/// refused or failed, 130 interrupted.
pub fn main() -> ExitCode {
    let args = Args::parse();
    console::set_colors(args.global.no_color);
    let console = Console::new(&args.global);
    start_logging(args.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&anyhow::Error::new(error).context("no async runtime"));
            return ExitCode::from(3);
        }
    };
    match runtime.block_on(run(args, &console)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let code = error.exit_code();
            console.error(&error.into());
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

/// Runs the command. False: a check did not hold.
async fn run(args: Args, console: &Console) -> Result<bool, Error> {
    let Args { global, command } = args;
    match command {
        Command::Cloud(command) => return run_against_cloud(&command, global, console).await,
        Command::Policy => write_stdout(&permissions::policy(&resolve::resolve(global, None)?.settings.name)),
        Command::Predict(predict) => run_predict(&predict)?,
        Command::Local(LocalCommand::Serve(serve)) => run_serve(&serve, &global, console).await?,
        Command::Local(LocalCommand::Faults(faults)) => run_faults(&faults, console).await?,
        Command::Local(LocalCommand::Operations) => console.print_operations(),
        Command::Local(LocalCommand::Hosts) => run_hosts(global, console).await?,
    }
    Ok(true)
}

async fn run_against_cloud(command: &CloudCommand, global: Global, console: &Console) -> Result<bool, Error> {
    let resolved = resolve::resolve(global, command.provision())?;
    command.check(&resolved.settings)?;
    let started = Instant::now();
    let outcome: Box<dyn Outcome> = match (Session::open(command, resolved, console).await, command) {
        (Ok(session), _) => {
            let on_part = |part: &dyn Outcome| session.progress.interrupt(|| console.print_part(part));
            let result = command.run(&session.ctx, on_part).await;
            if let Some(what) = command.leaves(&session.ctx, result.as_deref()) {
                session.ctx.events.note(cost::still_stands(&session.ctx, what));
            }
            let closed = session.close(result.as_ref().is_ok_and(|outcome| outcome.left_nothing()), console).await;
            let outcome = result?;
            closed?;
            outcome
        }
        // Then there is nothing to remove.
        (Err(Error::LocalCloud(local_cloud::Error::NotRunning(process))), CloudCommand::Down) => {
            console.say("", &format!("no local cloud is running{}", local_cloud::gone(&process)));
            Box::new(Down::default())
        }
        (Err(error), _) => return Err(error),
    };
    console.print(&*outcome);
    console.say("done", &format!("in {:.1} s", started.elapsed().as_secs_f64()));
    if let Some(next) = outcome.next() {
        console.say("next", next);
    }
    Ok(outcome.holds())
}

fn run_predict(args: &PredictArgs) -> Result<(), Error> {
    let simulation = args.simulation();
    let lines: Box<dyn Iterator<Item = _>> = if args.file.as_os_str() == "-" {
        Box::new(predict::run(std::io::stdin().lock(), simulation))
    } else {
        let file = std::fs::File::open(&args.file)
            .map_err(|reason| predict::Error::Open { path: args.file.clone(), reason })?;
        Box::new(predict::run(BufReader::new(file), simulation))
    };
    for line in lines {
        write_stdout(&console::json_line(&line?));
    }
    Ok(())
}

async fn run_hosts(global: Global, console: &Console) -> Result<(), Error> {
    let resolved = resolve::resolve(global, None)?;
    let Destination::Cloud(target) = resolved.destination else {
        return Err(Error::Usage("the local cloud has hosts of its own".to_owned()));
    };
    let stop = interrupt::token(console);
    local_traffic::serve(target.connect().await?, &resolved.settings.name, stop.cancelled()).await?;
    Ok(())
}

async fn run_serve(args: &ServeArgs, global: &Global, console: &Console) -> Result<(), Error> {
    let stop = interrupt::token(console);
    let ready = |record: &local_cloud::Record, found_by_commands: bool| {
        if !found_by_commands {
            let url = &record.endpoint_url;
            let text = format!(
                "commands with --local go on using the one that runs already: use --endpoint-url {url} for this one"
            );
            console.say("", &text);
        }
        console.print_serving(record);
    };
    local_cloud::serve(args.options(global)?, ready, stop.cancelled()).await?;
    Ok(())
}

async fn run_faults(args: &FaultsArgs, console: &Console) -> Result<(), Error> {
    let wanted = match &args.file {
        Some(file) => Some(local_cloud::read_faults(file)?),
        None if args.clear => Some(Faults::default()),
        None => None,
    };
    let record = local_cloud::find().await?;
    let report = match wanted {
        Some(faults) => local_cloud::set_faults(&record, &faults).await?,
        None => local_cloud::faults(&record).await?,
    };
    console.print_faults(&report);
    Ok(())
}
