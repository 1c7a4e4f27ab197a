//! Outlier detection: Service Connect avoids a host for 30 to 300 seconds after 5 failures within 30 seconds (ECS
//! Developer Guide, Service Connect). In Envoy's detector that is `consecutive_5xx` 5, `interval` 30 s,
//! `base_ejection_time` 30 s and `max_ejection_time` 300 s, and this is how Envoy goes about it: failures in a row eject
//! at once, and a sweep at each interval brings hosts back whose time is over. How many hosts may be ejected at the same
//! time is not published; here there is no limit, and below the panic threshold ejections count for nothing.

use std::time::Duration;

use tokio::time::Instant;

pub(in crate::mesh) const CONSECUTIVE_5XX: u32 = 5;
pub(in crate::mesh) const INTERVAL: Duration = Duration::from_secs(30);
pub(in crate::mesh) const BASE_EJECTION_TIME: Duration = Duration::from_secs(30);
pub(in crate::mesh) const MAX_EJECTION_TIME: Duration = Duration::from_secs(300);

/// What the detector remembers of a host.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    since: Option<Instant>,
    /// Envoy's `eject_time_backoff`: how many times the base time an ejection lasts.
    times: u32,
}

impl Ejection {
    pub(super) fn is_active(&self) -> bool {
        self.since.is_some()
    }

    /// Ejects the host, and returns whether it was not ejected already.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.is_active() {
            return false;
        }
        self.since = Some(now);
        // It counts no further than a little beyond the longest time, or it would take as long to come down again.
        if BASE_EJECTION_TIME * self.times < MAX_EJECTION_TIME + BASE_EJECTION_TIME {
            self.times += 1;
        }
        true
    }

    /// Does what is due at an interval, and returns whether the host has come back.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        match self.since {
            None => {
                self.times = self.times.saturating_sub(1);
                false
            }
            Some(since) if now - since >= (BASE_EJECTION_TIME * self.times).min(MAX_EJECTION_TIME) => {
                self.since = None;
                true
            }
            Some(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sweeps until the host is back, and says how long that was.
    fn time_away(ejection: &mut Ejection, now: &mut Instant) -> Duration {
        let since = *now;
        assert!(ejection.begin(since));
        while ejection.is_active() {
            *now += INTERVAL;
            ejection.sweep(*now);
        }
        *now - since
    }

    #[test]
    fn a_host_that_fails_again_and_again_is_away_longer_each_time_up_to_300_seconds() {
        let (mut ejection, mut now) = (Ejection::default(), Instant::now());
        let away: Vec<u64> = (0..12).map(|_| time_away(&mut ejection, &mut now).as_secs()).collect();
        assert_eq!(away, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    }

    #[test]
    fn a_host_that_behaves_is_forgiven_one_time_each_interval() {
        let (mut ejection, mut now) = (Ejection::default(), Instant::now());
        time_away(&mut ejection, &mut now);
        time_away(&mut ejection, &mut now);
        for _ in 0..2 {
            now += INTERVAL;
            ejection.sweep(now);
        }
        assert_eq!(time_away(&mut ejection, &mut now), BASE_EJECTION_TIME);
    }

    #[test]
    fn an_ejected_host_is_not_ejected_again() {
        let mut ejection = Ejection::default();
        let now = Instant::now();
        assert!(ejection.begin(now));
        assert!(!ejection.begin(now + BASE_EJECTION_TIME / 2));
        assert!(ejection.sweep(now + BASE_EJECTION_TIME));
    }
}
