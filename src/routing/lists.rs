//! Flat lists of hosts: what a pick finally takes a host from.

use std::ops::Index;
use std::sync::{Mutex, PoisonError};

use rand::Rng;

use super::config::LbPolicy;
use super::counters::Counter;
use super::hosts::{Health, HostIndex, HostSet, LocalityHosts, Split};
use super::schedule::EdfScheduler;

/// Hosts that are taken in turn.
#[derive(Debug)]
pub(super) struct HostList<C> {
    pub(super) priority: usize,
    /// Indexes into the priority, in the load assignment's order.
    pub(super) hosts: Vec<u32>,
    size: Divisor,
    next: C,
    /// Only if weights differ.
    pub(super) scheduler: Option<Mutex<EdfScheduler>>,
}

impl<C: Counter> HostList<C> {
    /// `draw` is the random number that picked the priority, `active` the number of requests that a host has under way.
    pub(super) fn choose<R: Rng + ?Sized>(
        &self,
        policy: LbPolicy,
        draw: u64,
        rng: &mut R,
        active: impl Fn(HostIndex) -> u64,
    ) -> Option<HostIndex> {
        /// Envoy's default `choice_count`.
        const CHOICES: usize = 2;

        if self.hosts.is_empty() {
            return None;
        }
        let host = |position: u64| HostIndex {
            priority: self.priority,
            index: self.hosts[self.size.remainder(position) as usize] as usize,
        };
        if let Some(scheduler) = &self.scheduler {
            let mut scheduler = scheduler.lock().unwrap_or_else(PoisonError::into_inner);
            let position = scheduler.pick(|position, weight| match policy {
                LbPolicy::LeastRequest => weight / (active(host(position as u64)) + 1) as f64,
                LbPolicy::RoundRobin | LbPolicy::Random => weight,
            });
            return position.map(|position| host(position as u64));
        }
        match policy {
            LbPolicy::RoundRobin => Some(host(self.next.next())),
            // The very number that picked the priority, not a new one.
            LbPolicy::Random => Some(host(draw)),
            LbPolicy::LeastRequest => {
                let mut choices = [(); CHOICES].map(|()| host(rng.next_u64()));
                choices.sort_by_key(|&host| active(host));
                Some(choices[0])
            }
        }
    }
}

/// What many numbers are divided by. A division is what would take most of a pick's time.
#[derive(Debug)]
struct Divisor {
    divisor: u64,
    /// 2⁶⁴ / divisor, rounded up.
    reciprocal: u64,
}

impl Divisor {
    fn new(divisor: u32) -> Self {
        let reciprocal = if divisor == 0 { 0 } else { (u64::MAX / u64::from(divisor)).wrapping_add(1) };
        Self { divisor: divisor.into(), reciprocal }
    }

    /// Exact: for numbers of 32 bits by two multiplications (D. Lemire, O. Kaser, N. Kurz, "Faster remainder by direct
    /// computation", 2019).
    fn remainder(&self, number: u64) -> u64 {
        if number > u32::MAX.into() {
            return number % self.divisor;
        }
        let fraction = self.reciprocal.wrapping_mul(number);
        ((u128::from(fraction) * u128::from(self.divisor)) >> 64) as u64
    }
}

/// Which list of a priority.
#[derive(Clone, Copy)]
pub(super) enum Source {
    All,
    /// Healthy or degraded ones.
    Whole(Health),
    /// The same of one locality, by its place in the [`Split`].
    Locality(usize, Health),
}

impl Source {
    /// The order in which [`HostLists::add_priority`] makes them.
    fn offset(self) -> usize {
        let degraded = |health| usize::from(health == Health::Degraded);
        match self {
            Self::All => 0,
            Self::Whole(health) => 1 + degraded(health),
            Self::Locality(locality, health) => 3 + 2 * locality + degraded(health),
        }
    }
}

/// All lists of all priorities.
#[derive(Debug, Default)]
pub(super) struct HostLists<C> {
    lists: Vec<HostList<C>>,
    /// Where each priority's lists begin.
    starts: Vec<usize>,
}

/// Which of [`HostLists`].
pub(super) type ListId = usize;

impl<C> Index<ListId> for HostLists<C> {
    type Output = HostList<C>;

    fn index(&self, list: ListId) -> &HostList<C> {
        &self.lists[list]
    }
}

impl<C: Counter> HostLists<C> {
    pub(super) fn id(&self, priority: usize, source: Source) -> ListId {
        self.starts[priority] + source.offset()
    }

    pub(super) fn add_priority(&mut self, set: &HostSet, split: &Split, policy: LbPolicy, seed: u64) {
        let groups = by_health(set);
        let concat = |groups: &mut dyn Iterator<Item = &[Vec<u32>; 2]>, health: usize| {
            groups.map(|group| group[health].as_slice()).collect::<Vec<_>>().concat()
        };
        let all = (0..split.tally.total as u32).collect();
        let mut lists = vec![all, concat(&mut groups.iter(), 0), concat(&mut groups.iter(), 1)];
        for locality in &split.localities {
            for health in 0..2 {
                lists.push(concat(&mut locality.groups.iter().map(|&group| &groups[group]), health));
            }
        }

        // RANDOM knows no weights.
        let weights = differing_weights(set).filter(|_| policy != LbPolicy::Random);
        // A part of it is as random, and numbers of 32 bits divide in half the time.
        let start = u64::from(seed as u32);
        let priority = self.starts.len();
        self.starts.push(self.lists.len());
        for hosts in lists {
            let scheduler = weights.as_ref().and_then(|weights| {
                let weights: Vec<f64> = hosts.iter().map(|&host| f64::from(weights[host as usize])).collect();
                let differ = weights.iter().any(|weight| *weight != weights[0]);
                differ.then(|| Mutex::new(EdfScheduler::new(weights, seed)))
            });
            let size = Divisor::new(hosts.len() as u32);
            self.lists.push(HostList { priority, hosts, size, next: C::from(start), scheduler });
        }
    }

    /// Goes on where `previous` is. As in Envoy, positions belong to the place of a list, not to its locality.
    pub(super) fn go_on_from(&self, previous: &Self) {
        for priority in 0..self.starts.len().min(previous.starts.len()) {
            for (before, after) in previous.of(priority).iter().zip(self.of(priority)) {
                after.next.set(before.next.get());
            }
        }
    }

    fn of(&self, priority: usize) -> &[HostList<C>] {
        let end = self.starts.get(priority + 1).copied().unwrap_or(self.lists.len());
        &self.lists[self.starts[priority]..end]
    }
}

/// The indexes of each group's healthy and degraded hosts: one pass over all hosts, of whose results all lists are made.
fn by_health(set: &HostSet) -> Vec<[Vec<u32>; 2]> {
    let mut index = 0;
    let split = |group: &LocalityHosts| {
        let (mut healthy, mut degraded) = (Vec::with_capacity(group.hosts.len()), Vec::new());
        for host in &group.hosts {
            match host.health {
                Health::Healthy => healthy.push(index),
                Health::Degraded => degraded.push(index),
                Health::Unhealthy => {}
            }
            index += 1;
        }
        [healthy, degraded]
    };
    set.localities.iter().map(split).collect()
}

/// The weights of all hosts, if they are not all the same.
fn differing_weights(set: &HostSet) -> Option<Vec<u32>> {
    let weights = || set.localities.iter().flat_map(|locality| &locality.hosts).map(|host| host.weight);
    let first = weights().next()?;
    weights().any(|weight| weight != first).then(|| weights().collect())
}

#[cfg(test)]
mod tests {
    use super::Divisor;

    #[test]
    fn remainders_are_exact() {
        let edges = [0, 1, 2, 3, 99, 1 << 16, (1 << 31) - 1, 1 << 31, u64::from(u32::MAX) - 1, u64::from(u32::MAX)];
        for divisor in edges.into_iter().filter(|&divisor| divisor > 0) {
            let multiples = [divisor - 1, divisor, divisor + 1, 7 * divisor - 1, 7 * divisor];
            for number in edges.into_iter().chain(multiples).chain([1 << 32, u64::MAX - 1, u64::MAX]) {
                let remainder = Divisor::new(divisor as u32).remainder(number);
                assert_eq!(remainder, number % divisor, "{number} by {divisor}");
            }
        }
    }
}
