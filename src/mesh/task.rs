//! One task: the application, its proxy and their sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::app::{self, App, CommandError, Plain};
use super::discovery;
use super::envoy_proxy::{self, Binary, EnvoyProxy, Ingress, Listeners};
use super::journal::{Journal, Recorder};
use super::links::CurrentLinks;
use super::proxy::Proxy;
use super::sidecar::Sidecar;
use super::topology::{PROXYS_PATIENCE, Service, Task};
use super::transport::IDLE_TIMEOUT;
use crate::http::{Handler, Server, listen};

/// How long a removed task takes requests as before: whoever picked it a moment ago may only be about to send, and on a busy machine
/// what was sent waits to be read. On AWS the deregistration delay is long enough for that; at the local cloud's pace little or
/// nothing is left of it.
const LINGER: Duration = Duration::from_millis(250);

/// The time between SIGTERM and SIGKILL (`stopTimeout`, ECS API Reference).
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A task whose application and proxy run. Dropped, it is gone at once; [`Self::drain`] is the graceful way.
#[derive(Default)]
pub(super) struct RunningTask {
    /// The addresses on this machine of its network interface's ports.
    ports: BTreeMap<u16, SocketAddr>,
    /// The same of what its applications listen on, behind a proxy or not.
    applications: BTreeMap<u16, SocketAddr>,
    pub(super) proxy: Option<Proxy>,
    /// The servers that others connect to, which drain first.
    front: Vec<Server>,
    /// The applications behind a proxy that others connect to as well, past it, as with network mode bridge: they drain next.
    between: Vec<Server>,
    /// The servers that requests in flight still need: the application behind its sidecar, and the sidecar's outbound one.
    rear: Vec<Server>,
    maintenance: Option<AbortOnDropHandle<()>>,
    /// Whether its application fails on purpose.
    failing: Arc<AtomicBool>,
}

/// Why a task does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl RunningTask {
    /// Starts a task, with one of our own sidecars if it has Service Connect.
    pub(super) fn start(
        task: &Task,
        links: &CurrentLinks,
        journal: Option<&Arc<Journal>>,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        let mut running = Self::default();
        let (mut outbound, mut proxy) = (None, None);
        if let Some(service_connect) = &task.service_connect {
            let upstreams = discovery::upstreams(service_connect);
            let recorder =
                journal.map(|journal| Recorder::new(journal.clone(), &task.arn, service_connect.logs_accesses));
            let sidecar = Arc::new(Sidecar::new(&discovery::locality(task), upstreams).recording(recorder));
            let (listener, address) = listen()?;
            running.rear.push(sidecar.serve_outbound(listener, Some(IDLE_TIMEOUT), runtime)?);
            running.maintenance = Some(AbortOnDropHandle::new(runtime.spawn(sidecar.clone().maintain())));
            running.proxy = Some(Proxy::Sidecar(sidecar.clone()));
            (outbound, proxy) = (Some(address), Some(sidecar));
        }

        let applications = Applications::bind(task)?;
        for (service, sidecar) in offered(task).zip(proxy.iter().cycle()) {
            let (listener, address) = listen()?;
            let port = service.container_port;
            // The sidecar takes the port's place even if nothing listens behind it, as it does on AWS.
            running.front.push(sidecar.serve_inbound(
                port,
                listener,
                applications.address(port),
                &service.transport,
                runtime,
            )?);
            running.ports.insert(port, address);
        }
        applications.serve(&mut running, task, outbound, links, runtime)?;
        Ok(running)
    }

    fn serve<H: Handler>(
        &mut self,
        task: &Task,
        ports: &[u16],
        bound: Bound,
        handler: H,
        runtime: &Handle,
    ) -> io::Result<()> {
        let server = Server::spawn(bound.listener, app::SERVER_IDLE_TIMEOUT, Arc::new(handler), runtime)?;
        let is_behind_proxy = ports.iter().all(|port| self.ports.contains_key(port));
        for port in ports {
            self.ports.entry(*port).or_insert(bound.address);
            self.applications.insert(*port, bound.address);
        }
        // Its proxy drains first.
        match (is_behind_proxy, &task.host_ports) {
            (false, _) => self.front.push(server),
            (true, Some(_)) => self.between.push(server),
            (true, None) => self.rear.push(server),
        }
        Ok(())
    }

    /// The address on this machine of a port that something listens on.
    pub(super) fn port(&self, port: u16) -> Option<SocketAddr> {
        self.ports.get(&port).copied()
    }

    /// The address on this machine of a port of the interface that the task is reached at.
    pub(super) fn reached_at(&self, task: &Task, port: u16) -> Option<SocketAddr> {
        let Some(host_ports) = &task.host_ports else { return self.port(port) };
        let leads = host_ports.iter().find(|it| it.port == port)?;
        let ports = if leads.to_proxy { &self.ports } else { &self.applications };
        ports.get(&leads.container_port).copied()
    }

    /// Has the application fail on purpose, or not any more.
    pub(super) fn fail(&self, failing: bool) {
        self.failing.store(failing, Relaxed);
    }

    /// Takes what is still about to come, and then finishes what is in flight.
    pub(super) async fn left(self) {
        tokio::time::sleep(LINGER).await;
        self.drain();
        self.finished().await;
    }

    /// Stops accepting; [`Self::finished`] waits for what is in flight.
    pub(super) fn drain(&self) {
        self.front.iter().for_each(Server::drain);
    }

    pub(super) async fn finished(self) {
        let served = async {
            for server in self.front {
                server.finished().await;
            }
            self.between.iter().for_each(Server::drain);
            for server in self.between {
                server.finished().await;
            }
            if let Some(Proxy::Envoy(envoy)) = &self.proxy {
                envoy.drained().await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, served).await.is_err() {
            tracing::warn!("a task was stopped with requests in flight");
        }
        drop((self.rear, self.maintenance, self.proxy));
    }
}

/// A task whose Envoy is not ready yet. Its applications' sockets are bound, since Envoy must know them.
pub(super) struct StartingTask {
    task: Task,
    pub(super) envoy: Arc<EnvoyProxy>,
    applications: Applications,
    links: CurrentLinks,
}

impl StartingTask {
    /// Starts a task's Envoy. `on_event` is called with what becomes of it.
    pub(super) fn start(
        task: &Task,
        binary: &Binary,
        links: CurrentLinks,
        runtime: &Handle,
        on_event: impl Fn(envoy_proxy::Event) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let applications = Applications::bind(task)?;
        let ingress = |service: &Service| Ingress {
            port: service.container_port,
            application: applications.address(service.container_port),
            transport: service.transport.clone(),
        };
        let upstreams: Vec<_> = task.service_connect.iter().flat_map(discovery::upstreams).collect();
        let settings = envoy_proxy::Settings {
            task: &task.arn,
            service: task.service.as_deref().unwrap_or(&task.family),
            locality: discovery::locality(task),
            ingresses: offered(task).map(ingress).collect(),
            upstreams: &upstreams,
            connect_timeout: task.service_connect.as_ref().map_or(PROXYS_PATIENCE, |connect| connect.patience).connect,
        };
        let envoy = Arc::new(EnvoyProxy::start(binary, &settings, runtime, on_event)?);
        Ok(Self { task: task.clone(), envoy, applications, links })
    }

    /// Starts the rest of the task, once Envoy is ready.
    pub(super) fn run(self, listeners: &Listeners, runtime: &Handle) -> Result<RunningTask, StartError> {
        let Self { task, envoy, applications, links } = self;
        let (ports, proxy) = (listeners.ingresses.clone(), Some(Proxy::Envoy(envoy)));
        let mut running = RunningTask { ports, proxy, ..RunningTask::default() };
        applications.serve(&mut running, &task, Some(listeners.egress), &links, runtime)?;
        Ok(running)
    }
}

/// What runs in a task: its sockets are bound, and nobody serves them yet.
struct Applications {
    article: Option<(u16, Bound)>,
    /// What answers for the other containers.
    plain: Option<(Vec<u16>, Bound)>,
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    fn new() -> io::Result<Self> {
        let (listener, address) = listen()?;
        Ok(Self { listener, address })
    }
}

impl Applications {
    fn bind(task: &Task) -> Result<Self, StartError> {
        let article = if task.command.is_empty() { None } else { Some((app::port(&task.command)?, Bound::new()?)) };
        let taken = article.as_ref().map(|(port, _)| *port);
        let others: Vec<_> = task.plain_ports.iter().copied().filter(|port| Some(*port) != taken).collect();
        let plain = if others.is_empty() { None } else { Some((others, Bound::new()?)) };
        Ok(Self { article, plain })
    }

    /// The address on this machine of what listens on a port of the task.
    fn address(&self, port: u16) -> Option<SocketAddr> {
        let article = self.article.iter().filter(|(own, _)| *own == port).map(|(_, bound)| bound.address);
        let plain = self.plain.iter().filter(|(ports, _)| ports.contains(&port)).map(|(_, bound)| bound.address);
        article.chain(plain).next()
    }

    /// `outbound` is the listener of the task's proxy for what applications send.
    fn serve(
        self,
        running: &mut RunningTask,
        task: &Task,
        outbound: Option<SocketAddr>,
        links: &CurrentLinks,
        runtime: &Handle,
    ) -> Result<(), StartError> {
        if let Some((port, bound)) = self.article {
            let upstreams = task.service_connect.iter().flat_map(|service_connect| &service_connect.upstreams);
            let aliases: Vec<_> = upstreams.map(|upstream| upstream.alias.clone()).collect();
            let app = App::new(&task.command, &task.az_id, outbound, &aliases, links.clone())?
                .failing_with(running.failing.clone());
            running.serve(task, &[port], bound, app, runtime)?;
        }
        if let Some((ports, bound)) = self.plain {
            running.serve(task, &ports, bound, Plain::of(task), runtime)?;
        }
        Ok(())
    }
}

/// What a task offers: its proxy takes the place of these ports.
fn offered(task: &Task) -> impl Iterator<Item = &Service> {
    task.service_connect.iter().flat_map(|service_connect| &service_connect.services)
}
