//! How long requests to a zone took, as Envoy's histograms have it: whole milliseconds, rounded down, in buckets of two
//! significant digits.

use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The buckets up to 99 ms have a width of 1, which is 100 of them; each tenfold from there on has 90.
const FINE: u64 = 100;
const OF_A_TENFOLD: u64 = 90;
const BUCKETS: usize = (FINE + 3 * OF_A_TENFOLD) as usize;

/// A counter for each bucket up to 100 s, so that counting is one increment; what takes longer is in the last.
pub(super) struct RequestTimes(Box<[AtomicU64; BUCKETS]>);

impl Default for RequestTimes {
    fn default() -> Self {
        Self(Box::new([const { AtomicU64::new(0) }; BUCKETS]))
    }
}

impl RequestTimes {
    pub(super) fn count(&self, time: Duration) {
        self.0[index(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))].fetch_add(1, Relaxed);
    }

    /// Adds the lines of Envoy's `/stats?histogram_buckets=detailed`, none if nothing was counted.
    pub(super) fn render(&self, name: &str, text: &mut String) {
        let counts = self.0.iter().enumerate().map(|(index, count)| (index, count.load(Relaxed)));
        let buckets = counts.filter(|(_, count)| *count > 0).map(|(index, count)| {
            let (lower, width) = bounds(index as u64);
            format!("{lower},{width}:{count}")
        });
        let buckets: Vec<String> = buckets.collect();
        if !buckets.is_empty() {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name}:\n  totals={}", buckets.join(", "));
        }
    }
}

fn index(ms: u64) -> usize {
    let (mut digits, mut tenfold) = (ms, 0);
    while digits >= FINE && tenfold < 3 {
        digits /= 10;
        tenfold += 1;
    }
    let index = if tenfold == 0 { digits } else { FINE + (tenfold - 1) * OF_A_TENFOLD + digits.min(99) - 10 };
    usize::try_from(index).unwrap_or(BUCKETS - 1)
}

/// A bucket's lower bound, and its width as Envoy has it.
fn bounds(index: u64) -> (u64, &'static str) {
    match index {
        0 => (0, "0"),
        1..10 => (index, "0.1"),
        10..FINE => (index, "1"),
        _ => {
            let (tenfold, digits) = ((index - FINE) / OF_A_TENFOLD, (index - FINE) % OF_A_TENFOLD + 10);
            (digits * 10_u64.pow(tenfold as u32 + 1), ["10", "100", "1000"][tenfold.min(2) as usize])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_envoys() {
        let times = RequestTimes::default();
        for ms in [0, 0, 1, 9, 10, 99, 100, 109, 110, 999, 1_000, 12_345, 100_000, 9_999_999] {
            times.count(Duration::from_micros(ms * 1_000 + 999));
        }
        let mut text = String::new();
        times.render("x", &mut text);
        let buckets = "0,0:2, 1,0.1:1, 9,0.1:1, 10,1:1, 99,1:1, 100,10:2, 110,10:1, 990,10:1, 1000,100:1, 12000,1000:1, 99000,1000:2";
        assert_eq!(text, format!("x:\n  totals={buckets}\n"));
        let mut text = String::new();
        RequestTimes::default().render("x", &mut text);
        assert_eq!(text, "");
    }
}
