//! One task: the application, its proxy and their sockets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::app::{self, App, CommandError};
use super::discovery;
use super::envoy_proxy::{self, Binary, EnvoyProxy, Ingress, Listeners};
use super::proxy::Proxy;
use super::sidecar::Sidecar;
use super::topology::Task;
use crate::http::{Server, listen};

/// The time between SIGTERM and SIGKILL (`stopTimeout`, ECS API Reference).
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A task whose application and proxy run. Dropped, it is gone at once; [`Self::drain`] is the graceful way.
#[derive(Default)]
pub(super) struct RunningTask {
    /// The addresses on this machine of its network interface's ports.
    ports: BTreeMap<u16, SocketAddr>,
    pub(super) proxy: Option<Proxy>,
    /// The servers that others connect to, which drain first.
    front: Vec<Server>,
    /// The servers that requests in flight still need: the application behind its sidecar, and the sidecar's outbound one.
    rear: Vec<Server>,
    maintenance: Option<AbortOnDropHandle<()>>,
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
    pub(super) fn start(task: &Task, runtime: &Handle) -> Result<Self, StartError> {
        let mut running = Self::default();
        let mut outbound = None;
        if let Some(service_connect) = &task.service_connect {
            let upstreams = discovery::upstreams(service_connect);
            let sidecar = Arc::new(Sidecar::new(&discovery::locality(task), upstreams));
            let (listener, address) = listen()?;
            running.rear.push(sidecar.serve_outbound(listener, runtime)?);
            running.maintenance = Some(AbortOnDropHandle::new(runtime.spawn(sidecar.clone().maintain())));
            running.proxy = Some(Proxy::Sidecar(sidecar));
            outbound = Some(address);
        }

        let app = app(task, outbound)?;
        let (app_listener, app_address) = listen()?;
        for port in offered_ports(task) {
            let (listener, address) = listen()?;
            // The sidecar takes the port's place even if nothing listens behind it, as it does on AWS.
            let application = (port == app.port).then_some(app_address);
            running.front.push(Sidecar::serve_inbound(listener, application, runtime)?);
            running.ports.insert(port, address);
        }
        running.serve_app(app, app_listener, app_address, runtime)?;
        Ok(running)
    }

    fn serve_app(&mut self, app: App, listener: TcpListener, address: SocketAddr, runtime: &Handle) -> io::Result<()> {
        let port = app.port;
        let server = Server::spawn(listener, app::SERVER_IDLE_TIMEOUT, Arc::new(app), runtime)?;
        match self.ports.entry(port) {
            // The application is behind the proxy, which drains first.
            Entry::Occupied(_) => self.rear.push(server),
            Entry::Vacant(own) => {
                own.insert(address);
                self.front.push(server);
            }
        }
        Ok(())
    }

    /// The address on this machine of a port that something listens on.
    pub(super) fn port(&self, port: u16) -> Option<SocketAddr> {
        self.ports.get(&port).copied()
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

/// A task whose Envoy is not ready yet. Its application's socket is bound, since Envoy must know it.
pub(super) struct StartingTask {
    task: Task,
    pub(super) envoy: Arc<EnvoyProxy>,
    app: TcpListener,
    app_address: SocketAddr,
}

impl StartingTask {
    /// Starts a task's Envoy. `on_event` is called with what becomes of it.
    pub(super) fn start(
        task: &Task,
        binary: &Binary,
        runtime: &Handle,
        on_event: impl Fn(envoy_proxy::Event) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let app_port = app(task, None)?.port;
        let (app, app_address) = listen()?;
        let ingress = |port| Ingress { port, application: (port == app_port).then_some(app_address) };
        let upstreams: Vec<_> = task.service_connect.iter().flat_map(discovery::upstreams).collect();
        let settings = envoy_proxy::Settings {
            task: &task.arn,
            service: task.service.as_deref().unwrap_or(&task.family),
            locality: discovery::locality(task),
            ingresses: offered_ports(task).map(ingress).collect(),
            upstreams: &upstreams,
        };
        let envoy = Arc::new(EnvoyProxy::start(binary, &settings, runtime, on_event)?);
        Ok(Self { task: task.clone(), envoy, app, app_address })
    }

    /// Starts the rest of the task, once Envoy is ready.
    pub(super) fn run(self, listeners: &Listeners, runtime: &Handle) -> Result<RunningTask, StartError> {
        let Self { task, envoy, app: listener, app_address } = self;
        let (ports, proxy) = (listeners.ingresses.clone(), Some(Proxy::Envoy(envoy)));
        let mut running = RunningTask { ports, proxy, ..RunningTask::default() };
        running.serve_app(app(&task, Some(listeners.egress))?, listener, app_address, runtime)?;
        Ok(running)
    }
}

/// The application of a task; `outbound` is its proxy's listener for what the application sends.
fn app(task: &Task, outbound: Option<SocketAddr>) -> Result<App, CommandError> {
    let upstreams = task.service_connect.iter().flat_map(|service_connect| &service_connect.upstreams);
    let aliases: Vec<_> = upstreams.map(|upstream| upstream.alias.clone()).collect();
    App::new(&task.command, &task.az_id, outbound, &aliases)
}

/// The ports of a task whose place its proxy takes.
fn offered_ports(task: &Task) -> impl Iterator<Item = u16> {
    let services = task.service_connect.iter().flat_map(|service_connect| &service_connect.services);
    services.map(|service| service.container_port)
}
