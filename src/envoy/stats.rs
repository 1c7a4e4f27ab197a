//! Envoy's `/stats` text: one `name: value` a line.
//!
//! Two families tell where requests went. `cluster.X.lb_*` count what zone-aware routing decided; below its threshold it
//! decides nothing and they stand still. `cluster.X.zone.<from>.<to>.upstream_rq_*` count requests by zones whatever
//! decided, which makes them the proxy's own zone matrix.

use std::collections::BTreeMap;

use serde::Serialize;

/// The zone counters of one proxy, over all its upstream clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ZoneStats {
    /// `lb_zone_routing_all_directly` and its kin, by Envoy's names, without the cluster's.
    pub counters: BTreeMap<String, u64>,
    pub zone_requests: Vec<ZoneRequests>,
}

/// Requests that a proxy in zone `from` completed with endpoints in zone `to`; both AZ IDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZoneRequests {
    pub from: String,
    pub to: String,
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

/// Reads the zone counters out of any part of a `/stats` text; other lines are passed over.
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
    ZoneStats { counters, zone_requests }
}

fn read(line: &str) -> Option<(Line<'_>, u64)> {
    let (name, value) = line.strip_prefix("cluster.")?.split_once(": ")?;
    let value = value.trim().parse().ok()?;
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

    const TEXT: &str = "\
cluster.backend.8090.lb_zone_routing_all_directly: 40
cluster.backend.8090.lb_zone_routing_cross_zone: 0
cluster.backend.8090.lb_subsets_active: 7
cluster.backend.8090.upstream_rq_total: 40
cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_200: 38
cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_2xx: 38
cluster.backend.8090.zone.use1-az1.use1-az2.upstream_rq_completed: 2
cluster.backend.8090.zone.use1-az1.use1-az2.upstream_rq_2xx: 2
cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_time: P0(nan,0) P25(nan,0)
cluster.fe.lb_zone_routing_all_directly: 1
";

    #[test]
    fn both_families_are_read_and_nothing_is_counted_twice() {
        let stats = parse(TEXT);
        assert_eq!(stats.counter("lb_zone_routing_all_directly"), 41);
        assert!(!stats.counters.contains_key("lb_subsets_active"));
        let requests: Vec<_> = stats.zone_requests.iter().map(|z| (z.to.as_str(), z.requests)).collect();
        assert_eq!(requests, [("use1-az1", 38), ("use1-az2", 2)]);
    }

    #[test]
    fn adding_sums_by_counter_and_by_pair_of_zones() {
        let mut total = parse(TEXT);
        total.add(&parse(TEXT));
        assert_eq!(total.counter("lb_zone_routing_all_directly"), 82);
        assert_eq!(total.zone_requests.iter().map(|z| z.requests).sum::<u64>(), 80);
    }
}
