//! The distribution of latencies: which share of the requests took how long, within a zone and across.

use serde_json::{Value, json};

use super::figure::Figures;
use super::plot::{HEIGHT, WIDTH, steps, tick};
use crate::report::numbers::{count, percent};
use crate::runs::findings::Bucket;

/// Which requests of a bucket are counted.
type Count = fn(&Bucket) -> u64;

/// How much wider the first bucket's end is than its beginning, which is not told.
const FIRST: f64 = 1.1;

/// The chart and the table of its values. None: there are none.
pub(super) fn of(of: &Figures<'_>, buckets: &[Bucket]) -> Option<Value> {
    let (first, last) = (buckets.first()?.up_to_ms, buckets.last()?.up_to_ms);
    let is_drawn = |bucket: &&Bucket| bucket.up_to_ms > 0.0;
    let (start, end) = ((first / FIRST).max(1e-6).ln(), last.max(1e-6).ln());
    let x = |ms: f64| ((ms.max(1e-6).ln() - start) / (end - start).max(1e-9) * WIDTH).clamp(0.0, WIDTH);
    let series = |name: &str, class: &str, of: Count| {
        let all: u64 = buckets.iter().map(of).sum();
        json!({ "name": name, "class": class, "requests": count(all, "request"), "all": all })
    };
    let kinds: [(&str, &str, Count); 2] =
        [("same-zone", "same", |bucket| bucket.same_zone), ("cross-zone", "cross", |bucket| bucket.cross_zone)];
    let shares = |of: Count| {
        let all: u64 = buckets.iter().map(of).sum();
        move |bucket: &Bucket| if all > 0 { of(bucket) as f64 / all as f64 } else { 0.0 }
    };
    let highest = kinds.iter().flat_map(|(_, _, of)| buckets.iter().map(shares(*of))).fold(0.0, f64::max).max(1e-9);
    let areas = kinds.map(|(name, class, of)| {
        let share = shares(of);
        let mut drawn = vec![];
        let mut before = first / FIRST;
        for bucket in buckets.iter().filter(is_drawn) {
            // Between buckets that are not empty there may be some that are.
            let from = before.max(bucket.up_to_ms / FIRST);
            if from > before {
                drawn.push((x(before), x(from), HEIGHT, HEIGHT));
            }
            drawn.push((x(from), x(bucket.up_to_ms), HEIGHT, HEIGHT * (1.0 - share(bucket) / highest)));
            before = bucket.up_to_ms;
        }
        let mut area = series(name, class, of);
        area["path"] = json!(steps(&drawn));
        area
    });
    let is_there = |area: &&Value| area["all"] != 0;
    let rows = buckets.iter().enumerate().map(|(index, bucket)| {
        let field = |name: &str| format!("latency_buckets/{index}/{name}");
        json!({
            "up_to": of.milliseconds(&field("up_to_ms"), Some(bucket.up_to_ms)),
            "same": of.count(&field("same_zone"), bucket.same_zone),
            "cross": of.count(&field("cross_zone"), bucket.cross_zone),
        })
    });
    let ticks: Vec<Value> = ticks(first / FIRST, last)
        .into_iter()
        .map(|ms| json!({ "at": x(ms) / WIDTH * 100.0, "text": format!("{} ms", tick(ms)) }))
        .collect();
    Some(json!({
        "areas": areas.iter().filter(is_there).collect::<Vec<_>>(),
        "ticks": ticks,
        "highest": percent(Some(highest)),
        "rows": rows.collect::<Vec<_>>(),
    }))
}

/// Round numbers in a range of a logarithmic axis: as many as can be read.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let powers = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let all = |times: &[f64]| -> Vec<f64> {
        let ticks = powers.clone().flat_map(|power| times.iter().map(move |times| times * 10_f64.powi(power)));
        ticks.filter(|tick| (from..=to).contains(tick)).collect()
    };
    let choices = [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][..], &[1.0, 2.0, 5.0], &[1.0]];
    let ticks = choices.into_iter().map(all).find(|ticks| ticks.len() <= 7);
    ticks.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_as_many_numbers_as_can_be_read() {
        assert_eq!(ticks(0.95, 3.1), [1.0, 1.5, 2.0, 3.0]);
        assert_eq!(ticks(0.3, 25.0), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(ticks(0.05, 5000.0).len(), 5);
    }
}
