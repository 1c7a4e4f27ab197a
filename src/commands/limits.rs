//! Numbers and times that options take.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;

use crate::report::numbers::grouped;

/// Reads a whole number within limits, which the error names.
pub(crate) fn within<T: TryFrom<u64>>(limits: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| limits.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            format!("a whole number from {} to {} is needed", grouped(*limits.start()), grouped(*limits.end()))
        })
    }
}

/// How long something may take: seconds, or with units.
pub(crate) fn wait(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let with_units = || text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let wait = seconds.or_else(with_units).filter(|wait| *wait >= Duration::from_secs(1));
    wait.ok_or_else(|| "a time of a second or more is needed: 900 (seconds), 90s, 15m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_limits_are_told_them() {
        assert_eq!(within::<u32>(1..=15)("15"), Ok(15));
        for text in ["0", "16", "-1", "six", ""] {
            assert_eq!(within::<u32>(1..=15)(text).unwrap_err(), "a whole number from 1 to 15 is needed", "{text}");
        }
        let refused = within::<u64>(1..=1_000_000)("0").unwrap_err();
        assert_eq!(refused, "a whole number from 1 to 1,000,000 is needed");
    }

    #[test]
    fn waits_are_seconds_or_have_units() {
        for (text, seconds) in [("900", 900), ("15m", 900), ("1h30m", 5400), ("90s", 90), ("2 minutes", 120)] {
            assert_eq!(wait(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "-5", "-5m", "0s", "soon", "15 m 3", "1.5.2"] {
            assert!(wait(text).unwrap_err().contains("15m"), "{text}");
        }
    }
}
