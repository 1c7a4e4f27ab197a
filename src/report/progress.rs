//! Events as lines and bars on a terminal's stderr. Without a terminal they are plain lines, waits included: so a log tells
//! what a run waits for, and AWS's reasons, before it times out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::numbers::percent;
use crate::events::{Event, Events, PATIENCE};
use crate::plan::Step;

/// A consumer of events that shows each as it comes.
pub struct Progress {
    bars: MultiProgress,
    /// Whether stderr is a terminal, which shows bars.
    terminal: bool,
    /// The bars of what is being waited for, by its name; the traffic's bar has a name of its own.
    current: Mutex<HashMap<String, ProgressBar>>,
    /// What was last told of each wait, by its name, where no terminal shows bars.
    told: Mutex<HashMap<String, Told>>,
    /// When the traffic began, and when it was last told how far it is.
    traffic_told: Mutex<Option<(Instant, Instant)>>,
    /// Writes a line where no terminal shows bars.
    print_line: Box<dyn Fn(&str) + Send + Sync>,
}

struct Told {
    state: String,
    elapsed: Duration,
}

const TRAFFIC: &str = "requests";
const DRAWN: &str = "what is drawn in place";

impl Progress {
    pub fn new(terminal: bool, print_line: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bars: MultiProgress::with_draw_target(target),
            terminal,
            current: Mutex::default(),
            told: Mutex::default(),
            traffic_told: Mutex::default(),
            print_line: Box::new(print_line),
        }
    }

    /// The events that are shown here.
    pub fn events(self: &Arc<Self>) -> Events {
        let progress = Arc::clone(self);
        Events::new(move |event| progress.show(event))
    }

    /// Ends all waits that are shown and prints something else, with no bar in its way.
    pub fn interrupt(&self, print: impl FnOnce()) {
        self.finish_waits(|_| true);
        self.bars.suspend(print);
    }

    /// Draws a text of several lines in the place of the one that was drawn before.
    pub fn draw(&self, text: String) {
        let mut current = self.current.lock();
        let bar = current.entry(DRAWN.to_owned()).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(text);
        bar.tick();
    }

    fn show(&self, event: Event) {
        match event {
            // Without a terminal a stage's waits and its end say enough.
            Event::StageStarted { kind, name } if self.terminal => {
                self.wait(&format!("{kind} {name}"), kind.step(), "…");
            }
            Event::StageStarted { .. } => {}
            Event::Found { step, what } => self.line(step, &what),
            Event::Waiting { step, what, state, elapsed } if self.terminal => {
                self.wait(&what, step, &format!("{state} ({})", seconds(elapsed)));
            }
            Event::Waiting { step, what, state, elapsed } => self.tell_wait(what, step, state, elapsed),
            Event::Waited { what } => self.finish_waits(|waiting| waiting == what),
            Event::StageDone { kind, id, action, elapsed } => {
                self.line(kind.step(), &format!("{kind} {} {action} ({})", short(&id), seconds(elapsed)));
            }
            Event::Removed { kind, id, elapsed } => {
                self.line(kind.step(), &format!("{kind} {} removed ({})", short(&id), seconds(elapsed)));
            }
            Event::RemovalFailed { kind, id, reason } => {
                self.line(kind.step(), &format!("{kind} {} not removed: {reason}", short(&id)));
            }
            Event::Traffic { done, total } if self.terminal => self.traffic(done, total),
            Event::Traffic { done, total } => self.tell_traffic(done, total),
            Event::Phase { phase, holds, same_zone_share } => {
                self.finish_waits(|_| true);
                *self.traffic_told.lock() = None;
                let outcome = if holds { "as it should be" } else { "not as it should be" };
                self.text(&format!(
                    "{:>16}  {phase}: {} in the same zone, {outcome}",
                    "failover",
                    percent(same_zone_share)
                ));
            }
            Event::Note { message } => self.text(&format!("{:>16}  {message}", "")),
        }
    }

    fn wait(&self, what: &str, step: Step, state: &str) {
        let mut current = self.current.lock();
        let bar = current.entry(what.to_owned()).or_insert_with(|| self.bars.add(spinner()));
        bar.set_message(format!("{:>16}  {what}: {state}", step.to_string()));
    }

    /// Tells a state if it differs from the one told before, and a tenth of the time waited has passed since: a state that
    /// changes at every look, on AWS sometimes for minutes, then gives dozens of lines and not hundreds. One that stays is
    /// told again after a while.
    fn tell_wait(&self, what: String, step: Step, state: String, elapsed: Duration) {
        let mut told = self.told.lock();
        let (news, still) = match told.get(&what) {
            None => (true, ""),
            Some(last) if last.state == state => (elapsed >= last.elapsed + PATIENCE.max(last.elapsed / 10), "still "),
            Some(last) => (elapsed >= last.elapsed + last.elapsed / 10, ""),
        };
        if news {
            self.line(step, &format!("{what}: {still}{state} ({})", seconds(elapsed)));
            told.insert(what, Told { state, elapsed });
        }
    }

    /// Tells where no terminal shows bars how far the traffic is, now and then.
    fn tell_traffic(&self, done: u64, total: Option<u64>) {
        let (mut told, now) = (self.traffic_told.lock(), Instant::now());
        let (began, last) = told.get_or_insert((now, now));
        if now - *last >= PATIENCE {
            *last = now;
            self.text(&format!("{:>16}  {} ({})", "traffic", answered(done, total), seconds(now - *began)));
        }
        if total == Some(done) {
            *told = None;
        }
    }

    fn traffic(&self, done: u64, total: Option<u64>) {
        let mut current = self.current.lock();
        let bar = current.entry(TRAFFIC.to_owned()).or_insert_with(|| self.bars.add(spinner()));
        bar.set_message(format!("{:>16}  {}", "traffic", answered(done, total)));
        if total == Some(done)
            && let Some(bar) = current.remove(TRAFFIC)
        {
            bar.finish_and_clear();
        }
    }

    fn finish_waits(&self, over: impl Fn(&str) -> bool) {
        let mut current = self.current.lock();
        current.retain(|what, bar| {
            let over = over(what);
            if over {
                bar.finish_and_clear();
            }
            !over
        });
        self.told.lock().retain(|what, _| !over(what));
    }

    fn line(&self, step: Step, text: &str) {
        self.text(&format!("{:>16}  {text}", step.to_string()));
    }

    fn text(&self, line: &str) {
        self.bars.suspend(|| (self.print_line)(line));
    }
}

/// The name in an ARN, without partition, service, region, account and resource type; any other identifier as it is.
fn short(id: &str) -> &str {
    let Some(arn) = id.strip_prefix("arn:") else { return id };
    let resource = arn.splitn(5, ':').last().unwrap_or(arn);
    resource.split_once('/').map_or(resource, |(_kind, name)| name)
}

fn answered(done: u64, total: Option<u64>) -> String {
    let of = total.map_or(String::new(), |total| format!(" of {total}"));
    format!("{done}{of} requests answered")
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_shown_by_their_resources_name() {
        let definition = "arn:aws:ecs:us-east-1:000000000000:task-definition/az-aware-fe-service-ec2:1";
        assert_eq!(short(definition), "az-aware-fe-service-ec2:1");
        assert_eq!(short("sg-01ff058590dbe5a37"), "sg-01ff058590dbe5a37");
    }

    /// What is printed without a terminal when a wait is looked at in these seconds and found in these states.
    fn lines(looks: impl IntoIterator<Item = (u64, String)>) -> Vec<String> {
        let printed: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = Arc::clone(&printed);
        let events = Arc::new(Progress::new(false, move |line| lines.lock().push(line.trim().to_owned()))).events();
        for (second, state) in looks {
            let (what, elapsed) = ("service x".to_owned(), Duration::from_secs(second));
            events.send(Event::Waiting { step: Step::Services, what, state, elapsed });
        }
        drop(events);
        std::mem::take(&mut printed.lock())
    }

    #[test]
    fn without_a_terminal_a_state_is_told_when_it_changes() {
        let looks = [(0, "2 of 6 running"), (3, "2 of 6 running"), (6, "3 of 6 running"), (9, "3 of 6 running")];
        assert_eq!(
            lines(looks.map(|(second, state)| (second, state.to_owned()))),
            ["services  service x: 2 of 6 running (0.0 s)", "services  service x: 3 of 6 running (6.0 s)"]
        );
    }

    #[test]
    fn a_state_that_stays_is_told_again_and_again_with_the_time_waited() {
        let lines = lines((0..=120).map(|look| (look, "2 of 6 running".to_owned())));
        let still = [30, 60, 90, 120].map(|s| format!("services  service x: still 2 of 6 running ({s}.0 s)"));
        assert_eq!(lines[1..], still);
    }

    #[tokio::test(start_paused = true)]
    async fn long_traffic_is_told_how_far_it_is() {
        let printed: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = Arc::clone(&printed);
        let events = Arc::new(Progress::new(false, move |line| lines.lock().push(line.trim().to_owned()))).events();
        for done in 1..=70 {
            tokio::time::advance(Duration::from_secs(1)).await;
            events.send(Event::Traffic { done, total: Some(70) });
        }
        let told = ["31 of 70 requests answered (30.0 s)", "61 of 70 requests answered (60.0 s)"];
        assert_eq!(*printed.lock(), told.map(|told| format!("traffic  {told}")));
    }

    #[test]
    fn a_state_that_never_stays_the_same_does_not_fill_a_log() {
        let looks = (0..=90).map(|look| (10 * look, format!("request {look} was throttled")));
        let lines = lines(looks);
        assert!((20..=40).contains(&lines.len()), "{lines:#?}");
        assert!(lines.last().unwrap().contains("throttled (8"), "the last is less than a tenth old: {lines:#?}");
    }
}
