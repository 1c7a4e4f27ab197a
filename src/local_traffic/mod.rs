//! The hosts' part on an emulator. Emulators of AWS answer its API and stop there: their instances join no cluster, no
//! task runs behind a service, nothing listens at a load balancer's name. What agents, containers and load balancers do
//! on AWS is done here, through the same API and with the local [`mesh`](crate::mesh): instances register, tasks start
//! and stop, healthy targets are registered, requests are carried.
//!
//! It works in rounds: read what the emulator says ([`view`]), do what is missing ([`instances`], [`tasks`], [`traffic`]).
//! What the emulator knows is not remembered here, so the process can be stopped and started again at any time.

pub mod client;
mod control;
mod instances;
mod left_alone;
mod tasks;
mod traffic;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::{AzId, AzName, Clients, CloudError};
use crate::envoy::script;
use crate::http::{Server, listen};
use crate::mesh::{Mesh, Proxies};
use crate::settings::{Name, ResourceNames};
use control::Control;
use view::{Ingress, View};

/// The pause between two rounds is short while something changes, since a command may be waiting, and grows afterwards.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a command waits at most until everything runs that should.
const SETTLING_LIMIT: Duration = Duration::from_secs(60);

/// How long [`LocalTraffic::shutdown`] lets clients read their last answer.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// An emulator that has not answered for this long has lost its state: the process ends.
const GONE_LIMIT: Duration = Duration::from_secs(120);

/// A running player of the hosts' part, for one walkthrough.
pub struct LocalTraffic {
    address: SocketAddr,
    stop: CancellationToken,
    server: Server,
    worker: JoinHandle<()>,
}

/// What a command asks, which the control server passes on with the channel for the answer.
enum Ask {
    /// Where a load balancer's name leads, once everything runs that should; empty: nowhere.
    Ingress(String),
    /// What the proxies have counted, as the script of `stats` prints it.
    Stats,
    /// What the emulator lacks, made up for here or missing: one a line.
    Notes,
    /// Stop all tasks and start no more.
    Drain,
    /// Start tasks again.
    Resume,
    /// Whether anything stands that the hosts play for: `yes` or `no`.
    Needed,
    /// Why no task stays, if that is so.
    Trouble,
}

/// The text that a command gets, or why there is none.
type Said = Result<String, String>;

impl LocalTraffic {
    pub async fn start(clients: Clients, name: &Name) -> io::Result<Self> {
        let (listener, address) = listen()?;
        let stop = CancellationToken::new();
        let (asks, asked) = mpsc::channel(8);
        let control = Arc::new(Control { asks, stop: stop.clone() });
        let server = Server::spawn(listener, None, control, &Handle::current())?;
        let worker = Worker {
            clients,
            names: name.resources(),
            mesh: Mesh::new(Handle::current(), Proxies::Zonewalk),
            zones: BTreeMap::new(),
            subnets: BTreeMap::new(),
            definitions: HashMap::new(),
            stopping: HashMap::new(),
            notes: vec![],
            draining: false,
            vanished: 0,
            is_told: false,
            round: Round::default(),
            is_new: true,
            stop: stop.clone(),
        };
        let worker = tokio::spawn(worker.work(asked));
        Ok(Self { address, stop, server, worker })
    }

    /// The URL by which a [`client`] reaches it.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Completes when a command has asked it to end, or the emulator is gone.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.worker.await {
            tracing::error!(%error, "the hosts ended badly");
        }
        // Whoever still asked something has been told by now.
        self.server.until(self.stop, SHUTDOWN_TIMEOUT).await;
    }
}

struct Worker {
    clients: Clients,
    names: ResourceNames,
    mesh: Mesh,
    /// The region's availability zones by name; empty until they are known.
    zones: BTreeMap<AzName, AzId>,
    /// The Auto Scaling group's subnets, by zone.
    subnets: BTreeMap<AzName, String>,
    /// Task definitions by ARN: they never change.
    definitions: HashMap<String, aws_sdk_ecs::types::TaskDefinition>,
    /// Draining tasks, which serve requests under way, by ARN; since when.
    stopping: HashMap<String, Instant>,
    /// What the emulator lacks, each told once, in the order in which it was noticed.
    notes: Vec<String>,
    /// Whether all tasks are to end, and none to start.
    draining: bool,
    /// How many tasks have stopped though nobody stopped them.
    vanished: u32,
    /// Whether the emulator has been told to leave tasks as they are.
    is_told: bool,
    round: Round,
    /// Whether this process has not looked at the tasks yet.
    is_new: bool,
    stop: CancellationToken,
}

/// What the round under way has come to so far.
#[derive(Debug, Default)]
struct Round {
    changed: bool,
    /// What is not ready yet, in words.
    pending: Vec<String>,
}

impl Round {
    fn is_idle(&self) -> bool {
        !self.changed && self.pending.is_empty()
    }
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("no socket on loopback: {0}")]
    Socket(#[from] io::Error),
}

impl Worker {
    async fn work(mut self, mut asked: mpsc::Receiver<(Ask, oneshot::Sender<Said>)>) {
        let stop = self.stop.clone();
        let (mut busy, mut answered) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            match self.round().await {
                Ok(()) => {
                    answered = Instant::now();
                    if !self.round.is_idle() {
                        busy = Instant::now();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a round failed");
                    if answered.elapsed() > GONE_LIMIT {
                        break;
                    }
                }
            }
            let pause = (busy.elapsed() / 5).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                Some((ask, reply)) = asked.recv() => {
                    // The command may have gone meanwhile: that the answer is lost then does not matter.
                    let _ = reply.send(self.answer(ask).await);
                    busy = Instant::now();
                }
            }
        }
        self.mesh.shutdown().await;
        stop.cancel();
    }

    async fn answer(&mut self, ask: Ask) -> Said {
        match ask {
            Ask::Ingress(dns_name) => self.ingress(&dns_name).await,
            Ask::Stats => self.stats().await,
            Ask::Notes => Ok(self.notes.join("\n")),
            Ask::Drain => {
                self.draining = true;
                self.settle().await.map(|()| String::new())
            }
            Ask::Resume => {
                (self.draining, self.vanished) = (false, 0);
                Ok(String::new())
            }
            Ask::Trouble => Ok(self.trouble().unwrap_or_default()),
            Ask::Needed => {
                let view = self.view().await.map_err(|error| error.to_string())?;
                Ok(if view.is_empty() { "no" } else { "yes" }.to_owned())
            }
        }
    }

    /// Works in rounds until nothing is left to do. If the process is to end, it ends between two rounds, never within one.
    async fn settle(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if let Some(trouble) = self.trouble() {
                return Err(trouble);
            }
            let unsettled = match self.round().await {
                Ok(()) if self.round.is_idle() => return Ok(()),
                Ok(()) => self.round.pending.join("; "),
                Err(error) => error.to_string(),
            };
            if self.stop.is_cancelled() {
                return Err(format!("the hosts are ending: {unsettled}"));
            }
            if started.elapsed() > SETTLING_LIMIT {
                return Err(format!("the hosts are not ready after {} s: {unsettled}", SETTLING_LIMIT.as_secs()));
            }
            tokio::time::sleep(SHORTEST_PAUSE).await;
        }
    }

    async fn ingress(&mut self, dns_name: &str) -> Said {
        self.settle().await?;
        let view = self.view().await.map_err(|error| error.to_string())?;
        let named = |ingress: &Ingress| ingress.load_balancer.dns_name() == Some(dns_name);
        let Some(ingress) = view.ingress.filter(named) else { return Ok(String::new()) };
        let address = self.mesh.open_load_balancer(ingress.arn());
        address.map(|address| format!("http://{address}/")).map_err(|error| error.to_string())
    }

    async fn stats(&mut self) -> Said {
        self.settle().await?;
        self.note("it runs no command on instances: the proxies' counters are read from the hosts directly");
        let view = self.view().await.map_err(|error| error.to_string())?;
        let of = |arn: &str| {
            let stats = self.mesh.envoy_stats(arn)?;
            let times = self.mesh.envoy_times(arn).unwrap_or_default();
            Some(script::Proxy { task: arn.to_owned(), stats, times })
        };
        let tasks = view.cluster.iter().flat_map(|cluster| &cluster.tasks);
        let proxies: Vec<_> = tasks.filter_map(|task| of(task.task_arn()?)).collect();
        Ok(script::answer(&proxies))
    }

    async fn view(&self) -> Result<View, CloudError> {
        View::read(&self.clients, &self.names).await
    }

    /// Looks at the emulator once, and does what is missing.
    async fn round(&mut self) -> Result<(), RoundError> {
        self.round = Round::default();
        let view = self.view().await?;
        self.have_tasks_left_alone().await;
        if self.zones.is_empty() {
            self.zones = view::zones(&self.clients).await?;
        }
        if let Some(group) = &view.group
            && self.subnets.is_empty()
        {
            self.subnets = view::subnets(&self.clients, group).await?;
        }
        let tasks = view.cluster.iter().flat_map(|cluster| &cluster.tasks);
        for arn in tasks.filter_map(|task| task.task_definition_arn()) {
            if !self.definitions.contains_key(arn)
                && let Some(definition) = view::task_definition(&self.clients, arn).await?
            {
                self.definitions.insert(arn.to_owned(), definition);
            }
        }
        self.sync_instances(&view).await?;
        self.sync_tasks(&view).await?;
        self.sync_mesh(&view).await?;
        if self.round.changed {
            tracing::debug!(round = ?self.round, "changed");
        }
        Ok(())
    }

    fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            tracing::info!("{text}");
            self.notes.push(text);
        }
    }
}
