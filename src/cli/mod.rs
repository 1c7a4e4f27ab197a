//! The command line: arguments ([`args`]) are resolved once into settings ([`resolve`]); a command runs in a [`session`] with
//! what it needs, and its outcome is printed by the [`console`]. Data goes to stdout, progress and messages to stderr.

mod advice;
mod alternate_screen;
mod args;
mod asked;
mod browser;
mod cloud_command;
mod command_line;
mod console;
mod document;
mod examples;
mod full_screen;
mod interrupt;
mod local_args;
mod local_command;
mod options;
mod pages;
mod resolve;
mod schema;
mod session;
mod settings_file;
mod terminal_echo;
mod tips;
mod values;

use std::cell::RefCell;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgMatches, ValueEnum};
use serde_json::{Map, Value};
use tokio::time::Instant;

use self::args::{Args, Command, ManArgs, PolicyFor, PredictArgs, RunsArgs};
use self::cloud_command::CloudCommand;
use self::console::{Console, write_stdout};
use self::options::{Global, Output};
use self::resolve::Destination;
use self::session::Session;
use crate::aws::ZoneNames;
use crate::commands::down::DownPlan;
use crate::commands::outcome::Outcome;
use crate::commands::question::Declined;
use crate::commands::status::Now;
use crate::commands::verify::Asked;
use crate::commands::{Error, cost, explain, predict, report, runs};
use crate::processes::local_cloud;
use crate::report::numbers::duration;
use crate::report::style;
use crate::settings::Settings;
use crate::stages::permissions;
use crate::text_file;
use crate::walkthrough::Down;

/// How many tasks that have just become ready are polled before one that waits longer: only 256 fit into a worker's own queue, and of a
/// thousand connections the others waited for 200 ms with tokio's default.
const GLOBAL_QUEUE_INTERVAL: u32 = 3;

/// Parses the arguments, runs the command, and gives its exit code: 0 done, 1 a check did not hold, 2 usage, 3 the cloud
/// refused or failed, 130 interrupted.
pub fn main() -> ExitCode {
    let (args, matches) = match command_line::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(error) => return ExitCode::from(misused(&error)),
    };
    console::set_colors(args.global.no_color);
    let console = Console::new(&args.global, name(&matches), &matches);
    start_logging(args.global.verbose, &console);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .global_queue_interval(GLOBAL_QUEUE_INTERVAL)
        .build()
        .map_err(Error::Runtime);
    let code = match runtime.and_then(|runtime| runtime.block_on(run(args, &console))) {
        Ok(code) => code,
        Err(error) => {
            console.error(&error);
            error.exit_code()
        }
    };
    terminal_echo::restore();
    ExitCode::from(code)
}

/// The name of the command that is run: `verify`, or `local serve`.
fn name(matches: &ArgMatches) -> Option<String> {
    let (command, matches) = matches.subcommand()?;
    Some(name(matches).map_or_else(|| command.to_owned(), |rest| format!("{command} {rest}")))
}

/// Says what is wrong with a command line, on stdout, too, if it asks for JSON. Its exit code; help that was asked for is no
/// misuse.
fn misused(error: &clap::Error) -> u8 {
    if error.use_stderr() {
        console::set_colors(std::env::args_os().any(|word| word == "--no-color"));
        console::print_misuse(error);
    } else {
        // That nobody can read it is no reason to fail in another way.
        let _ = error.print();
    }
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    if let Some(output) = output(words).filter(|_| error.use_stderr()) {
        // As much of the command line as can be understood.
        let matches = command_line::definition().ignore_errors(true).try_get_matches().ok();
        Console::with_output(output, matches.as_ref().and_then(name)).print_misuse(code, &error.to_string());
    }
    code
}

/// What a command line that is not valid asks to be printed.
fn output(words: impl Iterator<Item = String>) -> Option<Output> {
    let mut words = words.skip_while(|word| !word.starts_with("--output") && !word.starts_with("-o"));
    let word = words.next()?;
    let value = word.trim_start_matches("--output").trim_start_matches("-o").trim_start_matches('=');
    let value = if value.is_empty() { words.next()? } else { value.to_owned() };
    Output::from_str(&value, false).ok()
}

/// `-v` shows each request to the cloud, `-vv` also what the libraries say; without, they say nothing: an error tells it.
fn start_logging(verbose: u8, console: &Console) {
    let console = console.clone();
    let filter = match verbose {
        0 => "off,zonewalk=warn",
        1 => "off,zonewalk=debug",
        _ => "debug",
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let log = log.with_writer(move || console.log_writer());
    log.with_ansi(console::has_colors()).init();
}

/// Runs the command, and gives its exit code.
async fn run(args: Args, console: &Console) -> Result<u8, Error> {
    let Args { global, command } = args;
    let has_report = match &command {
        Command::Cloud(command) => command.is_kept() || matches!(command, CloudCommand::Audit(_)),
        command => matches!(command, Command::Report(_)),
    };
    if global.output.is_report() && !has_report {
        return Err(Error::Usage(
            "--output junit and markdown are for commands whose runs are kept (walkthrough, up, verify, failover, stats, \
             redeploy, down), for `zonewalk audit` and for `zonewalk report`"
                .to_owned(),
        ));
    }
    match command {
        Command::Cloud(command) => return run_against_cloud(&command, global, console).await,
        Command::Runs(RunsArgs { command }) => {
            let only = runs::Only { command, name: global.name.map(|name| name.to_string()) };
            return Ok(local_command::print(&runs::run(&only)?, console));
        }
        Command::Report(args) => {
            let report = report::run(&args.runs, args.html.as_deref(), args.open)?;
            console.print_report(&report);
            if let Some(page) = report.html.filter(|_| args.open) {
                browser::open(&page.to_string_lossy(), console);
            }
        }
        Command::Explain(args) => console.print_bare(&explain::run(&args.term)?),
        Command::Policy(args) => write_stdout(&match args.purpose {
            PolicyFor::Walkthrough => permissions::policy(&resolve::resolve(global, None)?.settings.name),
            PolicyFor::Audit => permissions::AUDIT_POLICY.to_owned(),
        }),
        Command::Schema(args) => write_stdout(&schema::print(&args.command)?),
        Command::Predict(predict) => run_predict(&predict)?,
        Command::Local(command) => return command.run(global, console).await,
        Command::Completions(args) => write_stdout(&pages::completions(args.shell)),
        Command::Man(ManArgs { dir: None }) => write_stdout(&pages::manual()?),
        Command::Man(ManArgs { dir: Some(dir) }) => pages::write_manuals(&dir)?,
        Command::Version => write_stdout(&format!("zonewalk {}\n", env!("CARGO_PKG_VERSION"))),
    }
    Ok(0)
}

async fn run_against_cloud(command: &CloudCommand, global: Global, console: &Console) -> Result<u8, Error> {
    let resolved = resolve::resolve(global, command.provision())?;
    console.note_run(|run| {
        run.name = Some(resolved.settings.name.to_string());
        (run.region, run.endpoint_url) = match &resolved.destination {
            Destination::Cloud(target) => (target.region.clone(), target.endpoint_url.clone()),
            Destination::Local { region, .. } => (Some(region.clone()), None),
        };
    });
    command.check(&resolved.settings)?;
    if command.takes_screen() {
        full_screen::check(console)?;
    }
    let is_kept = resolved.record && command.is_kept();
    let settings = what_is_kept_of(&resolved.settings, command);
    let started = Instant::now();
    let mut page = console.page(ZoneNames::default());
    let outcome: Box<dyn Outcome> = match (Session::open(command, resolved, console).await, command) {
        (Ok(None), _) => Box::new(Declined::new(matches!(command, CloudCommand::Down(_)))),
        (Ok(Some(session)), _) => {
            if is_kept {
                console.keep(settings);
            }
            let on_part = |part: &dyn Outcome| {
                session.progress.end();
                console.print_part(part, &console.page(session.ctx.zones()));
            };
            let progress = Arc::clone(&session.progress);
            let last = RefCell::new(String::new());
            let on_look = |now: &Now| {
                let page = console.page(session.ctx.zones());
                console.print_look(now, &page, &session.progress, &mut last.borrow_mut());
            };
            let on_watch = async |asked: Asked| full_screen::watch(&session.ctx, &asked, console).await;
            let result = command.run(&session.ctx, on_part, on_look, on_watch).await;
            progress.end();
            // The window may have another size by now.
            page = console.page(session.ctx.zones());
            console.note_run(|run| {
                run.account = session.ctx.account();
                run.zones = session.ctx.zones();
            });
            if let Some(what) = command.leaves(&session.ctx, result.as_deref()) {
                let text = cost::still_stands(&session.ctx, what);
                console.message(&text);
            }
            let closed = session.close(result.as_ref().is_ok_and(|outcome| outcome.left_nothing()), console).await;
            progress.end();
            let outcome = result?;
            closed?;
            outcome
        }
        // Then there is nothing to remove.
        (Err(Error::LocalCloud(local_cloud::Error::NotRunning(process))), CloudCommand::Down(_)) => {
            console.progress_line(&format!("no local cloud is running{}", local_cloud::gone(process)));
            if command.is_dry_run() { Box::new(DownPlan::default()) } else { Box::new(Down::default()) }
        }
        (Err(error), _) => return Err(error),
    };
    console.print(&*outcome, &page);
    console.progress_line(&style::faint(format!("done in {}", duration(started.elapsed()))));
    if let Some(next) = outcome.next() {
        console.progress_line(&format!("next: {next}"));
    }
    Ok(outcome.exit_code())
}

/// The settings that matter to what a command found.
fn what_is_kept_of(settings: &Settings, command: &CloudCommand) -> Map<String, Value> {
    let mut kept = Map::new();
    if command.makes() {
        kept.insert("task-count".to_owned(), settings.task_count.get().into());
        kept.insert("instance-type".to_owned(), settings.instance_type.clone().into());
        kept.insert("image".to_owned(), settings.image.clone().into());
    }
    kept
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
