//! Sends the article's request, again and again, and notes what each answer says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::observation::Observation;

/// Service Connect gives a request 15 s; the load balancer and the way there come on top.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Far more than the application's answer; whatever else answers at the URL is not read without end.
const MAX_ANSWER: usize = 64 * 1024;

/// The requests that are to be sent.
#[derive(Clone, Debug)]
pub struct Load {
    /// The URL of the load balancer: `http://host/`.
    pub url: String,
    /// The number of requests; without one, they are sent until stopped.
    pub requests: Option<u64>,
    /// The number of requests under way at once.
    pub concurrency: u32,
    /// The most requests a second in all; without a number, each follows the answer to the one before.
    pub per_second: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error("{url:?} is no URL that requests can be sent to: {reason}")]
    Url { url: String, reason: String },
}

type HttpClient = Client<HttpConnector, Empty<Bytes>>;

/// The fields of the demo application's answer that tell where a request was.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    availability_zone_id: Option<String>,
    upstream_availability_zone_id: Option<String>,
}

/// Sends until `load` is done or `stop` is cancelled; what is under way then is awaited and counted. `progress` hears how
/// many requests are done.
pub async fn drive(
    load: &Load,
    stop: &CancellationToken,
    progress: impl Fn(u64) + Send + Sync + 'static,
) -> Result<Observation, DriveError> {
    let uri: Uri =
        load.url.parse().map_err(|error| DriveError::Url { url: load.url.clone(), reason: format!("{error}") })?;
    let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
    let run = Arc::new(Run {
        uri,
        client,
        requests: load.requests.unwrap_or(u64::MAX),
        interval: load.per_second.map(|rate| Duration::from_secs(1) / rate.max(1)),
        begin: Instant::now(),
        sent: AtomicU64::new(0),
        done: AtomicU64::new(0),
        stop: stop.clone(),
    });
    let progress = Arc::new(progress);
    let mut workers = JoinSet::new();
    for _ in 0..load.concurrency.max(1) {
        workers.spawn(work(Arc::clone(&run), Arc::clone(&progress)));
    }
    let mut total = Observation::default();
    while let Some(joined) = workers.join_next().await {
        match joined {
            Ok(observed) => total.add(&observed),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    Ok(total)
}

struct Run {
    uri: Uri,
    client: HttpClient,
    requests: u64,
    interval: Option<Duration>,
    begin: Instant,
    sent: AtomicU64,
    done: AtomicU64,
    stop: CancellationToken,
}

async fn work<P: Fn(u64)>(run: Arc<Run>, progress: Arc<P>) -> Observation {
    let mut seen = Observation::default();
    while let Some(intended) = run.next().await {
        match run.send().await {
            // From the intended start: a request that had to wait for the one before it was late for its user.
            Ok((frontend, backend)) => seen.record(frontend, backend, intended.elapsed()),
            Err(error) => seen.record_error(error),
        }
        progress(run.done.fetch_add(1, Ordering::Relaxed) + 1);
    }
    seen
}

impl Run {
    /// The time at which the next request is to start; none when there is no next one.
    async fn next(&self) -> Option<Instant> {
        if self.stop.is_cancelled() {
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

    /// Sends one request and gives the zones of frontend and backend, or what went wrong, in words that group well.
    async fn send(&self) -> Result<(String, String), String> {
        let request = Request::get(self.uri.clone())
            .header("azAwareRouting", "true")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| reason(&error))?;
            let status = answer.status();
            let body =
                Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|error| reason(error.as_ref()))?;
            if !status.is_success() {
                return Err(format!("status {}", status.as_u16()));
            }
            let answer: Answer = serde_json::from_slice(&body.to_bytes())
                .map_err(|_| "the answer is not the demo application's JSON".to_owned())?;
            match (answer.availability_zone_id, answer.upstream_availability_zone_id) {
                (Some(frontend), Some(backend)) if !frontend.is_empty() && !backend.is_empty() => {
                    Ok((frontend, backend))
                }
                (Some(_), _) => Err("the answer names no backend's zone (upstreamAvailabilityZoneId)".to_owned()),
                _ => Err("the answer names no zones (availabilityZoneId)".to_owned()),
            }
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())),
        }
    }
}

/// The innermost cause, which says what happened on the wire.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
