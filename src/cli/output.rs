//! What is written, and where: outcomes to stdout, everything else to stderr.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use super::advice::Advice;
use crate::commands::Error;
use crate::commands::cost;
use crate::commands::local::Record;
use crate::commands::outcome::Outcome;
use crate::report::text;
use crate::settings::Settings;

/// What stdout gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Text and tables
    Human,
    /// One JSON document, and nothing else
    Json,
}

impl Output {
    pub(super) fn print(self, outcome: &Outcome) {
        match self {
            Self::Human => self.print_part(outcome),
            Self::Json => write_stdout(&json_document(outcome)),
        }
    }

    /// A part of the walkthrough, as it ends; JSON waits for the whole.
    pub(super) fn print_part(self, outcome: &Outcome) {
        if self == Self::Human {
            let title = Style::new().bold();
            let text = completed(&text::of(outcome));
            write_stdout(&format!("\n{title}{}{title:#}\n{text}\n", outcome.title()));
        }
    }

    pub(super) fn print_serving(self, record: &Record) {
        match self {
            Self::Human => write_stdout(&format!(
                "the local cloud listens at {url} (account {account}, any credentials)\n\n  \
                 export AWS_ENDPOINT_URL={url} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1\n\n\
                 Ctrl-C stops it\n",
                url = record.endpoint_url,
                account = crate::cloud::ACCOUNT_ID,
            )),
            Self::Json => write_stdout(&json_document(record)),
        }
    }

    /// As the file that asks for them, with what became of them.
    pub(super) fn print_faults(self, report: &Value) {
        match self {
            Self::Human => write_stdout(&toml::to_string(report).expect("a report is tables of texts and numbers")),
            Self::Json => write_stdout(&json_document(report)),
        }
    }
}

/// Colors are for terminals; `--no-color` and NO_COLOR keep them from those, too.
pub(super) fn set_colors(none: bool) {
    if none {
        anstream::ColorChoice::Never.write_global();
    }
}

/// For all that is printed from now on: there is one set of arguments in the life of the process.
static ADVICE: OnceLock<Advice> = OnceLock::new();

pub(super) fn set_advice(advice: Advice) {
    ADVICE.get_or_init(|| advice);
}

/// A text for people, its commands as they are to be typed.
fn completed(text: &str) -> String {
    ADVICE.get().map_or_else(|| text.to_owned(), |advice| advice.complete(text))
}

/// A reader that has seen enough closes the pipe: that is no failure.
pub(super) fn write_stdout(text: &str) {
    let mut stdout = anstream::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        std::process::exit(if error.kind() == io::ErrorKind::BrokenPipe { 0 } else { 3 });
    }
}

pub(super) fn progress_line(line: &str) {
    // Progress that nobody can read is not worth failing for.
    let _ = writeln!(anstream::stderr(), "{}", completed(line));
}

pub(super) fn error(error: &anyhow::Error) {
    let style = AnsiColor::Red.on_default().bold();
    progress_line(&format!("{style}error{style:#}: {error:#}"));
}

pub(super) fn json_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("outcomes have only text keys") + "\n"
}

fn json_document<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("outcomes have only text keys") + "\n"
}

/// Asks on a terminal; refuses where nobody can be asked.
pub(super) fn confirm_cost(settings: &Settings, region: &str, profile: Option<&str>) -> Result<(), Error> {
    let cost = cost::hourly(settings);
    // The SDK takes the profile from the variable if none is given.
    let profile =
        profile.map(str::to_owned).or_else(|| std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()));
    let profile = profile.map(|profile| format!(", with profile {profile},")).unwrap_or_default();
    let what = format!("makes resources on AWS in {region}{profile} that cost {cost}");
    if !io::stdin().is_terminal() {
        return Err(Error::Usage(format!("this {what}: say --yes to agree, or --local to rehearse")));
    }
    let question = format!("This {what}, until `zonewalk down`. Go on? [y/N] ");
    let _ = write!(anstream::stderr(), "{}", completed(&question));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" if read.is_ok() => Ok(()),
        _ => Err(Error::Usage("nothing was made".to_owned())),
    }
}
