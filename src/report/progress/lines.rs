//! How what happens reads, a line each.

use std::time::Duration;

use textwrap::{Options, WordSeparator, WordSplitter};

use super::{WORTH_SAYING, Wait, Work};
use crate::events::{PhaseName, Traffic};
use crate::plan::{Action, Kind};
use crate::report::numbers::{count, duration, grouped, percent};
use crate::report::style::{attention, bad, faint, good, strong};

/// A text whose lines are broken at words where they are wider than that, and go on two columns further in. A word that is
/// wider by itself is left to the terminal, so that it can be copied as a whole.
pub fn wrapped(text: &str, width: u16) -> String {
    let lines = text.split('\n').map(|line| {
        if textwrap::core::display_width(line) <= width.into() {
            return line.to_owned();
        }
        let indent = format!("{}  ", " ".repeat(line.len() - line.trim_start().len()));
        let options = Options::new(width.into()).subsequent_indent(&indent).break_words(false);
        let options = options.word_separator(WordSeparator::AsciiSpace).word_splitter(WordSplitter::NoHyphenation);
        textwrap::fill(line, options)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A heading over what follows, as wide as the terminal.
pub(super) fn rule(title: &str, width: u16) -> String {
    let rest = usize::from(width).saturating_sub(title.chars().count() + 4);
    format!("── {} {}", strong(title), "─".repeat(rest))
}

/// `up: 19 resources, usually 3–6 min`
pub(super) fn planned(title: &str, resources: Option<usize>, usually: &str) -> String {
    let resources = resources.map(|number| format!("{}, ", count(number as u64, "resource"))).unwrap_or_default();
    format!("  {title}: {resources}usually {usually}")
}

/// `up · 9/19 · 2m05s (usually 3–6 min)`
pub(super) fn work(work: &Work, usually: Option<&str>) -> String {
    let done = match work.resources {
        Some(resources) => format!(" · {}/{resources}", work.done),
        None if work.done > 0 => format!(" · {} done", work.done),
        None => String::new(),
    };
    format!("{}{done} · {}{}", work.title, duration(work.began.elapsed()), in_brackets(usually))
}

/// `load balancer x: provisioning (usually 2–3 min)`
pub(super) fn waiting(what: &str, wait: &Wait) -> String {
    let state = if wait.state.is_empty() { String::new() } else { format!(": {}", wait.state) };
    format!("{what}{state}{}", in_brackets(wait.usually))
}

/// `load balancer x: still provisioning (usually 2–3 min), 1m30s`
pub(super) fn told(what: &str, wait: &Wait, still: bool, waited: Duration) -> String {
    let text = match (wait.state.as_str(), still) {
        ("", false) => format!("waiting for {what}"),
        ("", true) => format!("still waiting for {what}"),
        (state, false) => format!("{what}: {state}"),
        (state, true) => format!("{what}: still {state}"),
    };
    format!("  {text}{}, {}", in_brackets(wait.usually), duration(waited))
}

pub(super) fn found(what: &str) -> String {
    format!("  {}", faint(what))
}

pub(super) fn note(message: &str) -> String {
    format!("  {message}")
}

pub(super) fn ready(what: &str, elapsed: Duration) -> String {
    format!("{} {what}{}", good("✓"), time(elapsed))
}

pub(super) fn done(kind: Kind, name: &str, id: &str, action: Action, elapsed: Duration) -> String {
    let id = beside(name, id);
    let action = match action {
        Action::Created => good(action),
        Action::Changed | Action::Adopted => attention(action),
        Action::Kept | Action::Refused => faint("unchanged"),
    };
    format!("{} {kind} {name} {action}{id}{}", good("✓"), time(elapsed))
}

pub(super) fn unchanged(number: usize) -> String {
    format!("{} {number} unchanged", good("✓"))
}

pub(super) fn removed(kind: Kind, name: Option<&str>, id: &str, elapsed: Duration) -> String {
    let name = name.unwrap_or_else(|| short(id));
    format!("{} {kind} {name} removed{}{}", good("✓"), beside(name, id), time(elapsed))
}

/// The ID in brackets, for a line that has the name: an ARN says no more than that, an ID that AWS has chosen does.
fn beside(name: &str, id: &str) -> String {
    let id = short(id);
    let says_no_more = id.contains(name) || name.contains(id) || id.contains('/');
    if says_no_more { String::new() } else { faint(format!(" ({id})")) }
}

pub(super) fn not_removed(kind: Kind, id: &str, reason: &str) -> String {
    format!("{} {kind} {} not removed: {reason}", bad("✗"), short(id))
}

pub(super) fn phase(
    phase: PhaseName,
    holds: bool,
    same_zone: Option<f64>,
    predicted: Option<f64>,
    errors: u64,
) -> String {
    let mark = if holds { good("✓") } else { bad("✗") };
    let predicted = predicted.map(|share| format!(" (predicted {})", percent(Some(share)))).unwrap_or_default();
    format!("{mark} {phase}: {} same-zone{predicted}, {}", percent(same_zone), count(errors, "error"))
}

/// `9,773 of 100,000 requests · 1,380/s · 100% same-zone`
pub(super) fn traffic(traffic: &Traffic, elapsed: Duration) -> String {
    let Traffic { done, total, same_zone, errors } = *traffic;
    let requests = match total {
        Some(total) => format!("{} of {}", grouped(done), count(total, "request")),
        None => count(done, "request"),
    };
    let rate = match done as f64 / elapsed.as_secs_f64() {
        rate if done > 0 && rate.is_finite() => format!(" · {}/s", grouped(rate.round() as u64)),
        _ => String::new(),
    };
    let answered = done - errors;
    let share = if answered == 0 {
        String::new()
    } else {
        format!(" · {:.0}% same-zone", 100.0 * same_zone as f64 / answered as f64)
    };
    let errors = if errors == 0 { String::new() } else { format!(" · {}", count(errors, "error")) };
    format!("{requests}{rate}{share}{errors}")
}

fn in_brackets(usually: Option<&str>) -> String {
    usually.map(|usually| format!(" (usually {usually})")).unwrap_or_default()
}

fn time(elapsed: Duration) -> String {
    if elapsed < WORTH_SAYING { String::new() } else { faint(format!("  {}", duration(elapsed))) }
}

/// The name in an ARN, without partition, service, region, account and resource type; any other identifier as it is.
fn short(id: &str) -> &str {
    let Some(arn) = id.strip_prefix("arn:") else { return id };
    let resource = arn.splitn(5, ':').last().unwrap_or(arn);
    resource.split_once('/').map_or(resource, |(_kind, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_shown_by_their_resources_name() {
        let definition = "arn:aws:ecs:us-east-1:000000000000:task-definition/az-aware-fe-service-ec2:1";
        assert_eq!(short(definition), "az-aware-fe-service-ec2:1");
        assert_eq!(short("sg-01ff058590dbe5a37"), "sg-01ff058590dbe5a37");
    }

    #[test]
    fn texts_are_broken_at_words_and_go_on_further_in() {
        let text = "error: it is so\n  az-aware-routing: no resource of that name is there\nshort";
        let lines = ["error: it is so", "  az-aware-routing: no", "    resource of that", "    name is there", "short"];
        assert_eq!(wrapped(text, 22).lines().collect::<Vec<_>>(), lines);
        let long = "see arn:aws:ecs:us-east-1:000000000000:task-definition/x:1 first";
        assert_eq!(wrapped(long, 20), "see\n  arn:aws:ecs:us-east-1:000000000000:task-definition/x:1\n  first");
    }

    #[test]
    fn colors_take_no_room() {
        let text = format!("{} done well", good("✓"));
        assert_eq!(wrapped(&text, 11), text);
    }

    #[test]
    fn traffic_tells_its_rate_and_its_share() {
        let told = |done, total, same_zone, errors, seconds| {
            traffic(&Traffic { done, total, same_zone, errors }, Duration::from_secs(seconds))
        };
        assert_eq!(told(0, Some(200), 0, 0, 0), "0 of 200 requests");
        assert_eq!(told(9_773, Some(100_000), 9_773, 0, 7), "9,773 of 100,000 requests · 1,396/s · 100% same-zone");
        assert_eq!(told(40, None, 10, 20, 1), "40 requests · 40/s · 50% same-zone · 20 errors");
    }

    #[test]
    fn a_line_says_what_was_done_and_how_long_it_took_if_that_is_long() {
        let (arn, short, long) =
            ("arn:aws:elb:r:0:listener/app/x/1/2", Duration::from_millis(900), Duration::from_secs(110));
        let listener = done(Kind::Listener, "HTTP:80", arn, Action::Created, short);
        assert_eq!(listener, format!("{} listener HTTP:80 {}", good("✓"), good("created")));
        let group = done(Kind::SecurityGroup, "x", "sg-1", Action::Kept, long);
        let rest = [faint("unchanged"), faint(" (sg-1)"), faint("  1m50s")].concat();
        assert_eq!(group, format!("{} security group x {rest}", good("✓")));
    }
}
