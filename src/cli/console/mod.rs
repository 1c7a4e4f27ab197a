//! What the program writes, and where: outcomes to stdout, everything else to stderr. Nothing else prints.

mod documents;

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anstyle::AnsiColor;
use clap::ArgMatches;
use indicatif::{MultiProgress, ProgressDrawTarget};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::advice::Advice;
use super::document::{End, Line, Run};
use super::options::{Global, Output};
use super::{asked, terminal_echo};
use crate::aws::{Clients, ZoneNames};
use crate::cloud::{self, OperationSummary};
use crate::commands::Error;
use crate::commands::failure::Failure;
use crate::commands::local::env::LocalEnv;
use crate::commands::outcome::{Json, Outcome};
use crate::commands::status::Now;
use crate::events::{Event, Events};
use crate::plain;
use crate::processes::local_cloud::Record;
use crate::processes::local_sidecar::{self, Change, Known};
use crate::report::numbers::count;
use crate::report::page::Page;
use crate::report::progress::{Progress, View, wrapped};
use crate::report::style;

/// How often traffic is told of in lines.
const BETWEEN_TRAFFIC: Duration = Duration::from_secs(1);

/// Where a command writes. Every command to type that a text names gets this command's flags. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Console {
    output: Output,
    verbose: bool,
    quiet: bool,
    advice: Arc<Advice>,
    /// What the command line asks for.
    asked: Arc<Map<String, Value>>,
    /// The bars on stderr, which all that is written has to keep clear of; hidden where it is no terminal.
    bars: MultiProgress,
    /// Whether anything has been written, to stdout and to stderr: what comes after it stands apart from it.
    has_written: Arc<[AtomicBool; 2]>,
    /// What is to be written to stderr when the whole screen is no longer drawn on. None: it is not.
    held: Arc<Mutex<Option<Vec<u8>>>>,
    run: Arc<Mutex<Run>>,
}

impl Console {
    pub(super) fn new(global: &Global, command: Option<String>, matches: &ArgMatches) -> Self {
        Self {
            output: global.output,
            verbose: global.verbose > 0,
            quiet: global.quiet,
            advice: Arc::new(Advice::new(matches)),
            asked: Arc::new(asked::of(matches)),
            run: Arc::new(Mutex::new(Run::new(command))),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            has_written: Arc::default(),
            held: Arc::default(),
        }
    }

    /// Where progress is shown.
    pub(super) fn view(&self) -> View {
        if !self.has_terminal() {
            return View::Log { now: SystemTime::now() };
        }
        let width = || columns(io::stderr()).unwrap_or(80);
        View::Terminal { bars: self.bars.clone(), width: Box::new(width) }
    }

    /// Whether progress is shown on a terminal.
    pub(super) fn has_terminal(&self) -> bool {
        !self.quiet && !self.bars.is_hidden()
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Writes to stderr with no bar in the way.
    pub(super) fn log_writer(&self) -> impl Write + use<> {
        LogWriter(self.clone())
    }

    /// From now on the whole screen is drawn on: bars are hidden, and what is written to stderr is held back.
    pub(super) fn give_screen(&self) {
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
        *self.held.lock() = Some(vec![]);
    }

    /// The screen is as it was: writes what was held back.
    pub(super) fn take_screen(&self) {
        let held = self.held.lock().take().unwrap_or_default();
        // That nobody can read it is no reason to fail.
        let _ = anstream::stderr().write_all(&held);
        self.bars.set_draw_target(ProgressDrawTarget::stderr());
    }

    fn write_stderr(&self, text: &[u8]) -> io::Result<()> {
        match &mut *self.held.lock() {
            Some(held) => held.extend_from_slice(text),
            None => return self.bars.suspend(|| anstream::stderr().write_all(text)),
        }
        Ok(())
    }

    /// For a command line that is not valid.
    pub(super) fn with_output(output: Output, command: Option<String>) -> Self {
        let run = Arc::new(Mutex::new(Run::new(command)));
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            output,
            verbose: false,
            quiet: false,
            advice: Arc::default(),
            asked: Arc::default(),
            run,
            bars,
            has_written: Arc::default(),
            held: Arc::default(),
        }
    }

    /// Has advice lead the AWS CLI to the local cloud.
    pub(super) fn advise_local(&self, clients: &Clients) {
        if let Some(url) = &clients.endpoint_url {
            self.advice.note_local(url, &clients.region);
        }
    }

    /// Notes what has become known of the run, for its document.
    pub(super) fn note_run(&self, note: impl FnOnce(&mut Run)) {
        note(&mut self.run.lock());
    }

    /// The page that stdout is.
    pub(super) fn page(&self, zones: ZoneNames) -> Page {
        Page { width: columns(io::stdout()), verbose: self.verbose, zones }
    }

    pub(super) fn print(&self, outcome: &dyn Outcome, page: &Page) {
        // In this order: a reader that has seen enough ends the program.
        self.end(End {
            exit_code: Some(outcome.exit_code()),
            next: outcome.next(),
            result: Some(outcome.json()),
            error: outcome.is_interrupted().then(Failure::interrupted),
        });
        if self.output == Output::Human {
            self.print_text(&outcome.text(page), page);
        }
    }

    /// The events that are shown, each also a line of stdout where that is asked for.
    pub(super) fn events(&self, shown: Events) -> Events {
        if self.output != Output::Jsonl {
            return shown;
        }
        let (console, traffic_told) = (self.clone(), Mutex::new(None));
        Events::new(move |event| {
            if is_news(&event, &mut traffic_told.lock()) {
                let line = console.advice.in_json().complete(&json_line(&Line::new(&event)));
                // That nobody can read it any more is no reason to end halfway.
                let _ = anstream::stdout().lock().write_all(line.as_bytes());
            }
            shown.send(event);
        })
    }

    /// Has the run, with its options and these settings, kept when it has ended.
    pub(super) fn keep(&self, settings: Map<String, Value>) {
        let mut asked = (*self.asked).clone();
        asked.insert("settings".to_owned(), settings.into());
        self.note_run(|run| run.asked = Some(asked));
    }

    /// Prints a part of the walkthrough as it ends; JSON waits for the whole.
    pub(super) fn print_part(&self, outcome: &dyn Outcome, page: &Page) {
        if self.output == Output::Human {
            let text = outcome.text(page);
            // On a terminal its heading stands above its progress.
            let heading = if page.width.is_some() && !self.bars.is_hidden() {
                String::new()
            } else {
                format!("{}\n", style::strong(outcome.title()))
            };
            self.print_text(&format!("{heading}{text}"), page);
        }
    }

    fn print_text(&self, text: &str, page: &Page) {
        let mut text = self.advice.complete(text);
        if let Some(width) = page.width {
            text = wrapped(&text, width);
        }
        let [stdout, stderr] = &*self.has_written;
        // What is written to stderr is in between on a terminal only.
        if stdout.swap(true, Ordering::Relaxed) || page.width.is_some() && stderr.load(Ordering::Relaxed) {
            text.insert(0, '\n');
        }
        self.bars.suspend(|| write_stdout(&format!("{text}\n")));
    }

    /// Prints an outcome as it is, without a heading, as for a shell that reads it.
    pub(super) fn print_bare(&self, outcome: &dyn Outcome) {
        let page = self.page(ZoneNames::default());
        match self.output {
            Output::Human => write_stdout(&format!("{}\n", self.advice.complete(&outcome.text(&page)))),
            _ => self.print(outcome, &page),
        }
    }

    pub(super) fn print_serving(&self, record: &Record, env: &LocalEnv) {
        let text = || {
            format!(
                "the local cloud listens at {} (account {}, any credentials)\nlive page: {}\n\n  {}\n\nCtrl-C stops it\n",
                record.endpoint_url,
                cloud::ACCOUNT_ID,
                record.live_page(),
                env.lines().join("\n  "),
            )
        };
        self.note_local_cloud(record);
        // It serves on.
        self.print_result(text, record.json(), None);
    }

    /// Prints what a sidecar is as it begins.
    pub(super) fn print_sidecar(&self, sidecar: &local_sidecar::Serving) {
        let text = || {
            let mut lines = vec![format!("the sidecar runs in zone {}", sidecar.zone)];
            lines.extend(sidecar.outbound.map(|outbound| format!("outbound  {outbound}")));
            let inbound = sidecar.inbound.iter();
            lines.extend(inbound.map(|place| format!("inbound   {} → {}", place.listen, place.application)));
            lines.extend(sidecar.tcp.iter().map(|tcp| format!("tcp       {} → {}", tcp.listen, tcp.upstream)));
            lines.extend(sidecar.admin.iter().map(|admin| format!("admin     {}", admin.display())));
            lines.push(format!("knows     {}", text_of(sidecar.known)));
            lines.push("\nCtrl-C stops it\n".to_owned());
            lines.join("\n")
        };
        // It serves on.
        self.print_result(text, sidecar.json(), None);
    }

    /// Tells what has become of a change of a sidecar's configuration.
    pub(super) fn note_sidecar_change(&self, change: Change) {
        self.progress_line(&match change {
            Change::Applied(known) => format!("the configuration has changed: {}", text_of(known)),
            Change::Refused(reason) => {
                style::attention(format!("the configuration has changed, and all stays as it was: {reason}"))
            }
        });
    }

    /// Notes the local cloud that a command is about.
    pub(super) fn note_local_cloud(&self, record: &Record) {
        self.note_run(|run| {
            run.endpoint_url = Some(record.endpoint_url.clone());
            run.account = Some(cloud::ACCOUNT_ID.to_owned());
        });
    }

    /// Prints what the local cloud speaks, an operation a line.
    pub(super) fn print_operations(&self) {
        let operations: Vec<_> = cloud::operations().collect();
        let width = columns(io::stdout()).unwrap_or(u16::MAX);
        let line = |OperationSummary { service, operation, parameters, .. }: &OperationSummary| {
            wrapped(&format!("{service}:{operation}  {}", parameters.join(" ")), width) + "\n"
        };
        self.print_result(
            || operations.iter().map(line).collect(),
            Operations { operations: operations.clone() }.json(),
            Some(0),
        );
    }

    /// Writes a line of progress, or several.
    pub(super) fn progress_line(&self, line: &str) {
        if !self.quiet {
            self.message(line);
        }
    }

    /// Writes a line that is not progress: an error, or what the user has to know all the same.
    pub(super) fn message(&self, line: &str) {
        let mut line = self.advice.complete(line);
        if let Some(width) = columns(io::stderr()) {
            line = wrapped(&line, width);
        }
        self.has_written[1].store(true, Ordering::Relaxed);
        // That nobody can read it is no reason to fail.
        let _ = self.write_stderr(format!("{line}\n").as_bytes());
    }

    /// Says why the command could not do its work.
    pub(super) fn error(&self, error: &Error) {
        // An interruption has been told when it came.
        if error.exit_code() != 130 {
            let style = AnsiColor::Red.on_default().bold();
            self.message(&format!("{style}error{style:#}: {error}"));
        }
        let (exit_code, error) = (Some(error.exit_code()), Some(error.into()));
        self.end(End { exit_code, error, ..End::default() });
    }

    /// Prints the document of a command line that is not valid, of which the parser has said this.
    pub(super) fn print_misuse(&self, exit_code: u8, said: &str) {
        if self.output != Output::Human {
            let error = Some(Failure::misuse(said));
            self.end(End { exit_code: Some(exit_code), error, ..End::default() });
        }
    }

    /// Asks on a terminal. None: there is nobody to ask.
    pub(super) fn agrees(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let question = format!("{} [y/N]", self.advice.complete(question));
        let _ = write!(anstream::stderr(), "{} ", self.page(ZoneNames::default()).wrap(&question, 0));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        Some(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    pub(super) fn is_jsonl(&self) -> bool {
        self.output == Output::Jsonl
    }

    pub(super) fn is_json(&self) -> bool {
        self.output != Output::Human
    }

    /// Draws in place of what was drawn before, where stderr is a terminal; else prints a line with the time, if it is another
    /// than the one before. JSON waits for the end.
    pub(super) fn print_look(&self, now: &Now, page: &Page, progress: &Progress, last: &mut String) {
        if self.has_terminal() {
            let text = self.advice.complete(&now.text(page));
            progress.draw(if has_colors() { text } else { anstream::adapter::strip_str(&text).to_string() });
            return;
        }
        let summary = now.summary();
        if self.output == Output::Human && summary != *last {
            let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
            write_stdout(&format!("{time}  {}\n", self.advice.complete(&summary)));
            *last = summary;
        }
    }
}

fn text_of(Known { upstreams, endpoints }: Known) -> String {
    [count(endpoints as u64, "endpoint"), count(upstreams as u64, "upstream")].join(" of ")
}

/// Whether an event is to be a line: traffic is told of once a second, and not with each request.
fn is_news(event: &Event, traffic_told: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    match event {
        Event::Traffic { .. } if traffic_told.is_some_and(|told| now < told + BETWEEN_TRAFFIC) => false,
        Event::Traffic { .. } => {
            *traffic_told = Some(now);
            true
        }
        _ => true,
    }
}

/// What the local cloud speaks.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(super) struct Operations {
    /// Every operation of every service.
    operations: Vec<OperationSummary>,
}

/// Says on stderr what is wrong with a command line.
pub(super) fn print_misuse(error: &clap::Error) {
    let mut text = error.render().ansi().to_string();
    if let Some(width) = columns(io::stderr()) {
        text = wrapped(&text, width);
    }
    // That nobody can read it is no reason to fail in another way.
    let _ = write!(anstream::stderr(), "{text}");
}

/// The columns of a terminal; none if it is none.
fn columns(stream: impl AsFd) -> Option<u16> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| width.0)
}

struct LogWriter(Console);

impl Write for LogWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_stderr(text).map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Turns colors off for terminals, too, as NO_COLOR does; elsewhere there are none.
pub(super) fn set_colors(none: bool) {
    if none {
        anstream::ColorChoice::Never.write_global();
    }
}

/// Whether stderr shows colors.
pub(super) fn has_colors() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Writes an outcome. A reader that has seen enough closes the pipe: that is no failure.
pub(super) fn write_stdout(text: &str) {
    let mut stdout = anstream::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        terminal_echo::restore();
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        let reason = plain::of_io(&error);
        // Where that cannot be read either, the exit code tells.
        let _ = writeln!(
            anstream::stderr(),
            "error: what came of it cannot be written to stdout: {reason}; send it elsewhere"
        );
        std::process::exit(3);
    }
}

pub(super) fn json_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("outcomes have only text keys") + "\n"
}
