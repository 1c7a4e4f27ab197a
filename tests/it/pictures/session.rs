//! A recorded session: the walkthrough on a terminal, as an animated picture.

use std::collections::BTreeSet;
use std::time::Duration;

use super::svg::{self, Frame};
use crate::machine::Machine;
use crate::terminal::Terminal;

const NAME: &str = "walkthrough.svg";
const COLUMNS: u16 = 100;
const ROWS: u16 = 36;
const COMMAND: &[&str] = &["walkthrough", "--local"];

/// Between two looks at the screen: a spinner turns more often.
const BETWEEN: Duration = Duration::from_millis(250);
/// How long the last look at a step stays, and that at the end.
const STEP: Duration = Duration::from_millis(2_500);
const END: Duration = Duration::from_secs(8);

/// A busy machine can make a step say more or less than usual: only what none of so many recordings shows has changed.
const RECORDINGS: usize = 3;

#[test]
fn the_recorded_session_shows_what_is_printed_today() {
    let kept = super::shown(NAME);
    let recordings = (0..RECORDINGS).map(|_| record());
    let recordings: Vec<_> = recordings.take_while(|(_, shows)| *shows != kept).collect();
    if recordings.len() == RECORDINGS {
        let (mut frames, shows) = recordings.into_iter().next_back().unwrap();
        svg::linger(&mut frames, STEP, END);
        super::assert_none_new(&[super::replace(NAME, svg::animation(&frames, COLUMNS, ROWS).as_bytes(), &shows)]);
    }
}

/// A session's frames, and the words that it showed.
fn record() -> (Vec<Frame>, String) {
    let mut frames: Vec<Frame> = vec![];
    let began = tokio::time::Instant::now();
    let screen = Terminal::new(COLUMNS)
        .rows(ROWS)
        .beginning(&format!("$ zonewalk {}\r\n", COMMAND.join(" ")))
        .run_watched(&Machine::new(), COMMAND, |screen| svg::look(&mut frames, screen, began.elapsed(), BETWEEN));
    screen.assert_tidy_end(0);
    (frames, words(&screen.text()))
}

/// The words that were printed, in alphabetical order: lines break elsewhere each time. Numbers, the points that stand for none,
/// and files in the directory of the recording are different each time, too.
fn words(text: &str) -> String {
    let is_the_same =
        |word: &&str| *word != "·" && !word.starts_with('/') && !word.contains(|c: char| c.is_ascii_digit());
    let words: BTreeSet<&str> = text.split_whitespace().filter(is_the_same).collect();
    words.into_iter().map(|word| format!("{word}\n")).collect()
}
