//! The Application Load Balancer: one HTTP listener, round-robin over the healthy targets of all zones (cross-zone load
//! balancing is always on for an ALB), health checks of its own.
//!
//! It can be told that nothing gets through to it, or from it to a target: then, as behind a security group that lets nothing
//! in, who connects hears nothing. Connections to a target that stand are used on, since security groups track them ("When you
//! change a security group rule, its tracked connections are not immediately interrupted": EC2 User Guide, "Amazon EC2 security
//! group connection tracking"); health checks never use one. Those of callers end with the answer in flight: AWS breaks the
//! ones that it did not track, from a rule for all addresses, at once, and leaves the others.

mod health;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderName, HeaderValue, SERVER};
use hyper::{Request, Response, StatusCode};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::black_hole::BlackHole;
use super::topology::{self, HealthCheck};
use crate::http::{
    Body, Handler, HttpVersion, Patience, Pool, SendError, Server, answer, listen_shared, on_loopback, passed_on,
    to_next_hop,
};
use health::Record;
pub use health::{TargetHealth, UnhealthyReason};

/// The default of `idle_timeout.timeout_seconds`, which is also how long a target may take to answer.
const IDLE_TIMEOUT: Duration = topology::LOAD_BALANCERS_PATIENCE.idle;

/// A target whose health is known and does not change is checked more and more seldom, up to this time apart, unless its checks
/// are further apart anyway: at a hundred times AWS's pace they would be what an idle local cloud is busy with. Whatever becomes of
/// a target comes with a topology, and is checked at the pace again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The connections that may wait to be accepted: as many as std allows.
const BACKLOG: u32 = 4096;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Where load balancers listen.
#[derive(Clone, Debug, Default)]
pub enum Entrances {
    /// On loopback, at ports of the system's choice.
    #[default]
    Loopback,
    /// On every address, at these ports, which somebody publishes as the same ports of another machine's loopback.
    Published(RangeInclusive<u16>),
}

impl Entrances {
    /// Binds a port that nobody has.
    fn bind(&self) -> io::Result<tokio::net::TcpListener> {
        match self {
            Self::Loopback => listen_shared((Ipv4Addr::LOCALHOST, 0).into(), BACKLOG),
            Self::Published(ports) => {
                let mut addresses = ports.clone().map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
                // A shared socket could be bound beside another load balancer's: one that is not shared looks first.
                let free = addresses.find(|address| TcpListener::bind(address).is_ok());
                let (first, last) = (ports.start(), ports.end());
                let none =
                    || io::Error::new(io::ErrorKind::AddrInUse, format!("no port from {first} to {last} is free"));
                listen_shared(free.ok_or_else(none)?, BACKLOG)
            }
        }
    }
}

/// A load balancer whose listener is bound. Dropped, it is gone at once.
pub(super) struct LoadBalancer {
    /// Where it listens.
    address: SocketAddr,
    /// Whether a topology has had it: only then is it closed when a topology lacks it.
    pub(super) announced: bool,
    door: Door,
    /// The servers from before it was shut, which answer what is in flight.
    finishing: Vec<Server>,
    listener: Arc<Listener>,
    group: Option<Group>,
}

/// What is at a load balancer's address.
enum Door {
    Open(Server),
    /// Nothing gets through.
    Shut {
        _in_its_place: BlackHole,
    },
}

/// The target group that a load balancer forwards to.
struct Group {
    arn: String,
    health_check: HealthCheck,
    targets: Vec<Checked>,
}

/// A target in service, and the tokio task that checks its health.
struct Checked {
    target: Arc<Target>,
    _checks: AbortOnDropHandle<()>,
}

/// The part of a load balancer that requests use.
struct Listener {
    /// The `Host` of requests whose client sends none.
    host: HeaderValue,
    port: HeaderValue,
    targets: Mutex<Vec<Arc<Target>>>,
    /// The targets that take requests: the healthy ones, or all if none is.
    open: ArcSwap<Vec<Arc<Target>>>,
    next: AtomicUsize,
    /// Notified of every topology.
    news: Notify,
}

/// Where a target's address and port lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Listening(SocketAddr),
    /// A task has the address, and nothing listens on the port.
    Refusing,
    /// No task has the address: what is sent there is never answered.
    Nowhere,
}

/// A registered target.
struct Target {
    ip: Ipv4Addr,
    port: u16,
    host: HeaderValue,
    place: Place,
    connections: Option<Arc<Pool>>,
    blocked: AtomicBool,
    record: Mutex<Record>,
}

impl LoadBalancer {
    pub(super) fn open(entrances: &Entrances, runtime: &Handle) -> io::Result<Self> {
        let _context = runtime.enter();
        let socket = entrances.bind()?;
        let address = socket.local_addr()?;
        let listener = Arc::new(Listener {
            host: visible(on_loopback(address)),
            port: address.port().into(),
            targets: Mutex::default(),
            open: ArcSwap::default(),
            next: AtomicUsize::new(0),
            news: Notify::new(),
        });
        let server = Server::spawn(socket.into_std()?, Some(IDLE_TIMEOUT), listener.clone(), runtime)?;
        Ok(Self { address, announced: false, door: Door::Open(server), finishing: vec![], listener, group: None })
    }

    /// Where its callers find it.
    pub(super) fn name(&self) -> SocketAddr {
        on_loopback(self.address)
    }

    /// Lets callers in, or has what they send vanish.
    fn block(&mut self, blocked: bool, runtime: &Handle) -> io::Result<()> {
        match (&self.door, blocked) {
            (Door::Open(server), true) => {
                let black_hole = BlackHole::in_place_of(server, self.address, runtime)?;
                if let Door::Open(server) = std::mem::replace(&mut self.door, Door::Shut { _in_its_place: black_hole })
                {
                    server.drain();
                    self.finishing.retain(|server| !server.is_finished());
                    self.finishing.push(server);
                }
            }
            (Door::Shut { .. }, false) => {
                let _context = runtime.enter();
                let socket = listen_shared(self.address, BACKLOG)?.into_std()?;
                self.door = Door::Open(Server::spawn(socket, Some(IDLE_TIMEOUT), self.listener.clone(), runtime)?);
            }
            (Door::Open(_), false) | (Door::Shut { .. }, true) => {}
        }
        Ok(())
    }

    /// Becomes what the topology has. `locate` finds who has an address and port.
    pub(super) fn become_as(
        &mut self,
        wanted: &topology::LoadBalancer,
        locate: impl Fn(Ipv4Addr, u16) -> Place,
        runtime: &Handle,
    ) -> io::Result<()> {
        self.forward_to(wanted, locate, runtime);
        self.block(wanted.blocked, runtime)
    }

    fn forward_to(
        &mut self,
        wanted: &topology::LoadBalancer,
        locate: impl Fn(Ipv4Addr, u16) -> Place,
        runtime: &Handle,
    ) {
        let group = wanted.target_group.as_ref();
        // If the checks change, all health is decided anew, as with another target group.
        let is_same = |known: &Group| {
            group.is_some_and(|group| (&group.arn, &group.health_check) == (&known.arn, &known.health_check))
        };
        let mut known = self.group.take().filter(is_same).map_or_else(Vec::new, |known| known.targets);
        self.group = group.map(|group| {
            let in_service = group.targets.iter().filter(|target| target.in_service);
            let targets = in_service.map(|&topology::Target { ip, port, blocked, .. }| {
                let place = locate(ip, port);
                let blocked = blocked.then_some(wanted.patience);
                let is_it = |known: &Target| (known.ip, known.port, known.place) == (ip, port, place);
                match known.iter().position(|known| is_it(&known.target)) {
                    Some(index) => {
                        known[index].target.block(blocked);
                        known.swap_remove(index)
                    }
                    None => {
                        let target = Target::new(ip, port, place);
                        target.block(blocked);
                        self.listener.check(target, &group.health_check, runtime)
                    }
                }
            });
            Group { arn: group.arn.clone(), health_check: group.health_check.clone(), targets: targets.collect() }
        });
        let targets = self.group.iter().flat_map(|group| &group.targets).map(|checked| checked.target.clone());
        *self.listener.targets.lock() = targets.collect();
        self.listener.reopen();
        self.listener.news.notify_waiters();
    }

    /// The health of a target of this group, if the load balancer forwards to the group and has decided.
    pub(super) fn target_health(&self, group_arn: &str, ip: Ipv4Addr, port: u16) -> Option<TargetHealth> {
        let group = self.group.as_ref().filter(|group| group.arn == group_arn)?;
        let checked = group.targets.iter().find(|checked| checked.target.ip == ip && checked.target.port == port)?;
        checked.target.record.lock().health
    }

    /// Stops accepting; [`Self::finished`] waits for what is in flight.
    pub(super) fn drain(&self) {
        if let Door::Open(server) = &self.door {
            server.drain();
        }
    }

    pub(super) async fn finished(self) {
        let open = match self.door {
            Door::Open(server) => Some(server),
            Door::Shut { .. } => None,
        };
        // The targets stay until the last request is through.
        for server in open.into_iter().chain(self.finishing) {
            server.finished().await;
        }
        drop(self.group);
    }
}

impl Target {
    fn new(ip: Ipv4Addr, port: u16, place: Place) -> Self {
        let connections = match place {
            Place::Listening(address) => Some(Pool::new(address, IDLE_TIMEOUT, Arc::default())),
            Place::Refusing | Place::Nowhere => None,
        };
        let host = visible(format_args!("{ip}:{port}"));
        Self { ip, port, host, place, connections, blocked: AtomicBool::default(), record: Mutex::default() }
    }

    fn block(&self, blocked: Option<Patience>) {
        self.blocked.store(blocked.is_some(), Relaxed);
        if let Some(connections) = &self.connections {
            connections.block(blocked);
        }
    }

    /// Where a new connection to it leads.
    fn place(&self) -> Place {
        if self.blocked.load(Relaxed) { Place::Nowhere } else { self.place }
    }
}

impl Listener {
    /// Starts to check a target, at once and then at each interval.
    fn check(self: &Arc<Self>, target: Target, check: &HealthCheck, runtime: &Handle) -> Checked {
        let target = Arc::new(target);
        let (listener, checked, check) = (self.clone(), target.clone(), check.clone());
        let checks = runtime.spawn(async move {
            let mut pause = check.interval;
            loop {
                // From here on, so that none is missed during the check.
                let news = listener.news.notified();
                let outcome = health::probe(checked.place(), &checked.host, &check).await;
                let (changed, is_steady) = {
                    let mut record = checked.record.lock();
                    (record.add(outcome, &check), record.is_steady())
                };
                if changed {
                    listener.reopen();
                }
                pause = if is_steady { (pause * 2).min(LONGEST_PAUSE).max(check.interval) } else { check.interval };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = news => {
                        pause = check.interval;
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        });
        Checked { target, _checks: AbortOnDropHandle::new(checks) }
    }

    /// Decides anew which targets take requests. If none is healthy, all do: the load balancer fails open.
    fn reopen(&self) {
        let targets = self.targets.lock();
        let healthy: Vec<_> = targets
            .iter()
            .filter(|target| target.record.lock().health == Some(TargetHealth::Healthy))
            .cloned()
            .collect();
        let open = if healthy.is_empty() { targets.clone() } else { healthy };
        self.open.store(Arc::new(open));
    }

    fn pick(&self) -> Option<Arc<Target>> {
        let open = self.open.load();
        let turn = self.next.fetch_add(1, Relaxed).checked_rem(open.len())?;
        open.get(turn).cloned()
    }

    fn forwarded(&self, request: Request<Incoming>, peer: IpAddr) -> Request<Body> {
        let (mut head, body) = request.into_parts();
        to_next_hop(&mut head, false);
        let headers = &mut head.headers;
        let peer = match headers.get(X_FORWARDED_FOR).and_then(|value| value.to_str().ok()) {
            Some(before) => visible(format_args!("{before}, {peer}")),
            None => visible(peer),
        };
        headers.insert(X_FORWARDED_FOR, peer);
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
        headers.insert(X_FORWARDED_PORT, self.port.clone());
        headers.entry(HOST).or_insert_with(|| self.host.clone());
        Request::from_parts(head, Body::streamed(body, HttpVersion::Http1).0)
    }
}

impl Handler for Listener {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, peer: IpAddr) -> io::Result<Response<Body>> {
        let Some(target) = self.pick() else {
            return Ok(error(StatusCode::SERVICE_UNAVAILABLE, "Service Temporarily Unavailable"));
        };
        let Some(connections) = &target.connections else {
            return Ok(match target.place() {
                Place::Nowhere => error(StatusCode::GATEWAY_TIMEOUT, "Gateway Time-out"),
                Place::Refusing | Place::Listening(_) => error(StatusCode::BAD_GATEWAY, "Bad Gateway"),
            });
        };
        let deadline = Instant::now() + IDLE_TIMEOUT;
        Ok(match timeout_at(deadline, connections.send(self.forwarded(request, peer))).await {
            Ok(Ok(response)) => passed_on(response),
            Ok(Err(SendError::Connect { error: failure, .. })) if failure.kind() == io::ErrorKind::TimedOut => {
                error(StatusCode::GATEWAY_TIMEOUT, "Gateway Time-out")
            }
            Ok(Err(failure)) => {
                tracing::debug!("target {}:{}: {failure}", target.ip, target.port);
                error(StatusCode::BAD_GATEWAY, "Bad Gateway")
            }
            Err(_) => error(StatusCode::GATEWAY_TIMEOUT, "Gateway Time-out"),
        })
    }
}

/// The page that a load balancer answers with on its own.
fn error(status: StatusCode, phrase: &str) -> Response<Body> {
    let title = format!("{} {phrase}", status.as_u16());
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = answer(status, "text/html", page);
    response.headers_mut().insert(SERVER, HeaderValue::from_static("awselb/2.0"));
    response
}

fn visible(text: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&text.to_string()).expect("addresses, and a header's own text, are visible ASCII")
}
