//! The load balancer: a rebuild compiles the hosts and the plan into routes over flat lists of hosts; a pick follows
//! one route. So a pick costs the same whatever the number of hosts, and takes no lock (but for weighted lists, whose
//! scheduler is state).

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use rand::Rng;

use super::config::{Config, LbPolicy};
use super::counters::{Counters, count};
use super::hosts::{Health, HostIndex, HostSet, Locality, Split, SplitLocality, Tally};
use super::plan::{BASIS, LocalityRoutingState, Plan, Reason};
use super::priority::PriorityLoad;
use super::schedule::EdfScheduler;

/// One of Envoy's load balancer objects: a proxy has one per upstream cluster and worker.
#[derive(Debug)]
pub struct LoadBalancer {
    config: Config,
    own: Option<Locality>,
    seed: u64,
    plan: Plan,
    load: PriorityLoad,
    pub(super) lists: Vec<HostList>,
    /// Where each priority's lists begin.
    first_list: Vec<usize>,
    /// In the order in which the random number that picks the priority is compared.
    pub(super) branches: Vec<Branch>,
}

/// Hosts that are taken in turn.
#[derive(Debug)]
pub(super) struct HostList {
    priority: usize,
    /// Indexes into the priority, in the load assignment's order.
    pub(super) hosts: Vec<u32>,
    next: AtomicU64,
    /// Only if weights differ.
    pub(super) scheduler: Option<Mutex<EdfScheduler>>,
}

/// Index into [`LoadBalancer::lists`].
pub(super) type ListId = usize;

/// A priority's healthy or degraded hosts.
#[derive(Debug)]
pub(super) struct Branch {
    /// Percent of the load that this and all branches before it get.
    pub(super) cumulative_load: u64,
    pub(super) route: Route,
}

/// How a request of one branch finds its list.
#[derive(Debug)]
pub(super) enum Route {
    /// The priority is in panic: all its hosts, or none with `fail_traffic_on_panic`.
    Panic(Option<ListId>),
    /// A locality by its weight.
    Weighted {
        scheduler: Mutex<EdfScheduler>,
        localities: Vec<ListId>,
    },
    Whole(ListId),
    ZoneAware(ZoneAware),
}

#[derive(Debug)]
pub(super) struct ZoneAware {
    /// Percent of the requests; the others take the whole priority.
    pub(super) enabled: u64,
    pub(super) whole: ListId,
    pub(super) choice: ZoneChoice,
}

#[derive(Debug)]
pub(super) enum ZoneChoice {
    /// The local cluster is in panic: the whole priority, or none with `fail_traffic_on_panic`.
    LocalPanic(Option<ListId>),
    Direct(ListId),
    /// Localities with their cumulative residual capacity, the own one first if it is upstream.
    Residual {
        local_percent_to_route: u64,
        localities: Vec<(u64, ListId)>,
    },
}

/// A priority's lists: all hosts, healthy ones, degraded ones, then healthy and degraded ones of each locality.
#[derive(Clone, Copy)]
enum Source {
    All,
    Whole(Health),
    Locality(usize, Health),
}

impl Source {
    fn offset(self) -> usize {
        let degraded = |health| usize::from(health == Health::Degraded);
        match self {
            Self::All => 0,
            Self::Whole(health) => 1 + degraded(health),
            Self::Locality(locality, health) => 3 + 2 * locality + degraded(health),
        }
    }
}

impl LoadBalancer {
    /// The first build. `own` is the node's locality, `local` the cluster that the proxy is a member of (`None` without
    /// `local_cluster_name`: then there is no zone-aware routing), `upstream` the called cluster by priority. Round-robins
    /// start at `seed`, which Envoy draws at random once per load balancer.
    pub fn new(
        config: &Config,
        own: Option<&Locality>,
        local: Option<&HostSet>,
        upstream: &[HostSet],
        seed: u64,
        counters: &Counters,
    ) -> Self {
        let balancer = Self::build(config, own, local, upstream, seed);
        // Hosts that appear are what makes Envoy plan at first: it has counted nothing while there are none.
        if upstream.first().is_some_and(|set| !set.is_empty()) {
            count_rebuild(&balancer.plan, config, counters);
        }
        balancer
    }

    fn build(
        config: &Config,
        own: Option<&Locality>,
        local: Option<&HostSet>,
        upstream: &[HostSet],
        seed: u64,
    ) -> Self {
        let local = local.map(|local| Split::new(local, own));
        let splits: Vec<Split> = upstream.iter().map(|set| Split::new(set, own)).collect();
        let nobody = Split { localities: Vec::new(), has_own: false, tally: Tally::default() };
        let plan = Plan::new(config, own, local.as_ref(), splits.first().unwrap_or(&nobody));
        let tallies: Vec<Tally> = splits.iter().map(|split| split.tally).collect();
        let load = PriorityLoad::new(&tallies, config.overprovisioning_factor, config.panic_percent());
        let mut balancer = Self {
            config: config.clone(),
            own: own.cloned(),
            seed,
            plan,
            load,
            lists: Vec::new(),
            first_list: Vec::with_capacity(splits.len()),
            branches: Vec::new(),
        };
        for (priority, (set, split)) in upstream.iter().zip(&splits).enumerate() {
            balancer.first_list.push(balancer.lists.len());
            balancer.add_lists(priority, set, split);
        }
        balancer.add_branches(&splits, local.as_ref());
        balancer
    }

    /// The rebuild after the local cluster or priority 0 of the upstream has changed. Round-robins go on where they are.
    pub fn updated(&self, local: Option<&HostSet>, upstream: &[HostSet], counters: &Counters) -> Self {
        let next = Self::build(&self.config, self.own.as_ref(), local, upstream, self.seed);
        count_rebuild(&next.plan, &self.config, counters);
        // Envoy keeps positions by the place of a list, not by its locality.
        for priority in 0..next.first_list.len().min(self.first_list.len()) {
            for (before, after) in self.lists_of(priority).iter().zip(next.lists_of(priority)) {
                after.next.store(before.next.load(Relaxed), Relaxed);
            }
        }
        next
    }

    /// What the last rebuild decided for priority 0.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How load is shared among priorities.
    pub fn priority_load(&self) -> &PriorityLoad {
        &self.load
    }

    /// A host for one request; none is a 503 "no healthy upstream". For LEAST_REQUEST see [`Self::pick_by_load`].
    pub fn pick<R: Rng + ?Sized>(&self, rng: &mut R, counters: &Counters) -> Option<HostIndex> {
        self.pick_by_load(rng, counters, |_| 0)
    }

    /// As [`Self::pick`]; LEAST_REQUEST learns from `active` how many requests a host has under way.
    pub fn pick_by_load<R: Rng + ?Sized>(
        &self,
        rng: &mut R,
        counters: &Counters,
        active: impl Fn(HostIndex) -> u64,
    ) -> Option<HostIndex> {
        let draw = rng.next_u64();
        let list = self.choose_list(draw, rng, counters).map(|list| &self.lists[list]);
        let host = list.and_then(|list| list.choose(self.config.lb_policy, draw, rng, active));
        if host.is_none() {
            count(&counters.upstream_cx_none_healthy);
        }
        host
    }

    fn choose_list<R: Rng + ?Sized>(&self, draw: u64, rng: &mut R, counters: &Counters) -> Option<ListId> {
        let percentile = draw % 100;
        // Loads that don't add up to 100 leave a rest, which is the first branch's: see `PriorityLoad::new`.
        let chosen = self.branches.iter().find(|branch| percentile < branch.cumulative_load);
        match &chosen.or(self.branches.first())?.route {
            Route::Whole(list) => Some(*list),
            Route::ZoneAware(zone_aware) => zone_aware.choose_list(rng, counters),
            Route::Weighted { scheduler, localities } => {
                let mut scheduler = scheduler.lock().unwrap_or_else(PoisonError::into_inner);
                scheduler.pick(|_, weight| weight).map(|locality| localities[locality])
            }
            Route::Panic(list) => {
                count(&counters.lb_healthy_panic);
                *list
            }
        }
    }

    fn lists_of(&self, priority: usize) -> &[HostList] {
        let end = self.first_list.get(priority + 1).copied().unwrap_or(self.lists.len());
        &self.lists[self.first_list[priority]..end]
    }

    fn list(&self, priority: usize, source: Source) -> ListId {
        self.first_list[priority] + source.offset()
    }

    fn add_lists(&mut self, priority: usize, set: &HostSet, split: &Split) {
        // One pass by group; all other lists are made of these, copied whole.
        let mut all = 0;
        let groups: Vec<[Vec<u32>; 2]> = set
            .localities
            .iter()
            .map(|group| {
                let mut healthy = Vec::with_capacity(group.hosts.len());
                let mut degraded = Vec::new();
                for host in &group.hosts {
                    match host.health {
                        Health::Healthy => healthy.push(all),
                        Health::Degraded => degraded.push(all),
                        Health::Unhealthy => {}
                    }
                    all += 1;
                }
                [healthy, degraded]
            })
            .collect();
        let concat = |groups: &mut dyn Iterator<Item = &[Vec<u32>; 2]>, health: usize| {
            let parts: Vec<&[u32]> = groups.map(|group| group[health].as_slice()).collect();
            parts.concat()
        };
        let mut lists = vec![(0..all).collect(), concat(&mut groups.iter(), 0), concat(&mut groups.iter(), 1)];
        for locality in &split.localities {
            for health in 0..2 {
                lists.push(concat(&mut locality.groups.iter().map(|&group| &groups[group]), health));
            }
        }

        let weights = differing_weights(set).filter(|_| self.config.lb_policy != LbPolicy::Random);
        for hosts in lists {
            let scheduler = weights.as_ref().and_then(|weights| {
                let weights: Vec<f64> = hosts.iter().map(|&host: &u32| f64::from(weights[host as usize])).collect();
                let differ = weights.iter().any(|weight| *weight != weights[0]);
                differ.then(|| Mutex::new(EdfScheduler::new(weights, self.seed)))
            });
            self.lists.push(HostList { priority, hosts, next: AtomicU64::new(self.seed), scheduler });
        }
    }

    fn add_branches(&mut self, splits: &[Split], local: Option<&Split>) {
        let mut cumulative_load = 0;
        for health in [Health::Healthy, Health::Degraded] {
            for (priority, split) in splits.iter().enumerate() {
                let load = if health == Health::Healthy { &self.load.healthy } else { &self.load.degraded }[priority];
                cumulative_load += load;
                if load > 0 || self.branches.is_empty() {
                    let route = self.route(priority, health, split, local);
                    self.branches.push(Branch { cumulative_load, route });
                }
            }
        }
    }

    fn route(&self, priority: usize, health: Health, split: &Split, local: Option<&Split>) -> Route {
        let unless_failing = |list| (!self.config.fail_traffic_on_panic).then_some(list);
        if self.load.panic[priority] {
            return Route::Panic(unless_failing(self.list(priority, Source::All)));
        }
        let whole = self.list(priority, Source::Whole(health));
        if self.config.locality_weighted
            && let Some(route) = self.weighted_route(priority, health, split)
        {
            return route;
        }
        let enabled = self.config.enabled_percent();
        if priority > 0 || enabled == 0 || self.plan.state == LocalityRoutingState::NoLocalityRouting {
            return Route::Whole(whole);
        }

        let locality = |index| self.list(priority, Source::Locality(index, health));
        let panic_percent = self.config.panic_percent() as f64;
        let choice = if local.is_some_and(|local| local.tally.available_percent() < panic_percent) {
            ZoneChoice::LocalPanic(unless_failing(whole))
        } else if self.plan.state == LocalityRoutingState::LocalityDirect {
            ZoneChoice::Direct(locality(0))
        } else {
            let capacities = self.plan.localities.iter().map(|locality| locality.residual_capacity);
            ZoneChoice::Residual {
                local_percent_to_route: self.plan.local_percent_to_route,
                localities: capacities.enumerate().map(|(index, capacity)| (capacity, locality(index))).collect(),
            }
        };
        Route::ZoneAware(ZoneAware { enabled, whole, choice })
    }

    /// Localities by effective weight: their own, less if not enough of their hosts are available. None has any: no route.
    fn weighted_route(&self, priority: usize, health: Health, split: &Split) -> Option<Route> {
        let factor = f64::from(self.config.overprovisioning_factor) / 100.0;
        let effective = |locality: &SplitLocality| {
            let tally = locality.tally;
            let available = if health == Health::Degraded { tally.degraded } else { tally.healthy };
            f64::from(locality.weight) * (factor * (available as f64 / tally.total as f64)).min(1.0)
        };
        let (localities, weights): (Vec<ListId>, Vec<f64>) = (split.localities.iter().enumerate())
            .map(|(index, locality)| (self.list(priority, Source::Locality(index, health)), effective(locality)))
            .filter(|&(_, weight)| weight > 0.0)
            .unzip();
        let scheduler = || Mutex::new(EdfScheduler::new(weights, self.seed));
        (!localities.is_empty()).then(|| Route::Weighted { scheduler: scheduler(), localities })
    }
}

impl ZoneAware {
    fn choose_list<R: Rng + ?Sized>(&self, rng: &mut R, counters: &Counters) -> Option<ListId> {
        if self.enabled < 100 && rng.next_u64() % 100 >= self.enabled {
            return Some(self.whole);
        }
        match &self.choice {
            ZoneChoice::Direct(list) => {
                count(&counters.lb_zone_routing_all_directly);
                Some(*list)
            }
            ZoneChoice::LocalPanic(list) => {
                count(&counters.lb_local_cluster_not_ok);
                *list
            }
            ZoneChoice::Residual { local_percent_to_route, localities } => {
                if rng.next_u64() % BASIS < *local_percent_to_route {
                    count(&counters.lb_zone_routing_sampled);
                    return localities.first().map(|&(_, list)| list);
                }
                count(&counters.lb_zone_routing_cross_zone);
                let &(capacity, _) = localities.last()?;
                if capacity == 0 {
                    // Any locality, also one without a healthy host.
                    count(&counters.lb_zone_no_capacity_left);
                    let index = rng.next_u64() % localities.len() as u64;
                    return localities.get(index as usize).map(|&(_, list)| list);
                }
                let threshold = rng.next_u64() % capacity;
                localities.iter().find(|&&(cumulative, _)| threshold < cumulative).map(|&(_, list)| list)
            }
        }
    }
}

impl HostList {
    pub(super) fn priority(&self) -> usize {
        self.priority
    }

    fn choose<R: Rng + ?Sized>(
        &self,
        policy: LbPolicy,
        draw: u64,
        rng: &mut R,
        active: impl Fn(HostIndex) -> u64,
    ) -> Option<HostIndex> {
        /// Envoy's default `choice_count`.
        const CHOICES: usize = 2;

        let size = self.hosts.len() as u64;
        if size == 0 {
            return None;
        }
        let host = |position: u64| HostIndex {
            priority: self.priority,
            index: self.hosts[(position % size) as usize] as usize,
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
            LbPolicy::RoundRobin => Some(host(self.next.fetch_add(1, Relaxed))),
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

/// The weights of all hosts, if they are not all the same.
fn differing_weights(set: &HostSet) -> Option<Vec<u32>> {
    let weights = || set.localities.iter().flat_map(|locality| &locality.hosts).map(|host| host.weight);
    let first = weights().next()?;
    weights().any(|weight| weight != first).then(|| weights().collect())
}

/// Workers and main thread each rebuild.
fn count_rebuild(plan: &Plan, config: &Config, counters: &Counters) {
    let times = u64::from(config.concurrency) + 1;
    let counter = match plan.reason {
        Reason::NoLocalCluster => return,
        Reason::NodeHasNoLocality | Reason::NoLocalHostInOwnLocality { .. } => Some(&counters.lb_local_cluster_not_ok),
        Reason::ClusterTooSmall { .. } => Some(&counters.lb_zone_cluster_too_small),
        _ => None,
    };
    counters.lb_recalculate_zone_structures.fetch_add(times, Relaxed);
    if let Some(counter) = counter {
        counter.fetch_add(times, Relaxed);
    }
}
