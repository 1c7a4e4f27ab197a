//! One running task: the application, its sidecar and their sockets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::app::{self, App, CommandError};
use super::discovery;
use super::http::{Server, listen};
use super::sidecar::Sidecar;
use super::topology::Task;

/// Between SIGTERM and SIGKILL (`stopTimeout`, ECS API Reference).
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Dropped, it is gone at once; [`Self::drain`] is the graceful way.
pub(super) struct RunningTask {
    /// Where the ports of its network interface are on this machine.
    ports: BTreeMap<u16, SocketAddr>,
    pub(super) sidecar: Option<Arc<Sidecar>>,
    /// What others connect to; it drains first.
    front: Vec<Server>,
    /// What requests in flight still need: the application behind its sidecar, and the way out.
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
    pub(super) fn start(task: &Task, runtime: &Handle) -> Result<Self, StartError> {
        let mut running =
            Self { ports: BTreeMap::new(), sidecar: None, front: Vec::new(), rear: Vec::new(), maintenance: None };
        let mut way_out = None;
        let mut aliases = Vec::new();
        if let Some(service_connect) = &task.service_connect {
            let upstreams = discovery::upstreams(service_connect);
            let sidecar = Arc::new(Sidecar::new(&discovery::locality(task), upstreams));
            let (listener, address) = listen()?;
            running.rear.push(sidecar.serve_outbound(listener, runtime)?);
            running.maintenance = Some(AbortOnDropHandle::new(runtime.spawn(sidecar.clone().maintain())));
            running.sidecar = Some(sidecar);
            way_out = Some(address);
            aliases.extend(service_connect.upstreams.iter().map(|upstream| upstream.alias.clone()));
        }

        let app = App::new(&task.container.command, &task.az_id, way_out, &aliases)?;
        let app_port = app.port;
        let (listener, app_address) = listen()?;
        let app = Server::spawn(listener, app::SERVER_IDLE_TIMEOUT, Arc::new(app), runtime)?;

        for service in task.service_connect.iter().flat_map(|service_connect| &service_connect.services) {
            let (listener, address) = listen()?;
            // The sidecar takes the port's place even if nothing listens behind it, as it does on AWS.
            let application = (service.container_port == app_port).then_some(app_address);
            running.front.push(Sidecar::serve_inbound(listener, application, runtime)?);
            running.ports.insert(service.container_port, address);
        }
        match running.ports.entry(app_port) {
            // Behind the sidecar, which drains first.
            Entry::Occupied(_) => running.rear.push(app),
            Entry::Vacant(port) => {
                port.insert(app_address);
                running.front.push(app);
            }
        }
        Ok(running)
    }

    /// Where a port of the task is; nothing listens on any other.
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
        };
        if tokio::time::timeout(STOP_TIMEOUT, served).await.is_err() {
            tracing::warn!("a task was stopped with requests in flight");
        }
        drop((self.rear, self.maintenance));
    }
}
