//! A real Envoy as a task's proxy, in the sidecar's place, with the same rules ([`config`]) and the same interface.
//!
//! It has a private directory with its bootstrap, its admin socket, its log, and a file of endpoints for each cluster, which
//! Envoy watches. A new file is renamed into place; when Envoy reports the file's version, a moment later,
//! [`EnvoyProxy::is_up_to_date`] holds. What happens to the process is told as [`Event`]s.

mod admin;
mod config;
mod process;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::endpoints::{Address, LocalCluster};
use crate::routing::Runtime;
use admin::Admin;
pub use config::{Ingress, Settings};
use process::Process;
pub use process::{BINARY_VARIABLE, Binary, BinaryError};

/// How long an Envoy may take to start: a fraction of a second on an idle machine, more when a dozen start on a busy one.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long Envoy may take to read a new file, which it does within milliseconds.
const UPDATE_LIMIT: Duration = Duration::from_secs(10);

/// The pause between two questions to an Envoy that is expected to be ready any moment.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What happens to an Envoy.
pub enum Event {
    /// Envoy takes requests, and knows the endpoints that it was given.
    Ready(Listeners),
    /// Envoy knows the latest endpoints.
    UpToDate,
    /// Envoy ended by itself, or never became ready.
    Failed(String),
}

/// The addresses that an Envoy listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// The listener for what the application sends.
    pub egress: SocketAddr,
    /// The listeners for what others send, by the task's port whose place they take.
    pub ingresses: BTreeMap<u16, SocketAddr>,
}

/// One task's Envoy, killed when dropped.
pub struct EnvoyProxy {
    shared: Arc<Shared>,
    _running: AbortOnDropHandle<()>,
}

struct Shared {
    directory: TempDir,
    admin: Admin,
    /// The task's ports whose place it takes.
    ports: Vec<u16>,
    files: Mutex<Files>,
    /// The version of [`Files`] that was written last, and the last one that Envoy has.
    published: AtomicU64,
    known: AtomicU64,
    changed: Notify,
}

/// The endpoints as they were last written.
struct Files {
    version: u64,
    runtime: Runtime,
    /// The endpoints by cluster.
    clusters: HashMap<String, Published>,
}

struct Published {
    file: String,
    endpoints: Value,
    version: u64,
}

impl EnvoyProxy {
    /// Starts an Envoy whose clusters have no endpoints yet. `on_event` is called with what becomes of it.
    pub fn start(
        binary: &Binary,
        settings: &Settings,
        runtime: &Handle,
        on_event: impl Fn(Event) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("zonewalk-").tempdir()?;
        let admin = Admin { socket: directory.path().join("admin.sock") };
        let bootstrap = directory.path().join("bootstrap.json");
        let text = config::bootstrap(settings, directory.path(), &admin.socket).map_err(io::Error::other)?;
        std::fs::write(&bootstrap, text)?;
        let upstreams = settings.upstreams.iter().enumerate().map(|(number, it)| (it.name.as_str(), Some(number)));
        let clusters = upstreams.chain([(config::LOCAL_CLUSTER, None)]).map(|(cluster, number)| {
            let published = Published { file: config::endpoints_file(number), endpoints: Value::Null, version: 0 };
            (cluster.to_owned(), published)
        });
        let shared = Arc::new(Shared {
            files: Mutex::new(Files { version: 0, runtime: Runtime::default(), clusters: clusters.collect() }),
            ports: settings.ingresses.iter().map(|ingress| ingress.port).collect(),
            published: AtomicU64::new(0),
            known: AtomicU64::new(0),
            changed: Notify::new(),
            directory,
            admin,
        });
        let upstreams = settings.upstreams.iter().map(|upstream| upstream.name.as_str());
        for cluster in upstreams.chain([config::LOCAL_CLUSTER]) {
            shared.publish(cluster, Value::Array(Vec::new()))?;
        }
        let log = File::create(shared.log())?;
        let _context = runtime.enter();
        let process = Process::start(binary, &bootstrap, log)?;
        let running = runtime.spawn(run(process, shared.clone(), on_event));
        Ok(Self { shared, _running: AbortOnDropHandle::new(running) })
    }

    /// Sets the endpoints of the own service, and of each upstream cluster by its name.
    pub fn update(&self, local: &LocalCluster, upstreams: &[(String, Vec<Address>)]) {
        let upstreams = upstreams.iter().map(|(cluster, addresses)| (cluster.as_str(), config::endpoints(addresses)));
        for (cluster, endpoints) in
            [(config::LOCAL_CLUSTER, config::local_endpoints(local))].into_iter().chain(upstreams)
        {
            if let Err(error) = self.shared.publish(cluster, endpoints) {
                tracing::error!(cluster, %error, "an Envoy could not be told its endpoints");
            }
        }
    }

    /// Sets the runtime keys. That of the smallest cluster is looked at with the next change of endpoints.
    pub fn set_runtime(&self, runtime: Runtime) {
        let mut files = self.shared.files.lock();
        if files.runtime != runtime {
            files.runtime = runtime;
            files.version += 1;
            self.shared.published.store(files.version, Release);
            self.shared.changed.notify_one();
        }
    }

    /// Whether it knows all that it was told, or has been given up on.
    pub fn is_up_to_date(&self) -> bool {
        self.shared.known.load(Acquire) >= self.shared.published.load(Acquire)
    }

    /// Envoy's `/stats` text, unless Envoy does not answer.
    pub fn stats(&self) -> Option<String> {
        self.ask("/stats")
    }

    /// The histograms of request times by zone, unless Envoy does not answer. They are up to date once [`Self::stats`] has been
    /// asked for: Envoy adds to them then.
    pub fn times(&self) -> Option<String> {
        self.ask("/stats?type=Histograms&usedonly&histogram_buckets=detailed&filter=zone.*upstream_rq_time")
    }

    fn ask(&self, path: &str) -> Option<String> {
        self.shared.admin.get_blocking(path).inspect_err(|error| tracing::warn!(%error, "an Envoy gave no stats")).ok()
    }

    /// Stops taking connections in and waits until what is in flight has been answered.
    pub(super) async fn drained(&self) {
        /// How long idle connections may stay: clients that know that the task is leaving close them by themselves.
        const IDLE_LIMIT: Duration = Duration::from_secs(1);

        let begin = Instant::now();
        let mut asked = self.shared.admin.post("/drain_listeners?graceful&inboundonly").await;
        while asked.is_ok() {
            let gauges = self.shared.admin.get("/stats?filter=^http\\.ingress\\.downstream_.*_active$").await;
            let none = |gauge: &str| {
                let name = format!("http.ingress.downstream_{gauge}_active: ");
                gauges
                    .iter()
                    .flat_map(|text| text.lines())
                    .filter_map(|line| line.strip_prefix(&*name))
                    .all(|it| it == "0")
            };
            if none("cx") || begin.elapsed() >= IDLE_LIMIT && none("rq") {
                return;
            }
            asked = gauges;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Follows an Envoy for as long as this is polled and the process runs.
async fn run(mut process: Process, shared: Arc<Shared>, on_event: impl Fn(Event)) {
    let serve = async {
        let Ok(listeners) = tokio::time::timeout(START_LIMIT, shared.ready()).await else {
            return format!("Envoy was not ready within {} s", START_LIMIT.as_secs());
        };
        shared.catch_up().await;
        on_event(Event::Ready(listeners));
        loop {
            shared.changed.notified().await;
            shared.catch_up().await;
            on_event(Event::UpToDate);
        }
    };
    let reason = tokio::select! {
        status = process.exited() => match status {
            Ok(status) => format!("Envoy exited: {status}"),
            Err(error) => format!("Envoy was lost: {error}"),
        },
        reason = serve => reason,
    };
    let log = std::fs::read_to_string(shared.log()).unwrap_or_default();
    on_event(Event::Failed(log.lines().last().map_or(reason.clone(), |line| format!("{reason}: {line}"))));
}

impl Shared {
    fn log(&self) -> std::path::PathBuf {
        self.directory.path().join("log")
    }

    /// Writes a cluster's endpoints, if they have changed.
    fn publish(&self, cluster: &str, endpoints: Value) -> io::Result<()> {
        let mut files = self.files.lock();
        let version = files.version + 1;
        let Some(published) = files.clusters.get_mut(cluster).filter(|it| it.endpoints != endpoints) else {
            return Ok(());
        };
        let next = self.directory.path().join("next");
        std::fs::write(&next, config::discovery_response(cluster, &endpoints, version).to_string())?;
        std::fs::rename(&next, self.directory.path().join(&published.file))?;
        (published.endpoints, published.version) = (endpoints, version);
        files.version = version;
        self.published.store(version, Release);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits until Envoy takes requests, and returns its listeners.
    async fn ready(&self) -> Listeners {
        loop {
            // The socket may not be there yet.
            if self.admin.get("/ready").await.is_ok_and(|state| state.trim() == "LIVE")
                && let Ok(listeners) = self.admin.get("/listeners?format=json").await
                && let Some(listeners) = self.listeners(&listeners)
            {
                return listeners;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn listeners(&self, json: &str) -> Option<Listeners> {
        let listeners: Value = serde_json::from_str(json).ok()?;
        let listeners = listeners["listener_statuses"].as_array()?;
        let address = |name: &str| {
            let listener = listeners.iter().find(|listener| listener["name"] == name)?;
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64()?;
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).ok()?)))
        };
        let ingresses = self.ports.iter().map(|&port| Some((port, address(&config::ingress_name(port))?)));
        Some(Listeners { egress: address("egress")?, ingresses: ingresses.collect::<Option<_>>()? })
    }

    /// Waits until Envoy has the latest version of every file.
    async fn catch_up(&self) {
        let begin = Instant::now();
        let runtime = self.files.lock().runtime;
        if let Err(error) = self.admin.post(&config::runtime_modify(runtime)).await {
            tracing::warn!(%error, "an Envoy has not taken its runtime keys");
        }
        loop {
            let (latest, wanted) = {
                let files = self.files.lock();
                let wanted =
                    files.clusters.iter().map(|(name, it)| format!("cluster.{name}.version_text: \"{}\"", it.version));
                (files.version, wanted.collect::<Vec<_>>())
            };
            let has = self.admin.get("/stats?filter=\\.version_text$").await.unwrap_or_default();
            let in_time = begin.elapsed() < UPDATE_LIMIT;
            if wanted.iter().all(|line| has.lines().any(|has| has == line)) || !in_time {
                if !in_time {
                    tracing::warn!("an Envoy has not taken its endpoints within {} s", UPDATE_LIMIT.as_secs());
                }
                self.known.store(latest, Release);
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
