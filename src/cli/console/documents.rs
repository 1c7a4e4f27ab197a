//! The document of a run: printed in the form that is asked for, and kept as the run's record.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Console, json_line, write_stdout};
use crate::cli::advice::Advice;
use crate::cli::document::{Document, End};
use crate::cli::options::Output;
use crate::commands::outcome::Json;
use crate::commands::report::Report;
use crate::report::{junit, markdown};
use crate::runs::{self, Findings, Store};

impl Console {
    /// Keeps the run if it is to be, and prints its document if that is asked for.
    pub(super) fn end(&self, end: End) {
        let (document, asked) = {
            let mut run = self.run.lock();
            (Document::of(&run, end), run.asked.take())
        };
        if self.output == Output::Human && asked.is_none() {
            return;
        }
        let whole = self.complete(&document);
        if let Some(asked) = asked
            && let Err(reason) = record(asked, &whole)
        {
            self.message(&format!("this run is not kept: {reason}"));
        }
        match self.output {
            Output::Human => {}
            Output::Json => {
                let text = serde_json::to_string_pretty(&whole).expect("outcomes have only text keys");
                write_stdout(&(text + "\n"));
            }
            Output::Jsonl => write_stdout(&json_line(&self.complete(&document.into_last_line()))),
            Output::Junit | Output::Markdown => {
                let (document, findings) = read(&whole);
                self.print_form(&[(&document, &findings)]);
            }
        }
    }

    /// A document as it is printed and kept, with this command's flags in its texts.
    fn complete(&self, document: &Document) -> Value {
        fn complete(value: &mut Value, advice: &Advice) {
            match value {
                Value::String(text) => *text = advice.complete(text),
                Value::Array(items) => items.iter_mut().for_each(|item| complete(item, advice)),
                Value::Object(members) => members.values_mut().for_each(|member| complete(member, advice)),
                _ => {}
            }
        }
        let mut value = document.json();
        complete(&mut value, &self.advice);
        value
    }

    /// Prints runs in a form for others.
    fn print_form(&self, runs: &[(&runs::Document, &Findings)]) {
        if self.output == Output::Junit {
            write_stdout(&junit::of(runs));
        } else {
            let texts = runs.iter().map(|(document, findings)| markdown::of(document, findings));
            write_stdout(&texts.collect::<Vec<_>>().join("\n"));
        }
    }

    /// Prints runs that were kept.
    pub(in crate::cli) fn print_report(&self, report: &Report) {
        if self.output.is_report() {
            self.print_form(&report.read.iter().map(|run| (&run.document, &run.findings)).collect::<Vec<_>>());
        } else {
            self.print_bare(report);
        }
    }

    /// Prints what is the result of a command that shows it in a form of its own.
    pub(super) fn print_result(&self, text: impl FnOnce() -> String, result: Value, exit_code: Option<u8>) {
        match self.output {
            Output::Human => write_stdout(&text()),
            _ => self.end(End { exit_code, result: Some(result), ..End::default() }),
        }
    }
}

/// Keeps a run whose document this is.
fn record(asked: Map<String, Value>, document: &Value) -> Result<(), runs::Error> {
    let command = document["command"].as_str().unwrap_or("zonewalk");
    Store::of_user()?.keep(asked, command, document.clone()).map(drop)
}

/// What a document says that has just been made.
fn read(document: &Value) -> (runs::Document, Findings) {
    let document = runs::Document::deserialize(document).expect("a document has the shape that is read here");
    let findings = Findings::of(&document).expect("what was found has the shape that is read here");
    (document, findings)
}
