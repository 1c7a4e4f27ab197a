//! The timeline of a drill: the share of requests that stay in their zone, errors, latency and tasks by zone, second by second.

use serde_json::{Value, json};

use super::figure::Figures;
use super::plot::{HEIGHT, WIDTH, line, round_up, steps, tick};
use crate::runs::findings::{Drill, Moment};

/// The charts and the table of their values. None: the drill has no timeline.
pub(super) fn of(at: &str, drill: &Drill) -> Option<Value> {
    let moments = drill.timeline.as_slice();
    let (first, last) = (moments.first()?.at_s, moments.last()?.at_s + 1.0);
    let x = |at_s: f64| (at_s - first) / (last - first).max(1.0) * WIDTH;
    let middle = |moment: &Moment| x(moment.at_s + 0.5);
    let y = |value: f64, top: f64| HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0));
    let path = |of: fn(&Moment) -> Option<f64>, top: f64| {
        line(moments.iter().map(|moment| (middle(moment), of(moment).map(|value| y(value, top)))))
    };
    let most = |of: fn(&Moment) -> Option<f64>| moments.iter().filter_map(of).fold(0.0, f64::max);
    let curve = |name: &str, class: &str, path: String| json!({ "name": name, "class": class, "path": path });

    let slowest = round_up(most(|moment| moment.p99_ms.or(moment.p50_ms)));
    let errors = most(|moment| Some(moment.errors as f64));
    let error_top = round_up(errors);
    let bars: Vec<_> = moments
        .iter()
        .filter(|moment| moment.errors > 0)
        .map(|moment| (x(moment.at_s), x(moment.at_s + 1.0), HEIGHT, y(moment.errors as f64, error_top)))
        .collect();
    let bars = bars.iter().map(|bar| steps(&[*bar])).collect::<String>();
    let mut panels = vec![
        json!({
            "title": "Requests that stayed in their zone", "top": "100%", "bottom": "0%",
            "lines": [curve("same-zone share", "same", path(|moment| moment.same_zone_share, 1.0))], "areas": [],
        }),
        json!({
            "title": if errors > 0.0 { "Failed requests a second" } else { "Failed requests a second: none" },
            "top": tick(error_top), "bottom": "0", "lines": [], "areas": [curve("failed", "bad", bars)],
        }),
        json!({
            "title": "Latency", "top": format!("{} ms", tick(slowest)), "bottom": "0 ms",
            "lines": [
                curve("median", "median", path(|moment| moment.p50_ms, slowest)),
                curve("99th percentile", "slow", path(|moment| moment.p99_ms, slowest)),
            ],
            "areas": [],
        }),
    ];
    panels.extend(services(moments).into_iter().map(|service| tasks(&service, moments, x)));
    let of = Figures::at(at);
    let seconds = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| format!("{:.0} s", first + part * (last - first)));
    Some(json!({
        "phases": phases(moments, x),
        "panels": panels,
        "seconds": seconds,
        "services": services(moments),
        "rows": moments.iter().enumerate().map(|(index, moment)| row(&of, index, moment)).collect::<Vec<_>>(),
    }))
}

/// The phases, each from its first second to its last.
fn phases(moments: &[Moment], x: impl Fn(f64) -> f64) -> Vec<Value> {
    let mut phases = vec![];
    for group in moments.chunk_by(|one, next| one.phase == next.phase) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (from, to) = (x(first.at_s), x(last.at_s + 1.0));
        phases.push(json!({
            "name": first.phase.replace('_', " "),
            "from": from, "width": to - from,
            "left": from / WIDTH * 100.0, "share": (to - from) / WIDTH * 100.0,
        }));
    }
    phases
}

fn services(moments: &[Moment]) -> Vec<String> {
    let mut services: Vec<String> =
        moments.iter().flat_map(|moment| moment.tasks.iter().map(|tasks| tasks.service.clone())).collect();
    services.sort();
    services.dedup();
    services
}

fn running(moment: &Moment, service: &str, zone: Option<&str>) -> u32 {
    let is_it = |zone_of: &str| zone.is_none_or(|zone| zone == zone_of);
    moment.tasks.iter().filter(|tasks| tasks.service == service && is_it(&tasks.zone)).map(|tasks| tasks.running).sum()
}

/// The tasks of a service, those of one zone above those of the other.
fn tasks(service: &str, moments: &[Moment], x: impl Fn(f64) -> f64) -> Value {
    let mut zones: Vec<&str> =
        moments.iter().flat_map(|moment| moment.tasks.iter().map(|tasks| tasks.zone.as_str())).collect();
    zones.sort_unstable();
    zones.dedup();
    let most = moments.iter().map(|moment| running(moment, service, None)).max().unwrap_or(0).max(1);
    let y = |tasks: u32| HEIGHT * (1.0 - f64::from(tasks) / f64::from(most));
    let mut below = vec![0; moments.len()];
    let areas = zones.iter().enumerate().map(|(index, zone)| {
        let mut drawn = vec![];
        for (moment, below) in moments.iter().zip(&mut below) {
            let above = *below + running(moment, service, Some(zone));
            drawn.push((x(moment.at_s), x(moment.at_s + 1.0), y(*below), y(above)));
            *below = above;
        }
        json!({ "name": zone, "class": format!("z{}", index % 6), "path": steps(&drawn) })
    });
    let areas: Vec<Value> = areas.collect();
    json!({
        "title": format!("Running tasks of {service}"), "top": most.to_string(), "bottom": "0", "lines": [], "areas": areas,
    })
}

fn row(of: &Figures<'_>, index: usize, moment: &Moment) -> Value {
    let field = |name: &str| format!("timeline/{index}/{name}");
    json!({
        "second": of.number(&field("at_s"), Some(moment.at_s)),
        "phase": moment.phase.replace('_', " "),
        "requests": of.count(&field("requests"), moment.requests),
        "errors": of.count(&field("errors"), moment.errors),
        "share": of.share(&field("same_zone_share"), moment.same_zone_share),
        "p50": of.milliseconds(&field("p50_ms"), moment.p50_ms),
        "p99": of.milliseconds(&field("p99_ms"), moment.p99_ms),
        "tasks": services(std::slice::from_ref(moment)).iter().map(|service| {
            let zones: Vec<String> = moment.tasks.iter().filter(|tasks| tasks.service == *service)
                .map(|tasks| format!("{} {}", tasks.zone, tasks.running)).collect();
            format!("{service}: {}", zones.join(", "))
        }).collect::<Vec<_>>().join("; "),
    })
}
