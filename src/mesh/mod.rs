//! The local data plane: every running task is a real HTTP server on loopback behind a real sidecar proxy, every load
//! balancer a real one. The cloud says what should run ([`topology`]); nothing here knows of AWS's API.
//!
//! ```text
//! client ─► alb ─► frontend: sidecar inbound ─► app ─► sidecar outbound ─┐ picks with `routing`
//!                                                                        ▼
//!                                              backend: sidecar inbound ─► app
//! ```

pub mod topology;

mod alb;
mod app;
mod discovery;
mod http;
pub mod sidecar;
mod task;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use alb::{LoadBalancer, Place};
pub use alb::{TargetHealth, UnhealthyReason};
use discovery::Discovery;
use task::{RunningTask, StartError};
use topology::Topology;

const HTTP_PORT: u16 = 80;

/// How long [`Mesh::shutdown`] lets requests in flight finish: whoever sent them is ending too.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The local data plane. Cheap to clone; [`Mesh::shutdown`], or the last clone's drop, stops every server of it.
#[derive(Clone)]
pub struct Mesh {
    state: Arc<Mutex<State>>,
    runtime: Handle,
}

#[derive(Default)]
struct State {
    tasks: HashMap<String, TaskState>,
    load_balancers: HashMap<String, LoadBalancer>,
    /// What has been removed and still answers what is in flight.
    finishing: JoinSet<()>,
}

enum TaskState {
    Running(RunningTask),
    /// Its container exited at once; kept until the task leaves the topology.
    Failed(String),
}

impl Mesh {
    /// A mesh with nothing in it, whose servers will run on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self { state: Arc::default(), runtime }
    }

    /// Makes the whole wanted state so. On return the sockets of new tasks are bound and every sidecar and load
    /// balancer picks from the new endpoints; removed tasks stop accepting and finish what is in flight.
    ///
    /// A load balancer that an earlier topology had and this one has not is closed. An error means that a socket could
    /// not be bound; nothing has changed then but that some of the new tasks run already, unknown to anyone.
    pub fn apply(&self, topology: &Topology) -> io::Result<()> {
        let mut state = self.state();
        state.start_new(topology, &self.runtime)?;
        // Now that everything new is there, nothing points to what is old any longer, and then the old may go.
        state.inform_sidecars(topology);
        state.point_load_balancers(topology, &self.runtime);
        state.stop_old(topology, &self.runtime);
        Ok(())
    }

    /// Binds the listener of a load balancer, at its creation: its `DNSName` is this address. The same ARN gets the
    /// same address again. It answers 503 until a topology gives it targets.
    pub fn open_load_balancer(&self, arn: &str) -> io::Result<SocketAddr> {
        self.state().load_balancer(arn, &self.runtime).map(|load_balancer| load_balancer.address)
    }

    /// What the load balancer's own health checks last said; `None`: not known yet, or no such target in service.
    pub fn target_health(&self, target_group_arn: &str, ip: Ipv4Addr, port: u16) -> Option<TargetHealth> {
        let state = self.state();
        state.load_balancers.values().find_map(|balancer| balancer.target_health(target_group_arn, ip, port))
    }

    /// Why a task's container exited, if it did: a command that the app does not understand.
    pub fn task_failure(&self, task_arn: &str) -> Option<String> {
        match self.state().tasks.get(task_arn)? {
            TaskState::Failed(reason) => Some(reason.clone()),
            TaskState::Running(_) => None,
        }
    }

    /// The `/stats` text of a task's sidecar, as Envoy's admin endpoint writes it: lines `cluster.<cluster>.<counter>:
    /// <value>`, sorted, with `<discovery name>.<namespace>` as the cluster. `None`: no such task, or it has no sidecar.
    pub fn envoy_stats(&self, task_arn: &str) -> Option<String> {
        let sidecar = match self.state().tasks.get(task_arn)? {
            TaskState::Running(task) => task.sidecar.clone()?,
            TaskState::Failed(_) => return None,
        };
        Some(sidecar.stats())
    }

    /// Stops everything: no more accepting, what is in flight may finish for a moment, then all is gone.
    pub async fn shutdown(&self) {
        let State { tasks, load_balancers, mut finishing } = std::mem::take(&mut *self.state());
        load_balancers.values().for_each(LoadBalancer::drain);
        let finished = async {
            for load_balancer in load_balancers.into_values() {
                load_balancer.finished().await;
            }
            for task in tasks.into_values() {
                if let TaskState::Running(task) = task {
                    task.drain();
                    finishing.spawn_on(task.finished(), &self.runtime);
                }
            }
            while finishing.join_next().await.is_some() {}
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, finished).await.is_err() {
            tracing::debug!("the mesh was stopped with requests in flight");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn start_new(&mut self, topology: &Topology, runtime: &Handle) -> io::Result<()> {
        for task in &topology.tasks {
            if self.tasks.contains_key(&task.arn) {
                continue;
            }
            let started = match RunningTask::start(task, runtime) {
                Ok(running) => TaskState::Running(running),
                Err(StartError::Command(reason)) => TaskState::Failed(reason.to_string()),
                Err(StartError::Io(error)) => return Err(error),
            };
            self.tasks.insert(task.arn.clone(), started);
        }
        for load_balancer in &topology.load_balancers {
            self.load_balancer(&load_balancer.arn, runtime)?;
        }
        Ok(())
    }

    fn inform_sidecars(&self, topology: &Topology) {
        let running = topology.tasks.iter().filter(|task| self.running(&task.arn).is_some());
        let discovery = Discovery::new(running, |task, port| self.running(&task.arn)?.port(port));
        for task in &topology.tasks {
            if let Some(sidecar) = self.running(&task.arn).and_then(|running| running.sidecar.as_ref()) {
                discovery.inform(task, sidecar);
            }
        }
    }

    fn point_load_balancers(&mut self, topology: &Topology, runtime: &Handle) {
        let Self { tasks, load_balancers, .. } = self;
        for wanted in &topology.load_balancers {
            let Some(load_balancer) = load_balancers.get_mut(&wanted.arn) else { continue };
            let region = region_of(&wanted.arn);
            let locate = |ip: Ipv4Addr, port: u16| {
                let owns = |task: &&topology::Task| task.private_ip == ip && Some(task.region.as_str()) == region;
                match topology.tasks.iter().find(owns).and_then(|task| tasks.get(&task.arn)) {
                    Some(TaskState::Running(running)) => running.port(port).map_or(Place::Refusing, Place::Listening),
                    Some(TaskState::Failed(_)) | None => Place::Nowhere,
                }
            };
            load_balancer.announced = true;
            load_balancer.forward_to(wanted.target_group.as_ref(), locate, runtime);
        }
    }

    fn stop_old(&mut self, topology: &Topology, runtime: &Handle) {
        let wanted: HashSet<&str> = topology.tasks.iter().map(|task| task.arn.as_str()).collect();
        for (_, task) in self.tasks.extract_if(|arn, _| !wanted.contains(arn.as_str())) {
            if let TaskState::Running(task) = task {
                task.drain();
                self.finishing.spawn_on(task.finished(), runtime);
            }
        }
        let wanted: HashSet<&str> = topology.load_balancers.iter().map(|balancer| balancer.arn.as_str()).collect();
        let closed = |arn: &String, balancer: &mut LoadBalancer| balancer.announced && !wanted.contains(arn.as_str());
        for (_, load_balancer) in self.load_balancers.extract_if(closed) {
            load_balancer.drain();
            self.finishing.spawn_on(load_balancer.finished(), runtime);
        }
        while self.finishing.try_join_next().is_some() {}
    }

    fn load_balancer(&mut self, arn: &str, runtime: &Handle) -> io::Result<&mut LoadBalancer> {
        match self.load_balancers.entry(arn.to_owned()) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(new) => Ok(new.insert(LoadBalancer::open(runtime)?)),
        }
    }

    fn running(&self, task_arn: &str) -> Option<&RunningTask> {
        match self.tasks.get(task_arn)? {
            TaskState::Running(running) => Some(running),
            TaskState::Failed(_) => None,
        }
    }
}

/// `arn:aws:elasticloadbalancing:<region>:…`
fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}
