//! What comes of a command. Whichever command it was, there is one way to print it, to serialize it and to exit.

use serde::Serialize;
use serde_json::Value;

use crate::report::page::Page;

pub trait Outcome: Json {
    /// The heading over its text.
    fn title(&self) -> &'static str;

    /// The outcome as text, for people; where it has colors, they are taken out again if none are wanted.
    fn text(&self, page: &Page) -> String;

    /// The exit code of the command.
    fn exit_code(&self) -> u8 {
        match (self.is_interrupted(), self.holds()) {
            (true, _) => 130, // a shell's for a program that SIGINT ended
            (false, true) => 0,
            (false, false) => 1,
        }
    }

    /// Whether every check held; if not, the exit code is 1.
    fn holds(&self) -> bool {
        true
    }

    /// Whether it is what there was when the user interrupted the command.
    fn is_interrupted(&self) -> bool {
        false
    }

    /// Whether this was a removal, and left nothing behind.
    fn left_nothing(&self) -> bool {
        false
    }

    /// What to type next.
    fn next(&self) -> Option<String> {
        None
    }
}

/// A value as JSON: what an outcome is in the `result` of its command's document.
pub trait Json {
    fn json(&self) -> Value;
}

impl<T: Serialize> Json for T {
    fn json(&self) -> Value {
        serde_json::to_value(self).expect("outcomes have only text keys")
    }
}
