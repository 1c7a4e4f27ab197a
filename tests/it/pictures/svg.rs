//! A terminal's screens as an animated SVG: its frames side by side on a strip that moves by one at a time.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use vt100::Color;

/// A look at a screen.
pub(super) struct Frame {
    rows: Vec<Vec<Run>>,
    /// Since the recording began.
    at: Duration,
    /// How long it is to be seen at least.
    at_least: Duration,
}

/// Neighboring cells of one style.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Run {
    column: u16,
    class: String,
    text: String,
}

/// Takes a look, unless nothing has changed. One that comes too soon after another takes its place.
pub(super) fn look(frames: &mut Vec<Frame>, screen: &vt100::Screen, at: Duration, between: Duration) {
    let (height, width) = screen.size();
    let rows: Vec<_> = (0..height.get()).map(|row| runs(screen, row, width.get())).collect();
    match frames.last_mut() {
        Some(last) if last.rows == rows => {}
        // The end of a step is not to be replaced by the next one's beginning.
        Some(last) if at - last.at < between && headings(&last.rows) == headings(&rows) => last.rows = rows,
        _ => frames.push(Frame { rows, at, at_least: Duration::ZERO }),
    }
}

fn runs(screen: &vt100::Screen, row: u16, width: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![];
    for column in 0..width {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.contents().trim().is_empty()) else { continue };
        let mut class = match cell.fgcolor() {
            Color::Idx(color) => format!("c{}", color % 8),
            _ => String::new(),
        };
        for (is_so, name) in [(cell.bold(), " b"), (cell.dim(), " d")] {
            class.push_str(if is_so { name } else { "" });
        }
        let class = class.trim().to_owned();
        match runs.last_mut() {
            Some(run)
                if run.class == class && usize::from(run.column) + run.text.chars().count() == usize::from(column) =>
            {
                run.text.push_str(cell.contents());
            }
            _ => runs.push(Run { column, class, text: cell.contents().to_owned() }),
        }
    }
    runs
}

/// The rows that begin a step.
fn headings(rows: &[Vec<Run>]) -> Vec<&str> {
    let texts = rows.iter().flatten().map(|run| run.text.as_str());
    texts.filter(|text| text.contains('/') && text.ends_with(|c: char| c.is_ascii_digit()) && text.len() == 3).collect()
}

/// The last look at each step stays a while, and the end stays longer.
pub(super) fn linger(frames: &mut [Frame], step: Duration, end: Duration) {
    for next in 1..frames.len() {
        if headings(&frames[next].rows).last() != headings(&frames[next - 1].rows).last() {
            frames[next - 1].at_least = step;
        }
    }
    if let Some(last) = frames.last_mut() {
        last.at_least = end;
    }
}

const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;

/// The frames one after another, for ever.
pub(super) fn animation(frames: &[Frame], columns: u16, rows: u16) -> String {
    let (width, height) = (f64::from(columns) * CELL.0 + 2.0 * MARGIN, f64::from(rows) * CELL.1 + 2.0 * MARGIN);
    let until = |index: usize| frames.get(index + 1).map_or(Duration::ZERO, |next| next.at - frames[index].at);
    let lasts: Vec<f64> =
        frames.iter().enumerate().map(|(index, frame)| until(index).max(frame.at_least).as_secs_f64()).collect();
    let total: f64 = lasts.iter().sum();

    let (mut keyframes, mut strip, mut begins) = (String::new(), String::new(), 0.0);
    let mut drawn: HashMap<&[Run], usize> = HashMap::new();
    let mut definitions = String::new();
    for (index, frame) in frames.iter().enumerate() {
        let left = index as f64 * width;
        writeln!(keyframes, "{:.3}%{{transform:translateX(-{left}px)}}", 100.0 * begins / total).unwrap();
        begins += lasts[index];
        writeln!(strip, "<g transform=\"translate({left} 0)\">").unwrap();
        for (row, runs) in frame.rows.iter().enumerate().filter(|(_, runs)| !runs.is_empty()) {
            let next = drawn.len();
            let id = *drawn.entry(runs).or_insert(next);
            if id == next {
                writeln!(definitions, "<g id=\"r{id}\">{}</g>", texts(runs)).unwrap();
            }
            let y = MARGIN + (row as f64 + 0.75) * CELL.1;
            write!(strip, "<use href=\"#r{id}\" y=\"{y}\"/>").unwrap();
        }
        strip.push_str("</g>\n");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>\n\
         text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d7dae0;white-space:pre}}\n\
         .b{{font-weight:bold}}.d{{opacity:.65}}\n\
         .c0{{fill:#8b919c}}.c1{{fill:#f07178}}.c2{{fill:#8fd175}}.c3{{fill:#e6c465}}.c4{{fill:#7aa2f7}}.c5{{fill:#c99bf0}}.c6{{fill:#6fd0d6}}\n\
         .strip{{animation:play {total:.2}s steps(1,end) infinite}}\n\
         @keyframes play{{\n{keyframes}}}\n\
         </style>\n\
         <defs>\n{definitions}</defs>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#15181e\"/>\n\
         <g class=\"strip\">\n{strip}</g>\n\
         </svg>\n"
    )
}

fn texts(runs: &[Run]) -> String {
    let mut texts = String::new();
    for Run { column, class, text } in runs {
        let x = MARGIN + f64::from(*column) * CELL.0;
        // The width is given, since every machine has another font.
        let length = text.chars().count() as f64 * CELL.0;
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        write!(texts, "<text{class} x=\"{x:.1}\" textLength=\"{length:.1}\">{text}</text>").unwrap();
    }
    texts
}
