//! How the scene is laid out: a head, the zones side by side, curves, events. What there is no room for is left out, from the
//! curves on.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::look::Look;
use super::{Scene, Second, Zone, charts};
use crate::report::numbers::{count, duration, grouped, milliseconds, percent};

/// The lines that the curves, and the events, need to say anything.
const CURVES: u16 = 8;
const EVENTS: u16 = 3;

/// Draws the scene on a whole screen, of whatever size.
pub fn draw(scene: &Scene, frame: &mut Frame<'_>, colors: bool) {
    let look = Look::new(colors);
    let area = frame.area();
    let head = head(scene, look, area.width);
    let head_lines = u16::try_from(head.len()).unwrap_or(u16::MAX);
    let zones = zone_lines(scene);
    let rest = area.height.saturating_sub(1 + head_lines + zones);
    let curves = if rest >= CURVES + EVENTS { (rest - EVENTS).min(rest * 2 / 3).max(CURVES) } else { 0 };
    let [title, figures, columns, charts, events] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(head_lines),
        Constraint::Length(zones),
        Constraint::Length(curves),
        Constraint::Fill(1),
    ])
    .areas(area);
    draw_title(scene, frame, title, look);
    frame.render_widget(Paragraph::new(head), figures);
    draw_zones(scene, frame, columns, look);
    if curves > 0 {
        charts::draw(scene, frame, charts, look);
    }
    let lines = scene.events.iter().map(|(at, what)| {
        Line::from(vec![Span::styled(format!("{:>6}  ", duration(*at)), look.faint()), Span::raw(what.clone())])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).wrap(Wrap { trim: false }), events);
}

fn draw_title(scene: &Scene, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let right = match &scene.ending {
        Some(doing) => format!("{doing} · q again: without"),
        None => format!("{} · q ends", duration(Duration::from_secs(scene.began.elapsed().as_secs()))),
    };
    let width = u16::try_from(right.chars().count()).unwrap_or(u16::MAX);
    let [left, end] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).spacing(1).areas(area);
    frame.render_widget(Paragraph::new(scene.title.clone()).style(look.strong()), left);
    frame.render_widget(Paragraph::new(right).style(look.faint()).alignment(Alignment::Right), end);
}

/// The figures of the last second, and what is to be said of all.
fn head(scene: &Scene, look: Look, width: u16) -> Vec<Line<'static>> {
    let Second { requests_per_second, share, same_zone_ms, cross_zone_ms, .. } =
        scene.seconds.back().copied().unwrap_or_default();
    let is_as_predicted = share.zip(scene.predicted).is_none_or(|(share, predicted)| (share - predicted).abs() < 0.2);
    let share_style = if is_as_predicted { look.same() } else { look.bad() }.add_modifier(Modifier::BOLD);
    let errors_style = if scene.errors > 0 { look.bad() } else { Style::new() };
    let mut parts = vec![
        Span::styled(format!("{} same-zone", percent(share)), share_style),
        Span::raw(format!("predicted {}", percent(scene.predicted))),
        Span::raw(format!("{}/s", whole(requests_per_second))),
        Span::raw(count(scene.requests, "request")),
        Span::styled(count(scene.errors, "error"), errors_style),
        Span::raw(format!("median {} same-zone", milliseconds(same_zone_ms))),
        Span::raw(format!("{} cross-zone", milliseconds(cross_zone_ms))),
    ];
    for service in &scene.services {
        let mut notes = vec![];
        if service.pending > 0 {
            notes.push(format!("{} starting", service.pending));
        }
        if service.unhealthy > 0 {
            notes.push(format!("{} unhealthy", service.unhealthy));
        }
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        parts.push(Span::raw(format!("{}s {}/{}{notes}", service.role, service.running, service.desired)));
    }
    if let Some((passes, requests)) = scene.so_far {
        let (word, style) = if passes { ("pass", look.same()) } else { ("fail", look.bad()) };
        parts.push(Span::styled(format!("so far {word}, {} judged", count(requests, "request")), style));
    }
    flow(parts, width)
}

/// Parts side by side, in as many lines as they need.
fn flow(parts: Vec<Span<'static>>, width: u16) -> Vec<Line<'static>> {
    const BETWEEN: &str = " · ";
    let mut lines: Vec<Line<'static>> = vec![];
    for part in parts {
        match lines.last_mut().filter(|line| line.width() + BETWEEN.len() + part.width() <= width.into()) {
            Some(line) => line.spans.extend([Span::raw(BETWEEN), part]),
            None => lines.push(Line::from(part)),
        }
    }
    lines
}

fn whole(rate: f64) -> String {
    grouped(rate.round() as u64)
}

/// The lines that a zone needs, its frame included.
fn zone_lines(scene: &Scene) -> u16 {
    let others = scene.zones.len().saturating_sub(1);
    let lines = if scene.zones.is_empty() { 0 } else { 2 + scene.services.len() + 2 + others };
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn draw_zones(scene: &Scene, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let columns = Layout::horizontal(scene.zones.keys().map(|_| Constraint::Fill(1))).split(area);
    for ((id, zone), column) in scene.zones.iter().zip(columns.iter()) {
        let label = scene.names.label(id);
        let room = usize::from(column.width.saturating_sub(2));
        let title = if label.chars().count() <= room { label } else { id.clone() };
        let block = Block::bordered().title(Span::styled(title, look.strong())).border_style(look.faint());
        let lines = lines_of(scene, id, zone, room, look);
        frame.render_widget(Paragraph::new(lines).block(block), *column);
    }
}

fn lines_of(scene: &Scene, id: &str, zone: &Zone, room: usize, look: Look) -> Vec<Line<'static>> {
    let mut lines = vec![];
    for (service, running) in scene.services.iter().zip(&zone.tasks) {
        let name = format!("{}s", service.role);
        let squares = "■".repeat(*running as usize);
        let has_room = name.len() + squares.chars().count() + 4 <= room;
        let squares = if has_room { squares } else { String::new() };
        let style = if service.role == "backend" { look.same() } else { look.color(Color::Blue) };
        lines.push(Line::from(vec![Span::raw(format!("{name:<9} {running} ")), Span::styled(squares, style)]));
    }
    let stays = zone.share(id);
    let line = match stays {
        Some(share) => format!("{}/s, {} stay", whole(zone.all_sent()), percent(Some(share))),
        None => "sends nothing".to_owned(),
    };
    lines.push(Line::styled(line, if stays.is_some() { look.same() } else { look.faint() }));
    lines.push(Line::styled(format!("predicted {}", percent(zone.predicted)), look.faint()));
    for other in scene.zones.keys().filter(|other| *other != id) {
        match zone.share(other).filter(|share| *share > 0.0) {
            Some(share) => lines.push(Line::styled(format!("→ {other} {}", percent(Some(share))), look.cross())),
            None => lines.push(Line::default()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::aws::ZoneNames;
    use crate::report::dashboard::Service;
    use crate::traffic::{Expectation, Meter};

    async fn scene() -> Scene {
        let mut scene = Scene::new("az-aware · us-east-1".to_owned());
        let service = |role: &'static str, tasks: [u32; 3]| {
            let zones = (1..).map(|zone| format!("use1-az{zone}")).zip(tasks).collect();
            Service { role, running: tasks.iter().sum(), desired: 6, pending: 0, zones, unhealthy: 0 }
        };
        let services = vec![service("frontend", [2, 2, 2]), service("backend", [1, 2, 3])];
        let expectation = Expectation::of(&services[0].zones, &services[1].zones);
        scene.set_tasks(services, &expectation, ZoneNames::default());
        let meter = Meter::default();
        for _ in 0..3 {
            for zone in ["use1-az1", "use1-az2", "use1-az3"] {
                for _ in 0..9 {
                    meter.record(Ok((zone.to_owned(), zone.to_owned())), Duration::from_micros(1_200), 10);
                }
            }
            meter.record(Ok(("use1-az1".to_owned(), "use1-az3".to_owned())), Duration::from_micros(3_400), 10);
            tokio::time::advance(Duration::from_secs(1)).await;
            scene.note_traffic(&meter.take());
        }
        scene
    }

    fn drawn(scene: &Scene, width: u16, height: u16, colors: bool) -> (String, bool) {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(scene, frame, colors)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content().chunks(width.into()).map(|row| {
            let line: String = row.iter().map(|cell| cell.symbol()).collect();
            line.trim_end().to_owned()
        });
        let is_colored = buffer.content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        (lines.collect::<Vec<_>>().join("\n").trim_end().to_owned(), is_colored)
    }

    #[tokio::test(start_paused = true)]
    async fn it_fits_any_screen_and_says_most_on_a_usual_one() {
        let scene = scene().await;
        insta::assert_snapshot!("dashboard_80", drawn(&scene, 80, 24, true).0);
        insta::assert_snapshot!("dashboard_60", drawn(&scene, 60, 40, true).0);
        for (width, height) in [(1, 1), (7, 3), (20, 10), (60, 10), (300, 90)] {
            drawn(&scene, width, height, true);
        }
        drawn(&Scene::new("nothing yet".to_owned()), 80, 24, true);
    }

    #[tokio::test(start_paused = true)]
    async fn without_colors_it_has_none_and_reads_the_same() {
        let scene = scene().await;
        let ((with, is_colored), (without, has_none)) = (drawn(&scene, 80, 24, true), drawn(&scene, 80, 24, false));
        assert_eq!((with, is_colored, has_none), (without, true, false));
    }
}
