//! Sends the article's request, again and again, and notes what each answer says.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use reqwest::{Body, Client, Url, redirect};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::observation::{Observation, STATUS};
use super::timeline::Timeline;
use crate::events::Traffic;

/// How long a request may take: Service Connect gives it 15 s, and the load balancer and the way there come on top.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection may take: far longer than there and back to any region.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// If so many requests from the first on get no connection, none ever will: a security group drops in silence what it does not
/// let in.
const OUT_OF_REACH: u64 = 8;

/// The most requests under way where a rate is to be held: enough for answers that take as long as 2.5 s, at 100 a second.
const MOST_FOR_A_RATE: u32 = 256;

/// The most that is read of an answer: far more than the application's has, whatever else may answer at the URL.
const MAX_ANSWER: usize = 64 * 1024;

/// The traffic that is to be sent.
#[derive(Clone, Debug)]
pub struct Load {
    /// The load balancer's URL: `http://host/`.
    pub url: String,
    /// The number of requests; without one, traffic goes on until it is stopped.
    pub requests: Option<u64>,
    /// The number of requests under way at once; more where the rate needs it, since the answers come from far away.
    pub concurrency: u32,
    /// The most requests a second in all; without a number, each follows the answer to the one before.
    pub per_second: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error("requests cannot be sent to {url:?}: {reason}")]
    Url { url: String, reason: String },
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("the load balancer at {url} is out of reach: none of the first {tried} requests got a connection ({}); {}", .why.reason, hint(.url, .why))]
    OutOfReach { url: Box<Url>, tried: u64, why: Unconnected },
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub struct Unconnected {
    reason: String,
    /// Nothing was heard from there, not even a refusal.
    in_silence: bool,
}

/// The fields of the demo application's answer that tell where a request was.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    availability_zone_id: Option<String>,
    upstream_availability_zone_id: Option<String>,
}

/// Sends until `load` is done or `stop` is cancelled; what is under way then is awaited and counted. `progress` hears how
/// far that is.
pub async fn drive(
    load: &Load,
    stop: &CancellationToken,
    progress: impl Fn(Traffic) + Send + Sync + 'static,
) -> Result<Observation, DriveError> {
    let url =
        Url::parse(&load.url).map_err(|error| DriveError::Url { url: load.url.clone(), reason: error.to_string() })?;
    let run = Arc::new(Run {
        client: client(&url)?,
        url,
        requests: load.requests.unwrap_or(u64::MAX),
        so_far: Mutex::new(Traffic { total: load.requests, ..Traffic::default() }),
        interval: load.per_second.map(|rate| Duration::from_secs(1) / rate.max(1)),
        begin: Instant::now(),
        sent: AtomicU64::new(0),
        unconnected: AtomicU64::new(0),
        connected: AtomicBool::new(false),
        out_of_reach: OnceLock::new(),
        stop: stop.clone(),
        timeline: Timeline::current(),
    });
    run.timeline.iter().for_each(|timeline| timeline.begin());
    let workers_wanted = match load.per_second {
        Some(_) => load.concurrency.max(MOST_FOR_A_RATE),
        None => load.concurrency.max(1),
    };
    progress(*run.so_far.lock());
    let progress = Arc::new(progress);
    let mut workers = JoinSet::new();
    for _ in 0..workers_wanted {
        workers.spawn(work(Arc::clone(&run), Arc::clone(&progress)));
    }
    let mut total = Observation::default();
    while let Some(joined) = workers.join_next().await {
        match joined {
            Ok(observed) => total.add(&observed),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    match run.out_of_reach.get() {
        Some(why) => {
            let tried = run.unconnected.load(Ordering::Relaxed);
            Err(DriveError::OutOfReach { url: Box::new(run.url.clone()), tried, why: why.clone() })
        }
        None => Ok(Observation { took: run.begin.elapsed(), ..total }),
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

/// A client that goes by the environment's proxies, but to this machine itself. Every answer counts as it is: none is
/// followed elsewhere.
fn client(url: &Url) -> Result<Client, reqwest::Error> {
    let client = Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT_TIMEOUT);
    if is_loopback(url) { client.no_proxy() } else { client }.build()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

struct Run {
    client: Client,
    url: Url,
    requests: u64,
    so_far: Mutex<Traffic>,
    interval: Option<Duration>,
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
}

async fn work<P: Fn(Traffic)>(run: Arc<Run>, progress: Arc<P>) -> Observation {
    let mut seen = Observation::default();
    while let Some(intended) = run.next().await {
        let sent = run.send().await;
        let so_far = run.count(&sent);
        let answered = sent.as_ref().ok().map(|(frontend, backend)| (intended.elapsed(), frontend == backend));
        run.timeline.iter().for_each(|timeline| timeline.note(answered));
        match sent {
            // From the intended start on: a request that had to wait for the one before it was late for its user.
            Ok((frontend, backend)) => seen.record(frontend, backend, intended.elapsed()),
            Err(error) => seen.record_error(error),
        }
        progress(so_far);
    }
    seen
}

impl Run {
    /// Waits until the next request is to start, and returns when that was to be; none when there is no next one.
    async fn next(&self) -> Option<Instant> {
        if self.stop.is_cancelled() || self.out_of_reach.get().is_some() {
            return None;
        }
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        if number >= self.requests {
            return None;
        }
        let Some(interval) = self.interval else { return Some(Instant::now()) };
        let intended = self.begin + interval * u32::try_from(number).unwrap_or(u32::MAX);
        tokio::select! {
            () = tokio::time::sleep_until(intended) => Some(intended),
            () = self.stop.cancelled() => None,
        }
    }

    fn count(&self, sent: &Result<(String, String), String>) -> Traffic {
        let mut so_far = self.so_far.lock();
        so_far.done += 1;
        match sent {
            Ok((frontend, backend)) => so_far.same_zone += u64::from(frontend == backend),
            Err(_) => so_far.errors += 1,
        }
        *so_far
    }

    fn note_failure(&self, error: &reqwest::Error) {
        if !error.is_connect() {
            self.connected.store(true, Ordering::Relaxed);
            return;
        }
        let unconnected = self.unconnected.fetch_add(1, Ordering::Relaxed) + 1;
        if unconnected >= OUT_OF_REACH.min(self.requests) && !self.connected.load(Ordering::Relaxed) {
            // The first to know says it.
            let _ = self.out_of_reach.set(Unconnected { reason: reason(error), in_silence: error.is_timeout() });
        }
    }

    /// Sends a request, and returns the zones of frontend and backend, or what went wrong, in words that group well.
    async fn send(&self) -> Result<(String, String), String> {
        let request = self.client.get(self.url.clone()).header("azAwareRouting", "true");
        let exchange = async {
            let sent = request.send().await.inspect_err(|error| self.note_failure(error));
            let answer = sent.map_err(|error| reason(&error))?;
            self.connected.store(true, Ordering::Relaxed);
            let (status, body) = (answer.status(), Limited::new(Body::from(answer), MAX_ANSWER));
            let body = body.collect().await.map_err(|error| innermost_cause(error.as_ref()))?;
            if !status.is_success() {
                return Err(format!("{STATUS}{}", status.as_u16()));
            }
            let answer: Answer = serde_json::from_slice(&body.to_bytes())
                .map_err(|_| "not answered with the demo application's JSON".to_owned())?;
            match (answer.availability_zone_id, answer.upstream_availability_zone_id) {
                (Some(frontend), Some(backend)) if !frontend.is_empty() && !backend.is_empty() => {
                    Ok((frontend, backend))
                }
                (Some(_), _) => Err("answered without a backend's zone (upstreamAvailabilityZoneId)".to_owned()),
                _ => Err("answered without a zone (availabilityZoneId)".to_owned()),
            }
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_) => Err(format!("not answered within {} s", REQUEST_TIMEOUT.as_secs())),
        }
    }
}

/// Says what happened on the wire.
fn reason(error: &reqwest::Error) -> String {
    if error.is_connect() && error.is_timeout() {
        format!("not connected within {} s", CONNECT_TIMEOUT.as_secs())
    } else {
        innermost_cause(error)
    }
}

fn innermost_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let is_loopback = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for url in
            ["http://127.0.0.1:80/", "http://127.8.8.8/", "http://[::1]:80/", "http://LOCALHOST/", "http://127.1"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://lb.example.invalid/", "http://10.0.0.1/", "http://[2001:db8::1]/", "http://localhost.test/"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
