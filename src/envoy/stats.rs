//! Envoy's `/stats` text: one `name: value` a line.
//!
//! Two families tell where requests went. `cluster.X.lb_*` count what zone-aware routing decided; below its threshold it
//! decides nothing and they stand still. `cluster.X.zone.<from>.<to>.upstream_rq_*` count requests by zones whatever
//! decided, which makes them the proxy's own zone matrix.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::times::{self, Pair, Times};

/// The zone counters of one proxy, over all its upstream clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ZoneStats {
    /// The counters of zone routing by Envoy's names without the cluster's: `lb_zone_routing_all_directly` and others.
    pub counters: BTreeMap<String, u64>,
    /// The requests between zones.
    pub zone_requests: Vec<ZoneRequests>,
    /// How long requests took between zones, where the proxy was asked for it and tells.
    #[serde(skip)]
    pub times: BTreeMap<Pair, Times>,
}

/// The requests that a frontend's proxy in zone `from` completed with backends in zone `to`; both are AZ IDs.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ZoneRequests {
    /// The zone of the frontends, by its ID.
    #[serde(rename = "frontend")]
    pub from: String,
    /// The zone of the backends, by its ID.
    #[serde(rename = "backend")]
    pub to: String,
    /// How many requests were completed.
    pub requests: u64,
}

impl ZoneStats {
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Adds the counters of another proxy.
    pub fn add(&mut self, other: &Self) {
        for (name, value) in &other.counters {
            *self.counters.entry(name.clone()).or_default() += value;
        }
        for entry in &other.zone_requests {
            match self.zone_requests.iter_mut().find(|mine| mine.from == entry.from && mine.to == entry.to) {
                Some(mine) => mine.requests += entry.requests,
                None => self.zone_requests.push(entry.clone()),
            }
        }
        for (pair, times) in &other.times {
            self.times.entry(pair.clone()).or_default().add(times);
        }
        self.zone_requests.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
    }
}

enum Line<'a> {
    Counter(&'a str),
    /// Zones and the last part of the name: `completed`, or a class as `2xx`.
    Requests {
        from: &'a str,
        to: &'a str,
        kind: &'a str,
    },
}

/// Whether a line is of one of the two families: what the script's `grep` lets through.
pub fn is_zone_line(line: &str) -> bool {
    read(line).is_some()
}

/// The same by the names of the upstream clusters.
pub fn parse_by_cluster(text: &str) -> BTreeMap<String, ZoneStats> {
    let mut clusters = BTreeMap::<&str, String>::new();
    for line in text.lines() {
        if let Some(cluster) = cluster(line) {
            clusters.entry(cluster).or_default().extend([line, "\n"]);
        }
    }
    clusters.into_iter().map(|(cluster, text)| (cluster.to_owned(), parse(&text))).collect()
}

/// The upstream cluster that a line is of.
fn cluster(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("cluster.")?.split_once(": ")?;
    let name = name.split_once(".zone.").map(|(cluster, _)| cluster).or_else(|| Some(name.rsplit_once('.')?.0));
    name.filter(|_| is_zone_line(line))
}

/// Reads the zone counters out of any part of a `/stats` text, and the lines of histograms that the script makes; other lines
/// are passed over.
pub fn parse(text: &str) -> ZoneStats {
    let mut counters = BTreeMap::<String, u64>::new();
    // Per pair of zones: what Envoy calls completed, and the sum over classes for proxies that count only those.
    let mut requests = BTreeMap::<(String, String), (u64, u64)>::new();
    for (line, value) in text.lines().filter_map(read) {
        match line {
            Line::Counter(name) => *counters.entry(name.to_owned()).or_default() += value,
            Line::Requests { from, to, kind } => {
                let (completed, by_class) = requests.entry((from.to_owned(), to.to_owned())).or_default();
                *(if kind == "completed" { completed } else { by_class }) += value;
            }
        }
    }
    let zone_requests = requests
        .into_iter()
        .map(|((from, to), (completed, by_class))| ZoneRequests { from, to, requests: completed.max(by_class) })
        .collect();
    ZoneStats { counters, zone_requests, times: times::parse(text) }
}

fn read(line: &str) -> Option<(Line<'_>, u64)> {
    let (name, value) = line.strip_prefix("cluster.")?.split_once(": ")?;
    let value = super::count(value)?;
    if let Some((_cluster, zones)) = name.split_once(".zone.") {
        let mut parts = zones.split('.');
        let (from, to, last) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = last.strip_prefix("upstream_rq_")?;
        let is_class = kind.len() == 3 && kind.ends_with("xx");
        let known = parts.next().is_none() && (kind == "completed" || is_class);
        return known.then_some((Line::Requests { from, to, kind }, value));
    }
    let (_cluster, counter) = name.rsplit_once('.')?;
    let wanted = counter.starts_with("lb_zone_")
        || matches!(counter, "lb_local_cluster_not_ok" | "lb_recalculate_zone_structures" | "lb_healthy_panic");
    wanted.then_some((Line::Counter(counter), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_apart_by_their_clusters() {
        let text = "cluster.api.lb_zone_routing_all_directly: 7\ncluster.api.zone.a.b.upstream_rq_completed: 3\n\
                    cluster.db.v1.zone.a.a.upstream_rq_2xx: 2\ncluster.db.v1.upstream_cx_total: 1\nserver.live: 1\n";
        let clusters = parse_by_cluster(text);
        assert_eq!(clusters.keys().collect::<Vec<_>>(), ["api", "db.v1"]);
        assert_eq!(
            (clusters["api"].counter("lb_zone_routing_all_directly"), clusters["api"].zone_requests[0].requests),
            (7, 3)
        );
        assert_eq!(clusters["db.v1"].zone_requests[0].requests, 2);
    }

    #[test]
    fn a_number_that_no_proxy_has_counted_is_none() {
        let line = |count: u64| format!("cluster.api.zone.a.b.upstream_rq_completed: {count}\n");
        let mut all = parse(&format!("{}{}", line(1 << 48), line(u64::MAX)));
        all.add(&all.clone());
        assert_eq!(all.zone_requests[0].requests, 1 << 49);
    }
}
