//! What comes of a command. Whichever command it was, there is one way to print it, to serialize it and to exit.

use serde::Serialize;

use crate::report::page::Page;

pub trait Outcome: Json {
    /// The heading over its text.
    fn title(&self) -> &'static str;

    /// The outcome as text, for people; where it has colors, they are taken out again if none are wanted.
    fn text(&self, page: &Page) -> String;

    /// Whether every check held; if not, the exit code is 1.
    fn holds(&self) -> bool {
        true
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

/// A value as the JSON document that it is printed as.
pub trait Json {
    fn json(&self) -> String;
}

impl<T: Serialize> Json for T {
    fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("outcomes have only text keys") + "\n"
    }
}
