//! What is waited for as lines of a log, at intervals that no CI system takes for a hang.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{TICK, Wait, lines};

/// What is over sooner is not told.
const A_MOMENT: Duration = Duration::from_secs(1);

/// How often a state is told that stays the same.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Log {
    /// The same moment by two clocks.
    began: (SystemTime, Instant),
    /// When each wait was last told, and in which state.
    told: HashMap<String, (Instant, String)>,
}

impl Log {
    pub(super) fn new(now: SystemTime) -> Self {
        Self { began: (now, Instant::now()), told: HashMap::new() }
    }

    /// A line with the time of day before it, in UTC.
    pub(super) fn stamped(&self, line: &str) -> String {
        let (wall, instant) = self.began;
        match Timestamp::try_from(wall + instant.elapsed()) {
            Ok(time) => format!("{} {line}", time.strftime("%H:%M:%S")),
            Err(_) => line.to_owned(),
        }
    }

    /// The lines that are due now: of each wait its first state after a moment; another one when a tenth of the time waited
    /// has passed since, so that one that changes all the time does not fill the log; and the same one, again and again,
    /// before it is silent for too long.
    pub(super) fn due(&mut self, waits: &BTreeMap<String, Wait>) -> Vec<String> {
        self.told.retain(|what, _| waits.contains_key(what));
        let (mut due, now) = (vec![], Instant::now());
        for (what, wait) in waits {
            let waited = now - wait.began;
            let (is_due, still) = match self.told.get(what) {
                None => (waited >= A_MOMENT, false),
                Some((at, state)) => {
                    let (silent, is_same) = (now - *at, *state == wait.state);
                    // At the next tick it would be too late.
                    let is_long = silent + TICK >= PATIENCE;
                    (is_long || !is_same && silent >= A_MOMENT.max(waited / 10), is_same)
                }
            };
            if is_due {
                due.push(lines::told(what, wait, still, waited));
                self.told.insert(what.clone(), (now, wait.state.clone()));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a wait whose state at each second of the clock is this.
    async fn told(states: impl IntoIterator<Item = String>) -> Vec<String> {
        let began = Instant::now();
        let mut log = Log::new(SystemTime::UNIX_EPOCH);
        let mut lines = vec![];
        for state in states {
            let wait = Wait { began, state, usually: None };
            let waits = BTreeMap::from([("service x".to_owned(), wait)]);
            lines.extend(log.due(&waits).iter().map(|line| log.stamped(line)));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        lines
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_is_told_after_a_moment_and_when_it_changes() {
        let states = ["2 of 6 running", "2 of 6 running", "2 of 6 running", "3 of 6 running", "3 of 6 running"];
        let lines = told(states.map(str::to_owned)).await;
        let expected = ["00:00:01   service x: 2 of 6 running, 1.0s", "00:00:03   service x: 3 of 6 running, 3.0s"];
        assert_eq!(lines, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_stays_is_told_again_and_again_with_the_time_waited() {
        let lines = told((0..=61).map(|_| "2 of 6 running".to_owned())).await;
        let still = [("00:00:16", "16s"), ("00:00:31", "31s"), ("00:00:46", "46s"), ("00:01:01", "1m01s")];
        let still = still.map(|(stamp, time)| format!("{stamp}   service x: still 2 of 6 running, {time}"));
        assert_eq!(lines[1..], still);
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_never_stays_the_same_does_not_fill_a_log() {
        let lines = told((0..=900).map(|second| format!("{second} tasks"))).await;
        assert!((60..=90).contains(&lines.len()), "{lines:#?}");
    }
}
