//! What the program writes, and where: outcomes to stdout, everything else to stderr. Nothing else prints.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;

use anstyle::AnsiColor;
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
use crate::report::style;
use crate::settings::Settings;

/// Where a command writes. Every command to type that a text names gets this command's flags. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Console {
    output: Output,
    verbose: bool,
    advice: Arc<Advice>,
}

impl Console {
    pub(super) fn new(global: &Global) -> Self {
        Self { output: global.output, verbose: global.verbose > 0, advice: Arc::new(Advice::new(global)) }
    }

    /// The page that stdout is.
    pub(super) fn page(&self, zones: ZoneNames) -> Page {
        let size = terminal_size::terminal_size_of(io::stdout());
        Page { width: size.map(|(width, _)| width.0), verbose: self.verbose, zones }
    }

    pub(super) fn print(&self, outcome: &dyn Outcome, page: &Page) {
        match self.output {
            Output::Human => self.print_part(outcome, page),
            Output::Json => write_stdout(&self.advice.in_json().complete(&outcome.json())),
        }
    }

    /// Prints a part of the walkthrough as it ends; JSON waits for the whole.
    pub(super) fn print_part(&self, outcome: &dyn Outcome, page: &Page) {
        if self.output == Output::Human {
            let text = self.advice.complete(&outcome.text(page));
            write_stdout(&format!("\n{}\n{text}\n", style::strong(outcome.title())));
        }
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
                for OperationSummary { service, operation, parameters, .. } in &operations {
                    write_stdout(&format!("{service}:{operation}  {}\n", parameters.join(" ")));
                }
            }
            Output::Json => write_stdout(&operations.json()),
        }
    }

    /// Writes a line of progress under a heading, which may be empty.
    pub(super) fn say(&self, heading: &str, text: &str) {
        self.progress_line(&format!("{heading:>16}  {text}"));
    }

    pub(super) fn progress_line(&self, line: &str) {
        // That nobody can read the progress is no reason to fail.
        let _ = writeln!(anstream::stderr(), "{}", self.advice.complete(line));
    }

    pub(super) fn error(&self, error: &anyhow::Error) {
        let style = AnsiColor::Red.on_default().bold();
        self.progress_line(&format!("{style}error{style:#}: {error:#}"));
    }

    /// Asks on a terminal whether to spend money; refuses where nobody can be asked.
    pub(super) fn confirm_cost(&self, settings: &Settings, region: &str, profile: Option<&str>) -> Result<(), Error> {
        let cost = cost::hourly(settings).text;
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
