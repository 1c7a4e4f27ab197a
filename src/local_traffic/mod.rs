//! The hosts' part on an emulator. Emulators of AWS answer its API and stop there: their instances join no cluster, no
//! task runs behind a service, nobody listens at a load balancer's name. What agents, containers and load balancers do
//! on AWS is done here, through the same API and with the local [`mesh`](crate::mesh): instances register, tasks start
//! and stop, healthy targets are registered, requests are carried.
//!
//! It works in rounds: read what the emulator says ([`view`]), do what is missing ([`fleet`], [`tasks`], [`traffic`]).
//! Nothing is remembered that the emulator could be asked, so that it can be ended and started again.

pub mod client;
mod control;
mod fleet;
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

/// Between two rounds: short while something happens, since somebody waits for it, and then longer and longer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long whoever asks may wait until everything is as it should be.
const SETTLING_LIMIT: Duration = Duration::from_secs(60);

/// How long [`Hosts::shutdown`] lets clients read their last answer.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// An emulator that is gone for as long does not come back as it was.
const GONE_LIMIT: Duration = Duration::from_secs(120);

/// The hosts of one walkthrough, playing.
pub struct Hosts {
    address: SocketAddr,
    stop: CancellationToken,
    server: Server,
    worker: JoinHandle<()>,
}

/// What the control server passes on.
enum Ask {
    /// Where a load balancer's name leads, once everything runs that should.
    Ingress(String, oneshot::Sender<Result<Option<String>, String>>),
    /// What the proxies have counted, as the script of `stats` prints it.
    Stats(oneshot::Sender<Result<String, String>>),
    /// What had to be made up, or is not to be had.
    Notes(oneshot::Sender<Result<Vec<String>, String>>),
    /// Stop all tasks and start no more.
    Drain(oneshot::Sender<Result<(), String>>),
}

impl Hosts {
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
            is_new: true,
            stop: stop.clone(),
        };
        let worker = tokio::spawn(worker.work(asked));
        Ok(Self { address, stop, server, worker })
    }

    /// Where [`client`] finds them.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Completes when somebody has asked them to end, or the emulator is gone.
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
    /// The region's, by name; empty until they are known.
    zones: BTreeMap<AzName, AzId>,
    /// The group's, by zone.
    subnets: BTreeMap<AzName, String>,
    /// They do not change.
    definitions: HashMap<String, aws_sdk_ecs::types::TaskDefinition>,
    /// Tasks that serve on for a moment after others have been told to leave them.
    stopping: HashMap<String, Instant>,
    /// In the order in which they came up, each once.
    notes: Vec<String>,
    draining: bool,
    /// Has not looked at the tasks yet.
    is_new: bool,
    stop: CancellationToken,
}

/// What a round came to.
#[derive(Debug, Default)]
struct Round {
    changed: bool,
    /// What is not as it should be yet.
    pending: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("no socket on loopback: {0}")]
    Socket(#[from] io::Error),
}

impl Worker {
    async fn work(mut self, mut asked: mpsc::Receiver<Ask>) {
        let stop = self.stop.clone();
        let (mut busy, mut answered) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            match self.round().await {
                Ok(round) => {
                    answered = Instant::now();
                    if round.changed || !round.pending.is_empty() {
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
                Some(ask) = asked.recv() => {
                    self.answer(ask).await;
                    busy = Instant::now();
                }
            }
        }
        self.mesh.shutdown().await;
        stop.cancel();
    }

    /// Whoever asks may have gone meanwhile: that is no concern of the hosts'.
    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Ingress(dns_name, reply) => drop(reply.send(self.ingress(&dns_name).await)),
            Ask::Stats(reply) => drop(reply.send(self.stats().await)),
            Ask::Notes(reply) => drop(reply.send(Ok(self.notes.clone()))),
            Ask::Drain(reply) => {
                self.draining = true;
                drop(reply.send(self.settle().await));
            }
        }
    }

    /// Rounds until there is nothing left to do, or the hosts are to end: between two, so that none is left half done.
    async fn settle(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let unsettled = match self.round().await {
                Ok(round) if !round.changed && round.pending.is_empty() => return Ok(()),
                Ok(round) => round.pending.join("; "),
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

    async fn ingress(&mut self, dns_name: &str) -> Result<Option<String>, String> {
        self.settle().await?;
        let view = self.view().await.map_err(|error| error.to_string())?;
        let named = |ingress: &Ingress| ingress.load_balancer.dns_name() == Some(dns_name);
        let Some(ingress) = view.ingress.filter(named) else { return Ok(None) };
        let address = self.mesh.open_load_balancer(ingress.arn());
        address.map(|address| Some(format!("http://{address}/"))).map_err(|error| error.to_string())
    }

    async fn stats(&mut self) -> Result<String, String> {
        self.settle().await?;
        self.note("it runs no command on instances: the proxies' counters are read from the hosts directly");
        let view = self.view().await.map_err(|error| error.to_string())?;
        let of = |arn: &str| Some((arn.to_owned(), self.mesh.envoy_stats(arn)?));
        let tasks = view.cluster.iter().flat_map(|cluster| &cluster.tasks);
        let proxies: Vec<_> = tasks.filter_map(|task| of(task.task_arn()?)).collect();
        Ok(script::answer(&proxies))
    }

    async fn view(&self) -> Result<View, CloudError> {
        View::read(&self.clients, &self.names).await
    }

    /// One look and what follows from it.
    async fn round(&mut self) -> Result<Round, RoundError> {
        let view = self.view().await?;
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
        let mut round = Round::default();
        self.sync_instances(&view, &mut round).await?;
        self.sync_tasks(&view, &mut round).await?;
        self.sync_mesh(&view, &mut round).await?;
        if round.changed {
            tracing::debug!(?round, "changed");
        }
        Ok(round)
    }

    fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            tracing::info!("{text}");
            self.notes.push(text);
        }
    }
}
