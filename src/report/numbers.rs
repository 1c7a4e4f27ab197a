//! How numbers look: shares, times, and how many of something.

use std::time::Duration;

use crate::routing::Percent;

/// A share as a percentage, `33.3%` or `100%`; none as a dash.
pub fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| Percent(share).to_string())
}

/// A latency: `1.5 ms`; none as a dash.
pub fn milliseconds(latency: Option<f64>) -> String {
    latency.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"))
}

/// A time in the two units that matter: `0.4s`, `12s`, `1m50s`, `3h12m`, `2d4h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A number of things, whose plural has an `s`: `1 request`, `9,773 requests`.
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// A number with its thousands apart: `9,773`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// An amount of bytes: `512 B`, `61.9 kB`.
pub fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        ..1e3 => format!("{bytes} B"),
        bytes @ ..1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes @ ..1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        let shares = [None, Some(0.0), Some(0.0001), Some(1.0 / 3.0), Some(0.9999), Some(1.0)];
        assert_eq!(shares.map(percent), ["-", "0%", "0.1%", "33.3%", "99.9%", "100%"], "one stray request is seen");
    }

    #[test]
    fn bytes_have_units_of_a_thousand() {
        let texts = [0, 999, 61_850, 2_000_000, 3_210_000_000].map(bytes);
        assert_eq!(texts, ["0 B", "999 B", "61.9 kB", "2.0 MB", "3.2 GB"]);
    }

    #[test]
    fn times_have_the_two_units_that_matter() {
        let times = [0.0, 0.44, 9.94, 12.9, 59.9, 110.0, 3_600.0, 11_520.0, 187_200.0];
        let texts = times.map(|seconds| duration(Duration::from_secs_f64(seconds)));
        assert_eq!(texts, ["0.0s", "0.4s", "9.9s", "12s", "59s", "1m50s", "1h00m", "3h12m", "2d04h"]);
    }

    #[test]
    fn one_of_a_thing_has_no_plural() {
        assert_eq!(
            [0, 1, 2, 9_773].map(|number| count(number, "request")),
            ["0 requests", "1 request", "2 requests", "9,773 requests"]
        );
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
