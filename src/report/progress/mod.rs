//! Events as they are shown while a command works: lines for what has happened; and for what is waited for, bars on a
//! terminal, or else further lines, so that a log is never silent for long.

mod bars;
mod lines;
mod log;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use indicatif::MultiProgress;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::bars::Bars;
use self::log::Log;
use crate::events::{Event, Events};
use crate::plan::Action;

pub use self::lines::wrapped;

/// What shows events.
pub enum View {
    /// A terminal, on which these bars are drawn; and its columns.
    Terminal { bars: MultiProgress, width: Box<dyn Fn() -> u16 + Send + Sync> },
    /// A file or a pipe: plain lines with the time of day in UTC, which is this now.
    Log { now: SystemTime },
}

/// A consumer of events that shows each as it comes.
pub struct Progress {
    state: Mutex<State>,
    /// Whether also that is shown which is looked up, or found as it should be.
    verbose: bool,
    /// Whether the cloud takes the times that AWS takes.
    is_at_aws_pace: AtomicBool,
    print_line: Box<dyn Fn(&str) + Send + Sync>,
}

struct State {
    screen: Screen,
    work: Option<Work>,
    waits: BTreeMap<String, Wait>,
    /// The resources that were found as they should be.
    unchanged: usize,
    headed: bool,
}

enum Screen {
    Bars(Bars),
    Log(Log),
}

/// The command that is at work, or the step of the walkthrough.
struct Work {
    title: &'static str,
    began: Instant,
    done: usize,
    resources: Option<usize>,
    usually: Option<&'static str>,
}

/// Something that is waited for.
struct Wait {
    began: Instant,
    state: String,
    usually: Option<&'static str>,
}

/// The name under which traffic is waited for.
const TRAFFIC: &str = "traffic";

/// How often it is looked whether something is to be shown anew.
const TICK: Duration = Duration::from_millis(250);

/// What takes less says nothing by its time.
const WORTH_SAYING: Duration = Duration::from_secs(1);

impl Progress {
    /// `print_line` writes a line, also where bars are drawn.
    pub fn new(view: View, verbose: bool, print_line: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let screen = match view {
            View::Terminal { bars, width } => Screen::Bars(Bars::new(bars, width)),
            View::Log { now } => Screen::Log(Log::new(now)),
        };
        Self {
            state: Mutex::new(State { screen, work: None, waits: BTreeMap::new(), unchanged: 0, headed: false }),
            verbose,
            is_at_aws_pace: AtomicBool::new(false),
            print_line: Box::new(print_line),
        }
    }

    /// The events that are shown here. Has to be called where tasks can be spawned.
    pub fn events(self: &Arc<Self>) -> Events {
        tokio::spawn(tick(Arc::downgrade(self)));
        let progress = Arc::clone(self);
        Events::new(move |event| progress.show(event))
    }

    /// Says that the cloud takes the times that AWS takes, so that those are worth telling.
    pub fn set_aws_pace(&self) {
        self.is_at_aws_pace.store(true, Ordering::Relaxed);
    }

    /// A command begins.
    pub fn begin(&self, title: &'static str) {
        self.state.lock().begin(title);
    }

    /// Ends all that is shown of work under way, so that something else can be printed.
    pub fn end(&self) {
        let mut state = self.state.lock();
        state.waits.clear();
        state.work = None;
        if let Screen::Bars(bars) = &mut state.screen {
            bars.clear_text();
        }
        self.redraw(&mut state);
        self.tell_unchanged(&mut state);
    }

    /// Draws a text of several lines on a terminal, in the place of the one that was drawn before.
    pub fn draw(&self, text: String) {
        if let Screen::Bars(bars) = &mut self.state.lock().screen {
            bars.draw_text(text);
        }
    }

    fn show(&self, event: Event) {
        let state = &mut *self.state.lock();
        match event {
            Event::Heading { number, of, title } => {
                state.begin(title);
                let line = state.screen.heading(&format!("{number}/{of} {title}"));
                if std::mem::replace(&mut state.headed, true) {
                    (self.print_line)("");
                }
                (self.print_line)(&line);
            }
            Event::Planned { resources, usually } => {
                if let Some(work) = &mut state.work {
                    (work.resources, work.usually) = (resources, Some(usually));
                }
                if let (Screen::Log(_), Some(work), Some(usually)) =
                    (&state.screen, &state.work, self.at_aws_pace(Some(usually)))
                {
                    self.line(state, &lines::planned(work.title, resources, usually));
                }
            }
            Event::StageStarted { kind, name } => {
                state.wait(format!("{kind} {name}"), String::new(), None);
            }
            Event::Found { what, .. } => {
                if self.verbose {
                    self.line(state, &lines::found(&what));
                }
            }
            Event::Waiting { what, state: is, elapsed, usually } => {
                let began = Instant::now().checked_sub(elapsed);
                let wait = state.wait(what, is, self.at_aws_pace(usually));
                wait.began = began.unwrap_or(wait.began).min(wait.began);
            }
            Event::Waited { what } => state.waited(&what),
            Event::StageDone { kind, name, id, action, elapsed } => {
                state.waited(&format!("{kind} {name}"));
                state.did_one();
                if action == Action::Kept && !self.verbose && elapsed < WORTH_SAYING {
                    state.unchanged += 1;
                } else {
                    self.line(state, &lines::done(kind, &name, &id, action, elapsed));
                }
            }
            Event::Ready { what, elapsed } => self.line(state, &lines::ready(&what, elapsed)),
            Event::Removed { kind, name, id, elapsed } => {
                state.did_one();
                self.line(state, &lines::removed(kind, name.as_deref(), &id, elapsed));
            }
            Event::RemovalFailed { kind, id, reason } => self.line(state, &lines::not_removed(kind, &id, &reason)),
            Event::Traffic(traffic) => {
                let began = state.waits.get(TRAFFIC).map_or_else(Instant::now, |wait| wait.began);
                let text = lines::traffic(&traffic, began.elapsed());
                state.wait(TRAFFIC.to_owned(), text, None);
            }
            Event::TrafficEnded => state.waited(TRAFFIC),
            Event::Phase { phase, holds, same_zone_share, predicted, errors } => {
                self.line(state, &lines::phase(phase, holds, same_zone_share, predicted, errors));
            }
            Event::Note { message } => self.line(state, &lines::note(&message)),
        }
        self.redraw(state);
    }

    fn at_aws_pace(&self, usually: Option<&'static str>) -> Option<&'static str> {
        usually.filter(|_| self.is_at_aws_pace.load(Ordering::Relaxed))
    }

    /// Shows what is waited for as it is now.
    fn redraw(&self, state: &mut State) {
        let State { screen, work, waits, .. } = state;
        match screen {
            Screen::Bars(bars) => {
                let work = work.as_ref().map(|work| lines::work(work, self.at_aws_pace(work.usually)));
                bars.draw(waits, work);
            }
            Screen::Log(log) => {
                for line in log.due(waits) {
                    (self.print_line)(&log.stamped(&line));
                }
            }
        }
    }

    fn line(&self, state: &State, line: &str) {
        match &state.screen {
            Screen::Bars(_) => (self.print_line)(line),
            Screen::Log(log) => (self.print_line)(&log.stamped(line)),
        }
    }

    fn tell_unchanged(&self, state: &mut State) {
        match std::mem::take(&mut state.unchanged) {
            0 => {}
            number => self.line(state, &lines::unchanged(number)),
        }
    }
}

async fn tick(progress: Weak<Progress>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(progress) = progress.upgrade() else { return };
        progress.redraw(&mut progress.state.lock());
    }
}

impl State {
    fn begin(&mut self, title: &'static str) {
        self.waits.clear();
        self.work = Some(Work { title, began: Instant::now(), done: 0, resources: None, usually: None });
    }

    fn wait(&mut self, what: String, is: String, usually: Option<&'static str>) -> &mut Wait {
        let wait = self.waits.entry(what).or_insert_with(|| Wait {
            began: Instant::now(),
            state: String::new(),
            usually: None,
        });
        (wait.state, wait.usually) = (is, usually);
        wait
    }

    fn waited(&mut self, what: &str) {
        self.waits.remove(what);
    }

    fn did_one(&mut self) {
        if let Some(work) = &mut self.work {
            work.done += 1;
        }
    }
}

impl Screen {
    fn heading(&self, title: &str) -> String {
        match self {
            Self::Bars(bars) => lines::rule(title, bars.width()),
            Self::Log(_) => title.to_owned(),
        }
    }
}
