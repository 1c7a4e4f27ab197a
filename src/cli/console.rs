//! What the program writes, and where: outcomes to stdout, everything else to stderr. Nothing else prints.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anstyle::AnsiColor;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use serde_json::Value;

use super::advice::Advice;
use super::args::{Global, Output};
use crate::aws::ZoneNames;
use crate::cloud::{self, OperationSummary};
use crate::commands::Error;
use crate::commands::cost;
use crate::commands::outcome::{Json, Outcome};
use crate::processes::local_cloud::Record;
use crate::report::page::Page;
use crate::report::progress::{View, wrapped};
use crate::report::style;
use crate::settings::Settings;

/// Where a command writes. Every command to type that a text names gets this command's flags. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Console {
    output: Output,
    verbose: bool,
    advice: Arc<Advice>,
    /// The bars on stderr, which all that is written has to keep clear of; hidden where it is no terminal.
    bars: MultiProgress,
    /// Whether anything has been written, to stdout and to stderr: what comes after it stands apart from it.
    has_written: Arc<[AtomicBool; 2]>,
}

impl Console {
    pub(super) fn new(global: &Global) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            output: global.output,
            verbose: global.verbose > 0,
            advice: Arc::new(Advice::new(global)),
            bars,
            has_written: Arc::default(),
        }
    }

    /// Where progress is shown.
    pub(super) fn view(&self) -> View {
        if self.bars.is_hidden() {
            return View::Log { now: SystemTime::now() };
        }
        let width = || columns(io::stderr()).unwrap_or(80);
        View::Terminal { bars: self.bars.clone(), width: Box::new(width) }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Writes to stderr with no bar in the way.
    pub(super) fn log_writer(&self) -> impl Write + use<> {
        LogWriter(self.bars.clone())
    }

    /// The page that stdout is.
    pub(super) fn page(&self, zones: ZoneNames) -> Page {
        Page { width: columns(io::stdout()), verbose: self.verbose, zones }
    }

    pub(super) fn print(&self, outcome: &dyn Outcome, page: &Page) {
        match self.output {
            Output::Human => self.print_text(&outcome.text(page), page),
            Output::Json => write_stdout(&self.advice.in_json().complete(&outcome.json())),
        }
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

    pub(super) fn print_serving(&self, record: &Record) {
        match self.output {
            Output::Human => write_stdout(&format!(
                "the local cloud listens at {url} (account {account}, any credentials)\n\n  \
                 export AWS_ENDPOINT_URL={url} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1\n\n\
                 Ctrl-C stops it\n",
                url = record.endpoint_url,
                account = crate::cloud::ACCOUNT_ID,
            )),
            Output::Json => write_stdout(&record.json()),
        }
    }

    /// Prints faults as the file that asks for them, with how often each was met.
    pub(super) fn print_faults(&self, report: &Value) {
        match self.output {
            Output::Human => write_stdout(&toml::to_string(report).expect("a report is tables of texts and numbers")),
            Output::Json => write_stdout(&report.json()),
        }
    }

    /// Prints what the local cloud speaks, an operation a line.
    pub(super) fn print_operations(&self) {
        let operations: Vec<_> = cloud::operations().collect();
        match self.output {
            Output::Human => {
                let width = columns(io::stdout()).unwrap_or(u16::MAX);
                for OperationSummary { service, operation, parameters, .. } in &operations {
                    let line = format!("{service}:{operation}  {}", parameters.join(" "));
                    write_stdout(&format!("{}\n", wrapped(&line, width)));
                }
            }
            Output::Json => write_stdout(&operations.json()),
        }
    }

    /// Writes a line of progress, or several.
    pub(super) fn progress_line(&self, line: &str) {
        let mut line = self.advice.complete(line);
        if let Some(width) = columns(io::stderr()) {
            line = wrapped(&line, width);
        }
        self.has_written[1].store(true, Ordering::Relaxed);
        // That nobody can read the progress is no reason to fail.
        self.bars.suspend(|| {
            let _ = writeln!(anstream::stderr(), "{line}");
        });
    }

    pub(super) fn error(&self, error: &anyhow::Error) {
        let style = AnsiColor::Red.on_default().bold();
        self.progress_line(&format!("{style}error{style:#}: {error:#}"));
    }

    /// Asks on a terminal whether to spend money; refuses where nobody can be asked.
    pub(super) fn confirm_cost(&self, settings: &Settings, region: &str, profile: Option<&str>) -> Result<(), Error> {
        let cost = cost::hourly(settings);
        // The SDK takes the profile from this variable if none is given.
        let profile =
            profile.map(str::to_owned).or_else(|| std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()));
        let profile = profile.map(|profile| format!(", with profile {profile},")).unwrap_or_default();
        let what = format!("makes resources on AWS in {region}{profile} that cost {cost}");
        if !io::stdin().is_terminal() {
            return Err(Error::Usage(format!("this {what}: say --yes to agree, or --local to rehearse")));
        }
        let question = format!("This {what}, until `zonewalk down`. Go on? [y/N] ");
        let _ = write!(anstream::stderr(), "{}", self.advice.complete(&question));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        match answer.trim() {
            "y" | "Y" | "yes" if read.is_ok() => Ok(()),
            _ => Err(Error::Usage("nothing was made".to_owned())),
        }
    }
}

/// The columns of a terminal; none if it is none.
fn columns(stream: impl AsFd) -> Option<u16> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| width.0)
}

struct LogWriter(MultiProgress);

impl Write for LogWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(text))
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

/// Writes an outcome. A reader that has seen enough closes the pipe: that is no failure.
pub(super) fn write_stdout(text: &str) {
    let mut stdout = anstream::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        std::process::exit(if error.kind() == io::ErrorKind::BrokenPipe { 0 } else { 3 });
    }
}

pub(super) fn json_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("outcomes have only text keys") + "\n"
}
