//! How a status reads: the answer first.

use std::time::Duration;

use super::forecast::Cause;
use super::outcome::Outcome;
use super::status::{Now, Status, UnderWay};
use super::text::{findings, plans};
use crate::report::numbers::{count, duration, percent};
use crate::report::page::Page;
use crate::report::style::{attention, bad, faint, good, strong};
use crate::report::table::{align_numbers, lines, table};
use crate::settings::NetworkMode;
use crate::walkthrough::Resource;

/// The width of the words before an answer.
const LABEL: usize = 20;

impl Outcome for Status {
    fn title(&self) -> &'static str {
        "status"
    }

    fn text(&self, page: &Page) -> String {
        status(self, page)
    }

    fn holds(&self) -> bool {
        !self.options.exit_code || self.is_well()
    }

    fn next(&self) -> Option<String> {
        let routing = &self.now.zone_aware_routing;
        let drifted = self.drift.as_ref().is_some_and(|drift| !drift.is_empty());
        let next = if self.is_being_removed() {
            "`zonewalk down` removes what is left".to_owned()
        } else if !self.problems.is_empty() {
            "`zonewalk doctor` tells what else is looked at before `zonewalk up`".to_owned()
        } else if self.resources.is_empty() {
            "`zonewalk up`".to_owned()
        } else if let Some(backends) = self.scaled_down() {
            format!("`zonewalk up` restores the backends ({backends} → {})", self.tasks_wanted)
        } else if drifted {
            "`zonewalk up` fixes the drift; `zonewalk down` removes everything".to_owned()
        } else if !self.now.under_way.is_empty() {
            "`zonewalk status --watch` until nothing is under way".to_owned()
        } else {
            match routing.cause {
                Cause::TooFewBackends => {
                    format!(
                        "`zonewalk up --task-count {}` or more turns zone-aware routing on",
                        routing.backends_needed
                    )
                }
                Cause::DeployedBefore => "`zonewalk redeploy`".to_owned(),
                _ => "`zonewalk verify` proves it with traffic".to_owned(),
            }
        };
        Some(next)
    }
}

impl Outcome for Now {
    fn title(&self) -> &'static str {
        "status"
    }

    fn text(&self, page: &Page) -> String {
        now(self, page)
    }
}

fn status(status: &Status, page: &Page) -> String {
    let mut parts = vec![now(&status.now, page)];
    match status.drift.as_deref() {
        Some([]) => parts.push(good("no drift: everything matches your settings")),
        Some(drift) => parts.push(format!("{}\n{}", attention("drift (`zonewalk up` fixes it):"), plans(drift, page))),
        None => {}
    }
    if !status.problems.is_empty() {
        parts.push(format!("{}\n{}", bad("`zonewalk up` is blocked:"), findings(&status.problems, page)));
    }
    for left in &status.unknown {
        parts.push(line(page, "not known", &format!("{}: {}", left.kind, left.reason)));
    }
    if status.options.resources {
        parts.push(format!("\n{}", resources(&status.resources, page)));
    }
    parts.join("\n")
}

/// What runs, and how it does.
fn now(now: &Now, page: &Page) -> String {
    let mut parts = vec![head(now, page), routing(now, page)];
    if !now.zones().is_empty() {
        parts.push(format!("\n{}\n", by_zone(now, page)));
    }
    match &now.alb_url {
        Some(url) => parts.push(line(page, "address", url)),
        None => parts.push(line(page, "address", "none: there is no load balancer")),
    }
    for it in &now.under_way {
        parts.push(line(page, "under way", &attention(format!("{} {}: {}", it.kind, it.name, it.state))));
    }
    if now.disconnected_agents > 0 {
        let agents = count(now.disconnected_agents.into(), "agent");
        parts.push(line(
            page,
            "not connected",
            &format!("{agents} of the container instances: mostly for a moment; tasks run on"),
        ));
    }
    parts.join("\n")
}

/// Whose it is, where, and since when.
fn head(now: &Now, page: &Page) -> String {
    let mut facts = vec![strong(&now.name)];
    facts.push(match &now.endpoint_url {
        Some(url) => format!("{} (account {})", url, now.account),
        None => format!("account {}", now.account),
    });
    facts.push(now.region.clone());
    facts.extend((!now.has_instances()).then(|| "on Fargate".to_owned()));
    let is_bridged = now.services.iter().any(|service| service.network_mode == NetworkMode::Bridge.as_str());
    facts.extend(is_bridged.then(|| "network mode bridge".to_owned()));
    facts.extend(now.up_s.map(|seconds| format!("up {}", duration(Duration::from_secs(seconds)))));
    if let Some(cost) = &now.cost {
        facts.push(match (now.usd_so_far, cost.usd_per_hour) {
            (Some(so_far), Some(hourly)) => format!("about {so_far:.2} USD so far ({hourly:.2} USD an hour)"),
            _ => cost.text.clone(),
        });
    }
    facts.extend(now.proxies.as_ref().map(|proxies| format!("proxies: {proxies}")));
    page.wrap(&facts.join(" · "), 2)
}

/// Whether zone-aware routing is on, why, and what comes of it.
fn routing(now: &Now, page: &Page) -> String {
    let forecast = &now.zone_aware_routing;
    let state = if forecast.is_on() { good(strong("ON")) } else { attention(strong("OFF")) };
    let reason = forecast.reason(|zone| page.zone(zone.as_str()));
    let mut text = line(page, "zone-aware routing", &format!("{state}  {reason}"));
    if let Some(share) = forecast.same_zone_share {
        let share = percent(Some(share));
        let services = faint(format!("{} → {}", forecast.frontend, forecast.backend));
        text.push('\n');
        text.push_str(&line(page, "predicted", &format!("{share} of the requests stay in their zone  {services}")));
    }
    text
}

/// How many of each there are in every zone.
fn by_zone(now: &Now, page: &Page) -> String {
    let zones = now.zones();
    // Names below IDs, so that three zones fit a narrow page.
    let titles = zones.iter().map(|zone| page.zone(zone.as_str()).replacen(' ', "\n", 1));
    let mut table = table(page, ["".to_owned(), "TOTAL".to_owned()].into_iter().chain(titles));
    let mut row = |name: &str, total: String, cells: Vec<String>| {
        table.add_row([name.to_owned(), total].into_iter().chain(cells));
    };
    let roles = [("frontend", &now.zone_aware_routing.frontend), ("backend", &now.zone_aware_routing.backend)];
    for (role, name) in roles {
        let Some(service) = now.services.iter().find(|service| service.name == *name) else { continue };
        let cells = zones.iter().map(|zone| service.tasks_by_zone.get(zone).copied().unwrap_or_default().to_string());
        row(role, format!("{}/{}", service.running, service.desired), cells.collect());
    }
    if now.has_instances() {
        let cells = zones.iter().map(|zone| now.instances_by_zone.get(zone).copied().unwrap_or_default().to_string());
        row("container instances", format!("{}/{}", now.container_instances, now.instances_desired), cells.collect());
    }
    let registered: u32 = now.targets_by_zone.values().map(|targets| targets.registered).sum();
    let cells = zones.iter().map(|zone| {
        let targets = now.targets_by_zone.get(zone).copied().unwrap_or_default();
        if targets.healthy == targets.registered {
            targets.healthy.to_string()
        } else {
            format!("{}/{}", targets.healthy, targets.registered)
        }
    });
    row("healthy targets", format!("{}/{registered}", now.healthy_targets), cells.collect());
    align_numbers(&mut table);
    lines(&table)
}

/// Everything of the walkthrough, a line each, with the page of AWS's console that shows it.
fn resources(resources: &[Resource], page: &Page) -> String {
    if resources.is_empty() {
        return "no resources".to_owned();
    }
    let has_links = resources.iter().any(|resource| resource.console_url.is_some());
    let titles = ["KIND", "NAME", "AGE", "ID"].into_iter().chain(has_links.then_some("CONSOLE"));
    let mut table = table(page, titles);
    for resource in resources {
        let age = resource.age_s.map_or("-".to_owned(), |seconds| duration(Duration::from_secs(seconds)));
        let name = resource.name.as_deref().unwrap_or("-");
        let mut row = vec![resource.kind.to_string(), name.to_owned(), age, resource.id.clone()];
        if has_links {
            row.push(resource.console_url.clone().unwrap_or_else(|| "-".to_owned()));
        }
        table.add_row(row);
    }
    lines(&table)
}

/// A line for a log: what changes while something is under way.
pub(super) fn summary(now: &Now) -> String {
    let forecast = &now.zone_aware_routing;
    let state = if forecast.is_on() { "ON" } else { "OFF" };
    let share = forecast.same_zone_share.map(|share| format!(", {} same-zone predicted", percent(Some(share))));
    let mut parts = vec![format!("zone-aware routing {state}: {}{}", forecast.reason, share.unwrap_or_default())];
    for (role, name) in [("frontend", &forecast.frontend), ("backend", &forecast.backend)] {
        let Some(service) = now.services.iter().find(|service| service.name == *name) else { continue };
        let zones: Vec<String> = service.tasks_by_zone.values().map(ToString::to_string).collect();
        parts.push(format!("{role} {}/{} ({})", service.running, service.desired, zones.join("+")));
    }
    let registered: u32 = now.targets_by_zone.values().map(|targets| targets.registered).sum();
    if now.has_instances() {
        parts.push(format!("instances {}/{}", now.container_instances, now.instances_desired));
    }
    parts.push(format!("targets {}/{registered} healthy", now.healthy_targets));
    let services = |it: &&UnderWay| it.kind != crate::plan::Kind::Service;
    parts.extend(now.under_way.iter().filter(services).map(|it| format!("{} {}: {}", it.kind, it.name, it.state)));
    parts.join("; ")
}

/// An answer after the words that say what it answers.
fn line(page: &Page, label: &str, answer: &str) -> String {
    page.wrap(&format!("{label:LABEL$}{answer}"), LABEL)
}
