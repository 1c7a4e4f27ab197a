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

/// How far back metrics are looked at: CloudWatch lists those of the last two weeks (API Reference, "ListMetrics").
pub(crate) fn back(text: &str) -> Result<Duration, String> {
    let days =
        text.strip_suffix('d').and_then(|days| days.parse().ok()).map(|days: u64| days.saturating_mul(24 * 3_600));
    let back = days.map_or_else(|| wait(text), |seconds| Ok(Duration::from_secs(seconds)));
    let limits = Duration::from_secs(3_600)..=Duration::from_secs(14 * 24 * 3_600);
    let back = back.ok().filter(|back| limits.contains(back));
    back.ok_or_else(|| "a time from 1h to 14d is needed, such as 12h or 7d".to_owned())
}

/// An amount, 0 or more.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0);
    amount.ok_or_else(|| "an amount of 0 or more is needed, such as 0.01".to_owned())
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

    #[test]
    fn two_weeks_is_as_far_as_metrics_are_listed() {
        for (text, hours) in [("7d", 168), ("14d", 336), ("1h", 1), ("90m", 1), ("12h", 12)] {
            assert_eq!(back(text).map(|back| back.as_secs() / 3_600), Ok(hours), "{text}");
        }
        for text in ["", "15d", "30m", "-1d", "week"] {
            assert!(back(text).unwrap_err().contains("14d"), "{text}");
        }
        assert_eq!((positive("0.01"), positive("0")), (Ok(0.01), Ok(0.0)));
        assert!(positive("-1").is_err() && positive("NaN").is_err());
    }
}
