//! Sends requests, again and again, and notes what each answer says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::load::{Load, ZoneFields};
use super::observation::{Meter, Observation, STATUS, Seen};
use super::timeline::Timeline;
use super::wire::{Failure, Received, Wire, is_loopback};
use crate::events::Traffic;

/// How long a request may take: Service Connect gives it 15 s, and the load balancer and the way there come on top.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// If so many requests from the first on get no connection, none ever will: a security group drops in silence what it does not
/// let in.
const OUT_OF_REACH: u64 = 8;

/// The most requests under way where a rate is to be held: enough for answers that take as long as 2.5 s, at 100 a second.
const MOST_FOR_A_RATE: u32 = 256;

#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error("requests cannot be sent to {url:?}: {reason}")]
    Url { url: String, reason: String },
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("the load balancer at {url} is out of reach: none of the first {tried} requests got a connection ({}); {}", .why.reason, hint(.url, .why))]
    OutOfReach { url: Box<Url>, tried: u64, why: Unconnected },
    /// The same of an application of the user's own.
    #[error("{url} is out of reach: none of the first {tried} requests got a connection ({}); check the address, and that it may be \
             reached from here", .why.reason)]
    OwnOutOfReach { url: Box<Url>, tried: u64, why: Unconnected },
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub struct Unconnected {
    reason: String,
    /// Nothing was heard from there, not even a refusal.
    in_silence: bool,
}

/// The zones of a frontend and a backend, or what went wrong, in words that group well.
type Zones = Result<(String, String), String>;

/// Sends until `load` is done or `stop` is cancelled; what is under way then is awaited and counted. `progress` hears how
/// far that is.
pub async fn drive(
    load: &Load,
    stop: &CancellationToken,
    progress: impl Fn(Traffic) + Send + Sync + 'static,
) -> Result<Observation, DriveError> {
    let refused = |reason: &str| DriveError::Url { url: load.url.clone(), reason: reason.to_owned() };
    let url = Url::parse(&load.url).map_err(|error| refused(&error.to_string()))?;
    if url.scheme() != "http" {
        return Err(refused("it does not begin with http://"));
    }
    let total = load.total();
    // What was begun ends with this function, however it ends.
    let stop = stop.child_token();
    let _ends = stop.clone().drop_guard();
    let run = Arc::new(Run {
        wire: Wire::new(&url, &load.headers)?,
        zone_fields: load.zone_fields.clone(),
        requests: total.unwrap_or(u64::MAX),
        so_far: Mutex::new((Traffic { total, ..Traffic::default() }, Seen::default())),
        pace: load.per_second.map(Pace::new),
        lasting: load.lasting,
        begin: Instant::now(),
        sent: AtomicU64::new(0),
        unconnected: AtomicU64::new(0),
        connected: AtomicBool::new(false),
        out_of_reach: OnceLock::new(),
        stop,
        timeline: Timeline::current(),
        meter: load.meter.clone(),
    });
    run.timeline.iter().for_each(|timeline| timeline.begin());
    let workers_wanted = match &run.pace {
        Some(_) => load.concurrency.max(MOST_FOR_A_RATE),
        None => load.concurrency.max(1),
    };
    let workers_wanted = u64::from(workers_wanted).min(run.requests);
    progress(run.so_far.lock().0);
    let progress = Arc::new(progress);
    let mut workers = JoinSet::new();
    for _ in 0..workers_wanted {
        workers.spawn(work(Arc::clone(&run), Arc::clone(&progress)));
    }
    if run.pace.is_some() {
        let run = Arc::clone(&run);
        tokio::task::spawn_blocking(move || run.keep_pace());
    }
    while let Some(joined) = workers.join_next().await {
        if let Err(panic) = joined {
            std::panic::resume_unwind(panic.into_panic());
        }
    }
    match run.out_of_reach.get() {
        Some(why) => {
            let tried = run.unconnected.load(Ordering::Relaxed);
            let (url, why) = (Box::new(url), why.clone());
            Err(if load.is_own {
                DriveError::OwnOutOfReach { url, tried, why }
            } else {
                DriveError::OutOfReach { url, tried, why }
            })
        }
        None => {
            let seen = std::mem::take(&mut run.so_far.lock().1);
            Ok(seen.observation(run.begin.elapsed()))
        }
    }
}

/// What may be in the way.
fn hint(url: &Url, why: &Unconnected) -> &'static str {
    if is_loopback(url) && why.in_silence {
        "its security group lets no one in: `zonewalk status` names the rule, `zonewalk up` fixes it"
    } else if is_loopback(url) {
        "nothing listens there: `zonewalk status` says what exists, `zonewalk up` fixes it"
    } else {
        "its security group lets in the ranges of --allow-cidr and drops everything else silently: if AWS sees you at another \
         address (a VPN's, or one that a provider or company shares), repeat `zonewalk up` with that --allow-cidr; if this \
         network reaches others through a proxy, set HTTP_PROXY"
    }
}

struct Run {
    wire: Wire,
    zone_fields: ZoneFields,
    requests: u64,
    so_far: Mutex<(Traffic, Seen)>,
    pace: Option<Pace>,
    lasting: Option<Duration>,
    begin: Instant,
    sent: AtomicU64,
    /// The requests that got no connection.
    unconnected: AtomicU64,
    /// Whether any request got one.
    connected: AtomicBool,
    /// Why none gets one, once that is clear.
    out_of_reach: OnceLock<Unconnected>,
    stop: CancellationToken,
    /// The timeline of the drill that this traffic is part of.
    timeline: Option<Arc<Timeline>>,
    meter: Option<Meter>,
}

/// When requests are to start.
struct Pace {
    per_second: u32,
    /// A permit for each request whose time has come, and one more at the end.
    due: Semaphore,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), due: Semaphore::new(0) }
    }

    /// When a request is to start, from the first one's start on.
    fn offset(&self, number: u64) -> Duration {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

async fn work<P: Fn(Traffic)>(run: Arc<Run>, progress: Arc<P>) {
    while let Some(intended) = run.next().await {
        let (zones, bytes) = run.send().await;
        // From the intended start on: a request that had to wait for the one before it was late for its user.
        let latency = intended.elapsed();
        let answered = zones.as_ref().ok().map(|(frontend, backend)| (latency, frontend == backend));
        run.timeline.iter().for_each(|timeline| timeline.note(answered));
        run.meter.iter().for_each(|meter| meter.record(zones.clone(), latency, bytes));
        progress(run.count(zones, latency, bytes));
    }
}

impl Run {
    /// Waits until the next request is to start, and returns when that was to be; none when there is no next one.
    async fn next(&self) -> Option<Instant> {
        if let Some(pace) = &self.pace {
            self.stop.run_until_cancelled(pace.due.acquire()).await?.ok()?.forget();
        }
        // The number comes last: who waits first need not be the first to go on, and a request is not to start before its time.
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        if number >= self.requests || self.stop.is_cancelled() || self.out_of_reach.get().is_some() {
            // The others that wait are to see it, too.
            self.pace.iter().for_each(|pace| pace.due.add_permits(1));
            return None;
        }
        match &self.pace {
            Some(pace) => Some(self.begin + pace.offset(number)),
            None if self.lasting.is_some_and(|lasting| self.begin.elapsed() >= lasting) => None,
            None => Some(Instant::now()),
        }
    }

    /// Says of each request when its time has come. On a thread, whose sleep ends within a tenth of a millisecond: the
    /// runtime's timers have whole ones, which would count as latency.
    fn keep_pace(&self) {
        let Some(pace) = &self.pace else { return };
        for number in 0..self.requests {
            std::thread::sleep((self.begin + pace.offset(number)).saturating_duration_since(Instant::now()));
            if self.stop.is_cancelled() || self.out_of_reach.get().is_some() {
                break;
            }
            pace.due.add_permits(1);
        }
        // There is no next one, which whoever waits for it is to see.
        pace.due.add_permits(1);
    }

    fn count(&self, zones: Zones, latency: Duration, bytes: u64) -> Traffic {
        let mut guard = self.so_far.lock();
        let (so_far, seen) = &mut *guard;
        so_far.done += 1;
        match zones {
            Ok((frontend, backend)) => {
                so_far.same_zone += u64::from(frontend == backend);
                seen.record(frontend, backend, latency, bytes);
            }
            Err(error) => {
                so_far.errors += 1;
                seen.record_error(error);
            }
        }
        *so_far
    }

    /// Says what went wrong, and notes if none ever gets a connection.
    fn failure(&self, failure: Failure) -> String {
        match failure {
            Failure::Broken(reason) => {
                self.connected.store(true, Ordering::Relaxed);
                reason
            }
            Failure::Unconnected { reason, in_silence } => {
                let unconnected = self.unconnected.fetch_add(1, Ordering::Relaxed) + 1;
                if unconnected >= OUT_OF_REACH.min(self.requests) && !self.connected.load(Ordering::Relaxed) {
                    // The first to know says it.
                    let _ = self.out_of_reach.set(Unconnected { reason: reason.clone(), in_silence });
                }
                reason
            }
        }
    }

    /// Sends a request, and returns what its answer says, with the bytes of both.
    async fn send(&self) -> (Zones, u64) {
        match tokio::time::timeout(REQUEST_TIMEOUT, self.wire.exchange()).await {
            Ok(Ok(answer)) => {
                self.connected.store(true, Ordering::Relaxed);
                let bytes = self.wire.request_bytes + answer.bytes;
                (self.zones(&answer), bytes)
            }
            Ok(Err(failure)) => (Err(self.failure(failure)), 0),
            Err(_) => (Err(format!("not answered within {} s", REQUEST_TIMEOUT.as_secs())), 0),
        }
    }

    /// The zones that an answer names.
    fn zones(&self, answer: &Received) -> Zones {
        if !answer.status.is_success() {
            return Err(format!("{STATUS}{}", answer.status.as_u16()));
        }
        let ZoneFields { frontend, backend } = &self.zone_fields;
        let Ok(mut json) = serde_json::from_slice::<Value>(&answer.body) else {
            return Err(if *backend == ZoneFields::default().backend {
                "not answered with the demo application's JSON".to_owned()
            } else {
                "not answered with JSON".to_owned()
            });
        };
        let mut zone = |pointer: &str| match json.pointer_mut(pointer).map(Value::take) {
            Some(Value::String(zone)) if !zone.is_empty() => Some(zone),
            _ => None,
        };
        match (zone(&frontend.pointer), zone(&backend.pointer)) {
            (Some(frontend), Some(backend)) => Ok((frontend, backend)),
            (Some(_), None) => Err(format!("answered without a backend's zone ({})", backend.name)),
            (None, _) => Err(format!("answered without a zone ({})", frontend.name)),
        }
    }
}
