//! The local data plane: every running task is a real HTTP server on loopback behind a real sidecar proxy, every load
//! balancer a real one. The cloud says what should run ([`topology`]); nothing here knows of AWS's API.
//!
//! ```text
//! client ─► alb ─► frontend: sidecar inbound ─► app ─► sidecar outbound ─┐ picks with `routing`
//!                                                                        ▼
//!                                              backend: sidecar inbound ─► app
//! ```
//!
//! With [`Proxies::Envoy`], a real Envoy is in each sidecar's place. It takes time to start, and time to hear of endpoints:
//! see [`Mesh::is_running`] and [`Mesh::is_up_to_date`].

pub mod conditions;
pub mod endpoints;
pub mod envoy_proxy;
pub mod proxy;
pub mod sidecar;
pub mod standalone;
pub mod topology;
pub mod transport;

mod alb;
mod app;
mod black_hole;
mod discovery;
pub mod journal;
mod links;
mod matcher;
mod task;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use alb::{Entrances, TargetHealth, UnhealthyReason};
use alb::{LoadBalancer, Place};
pub(crate) use app::applications;
#[cfg(any(test, fuzzing))]
pub(crate) use app::read_command;
use black_hole::BlackHole;
pub use conditions::Conditions;
use discovery::Discovery;
use envoy_proxy::Event;
pub use envoy_proxy::{BINARY_VARIABLE, Binary, BinaryError};
use journal::{Carried, Journal};
use links::CurrentLinks;
pub use links::Links;
pub use matcher::{InvalidMatcher, Matcher};
pub use proxy::Proxies;
use proxy::Proxy;
use task::{RunningTask, StartError, StartingTask};
use topology::Topology;

/// How long [`Mesh::shutdown`] lets requests in flight finish; usually their clients are ending too.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The local data plane. It is cheap to clone; [`Mesh::shutdown`], or the drop of the last clone, stops all its servers.
#[derive(Clone)]
pub struct Mesh {
    state: Arc<Mutex<State>>,
    proxies: Proxies,
    entrances: Entrances,
    links: CurrentLinks,
    changed: Arc<Notify>,
    /// What the sidecars have carried, if somebody wants to know.
    journal: Option<Arc<Journal>>,
    runtime: Handle,
}

#[derive(Default)]
struct State {
    conditions: Conditions,
    /// The topology that was last applied.
    topology: Topology,
    tasks: HashMap<String, TaskState>,
    load_balancers: HashMap<String, LoadBalancer>,
    /// What real Envoys find in the place of endpoints that are blocked for them, by the endpoints' addresses.
    black_holes: HashMap<SocketAddr, BlackHole>,
    /// The removed tasks and load balancers that still answer requests in flight.
    finishing: JoinSet<()>,
}

enum TaskState {
    Starting(Box<StartingTask>),
    Running(RunningTask),
    /// A container has exited; the failure is kept until the task leaves the topology.
    Failed(TaskFailure),
}

/// A container of a task that exited, and why: a command that the application does not understand, or an Envoy that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskFailure {
    Application(String),
    Proxy(String),
}

impl TaskFailure {
    pub fn reason(&self) -> &str {
        let (Self::Application(reason) | Self::Proxy(reason)) = self;
        reason
    }
}

impl Mesh {
    /// Makes an empty mesh, whose servers will run on `runtime`.
    pub fn new(runtime: Handle, proxies: Proxies) -> Self {
        let (entrances, links, changed) = (Entrances::default(), CurrentLinks::default(), Arc::default());
        Self { state: Arc::default(), proxies, entrances, links, changed, journal: None, runtime }
    }

    /// Has the load balancers to come listen there.
    pub fn with_entrances(self, entrances: Entrances) -> Self {
        Self { entrances, ..self }
    }

    /// Has the sidecars of tasks to come note what they carry, for [`Mesh::take_carried`]. Real Envoys do not.
    pub fn keeping_journal(self) -> Self {
        Self { journal: Some(Arc::new(Journal::new(self.changed.clone()))), ..self }
    }

    /// What the sidecars have carried since this was last asked; [`Mesh::changed`] completes when that is much.
    pub fn take_carried(&self) -> Vec<Carried> {
        self.journal.as_ref().map(|journal| journal.take()).unwrap_or_default()
    }

    /// Whose the tasks' proxies are.
    pub fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Brings about the whole wanted state. On return the sockets of new tasks are bound and every sidecar and load
    /// balancer picks from the new endpoints; removed tasks answer what is on its way to them, and stop.
    ///
    /// A load balancer that an earlier topology had and this one lacks is closed. An error means that a socket could not be
    /// bound; then nothing old has stopped, some of the new may run already, and some proxies may know of it.
    pub fn apply(&self, topology: &Topology) -> io::Result<()> {
        let mut state = self.state.lock();
        state.start_new(topology, self)?;
        // First everything new starts, then all are pointed to it, and only then does the old stop.
        state.inform_proxies(topology, &self.runtime)?;
        state.point_load_balancers(topology, &self.runtime)?;
        state.stop_old(topology, &self.runtime);
        state.topology.clone_from(topology);
        Ok(())
    }

    /// From now on requests are carried under these conditions: by tasks that run and by those to come.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.links.set(conditions.links);
        let mut state = self.state.lock();
        state.conditions = conditions;
        for proxy in state.tasks.values().filter_map(TaskState::proxy) {
            proxy.set_runtime(conditions.runtime);
        }
    }

    /// Whether a task's application and proxy take requests.
    pub fn is_running(&self, task_arn: &str) -> bool {
        self.state.lock().running(task_arn).is_some()
    }

    /// Whether every proxy knows where everything is now.
    pub fn is_up_to_date(&self) -> bool {
        let knows = |task: &TaskState| match task {
            TaskState::Running(RunningTask { proxy: Some(Proxy::Envoy(envoy)), .. }) => envoy.is_up_to_date(),
            TaskState::Running(_) | TaskState::Starting(_) | TaskState::Failed(_) => true,
        };
        self.state.lock().tasks.values().all(knows)
    }

    /// Completes when a task has started to run or failed, or a proxy has heard of a change, since the last call. One
    /// caller at a time may wait.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Binds the listener of a load balancer, at its creation: its `DNSName` is this address. The same ARN gets the
    /// same address again. It answers 503 until a topology gives it targets.
    pub fn open_load_balancer(&self, arn: &str) -> io::Result<SocketAddr> {
        self.state.lock().load_balancer(arn, self).map(|load_balancer| load_balancer.name())
    }

    /// The health that the load balancer's checks last found. `None`: not known yet, or no such target is in service.
    pub fn target_health(&self, target_group_arn: &str, ip: Ipv4Addr, port: u16) -> Option<TargetHealth> {
        let state = self.state.lock();
        state.load_balancers.values().find_map(|balancer| balancer.target_health(target_group_arn, ip, port))
    }

    /// What was last applied.
    pub fn topology(&self) -> Topology {
        self.state.lock().topology.clone()
    }

    /// Which of a task's containers exited, if one did.
    pub fn task_failure(&self, task_arn: &str) -> Option<TaskFailure> {
        match self.state.lock().tasks.get(task_arn)? {
            TaskState::Failed(failure) => Some(failure.clone()),
            TaskState::Starting(_) | TaskState::Running(_) => None,
        }
    }

    /// Kills a task's containers, as the failure of a machine does: connections break, ports are closed, and no proxy is told
    /// until a topology without the task is applied.
    pub fn kill(&self, task_arn: &str) {
        if let Some(task) = self.state.lock().tasks.get_mut(task_arn) {
            *task = TaskState::Failed(TaskFailure::Application("killed".to_owned()));
            self.changed.notify_one();
        }
    }

    /// The `/stats` text of a task's proxy, as Envoy's admin endpoint writes it: lines `cluster.<cluster>.<counter>:
    /// <value>`, sorted, with `<discovery name>.<namespace>` as the cluster. `None`: no such task, or it has no proxy that answers.
    pub fn envoy_stats(&self, task_arn: &str) -> Option<String> {
        let proxy = self.state.lock().running(task_arn)?.proxy.clone()?;
        proxy.stats()
    }

    /// The histograms of a task's proxy of how long requests to each zone took, as Envoy's `/stats?histogram_buckets=detailed` has
    /// them. To be asked for after [`Self::envoy_stats`]. `None`: no such task, or it has no proxy that answers.
    pub fn envoy_times(&self, task_arn: &str) -> Option<String> {
        let proxy = self.state.lock().running(task_arn)?.proxy.clone()?;
        proxy.times()
    }

    /// The endpoints that a task's sidecar avoids since they failed, by zone. `None`: no such task, or its proxy does not tell.
    pub fn ejected(&self, task_arn: &str) -> Option<BTreeMap<String, u32>> {
        match &self.state.lock().running(task_arn)?.proxy {
            Some(Proxy::Sidecar(sidecar)) => Some(sidecar.ejected()),
            Some(Proxy::Envoy(_)) | None => None,
        }
    }

    /// Stops everything: nothing is accepted any more, and requests in flight have a moment to finish.
    pub async fn shutdown(&self) {
        let State { tasks, load_balancers, mut finishing, .. } = std::mem::take(&mut *self.state.lock());
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

    fn start(&self, task: &topology::Task, conditions: Conditions) -> Result<TaskState, StartError> {
        let started = match &self.proxies {
            Proxies::Envoy(binary) if task.service_connect.is_some() => {
                let (state, changed, runtime) =
                    (Arc::downgrade(&self.state), self.changed.clone(), self.runtime.clone());
                let arn = task.arn.clone();
                let on_event = move |event| {
                    if let Some(state) = Weak::upgrade(&state) {
                        state.lock().note(&arn, event, &runtime);
                        changed.notify_one();
                    }
                };
                StartingTask::start(task, binary, self.links.clone(), &self.runtime, on_event)
                    .map(|task| TaskState::Starting(Box::new(task)))
            }
            Proxies::Envoy(_) | Proxies::Zonewalk => {
                RunningTask::start(task, &self.links, self.journal.as_ref(), &self.runtime).map(TaskState::Running)
            }
        }?;
        if let Some(proxy) = started.proxy() {
            proxy.set_runtime(conditions.runtime);
        }
        Ok(started)
    }
}

impl TaskState {
    fn proxy(&self) -> Option<Proxy> {
        match self {
            Self::Running(task) => task.proxy.clone(),
            Self::Starting(starting) => Some(Proxy::Envoy(starting.envoy.clone())),
            Self::Failed(_) => None,
        }
    }
}

impl State {
    fn start_new(&mut self, topology: &Topology, mesh: &Mesh) -> io::Result<()> {
        for task in &topology.tasks {
            if self.tasks.contains_key(&task.arn) {
                continue;
            }
            let started = match mesh.start(task, self.conditions) {
                Ok(started) => started,
                Err(StartError::Command(reason)) => TaskState::Failed(TaskFailure::Application(reason.to_string())),
                Err(StartError::Io(error)) => return Err(error),
            };
            self.tasks.insert(task.arn.clone(), started);
        }
        for load_balancer in &topology.load_balancers {
            self.load_balancer(&load_balancer.arn, mesh)?;
        }
        Ok(())
    }

    /// Takes notice of what has become of a task's Envoy.
    fn note(&mut self, arn: &str, event: Event, runtime: &Handle) {
        match event {
            Event::UpToDate => {}
            Event::Ready(listeners) => {
                let started = match self.tasks.remove(arn) {
                    Some(TaskState::Starting(starting)) => match starting.run(&listeners, runtime) {
                        Ok(running) => TaskState::Running(running),
                        Err(error) => TaskState::Failed(TaskFailure::Application(error.to_string())),
                    },
                    // It was killed meanwhile.
                    Some(other) => other,
                    // A task that has left the topology meanwhile takes its Envoy along.
                    None => return,
                };
                self.tasks.insert(arn.to_owned(), started);
                let topology = std::mem::take(&mut self.topology);
                if let Err(error) = self.inform_proxies(&topology, runtime) {
                    tracing::error!(%error, "proxies could not be told of a new task");
                }
                self.topology = topology;
            }
            Event::Failed(reason) => {
                if let Some(task) = self.tasks.get_mut(arn) {
                    tracing::warn!(task = arn, "{reason}");
                    *task = TaskState::Failed(TaskFailure::Proxy(reason));
                }
            }
        }
    }

    fn inform_proxies(&mut self, topology: &Topology, runtime: &Handle) -> io::Result<()> {
        let running = topology.tasks.iter().filter(|task| self.running(&task.arn).is_some());
        let discovery = Discovery::new(running, |task, port| self.running(&task.arn)?.port(port));
        let Self { tasks, black_holes, .. } = self;
        black_holes.retain(|socket, _| discovery.has(*socket));
        let mut black_hole = |socket| match black_holes.entry(socket) {
            Entry::Occupied(open) => Ok(open.get().address),
            Entry::Vacant(new) => Ok(new.insert(BlackHole::open(runtime)?).address),
        };
        for task in &topology.tasks {
            if let Some(TaskState::Running(running)) = tasks.get(&task.arn) {
                running.fail(task.failing);
            }
            let Some(proxy) = tasks.get(&task.arn).and_then(TaskState::proxy) else { continue };
            discovery.inform(task, &proxy, &mut black_hole)?;
        }
        Ok(())
    }

    fn point_load_balancers(&mut self, topology: &Topology, runtime: &Handle) -> io::Result<()> {
        let Self { tasks, load_balancers, .. } = self;
        for wanted in &topology.load_balancers {
            let Some(load_balancer) = load_balancers.get_mut(&wanted.arn) else { continue };
            // `arn:aws:elasticloadbalancing:<region>:…`
            let region = wanted.arn.split(':').nth(3);
            let locate = |ip: Ipv4Addr, port: u16| {
                let owns = |task: &&topology::Task| task.is_at(ip, port) && Some(task.region.as_str()) == region;
                let Some(task) = topology.tasks.iter().find(owns) else { return Place::Nowhere };
                match tasks.get(&task.arn) {
                    Some(TaskState::Running(running)) => {
                        running.reached_at(task, port).map_or(Place::Refusing, Place::Listening)
                    }
                    Some(TaskState::Starting(_) | TaskState::Failed(_)) | None => Place::Nowhere,
                }
            };
            load_balancer.announced = true;
            load_balancer.become_as(wanted, locate, runtime)?;
        }
        Ok(())
    }

    fn stop_old(&mut self, topology: &Topology, runtime: &Handle) {
        let wanted: HashSet<&str> = topology.tasks.iter().map(|task| task.arn.as_str()).collect();
        for (_, task) in self.tasks.extract_if(|arn, _| !wanted.contains(arn.as_str())) {
            if let TaskState::Running(task) = task {
                self.finishing.spawn_on(task.left(), runtime);
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

    fn load_balancer(&mut self, arn: &str, mesh: &Mesh) -> io::Result<&mut LoadBalancer> {
        match self.load_balancers.entry(arn.to_owned()) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(new) => Ok(new.insert(LoadBalancer::open(&mesh.entrances, &mesh.runtime)?)),
        }
    }

    fn running(&self, task_arn: &str) -> Option<&RunningTask> {
        match self.tasks.get(task_arn)? {
            TaskState::Running(running) => Some(running),
            TaskState::Starting(_) | TaskState::Failed(_) => None,
        }
    }
}
