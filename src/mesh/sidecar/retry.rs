//! One request to an upstream cluster: pick, send, and try again on another host.
//!
//! Service Connect retries twice, not on the host that failed (ECS Developer Guide, Service Connect). Which failures it
//! retries is not published; here it is Envoy's `connect-failure`, `refused-stream`, `reset` and 503, whatever the method.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::answers::{answer_for, local_reply, status_for_outliers, switching};
use super::cluster::{Cluster, Endpoint};
use super::time_limit::in_time;
use crate::http::{Body, HttpVersion, SendError, passed_on, to_next_hop};
use crate::mesh::journal::{Recorder, To};

pub(in crate::mesh) const RETRIES: u32 = 2;

/// Envoy's default `retry_back_off.base_interval`: the n-th retry waits up to 2ⁿ - 1 times this.
const BACK_OFF: Duration = Duration::from_millis(25);

/// How far a request has come.
struct Progress {
    /// When the application had sent it.
    began: Instant,
    /// The hosts that have failed the request, as many as there can be.
    failed: [Option<Arc<Endpoint>>; RETRIES as usize],
    retries: u32,
    /// Whether a host has the request or is being connected to; otherwise it waits for its next attempt.
    is_under_way: bool,
    /// The host whose connection the request is on.
    at: Option<Arc<Endpoint>>,
    /// The host whose answer, or the want of one, is passed on.
    last: Option<Arc<Endpoint>>,
}

impl Progress {
    fn of(began: Instant) -> Self {
        Self { began, failed: Default::default(), retries: 0, is_under_way: false, at: None, last: None }
    }
}

impl Cluster {
    pub(super) async fn forward(&self, mut request: Request<Incoming>, recorder: Option<&Recorder>) -> Response<Body> {
        let switching = match switching(&mut request, &self.transport) {
            Ok(switching) => switching,
            Err(refusal) => return *refusal,
        };
        let (mut head, body) = request.into_parts();
        let recording = recorder.map(|recorder| recorder.begin(&mut head));
        let version = HttpVersion::of(&head);
        to_next_hop(&mut head, switching.is_some());

        let (body, ended) = if version == HttpVersion::Http2 {
            Body::kept(body)
        } else {
            let Ok(read) = Body::replayable(body).await else {
                // Most likely the client is gone and will not read this.
                return local_reply(StatusCode::BAD_REQUEST, "Bad Request");
            };
            if read.1.is_some() {
                self.stats.rq_retry_abandoned.fetch_add(1, Relaxed);
            }
            read
        };
        let size = body.size();
        let mut progress = Progress::of(Instant::now());
        let (answered, deadline) = {
            let attempts = pin!(self.attempts(Request::from_parts(head, body), &mut progress));
            in_time(ended, self.transport.per_request_timeout, attempts).await
        };
        let mut response = answered.unwrap_or_else(|_| self.timed_out(&progress));
        response.body_mut().set_deadline(deadline);
        if let Some(switching) = switching {
            switching.complete(&mut response);
        }
        if let Some(recording) = recording {
            let endpoint = progress.last.or(progress.at).map(|endpoint| endpoint.told());
            recording.end(To::Upstream { cluster: self.name.clone(), endpoint }, size, &mut response);
        }
        response
    }

    async fn attempts(&self, mut request: Request<Body>, progress: &mut Progress) -> Response<Body> {
        loop {
            let Some(endpoint) = self.pick(progress.failed.iter().flatten()) else {
                self.stats.responses.count(StatusCode::SERVICE_UNAVAILABLE);
                return local_reply(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream");
            };
            // hyper takes the request, so a retry needs a copy of the header map; the rest is shared.
            let copy = if progress.retries < RETRIES { replay(&request) } else { None };
            progress.is_under_way = true;
            let on_connection = || {
                if progress.at.replace(endpoint.clone()).is_none() {
                    self.stats.rq_total.fetch_add(1, Relaxed);
                }
            };
            let sent = endpoint.pool.send_noting(request, on_connection).await;
            progress.is_under_way = false;
            progress.at = None;

            if let Err(error @ SendError::Request(_)) = &sent {
                // This is not the host's fault.
                return answer_for(error, false);
            }
            let failed = !matches!(&sent, Ok(response) if response.status() != StatusCode::SERVICE_UNAVAILABLE);
            let is_hosts = sent.is_ok();
            let (answer, again) = match sent {
                Ok(response) => (passed_on(response), copy),
                Err(error) => {
                    let answer = answer_for(&error, progress.retries > 0);
                    match error {
                        SendError::Connect { unsent, .. } => (answer, Some(*unsent)),
                        SendError::Reset(_) | SendError::Protocol(_) | SendError::Request(_) => (answer, copy),
                    }
                }
            };
            self.observe(&endpoint, status_for_outliers(&answer));
            match again {
                Some(again) if failed && progress.retries < RETRIES && self.begin_again(&again) => {
                    if is_hosts {
                        self.stats.retried_responses.count(answer.status());
                    }
                    request = again;
                }
                _ => {
                    if progress.retries > 0 {
                        self.stats.retried(!failed);
                    }
                    endpoint.zone_stats.times.count(progress.began.elapsed());
                    let answer = self.complete(answer, &endpoint);
                    progress.last = Some(endpoint);
                    return answer;
                }
            }
            progress.failed[progress.retries as usize] = Some(endpoint);
            progress.retries += 1;
            self.stats.rq_retry.fetch_add(1, Relaxed);
            back_off(progress.retries).await;
        }
    }

    /// Begins to send a request's body again. False: of one that is sent as it comes, only so much is kept.
    fn begin_again(&self, again: &Request<Body>) -> bool {
        let is_kept = again.body().begin_again();
        if !is_kept {
            self.stats.rq_retry_abandoned.fetch_add(1, Relaxed);
        }
        is_kept
    }

    /// Counts the answer that the application gets, for the host that answered last.
    fn complete(&self, response: Response<Body>, endpoint: &Endpoint) -> Response<Body> {
        self.stats.responses.count(response.status());
        endpoint.zone_stats.responses.count(response.status());
        response
    }

    fn timed_out(&self, progress: &Progress) -> Response<Body> {
        let response = local_reply(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout");
        self.stats.pools.timed_out.fetch_add(progress.is_under_way.into(), Relaxed);
        match &progress.at {
            Some(endpoint) => {
                self.observe(endpoint, response.status());
                self.complete(response, endpoint)
            }
            None => {
                self.stats.responses.count(response.status());
                response
            }
        }
    }
}

fn replay(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().replay()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Envoy's fully jittered exponential back-off.
async fn back_off(retry: u32) {
    let longest = BACK_OFF * ((1 << retry) - 1);
    tokio::time::sleep(longest.mul_f64(rand::random())).await;
}
