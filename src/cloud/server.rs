//! The endpoint: HTTP on loopback, one port for all services and regions, and a few paths of its own under `/_zonewalk/`.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::AwsError;
use super::faults::{Answering, Counted, Extent, Faults, Injector, SharedInjector, Snapshot, Strike, is_read};
use super::region::{Region, SharedIam, SharedRegion};
use super::schedule::Pace;
use super::services::{autoscaling, ec2, ecs, elbv2, iam, logs, servicediscovery, servicequotas, ssm, sts};
use super::wire::{Request, Service, is_cbor, undecoded_error};
use super::{authorization, partition};
use crate::mesh::{Mesh, Proxies};

/// What a request's body may have: many times the largest that a walkthrough sends, a task definition of 64 KiB.
const MAX_BODY: usize = 1 << 20;

/// How long [`LocalCloud::shutdown`] lets requests finish: one may never come to its end, or be answered late on purpose.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// After a failed `accept` (most likely no file descriptor is left) it waits this long, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a local cloud is to be.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    pub pace: Pace,
    /// Without the two roles that the article takes for granted.
    pub bare_account: bool,
    /// An IAM policy, as JSON, that every call is checked against, by its action and what of its conditions is looked at. None:
    /// everything is allowed.
    pub policy: Option<String>,
    /// vCPU that running standard instances of a region may have.
    pub vcpu_quota: u32,
    /// What goes wrong; can be changed while it runs, at `/_zonewalk/faults`.
    pub faults: Faults,
    /// The tasks' Service Connect proxies.
    pub proxies: Proxies,
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            pace: Pace::default(),
            bare_account: false,
            policy: None,
            vcpu_quota: 256,
            faults: Faults::default(),
            proxies: Proxies::default(),
            observer: None,
        }
    }
}

/// Sees every AWS call: once when it has been carried out and is about to be answered.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// One AWS call and its answer, as they were on the wire.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The name the service signs with, e.g. `elasticloadbalancing`.
    pub service: &'static str,
    pub operation: String,
    /// HTTP status of the answer.
    pub status: u16,
    pub content_type: &'static str,
    /// The answer's body.
    pub body: Vec<u8>,
}

/// A running local cloud. Ends with [`LocalCloud::shutdown`] or when it is asked to at `/_zonewalk/shutdown`.
pub struct LocalCloud {
    address: SocketAddr,
    stop: CancellationToken,
    tracker: TaskTracker,
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    faults: SharedInjector,
    iam: SharedIam,
    regions: Mutex<HashMap<String, Arc<SharedRegion>>>,
    requests: AtomicU64,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl LocalCloud {
    /// Binds and serves. Fails if the address cannot be bound, or the policy is none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let mut iam = if options.bare_account { iam::State::default() } else { iam::State::with_article_roles() };
        if let Some(policy) = &options.policy {
            iam.rehearse(policy).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.message))?;
        }
        let shared = Arc::new(Shared {
            faults: SharedInjector::new(options.faults.clone()),
            options,
            iam: Arc::new(Mutex::new(iam)),
            regions: Mutex::default(),
            requests: AtomicU64::new(0),
            stop: stop.clone(),
            tracker: tracker.clone(),
        });
        tracker.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, stop, tracker, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give a client as `--endpoint-url`.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on these go wrong, and what was hidden is seen.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.set_faults(faults);
    }

    /// The faults as they were asked for, each with how many calls it was about (`matched`) and met (`struck`).
    pub fn faults(&self) -> Value {
        self.shared.faults.lock().report()
    }

    /// Completes when somebody has asked the cloud to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Stops serving, and every task and load balancer with it.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        let meshes: Vec<Mesh> = self.shared.regions().values().map(|region| region.with(|r| r.mesh.clone())).collect();
        for mesh in meshes {
            mesh.shutdown().await;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = shared.stop.cancelled() => return,
        };
        let connection_shared = Arc::clone(&shared);
        shared.tracker.spawn(async move {
            let shared = Arc::clone(&connection_shared);
            let service = service_fn(move |request| answer(Arc::clone(&shared), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            let result = tokio::select! {
                result = connection.as_mut() => result,
                () = connection_shared.stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let Ok(result) = tokio::time::timeout(SHUTDOWN_TIMEOUT, connection).await else {
                        tracing::debug!("a connection was closed with a request in flight");
                        return;
                    };
                    result
                }
            };
            if let Err(error) = result {
                tracing::debug!(%error, "a client's connection broke");
            }
        });
    }
}

/// The error is a fault's: it closes the connection without an answer.
async fn answer(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let refused = |error: &AwsError| {
        let request_id = shared.next_request_id();
        let (content_type, body) = undecoded_error(&head.headers, error, &request_id);
        response(error.status, content_type, body, &request_id, is_cbor(&head.headers))
    };
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("The request body is larger than {MAX_BODY} bytes");
            let error =
                AwsError::new("RequestEntityTooLargeException", message).with_status(StatusCode::PAYLOAD_TOO_LARGE);
            return Ok(refused(&error));
        }
        Err(error) => {
            return Ok(own_answer(StatusCode::BAD_REQUEST, &json!({ "message": error.to_string() })));
        }
    };
    if let Some(path) = head.uri.path().strip_prefix("/_zonewalk/") {
        return Ok(shared.own_path(&head.method, path, &body));
    }
    match Request::decode(&head.method, head.uri.path(), &head.headers, &body) {
        Ok(request) => {
            let request_id = shared.next_request_id();
            let strike = shared.faults.lock().strike(request.service, &request.operation);
            let delay = strike.delay;
            let answer = shared.aws_answer(&request, strike, &request_id);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            answer.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
        }
        Err(error) => Ok(refused(&error)),
    }
}

impl Shared {
    fn own_path(&self, method: &Method, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
        match (method, path) {
            (&Method::GET, "health") => own_answer(
                StatusCode::OK,
                &json!({ "service": "zonewalk", "version": env!("CARGO_PKG_VERSION"), "process": std::process::id() }),
            ),
            (&Method::POST, "shutdown") => {
                self.stop.cancel();
                own_answer(StatusCode::OK, &json!({ "stopping": true }))
            }
            (&Method::GET, "faults") => own_answer(StatusCode::OK, &self.faults.lock().report()),
            (&Method::PUT, "faults") => match Faults::from_json(body) {
                Ok(faults) => {
                    self.set_faults(faults);
                    own_answer(StatusCode::OK, &self.faults.lock().report())
                }
                Err(message) => own_answer(StatusCode::BAD_REQUEST, &json!({ "message": message })),
            },
            (&Method::DELETE, "faults") => {
                self.set_faults(Faults::default());
                own_answer(StatusCode::OK, &self.faults.lock().report())
            }
            _ => own_answer(
                StatusCode::NOT_FOUND,
                &json!({ "message": "GET health, GET, PUT or DELETE faults, POST shutdown" }),
            ),
        }
    }

    /// What was hidden comes into sight with the faults' end.
    fn set_faults(&self, faults: Faults) {
        *self.faults.lock() = Injector::new(faults);
        for region in self.regions().values() {
            region.with(|region| region.lags = Default::default());
        }
    }

    /// None: the connection is to be closed.
    fn aws_answer(&self, request: &Request, strike: Strike, request_id: &str) -> Option<Response<Full<Bytes>>> {
        let dropped = matches!(strike.answering, Answering::DropAnswer);
        let result = match strike.answering {
            Answering::AsEver | Answering::DropAnswer => self.handle(request, strike.hide, strike.lose_instance),
            Answering::Refuse(error) => Err(error),
            Answering::DropRequest => return None,
        };
        let (status, (content_type, body)) = match result {
            Ok(answer) => (StatusCode::OK, request.encode(&answer, request_id)),
            Err(error) => (error.status, request.encode_error(&error, request_id)),
        };
        tracing::debug!(service = request.service.signing_name(), operation = %request.operation, %status);
        if let Some(observer) = &self.options.observer {
            observer(&Exchange {
                service: request.service.signing_name(),
                operation: request.operation.clone(),
                status: status.as_u16(),
                content_type,
                body: body.clone(),
            });
        }
        (!dropped).then(|| response(status, content_type, body, request_id, request.is_cbor()))
    }

    /// What of the faults nothing comes of, since nothing is lost or changed, is not counted.
    fn handle(
        &self,
        request: &Request,
        hide: Option<(Extent, Counted)>,
        lose_instance: Option<(Option<String>, Counted)>,
    ) -> Result<Value, AwsError> {
        self.region(&request.region)?.with(|region| {
            authorization::check(region, request)?;
            if let Some((zone, counted)) = lose_instance
                && ec2::lose_instance(region, zone.as_deref())
            {
                counted.stands();
            }
            if is_read(&request.operation) {
                return region.as_seen(request.service, |region| carry_out(region, request));
            }
            let before = hide.map(|(extent, counted)| (Snapshot::of(region, request.service), extent, counted));
            let answer = carry_out(region, request)?;
            if let Some((before, extent, counted)) = before {
                region.lags.begin(before, extent);
                counted.stands();
            }
            Ok(answer)
        })
    }

    /// A region comes into being with its first request, and from then on moves by itself.
    fn region(&self, name: &str) -> Result<Arc<SharedRegion>, AwsError> {
        if !partition::is_region(name) {
            return Err(AwsError::new(
                "UnrecognizedClientException",
                format!("{name} is no AWS region; the local cloud knows {}", partition::REGIONS.join(", ")),
            ));
        }
        let mut regions = self.regions();
        if let Some(region) = regions.get(name) {
            return Ok(Arc::clone(region));
        }
        let mesh = Mesh::new(tokio::runtime::Handle::current(), self.options.proxies.clone());
        let region = SharedRegion::new(Region::new(
            name,
            self.options.pace,
            mesh,
            Arc::clone(&self.iam),
            self.faults.clone(),
            self.options.vcpu_quota,
        ));
        regions.insert(name.to_owned(), Arc::clone(&region));
        let (running, stop) = (Arc::clone(&region), self.stop.clone());
        self.tracker.spawn(async move {
            tokio::select! {
                () = running.run() => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(region)
    }

    fn regions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<SharedRegion>>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_request_id(&self) -> String {
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-a000-{n:012x}")
    }
}

fn carry_out(region: &mut Region, request: &Request) -> Result<Value, AwsError> {
    let (operation, params) = (request.operation.as_str(), request.params());
    match request.service {
        Service::AutoScaling => autoscaling::handle(region, operation, params),
        Service::Ec2 => ec2::handle(region, operation, params),
        Service::Ecs => ecs::handle(region, operation, params),
        Service::Elbv2 => elbv2::handle(region, operation, params),
        Service::Iam => iam::handle(region, operation, params),
        Service::Logs => logs::handle(region, operation, params),
        Service::CloudMap => servicediscovery::handle(region, operation, params),
        Service::Quotas => servicequotas::handle(region, operation, params),
        Service::Ssm => ssm::handle(region, operation, params),
        Service::Sts => sts::handle(region, operation, params),
    }
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    request_id: &str,
    cbor: bool,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    if let Ok(id) = header::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if cbor {
        headers.insert("smithy-protocol", header::HeaderValue::from_static("rpc-v2-cbor"));
    }
    response
}

fn own_answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    response(status, "application/json", body.to_string().into_bytes(), "-", false)
}
