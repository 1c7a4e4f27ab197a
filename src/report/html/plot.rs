//! Shapes of SVG in a plane that is 1,000 wide and 100 high, which the page stretches; what is to be read stands around it.

use std::fmt::Write;

pub(super) const WIDTH: f64 = 1000.0;
pub(super) const HEIGHT: f64 = 100.0;

/// The path of a line through points; it is broken where there is no value.
pub(super) fn line(points: impl Iterator<Item = (f64, Option<f64>)>) -> String {
    let (mut path, mut is_drawing) = (String::new(), false);
    for (x, y) in points {
        let Some(y) = y else {
            is_drawing = false;
            continue;
        };
        // A point by itself is a line of no length, whose ends are round.
        let step = if is_drawing { "L" } else { "M" };
        let dot = if is_drawing { "" } else { "h0" };
        // A text of memory takes whatever is written.
        let _ = write!(path, "{step}{x:.1} {y:.1}{dot}");
        is_drawing = true;
    }
    path
}

/// The path of an area between two lines of steps, of which each is a step from one place to the next, with its lower and its
/// upper edge.
pub(super) fn steps(steps: &[(f64, f64, f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (from, to, _, top)) in steps.iter().enumerate() {
        let start = if index == 0 { "M" } else { "L" };
        let _ = write!(path, "{start}{from:.1} {top:.1}L{to:.1} {top:.1}");
    }
    for (from, to, bottom, _) in steps.iter().rev() {
        let _ = write!(path, "L{to:.1} {bottom:.1}L{from:.1} {bottom:.1}");
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

/// A round number from this one up, for the end of an axis: 1, 2 or 5 times a power of ten.
pub(super) fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|round| *round >= value * 0.999).unwrap_or(value)
}

/// A number of an axis: `0.5`, `20`.
pub(super) fn tick(value: f64) -> String {
    format!("{}", (value * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let points = [(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(4.0))];
        assert_eq!(line(points.into_iter()), "M0.0 1.0h0L1.0 2.0M3.0 4.0h0");
    }

    #[test]
    fn steps_go_there_above_and_back_below() {
        let area = steps(&[(0.0, 1.0, 9.0, 3.0), (1.0, 2.0, 8.0, 4.0)]);
        assert_eq!(area, "M0.0 3.0L1.0 3.0L1.0 4.0L2.0 4.0L2.0 8.0L1.0 8.0L1.0 9.0L0.0 9.0Z");
        assert_eq!(steps(&[]), "");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.0, 0.7, 1.0, 3.2, 21.0, 1000.0].map(round_up), [1.0, 1.0, 1.0, 5.0, 50.0, 1000.0]);
        assert_eq!([0.35, 20.0, 0.1 + 0.2].map(tick), ["0.35", "20", "0.3"]);
    }
}
