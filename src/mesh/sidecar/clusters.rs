//! The upstream clusters of a sidecar, and the authorities that each is called by.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::cluster::Cluster;
use crate::mesh::endpoints::{Address, Upstream};
use crate::routing::{HostSet, Locality, Runtime};

pub(super) struct Clusters {
    /// The proxy's own.
    locality: Locality,
    routes: ArcSwap<Vec<Route>>,
    /// That of clusters to come.
    runtime: Mutex<Runtime>,
}

struct Route {
    authorities: Vec<String>,
    cluster: Arc<Cluster>,
}

impl Clusters {
    pub(super) fn new(locality: &Locality) -> Self {
        Self { locality: locality.clone(), routes: ArcSwap::default(), runtime: Mutex::default() }
    }

    /// Each cluster has its endpoints before a request finds it.
    pub(super) fn set(&self, upstreams: impl Iterator<Item = (Upstream, Vec<Address>)>, local: &HostSet) {
        let runtime = self.runtime.lock();
        let before = self.routes.load();
        let routes = upstreams.map(|(Upstream { name, authorities, transport }, endpoints)| {
            let is_it = |route: &&Route| *route.cluster.name == *name && route.cluster.transport == transport;
            let known = before.iter().find(is_it);
            let cluster = known.map_or_else(
                || {
                    let cluster = Cluster::new(&self.locality, &name, transport.clone());
                    cluster.set_runtime(*runtime);
                    Arc::new(cluster)
                },
                |route| route.cluster.clone(),
            );
            cluster.update(local, &endpoints);
            Route { authorities, cluster }
        });
        self.routes.store(Arc::new(routes.collect()));
    }

    pub(super) fn set_runtime(&self, runtime: Runtime) {
        let mut known = self.runtime.lock();
        *known = runtime;
        for cluster in self.all() {
            cluster.set_runtime(runtime);
        }
    }

    /// The cluster that a request with this `Host` is for.
    pub(super) fn called(&self, authority: &[u8]) -> Option<Arc<Cluster>> {
        let is_it = |name: &String| name.as_bytes().eq_ignore_ascii_case(authority);
        let routes = self.routes.load();
        routes.iter().find(|route| route.authorities.iter().any(is_it)).map(|route| route.cluster.clone())
    }

    pub(super) fn named(&self, name: &str) -> Option<Arc<Cluster>> {
        let routes = self.routes.load();
        routes.iter().find(|route| *route.cluster.name == *name).map(|route| route.cluster.clone())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Cluster>> + use<> {
        let routes = self.routes.load_full();
        (0..routes.len()).map(move |number| routes[number].cluster.clone())
    }
}
