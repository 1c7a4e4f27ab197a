//! What the seconds before showed, as curves.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};

use super::look::Look;
use super::{Scene, Second};
use crate::report::numbers::milliseconds;

/// The fewest seconds that an axis is long.
const SHORTEST: f64 = 60.0;

/// A curve: a line if it is what was measured first, else dots, so that they are told apart without colors, too.
struct Curve {
    points: Vec<(f64, f64)>,
    style: Style,
    is_line: bool,
}

pub(super) fn draw(scene: &Scene, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).spacing(1).areas(area);
    let points = |value: fn(&Second) -> Option<f64>| -> Vec<(f64, f64)> {
        scene.seconds.iter().filter_map(|second| Some((second.at, value(second)?))).collect()
    };
    let curves = [
        Curve { points: points(|it| it.predicted.map(|share| 100.0 * share)), style: look.faint(), is_line: false },
        Curve { points: points(|it| it.share.map(|share| 100.0 * share)), style: look.same(), is_line: true },
    ];
    chart(scene, frame, left, look, "same-zone ─ predicted ·", &curves, (100.0, |value| format!("{value:.0}%")));
    let [same, cross] = [points(|it| it.same_zone_ms), points(|it| it.cross_zone_ms)];
    let highest = same.iter().chain(&cross).fold(1.0_f64, |highest, (_, ms)| highest.max(*ms)) * 1.15;
    let curves = [
        Curve { points: cross, style: look.cross(), is_line: false },
        Curve { points: same, style: look.same(), is_line: true },
    ];
    let unit = |value| milliseconds(Some(value));
    chart(scene, frame, right, look, "median: same ─ cross ·", &curves, (highest, unit));
}

fn chart(
    scene: &Scene,
    frame: &mut Frame<'_>,
    area: Rect,
    look: Look,
    title: &str,
    curves: &[Curve],
    (top, unit): (f64, fn(f64) -> String),
) {
    let now = scene.seconds.back().map_or(0.0, |second| second.at);
    let first = scene.seconds.front().map_or(0.0, |second| second.at);
    let long = (now - first).max(SHORTEST);
    let dataset = |curve: &'_ Curve| {
        let (marker, kind) =
            if curve.is_line { (Marker::Braille, GraphType::Line) } else { (Marker::Dot, GraphType::Scatter) };
        (marker, kind, curve.style)
    };
    let datasets = curves.iter().map(|curve| {
        let (marker, kind, style) = dataset(curve);
        Dataset::default().data(&curve.points).marker(marker).graph_type(kind).style(style)
    });
    let axis = |bounds, labels: Vec<Line<'static>>| Axis::default().bounds(bounds).labels(labels).style(look.faint());
    let ago = if long < 120.0 { format!("{long:.0} s ago") } else { format!("{:.0} min ago", long / 60.0) };
    let chart = Chart::new(datasets.collect())
        .block(Block::bordered().title(title.to_owned()).border_style(look.faint()))
        .x_axis(axis([now - long, now], vec![ago.into(), "now".into()]))
        // A little more, so that a curve at the very top is seen.
        .y_axis(axis([0.0, top * 1.02], vec![unit(0.0).into(), unit(top).into()]));
    frame.render_widget(chart, area);
}
