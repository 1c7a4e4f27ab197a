//! How a region moves on: by itself, from timer to timer, and with every request.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::region::Region;
use super::services;
use crate::mesh::topology::Topology;

impl Region {
    /// Brings the region to the present: runs every timer that is due, lets each service bring about what it is to have and
    /// tells the mesh what to run, until nothing is left to do now. What the mesh has made of it is seen at once: no
    /// request finds a task running whose container has exited.
    pub(crate) fn settle(&mut self) {
        let present = Instant::now();
        loop {
            for service in services::ALL {
                (service.reconcile)(self);
            }
            match self.schedule.pop_due(present) {
                Some(job) => job(self),
                None if self.publish() => {}
                None => break,
            }
        }
        self.schedule.catch_up(present);
    }

    /// Whether there was news for the mesh.
    fn publish(&mut self) -> bool {
        let mut wanted = Topology::default();
        for service in services::ALL {
            (service.add_to_mesh)(self, &mut wanted);
        }
        if self.published.as_ref() == Some(&wanted) {
            return false;
        }
        if let Err(error) = self.mesh.apply(&wanted) {
            tracing::error!(%error, "the mesh could not start what is to run; trying again");
            self.published = None;
            self.after_real_time(Duration::from_millis(200), |_| {});
            return false;
        }
        self.published = Some(wanted);
        true
    }
}

/// A region that many requests share, and that moves on by itself between them.
pub(crate) struct SharedRegion {
    state: Mutex<Region>,
    /// A request may have set an earlier timer than the one being slept for.
    changed: Notify,
}

impl SharedRegion {
    pub(crate) fn new(region: Region) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(region), changed: Notify::new() })
    }

    /// Runs `f` on the settled region and settles it again.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Region) -> T) -> T {
        let mut region = self.state.lock();
        region.settle();
        let result = f(&mut region);
        region.settle();
        drop(region);
        self.changed.notify_one();
        result
    }

    /// Sleeps from timer to timer, and until something happens in the mesh, for as long as it is polled.
    pub(crate) async fn run(&self) {
        let mesh = self.state.lock().mesh.clone();
        let mut is_settled = false;
        loop {
            let next = {
                let mut region = self.state.lock();
                if !is_settled {
                    region.settle();
                }
                region.schedule.next_due()
            };
            let due = async {
                match next {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            // A request has settled what it has changed.
            is_settled = tokio::select! {
                () = due => false,
                () = mesh.changed() => false,
                () = self.changed.notified() => true,
            };
        }
    }
}
