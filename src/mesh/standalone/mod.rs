//! A sidecar as a program of its own, beside any application: configured by a file that is watched, so that endpoints come and
//! go without a request being lost, and asked how it does on a Unix socket, as Envoy is.

mod admin;
mod config;
mod watch;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::sidecar::{Server, Sidecar};
use super::transport::REQUEST_TIMEOUT;
use crate::plain;
use admin::Admin;
use config::Fixed;
pub use config::{Config, Inbound, Tcp};
use watch::{INTERVAL, Watched};

/// What a sidecar that runs listens at, and what it knows.
#[derive(Clone, Debug)]
pub struct Serving {
    pub zone: String,
    pub outbound: Option<SocketAddr>,
    pub inbound: Vec<Inbound>,
    pub tcp: Vec<Tcp>,
    pub admin: Option<PathBuf>,
    pub known: Known,
}

/// How much a sidecar knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub upstreams: usize,
    pub endpoints: usize,
}

/// What has become of a change of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Applied(Known),
    /// All is as it was before, for this reason.
    Refused(String),
}

/// Why a sidecar does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the configuration {path}: {reason}")]
    Config { path: String, reason: String },
    #[error("{place}: {reason}")]
    Listen { place: String, reason: String },
}

struct State {
    sidecar: Arc<Sidecar>,
    applied: AtomicU64,
    refused: AtomicU64,
    stop: CancellationToken,
}

impl State {
    fn is_draining(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The clusters' counters, and of the file how many changes were applied and refused.
    fn stats(&self) -> String {
        let (applied, refused) = (self.applied.load(Relaxed), self.refused.load(Relaxed));
        format!("{}config.update_rejected: {refused}\nconfig.update_success: {applied}\n", self.sidecar.stats())
    }

    fn apply(&self, config: &Config) {
        self.sidecar.set_runtime(config.runtime());
        self.sidecar.set_upstreams(config.upstreams(), &config.local());
        self.applied.fetch_add(1, Relaxed);
    }

    fn change(&self, fixed: &Fixed, text: &str, path: &Path) -> Change {
        let reason = match Config::read(text, path) {
            Ok(config) if config.fixed() == *fixed => {
                self.apply(&config);
                return Change::Applied(known(&config));
            }
            Ok(_) => {
                "zone, region, admin and listeners with their settings are read at the start: start it anew for others"
                    .to_owned()
            }
            Err(reason) => reason,
        };
        self.refused.fetch_add(1, Relaxed);
        Change::Refused(reason)
    }
}

fn known(config: &Config) -> Known {
    Known { upstreams: config.upstreams().len(), endpoints: config.endpoints() }
}

/// Runs a sidecar until `stop` is cancelled, and lets requests in flight finish then. `ready` is told when it listens, and
/// `changed` what becomes of each change of the file.
pub async fn serve(
    path: &Path,
    ready: impl FnOnce(&Serving),
    changed: impl Fn(&Change),
    stop: CancellationToken,
) -> Result<(), Error> {
    let refused = |reason| Error::Config { path: path.display().to_string(), reason };
    let (watched, text) = Watched::new(path).map_err(|error| refused(plain::of_io(&error)))?;
    let config = Config::read(&text, path).map_err(refused)?;
    let fixed = config.fixed();
    let sidecar = Arc::new(Sidecar::new(&fixed.locality, vec![]));
    let state = Arc::new(State {
        sidecar: sidecar.clone(),
        applied: AtomicU64::default(),
        refused: AtomicU64::default(),
        stop: stop.clone(),
    });
    state.apply(&config);
    let _maintenance = AbortOnDropHandle::new(tokio::spawn(sidecar.clone().maintain()));

    let listening = Listening::start(&fixed, &sidecar)?;
    let admin = fixed.admin.as_deref().map(|path| {
        Admin::serve(path, state.clone())
            .map_err(|error| Error::Listen { place: path.display().to_string(), reason: plain::of_io(&error) })
    });
    let _admin = admin.transpose()?;
    ready(&Serving {
        zone: fixed.locality.zone.clone(),
        outbound: listening.outbound,
        inbound: listening.inbound,
        tcp: listening.tcp,
        admin: fixed.admin.clone(),
        known: known(&config),
    });

    let (tell, mut told) = mpsc::channel(1);
    let watch = Watch { watched, fixed, path: path.to_owned(), state, is_readable: true };
    let watcher = thread::Builder::new().name("configuration".to_owned()).spawn(move || watch.run(&tell));
    let watcher = watcher.map_err(|error| refused(plain::of_io(&error)))?;
    let watch = async {
        while let Some(change) = told.recv().await {
            changed(&change);
        }
    };
    let served = async {
        stop.cancelled().await;
        if tokio::time::timeout(REQUEST_TIMEOUT, drained(listening.front, listening.rear)).await.is_err() {
            tracing::debug!("the sidecar was stopped with requests in flight");
        }
    };
    tokio::select! {
        () = served => {}
        () = watch => {
            // It ends before the sidecar does by a panic alone.
            if let Err(panic) = watcher.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
    Ok(())
}

/// Has the servers that others connect to finish, and then those that the application connects to: what is in flight may still
/// need them.
async fn drained(front: Vec<Server>, rear: Vec<Server>) {
    for servers in [front, rear] {
        servers.iter().for_each(Server::drain);
        join_all(servers.into_iter().map(Server::finished)).await;
    }
}

/// Takes in what becomes of the file, on a thread of its own, which gives way to those that carry requests: ten thousand endpoints
/// take tens of milliseconds.
struct Watch {
    watched: Watched,
    fixed: Fixed,
    path: PathBuf,
    state: Arc<State>,
    is_readable: bool,
}

impl Watch {
    /// Tells of changes for as long as somebody listens.
    fn run(mut self, tell: &mpsc::Sender<Change>) {
        give_way();
        while !tell.is_closed() {
            if let Some(change) = self.look()
                && tell.blocking_send(change).is_err()
            {
                return;
            }
            thread::sleep(INTERVAL);
        }
    }

    fn look(&mut self) -> Option<Change> {
        match self.watched.look() {
            Ok(text) => {
                self.is_readable = true;
                text.map(|text| self.state.change(&self.fixed, &text, &self.path))
            }
            // Told once, not at each look.
            Err(_) if !self.is_readable => None,
            Err(error) => {
                self.is_readable = false;
                self.state.refused.fetch_add(1, Relaxed);
                Some(Change::Refused(plain::of_io(&error)))
            }
        }
    }
}

/// Lowers the priority of this thread; only Linux has one for each.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(19) {
        tracing::debug!("the file is watched at the priority of requests: {error}");
    }
}

/// The listeners, and where they turned out to be.
struct Listening {
    outbound: Option<SocketAddr>,
    inbound: Vec<Inbound>,
    tcp: Vec<Tcp>,
    /// In the place of the application's ports.
    front: Vec<Server>,
    /// Where the application connects to.
    rear: Vec<Server>,
}

impl Listening {
    fn start(fixed: &Fixed, sidecar: &Sidecar) -> Result<Self, Error> {
        let runtime = Handle::current();
        let mut listening = Self { outbound: None, inbound: vec![], tcp: vec![], front: vec![], rear: vec![] };
        let failed = |address: SocketAddr| {
            move |error: io::Error| Error::Listen { place: address.to_string(), reason: plain::of_io(&error) }
        };
        for inbound in &fixed.inbound {
            let Inbound { listen, application, .. } = *inbound;
            let (listener, address) = bind(listen).map_err(failed(listen))?;
            let transport = inbound.transport();
            let server = sidecar.serve_inbound(listen.port(), listener, Some(application), &transport, &runtime);
            listening.front.push(server.map_err(failed(listen))?);
            listening.inbound.push(Inbound { listen: address, ..inbound.clone() });
        }
        for tcp in &fixed.tcp {
            let (listener, address) = bind(tcp.listen).map_err(failed(tcp.listen))?;
            let server = sidecar.serve_tcp(&tcp.upstream, listener, tcp.idle_timeout, &runtime);
            listening.rear.push(server.map_err(failed(tcp.listen))?);
            listening.tcp.push(Tcp { listen: address, ..tcp.clone() });
        }
        if let Some(listen) = fixed.outbound {
            let (listener, address) = bind(listen).map_err(failed(listen))?;
            let server = sidecar.serve_outbound(listener, fixed.outbound_idle_timeout, &runtime);
            listening.rear.push(server.map_err(failed(listen))?);
            listening.outbound = Some(address);
        }
        Ok(listening)
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
