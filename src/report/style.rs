//! Colors, by what they mean. Where none are wanted, they are taken out again as the text is written.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ATTENTION: Style = AnsiColor::Yellow.on_default();

/// What is as it should be: PASS, created.
pub fn good(text: impl Display) -> String {
    styled(GOOD, text)
}

/// What is not: FAIL, PROBLEM.
pub fn bad(text: impl Display) -> String {
    styled(BAD, text)
}

/// What has changed, is off, or is to be looked at.
pub fn attention(text: impl Display) -> String {
    styled(ATTENTION, text)
}

/// What matters less than the rest of its line.
pub fn faint(text: impl Display) -> String {
    styled(Style::new().dimmed(), text)
}

/// Headings, and the first words of an answer.
pub fn strong(text: impl Display) -> String {
    styled(Style::new().bold(), text)
}

fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
