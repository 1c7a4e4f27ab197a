//! The script that asks a host's Service Connect proxies for their zone counters, and what it prints.
//!
//! Three parties share its one text: `stats` sends it through SSM, a host runs it, and the local cloud, which runs no
//! command of any client, recognizes it and answers in a host's place.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, context};

use super::stats;

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

/// The output of the script on a host with these proxies, each given as the task's ARN and its `/stats` text.
pub fn answer(proxies: &[(String, String)]) -> String {
    let section = |(task, text): &(String, String)| {
        let lines = text.lines().filter(|line| stats::is_zone_line(line)).map(|line| format!("{line}\n"));
        format!("proxy {task}\n{}", lines.collect::<String>())
    };
    proxies.iter().map(section).collect()
}

/// The proxies in the script's output, each with its task's ARN: its stats, or why it did not give them.
pub fn parse(output: &str) -> Vec<(String, Result<stats::ZoneStats, String>)> {
    sections(output).map(|(task, text)| (task, text.map(stats::parse))).collect()
}

/// The same, with the stats of each upstream cluster.
pub fn parse_by_cluster(output: &str) -> Vec<(String, Result<BTreeMap<String, stats::ZoneStats>, String>)> {
    sections(output).map(|(task, text)| (task, text.map(stats::parse_by_cluster))).collect()
}

/// What each proxy has printed, or why it has not.
fn sections(output: &str) -> impl Iterator<Item = (String, Result<&str, String>)> {
    output.split("proxy ").skip(1).map(|section| {
        let (task, text) = section.split_once('\n').unwrap_or((section, ""));
        let complaint = text.lines().find_map(|line| line.strip_prefix("failed: "));
        (task.trim().to_owned(), complaint.map_or(Ok(text), |complaint| Err(complaint.to_owned())))
    })
}
