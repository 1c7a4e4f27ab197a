//! What is waited for as bars on a terminal, a line each, and below them how far all of it is.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Wait, lines};
use crate::report::numbers::duration;

pub(super) struct Bars {
    all: MultiProgress,
    width: Box<dyn Fn() -> u16 + Send + Sync>,
    waits: HashMap<String, ProgressBar>,
    work: Option<ProgressBar>,
    text: Option<ProgressBar>,
}

/// The time is first, since the end of a line that is too long is cut off.
const WAIT: &str = "{spinner} {prefix:>5}  {wide_msg}";
const WORK: &str = "  {wide_msg}";

impl Bars {
    pub(super) fn new(all: MultiProgress, width: Box<dyn Fn() -> u16 + Send + Sync>) -> Self {
        Self { all, width, waits: HashMap::new(), work: None, text: None }
    }

    pub(super) fn width(&self) -> u16 {
        (self.width)()
    }

    /// Draws a text of several lines, above all else.
    pub(super) fn draw_text(&mut self, text: String) {
        let bar = self.text.get_or_insert_with(|| styled(self.all.insert(0, ProgressBar::no_length()), "{msg}"));
        bar.set_message(text);
        bar.tick();
    }

    pub(super) fn clear_text(&mut self) {
        self.text.take().iter().for_each(|bar| clear(&self.all, bar));
    }

    pub(super) fn draw(&mut self, waits: &BTreeMap<String, Wait>, work: Option<String>) {
        self.waits.retain(|what, bar| {
            let stays = waits.contains_key(what);
            if !stays {
                clear(&self.all, bar);
            }
            stays
        });
        match work {
            Some(text) => {
                let bar = self.work.get_or_insert_with(|| styled(self.all.add(ProgressBar::no_length()), WORK));
                bar.set_message(text);
            }
            None => self.work.take().iter().for_each(|bar| clear(&self.all, bar)),
        }
        for (what, wait) in waits {
            let bar = self.waits.entry(what.clone()).or_insert_with(|| {
                let bar = ProgressBar::no_length();
                let bar = match &self.work {
                    Some(work) => self.all.insert_before(work, bar),
                    None => self.all.add(bar),
                };
                let bar = styled(bar, WAIT);
                // Last: a bar that ticks before it is one of them draws on its own.
                bar.enable_steady_tick(Duration::from_millis(100));
                bar
            });
            let prefix = duration(wait.began.elapsed());
            if bar.prefix() != prefix {
                bar.set_prefix(prefix);
            }
            let message = lines::waiting(what, wait);
            if bar.message() != message {
                bar.set_message(message);
            }
        }
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn clear(all: &MultiProgress, bar: &ProgressBar) {
    bar.finish_and_clear();
    all.remove(bar);
}
