//! The load balancer: made anew at every update of either cluster, and picked from by every request. What is costly is done
//! by the former. A pick costs the same whatever the number of hosts, and takes no lock, but for weights that differ, whose
//! scheduler is state.

use std::sync::atomic::AtomicU64;

use rand::Rng;

use super::config::Config;
use super::counters::{Counter, CountersOf};
use super::hosts::{HostIndex, HostSet, Locality, Split, Tally};
use super::lists::HostLists;
use super::plan::{Plan, Reason};
use super::priority::PriorityLoad;
use super::routes::{Branch, Compiler};

/// One of Envoy's load balancer objects: a proxy has one per upstream cluster and worker, or, with atomic counters, one that
/// all threads share.
#[derive(Debug)]
pub struct LoadBalancer<C = AtomicU64> {
    config: Config,
    own: Option<Locality>,
    seed: u64,
    plan: Plan,
    load: PriorityLoad,
    pub(super) lists: HostLists<C>,
    pub(super) branches: Vec<Branch>,
}

impl<C: Counter> LoadBalancer<C> {
    /// The first build. `own` is the node's locality, `local` the cluster that the proxy is a member of (`None` without
    /// `local_cluster_name`: then there is no zone-aware routing), `upstream` the called cluster by priority. Round-robins
    /// start at `seed`, which Envoy draws at random once per load balancer.
    pub fn new(
        config: &Config,
        own: Option<&Locality>,
        local: Option<&HostSet>,
        upstream: &[HostSet],
        seed: u64,
        counters: &CountersOf<C>,
    ) -> Self {
        let balancer = Self::build(config, own, local, upstream, seed);
        // Hosts that appear are what makes Envoy plan at first: it has counted nothing while there are none.
        if upstream.first().is_some_and(|set| !set.is_empty()) {
            count_rebuild(&balancer.plan, config, counters);
        }
        balancer
    }

    /// The rebuild after the local cluster or priority 0 of the upstream has changed. Round-robins go on where they are.
    pub fn updated(&self, local: Option<&HostSet>, upstream: &[HostSet], counters: &CountersOf<C>) -> Self {
        self.reconfigured(&self.config, local, upstream, counters)
    }

    /// The rebuild as [`Self::updated`] does it, with another configuration from now on.
    pub fn reconfigured(
        &self,
        config: &Config,
        local: Option<&HostSet>,
        upstream: &[HostSet],
        counters: &CountersOf<C>,
    ) -> Self {
        let next = Self::build(config, self.own.as_ref(), local, upstream, self.seed);
        next.lists.go_on_from(&self.lists);
        count_rebuild(&next.plan, config, counters);
        next
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
        let mut lists = HostLists::default();
        for (set, split) in upstream.iter().zip(&splits) {
            lists.add_priority(set, split, config.lb_policy, seed);
        }
        let local = local.as_ref();
        let compiler = Compiler { config, seed, plan: &plan, load: &load, lists: &lists, local, upstream: &splits };
        let branches = compiler.branches();
        Self { config: config.clone(), own: own.cloned(), seed, plan, load, lists, branches }
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
    pub fn pick<R: Rng + ?Sized>(&self, rng: &mut R, counters: &CountersOf<C>) -> Option<HostIndex> {
        self.pick_by_load(rng, counters, |_| 0)
    }

    /// As [`Self::pick`]; LEAST_REQUEST learns from `active` how many requests a host has under way.
    pub fn pick_by_load<R: Rng + ?Sized>(
        &self,
        rng: &mut R,
        counters: &CountersOf<C>,
        active: impl Fn(HostIndex) -> u64,
    ) -> Option<HostIndex> {
        let draw = rng.next_u64();
        let branch = match self.branches.as_slice() {
            [only] => Some(only),
            branches => branches.iter().find(|branch| draw % 100 < branch.cumulative_load).or(branches.first()),
        };
        let list = branch.and_then(|branch| branch.route.choose(rng, counters));
        let host = list.and_then(|list| self.lists[list].choose(self.config.lb_policy, draw, rng, active));
        if host.is_none() {
            counters.upstream_cx_none_healthy.next();
        }
        host
    }
}

/// Workers and main thread each rebuild.
fn count_rebuild<C: Counter>(plan: &Plan, config: &Config, counters: &CountersOf<C>) {
    let counter = match plan.reason {
        Reason::NoLocalCluster => return,
        Reason::NodeHasNoLocality | Reason::NoLocalHostInOwnLocality { .. } => Some(&counters.lb_local_cluster_not_ok),
        Reason::ClusterTooSmall { .. } => Some(&counters.lb_zone_cluster_too_small),
        _ => None,
    };
    for _ in 0..=config.concurrency {
        counters.lb_recalculate_zone_structures.next();
        counter.map(Counter::next);
    }
}
