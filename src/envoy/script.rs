//! The script that asks a host's Service Connect proxies for their zone counters and histograms, and what it prints.
//!
//! Three parties share its one text: `stats` sends it through SSM, a host runs it, and the local cloud, which runs no
//! command of any client, recognizes it and answers in a host's place.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, context};

use super::{stats, times};

const TEMPLATE: &str = include_str!("../../templates/envoy-stats.sh");

/// A script with its parameter: it asks the proxies of the tasks of one task definition family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub family: String,
}

impl Script {
    pub fn render(&self) -> String {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
            .render_str(TEMPLATE, context! { family => &self.family })
            .expect("the template is part of the program and names only `family`")
    }
}

/// The script's parameters, if `commands` are exactly what [`Script::render`] gives for them.
pub fn recognize(commands: &[&str]) -> Option<Script> {
    let text = commands.join("\n");
    let family = text.split_once("task-definition-family=")?.1.split('"').next()?;
    // Families have letters, digits, hyphens and underscores: nothing that a shell would take for more than a name.
    let plain = !family.is_empty() && family.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let script = Script { family: family.to_owned() };
    (plain && script.render() == text).then_some(script)
}

/// What a proxy says of itself.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The ARN of its task.
    pub task: String,
    /// Its `/stats` text.
    pub stats: String,
    /// Its `/stats?histogram_buckets=detailed` text. Empty: it does not tell.
    pub times: String,
}

/// The output of the script on a host with these proxies.
pub fn answer(proxies: &[Proxy]) -> String {
    let section = |word: &str, task: &str, lines: String| format!("{word} {task}\n{lines}");
    let counters = proxies.iter().map(|proxy| {
        let lines = proxy.stats.lines().filter(|line| stats::is_zone_line(line)).map(|line| format!("{line}\n"));
        section(PROXY, &proxy.task, lines.collect())
    });
    let times = proxies
        .iter()
        .map(|proxy| section(TIMES, &proxy.task, times::lines(&proxy.times).map(|line| line + "\n").collect()));
    counters.chain(times).chain([format!("{END}\n")]).collect()
}

/// The first words of a section: a proxy's counters, and its histograms. The last word of all.
const PROXY: &str = "proxy";
const TIMES: &str = "times";
const END: &str = "end";

/// Something of each proxy, by its task's ARN, or why it did not give it.
pub type OfProxies<T> = Vec<(String, Result<T, String>)>;

/// The proxies in the script's output, each with its task's ARN: its stats, or why it did not give them.
pub fn parse(output: &str) -> OfProxies<stats::ZoneStats> {
    let sections = sections(output).into_iter();
    sections.map(|(task, text)| (task, text.map(|text| stats::parse(&text)))).collect()
}

/// The same, with the stats of each upstream cluster.
pub fn parse_by_cluster(output: &str) -> OfProxies<BTreeMap<String, stats::ZoneStats>> {
    let sections = sections(output).into_iter();
    sections.map(|(task, text)| (task, text.map(|text| stats::parse_by_cluster(&text)))).collect()
}

/// What each proxy has printed, or why it has not. Histograms come last: where SSM has cut the output off, the last proxy's are left
/// out, since their last line may be half of one.
fn sections(output: &str) -> OfProxies<String> {
    let is_whole = output.trim_end().ends_with(END);
    let (mut counters, mut times) = (Vec::<(String, String)>::new(), Vec::<(String, String)>::new());
    let mut in_times = false;
    for line in output.lines() {
        let head =
            |word: &str| line.strip_prefix(word)?.strip_prefix(' ').map(|task| (task.trim().to_owned(), String::new()));
        if let Some(section) = head(PROXY) {
            in_times = false;
            counters.push(section);
        } else if let Some(section) = head(TIMES) {
            in_times = true;
            times.push(section);
        } else if let Some((_, text)) = if in_times { times.last_mut() } else { counters.last_mut() } {
            text.push_str(line);
            text.push('\n');
        }
    }
    if !is_whole {
        times.pop();
    }
    let proxy = |(task, text): (String, String)| {
        let complaint = text.lines().find_map(|line| line.strip_prefix("failed: "));
        let said = match complaint {
            Some(complaint) => Err(complaint.to_owned()),
            None => {
                let timed = times.iter().filter(|(of, _)| *of == task).map(|(_, text)| text.as_str());
                Ok([text.as_str()].into_iter().chain(timed).collect())
            }
        };
        (task, said)
    };
    counters.into_iter().map(proxy).collect()
}
