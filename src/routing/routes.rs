//! How a request finds its list of hosts. A rebuild compiles the plan into branches and routes; a pick takes one branch by
//! the random number for priorities, and follows its route.

use std::sync::{Mutex, PoisonError};

use rand::Rng;

use super::config::Config;
use super::counters::{Counter, CountersOf};
use super::hosts::{Health, Split, SplitLocality};
use super::lists::{HostLists, ListId, Source};
use super::plan::{BASIS, LocalityRoutingState, Plan};
use super::priority::PriorityLoad;
use super::schedule::EdfScheduler;

/// A priority's healthy or degraded hosts.
#[derive(Debug)]
pub(super) struct Branch {
    /// Percent of the load that this and all branches before it get.
    pub(super) cumulative_load: u64,
    pub(super) route: Route,
}

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

impl Route {
    pub(super) fn choose<R: Rng + ?Sized, C: Counter>(&self, rng: &mut R, counters: &CountersOf<C>) -> Option<ListId> {
        match self {
            Self::Whole(list) => Some(*list),
            Self::ZoneAware(zone_aware) => zone_aware.choose(rng, counters),
            Self::Weighted { scheduler, localities } => {
                let mut scheduler = scheduler.lock().unwrap_or_else(PoisonError::into_inner);
                scheduler.pick(|_, weight| weight).map(|locality| localities[locality])
            }
            Self::Panic(list) => {
                counters.lb_healthy_panic.next();
                *list
            }
        }
    }
}

impl ZoneAware {
    fn choose<R: Rng + ?Sized, C: Counter>(&self, rng: &mut R, counters: &CountersOf<C>) -> Option<ListId> {
        if self.enabled < 100 && rng.next_u64() % 100 >= self.enabled {
            return Some(self.whole);
        }
        match &self.choice {
            ZoneChoice::Direct(list) => {
                counters.lb_zone_routing_all_directly.next();
                Some(*list)
            }
            ZoneChoice::LocalPanic(list) => {
                counters.lb_local_cluster_not_ok.next();
                *list
            }
            ZoneChoice::Residual { local_percent_to_route, localities } => {
                if rng.next_u64() % BASIS < *local_percent_to_route {
                    counters.lb_zone_routing_sampled.next();
                    return localities.first().map(|&(_, list)| list);
                }
                counters.lb_zone_routing_cross_zone.next();
                let &(capacity, _) = localities.last()?;
                if capacity == 0 {
                    // Any locality, also one without a healthy host.
                    counters.lb_zone_no_capacity_left.next();
                    let index = rng.next_u64() % localities.len() as u64;
                    return localities.get(index as usize).map(|&(_, list)| list);
                }
                let threshold = rng.next_u64() % capacity;
                // The first one above the threshold, counted without a branch that nobody can predict.
                let index: usize = localities.iter().map(|&(cumulative, _)| usize::from(cumulative <= threshold)).sum();
                localities.get(index).map(|&(_, list)| list)
            }
        }
    }
}

/// What branches are compiled from.
pub(super) struct Compiler<'a, C> {
    pub(super) config: &'a Config,
    pub(super) seed: u64,
    pub(super) plan: &'a Plan,
    pub(super) load: &'a PriorityLoad,
    pub(super) lists: &'a HostLists<C>,
    pub(super) local: Option<&'a Split<'a>>,
    pub(super) upstream: &'a [Split<'a>],
}

impl<C: Counter> Compiler<'_, C> {
    /// In the order in which the random number is compared: healthy hosts by priority, then degraded ones. Those without a
    /// load are left out, but for the first one, which gets what no branch does: see [`PriorityLoad::new`].
    pub(super) fn branches(&self) -> Vec<Branch> {
        let mut cumulative_load = 0;
        let mut branches = Vec::new();
        for (health, loads) in [(Health::Healthy, &self.load.healthy), (Health::Degraded, &self.load.degraded)] {
            for (priority, load) in loads.iter().enumerate() {
                cumulative_load += load;
                if *load > 0 || branches.is_empty() {
                    branches.push(Branch { cumulative_load, route: self.route(priority, health) });
                }
            }
        }
        branches
    }

    fn route(&self, priority: usize, health: Health) -> Route {
        let list = |source| self.lists.id(priority, source);
        if self.load.panic[priority] {
            return Route::Panic(self.unless_failing(list(Source::All)));
        }
        if self.config.locality_weighted
            && let Some(route) = self.weighted(priority, health)
        {
            return route;
        }
        let whole = list(Source::Whole(health));
        let enabled = self.config.enabled_percent();
        if priority > 0 || enabled == 0 || self.plan.state == LocalityRoutingState::NoLocalityRouting {
            return Route::Whole(whole);
        }

        let locality = |index| list(Source::Locality(index, health));
        let panic_percent = self.config.panic_percent() as f64;
        let choice = if self.local.is_some_and(|local| local.tally.available_percent() < panic_percent) {
            ZoneChoice::LocalPanic(self.unless_failing(whole))
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

    fn unless_failing(&self, list: ListId) -> Option<ListId> {
        (!self.config.fail_traffic_on_panic).then_some(list)
    }

    /// Localities by effective weight: their own, less if not enough of their hosts are available. None has any: no route.
    fn weighted(&self, priority: usize, health: Health) -> Option<Route> {
        let factor = f64::from(self.config.overprovisioning_factor) / 100.0;
        let effective = |locality: &SplitLocality| {
            let tally = locality.tally;
            let available = if health == Health::Degraded { tally.degraded } else { tally.healthy };
            f64::from(locality.weight) * (factor * (available as f64 / tally.total as f64)).min(1.0)
        };
        let localities = self.upstream[priority].localities.iter().enumerate();
        let (localities, weights): (Vec<ListId>, Vec<f64>) = localities
            .map(|(index, locality)| (self.lists.id(priority, Source::Locality(index, health)), effective(locality)))
            .filter(|&(_, weight)| weight > 0.0)
            .unzip();
        let scheduler = || Mutex::new(EdfScheduler::new(weights, self.seed));
        (!localities.is_empty()).then(|| Route::Weighted { scheduler: scheduler(), localities })
    }
}
