//! What the algorithm is given: hosts by locality, as a load assignment lists them, and the way Envoy splits them.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Where a host is. Envoy's "zone" aware routing compares all three parts, and orders localities by them bytewise: the
/// order of the fields and of `String` here.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Locality {
    pub region: String,
    pub zone: String,
    pub sub_zone: String,
}

impl Locality {
    pub fn new(region: impl Into<String>, zone: impl Into<String>) -> Self {
        Self { region: region.into(), zone: zone.into(), sub_zone: String::new() }
    }
}

/// Envoy's coarse health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    #[default]
    Healthy,
    Degraded,
    Unhealthy,
}

/// A host that is balanced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    pub health: Health,
    /// `load_balancing_weight`, 1 or more.
    pub weight: u32,
}

impl Default for Host {
    fn default() -> Self {
        Self { health: Health::Healthy, weight: 1 }
    }
}

impl From<Health> for Host {
    fn from(health: Health) -> Self {
        Self { health, weight: 1 }
    }
}

/// The hosts of one locality.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalityHosts {
    pub locality: Locality,
    /// The locality's own `load_balancing_weight`; matters for locality-weighted balancing only. 0: none.
    pub weight: u32,
    pub hosts: Vec<Host>,
}

/// One priority of a cluster. The order of localities and of hosts is the load assignment's, which is the order in
/// which Envoy lists them; it decides where a round-robin goes next, and never how much a zone gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSet {
    pub localities: Vec<LocalityHosts>,
}

impl HostSet {
    /// How many hosts of whatever health.
    pub fn len(&self) -> usize {
        self.localities.iter().map(|locality| locality.hosts.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.localities.iter().all(|locality| locality.hosts.is_empty())
    }
}

impl FromIterator<(Locality, Vec<Host>)> for HostSet {
    fn from_iter<T: IntoIterator<Item = (Locality, Vec<Host>)>>(localities: T) -> Self {
        let localities = localities.into_iter().map(|(locality, hosts)| LocalityHosts { locality, weight: 0, hosts });
        Self { localities: localities.collect() }
    }
}

/// Which host: `index` counts through the priority's localities in the order they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostIndex {
    pub priority: usize,
    pub index: usize,
}

/// How many hosts, and of what health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: u64,
    pub healthy: u64,
    pub degraded: u64,
    /// Sum of the healthy hosts' weights.
    pub healthy_weight: u64,
}

impl Tally {
    fn of(hosts: &[Host]) -> Self {
        let mut tally = Self { total: hosts.len() as u64, ..Self::default() };
        for host in hosts {
            let healthy = u64::from(host.health == Health::Healthy);
            tally.healthy += healthy;
            tally.healthy_weight += healthy * u64::from(host.weight);
            tally.degraded += u64::from(host.health == Health::Degraded);
        }
        tally
    }

    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.healthy += other.healthy;
        self.degraded += other.degraded;
        self.healthy_weight += other.healthy_weight;
    }

    /// Healthy and degraded ones, in percent of all; an empty cluster has 0 % (Envoy's `isHostSetInPanic`).
    pub fn available_percent(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => 100.0 * self.healthy as f64 / total as f64 + 100.0 * self.degraded as f64 / total as f64,
        }
    }
}

/// A host set as Envoy splits it: only localities with at least one host of whatever health exist; the own locality
/// comes first if it is one of them, the others follow in their order.
#[derive(Debug)]
pub(super) struct Split<'a> {
    pub(super) localities: Vec<SplitLocality<'a>>,
    /// The first locality is the own one.
    pub(super) has_own: bool,
    pub(super) tally: Tally,
}

#[derive(Debug)]
pub(super) struct SplitLocality<'a> {
    pub(super) locality: &'a Locality,
    pub(super) weight: u32,
    pub(super) tally: Tally,
    /// Indexes into [`HostSet::localities`]; more than one if the load assignment names the locality more than once.
    pub(super) groups: Vec<usize>,
}

impl<'a> Split<'a> {
    pub(super) fn new(set: &'a HostSet, own: Option<&Locality>) -> Self {
        let mut groups: Vec<usize> =
            (0..set.localities.len()).filter(|&group| !set.localities[group].hosts.is_empty()).collect();
        let is_own = |locality: &Locality| Some(locality) == own;
        groups.sort_by(|&a, &b| {
            let (a, b) = (&set.localities[a].locality, &set.localities[b].locality);
            match (is_own(a), is_own(b)) {
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                _ => a.cmp(b),
            }
        });
        let mut localities: Vec<SplitLocality<'a>> = Vec::with_capacity(groups.len());
        let mut whole = Tally::default();
        for group in groups {
            let LocalityHosts { locality, weight, hosts } = &set.localities[group];
            let tally = Tally::of(hosts);
            whole.add(tally);
            match localities.last_mut() {
                Some(last) if last.locality == locality => {
                    last.groups.push(group);
                    last.tally.add(tally);
                    // Envoy keeps the weight that it read last.
                    last.weight = if *weight > 0 { *weight } else { last.weight };
                }
                _ => localities.push(SplitLocality { locality, weight: *weight, tally, groups: vec![group] }),
            }
        }
        let has_own = localities.first().is_some_and(|first| is_own(first.locality));
        Self { localities, has_own, tally: whole }
    }
}
