//! The command line: arguments ([`args`]) are resolved once into settings ([`resolve`]); a command runs in a [`session`] with
//! what it needs, and its outcome is printed by the [`console`]. Data goes to stdout, progress and messages to stderr.

mod advice;
mod args;
mod cloud_command;
mod console;
mod interrupt;
mod local_command;
mod resolve;
mod session;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::time::Instant;

use self::args::{Args, Command, Global, PredictArgs};
use self::cloud_command::CloudCommand;
use self::console::{Console, write_stdout};
use self::session::Session;
use crate::aws::ZoneNames;
use crate::commands::outcome::Outcome;
use crate::commands::{Error, cost, predict};
use crate::processes::local_cloud;
use crate::report::numbers::duration;
use crate::report::style;
use crate::stages::permissions;
use crate::text_file;
use crate::walkthrough::Down;

/// Parses the arguments, runs the command, and gives its exit code: 0 done, 1 a check did not hold, 2 usage, 3 the cloud
/// refused or failed, 130 interrupted.
pub fn main() -> ExitCode {
    let args = Args::parse();
    console::set_colors(args.global.no_color);
    let console = Console::new(&args.global);
    start_logging(args.global.verbose, &console);
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
fn start_logging(verbose: u8, console: &Console) {
    let console = console.clone();
    let filter = match verbose {
        0 => "warn",
        1 => "zonewalk=debug",
        _ => "debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || console.log_writer())
        .with_target(false)
        .init();
}

/// Runs the command. False: a check did not hold.
async fn run(args: Args, console: &Console) -> Result<bool, Error> {
    let Args { global, command } = args;
    match command {
        Command::Cloud(command) => return run_against_cloud(&command, global, console).await,
        Command::Policy => write_stdout(&permissions::policy(&resolve::resolve(global, None)?.settings.name)),
        Command::Predict(predict) => run_predict(&predict)?,
        Command::Local(command) => command.run(global, console).await?,
    }
    Ok(true)
}

async fn run_against_cloud(command: &CloudCommand, global: Global, console: &Console) -> Result<bool, Error> {
    let resolved = resolve::resolve(global, command.provision())?;
    command.check(&resolved.settings)?;
    let started = Instant::now();
    let mut page = console.page(ZoneNames::default());
    let outcome: Box<dyn Outcome> = match (Session::open(command, resolved, console).await, command) {
        (Ok(session), _) => {
            let on_part = |part: &dyn Outcome| {
                session.progress.end();
                console.print_part(part, &console.page(session.ctx.zones()));
            };
            let result = command.run(&session.ctx, on_part).await;
            let progress = Arc::clone(&session.progress);
            progress.end();
            page.zones = session.ctx.zones();
            if let Some(what) = command.leaves(&session.ctx, result.as_deref()) {
                session.ctx.events.note(cost::still_stands(&session.ctx, what));
            }
            let closed = session.close(result.as_ref().is_ok_and(|outcome| outcome.left_nothing()), console).await;
            progress.end();
            let outcome = result?;
            closed?;
            outcome
        }
        // Then there is nothing to remove.
        (Err(Error::LocalCloud(local_cloud::Error::NotRunning(process))), CloudCommand::Down) => {
            console.progress_line(&format!("no local cloud is running{}", local_cloud::gone(&process)));
            Box::new(Down::default())
        }
        (Err(error), _) => return Err(error),
    };
    console.print(&*outcome, &page);
    console.progress_line(&style::faint(format!("done in {}", duration(started.elapsed()))));
    if let Some(next) = outcome.next() {
        console.progress_line(&format!("next: {next}"));
    }
    Ok(outcome.holds())
}

fn run_predict(args: &PredictArgs) -> Result<(), Error> {
    let simulation = args.simulation();
    let lines: Box<dyn Iterator<Item = _>> = if args.file.as_os_str() == "-" {
        Box::new(predict::run(std::io::stdin().lock(), simulation))
    } else {
        let text =
            text_file::read(&args.file).map_err(|reason| predict::Error::Open { path: args.file.clone(), reason })?;
        Box::new(predict::run(io::Cursor::new(text), simulation))
    };
    for line in lines {
        write_stdout(&console::json_line(&line?));
    }
    Ok(())
}
