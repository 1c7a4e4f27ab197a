//! The endpoint: HTTP on loopback, one port for all services and regions, and a few paths of its own under `/_zonewalk/`.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::error::AwsError;
use super::exchange::Answer;
use super::faults::{Answering, Faults, Injected};
use super::options::{Exchange, Observer, Options};
use super::request::{Request, encoding_of};
use super::wire::is_cbor;
use crate::http::{Handler, Server};

/// What a request's body may have: many times the largest that a walkthrough sends, a task definition of 64 KiB.
const MAX_BODY: usize = 1 << 20;

/// How long [`LocalCloud::shutdown`] lets requests finish: one may never come to its end, or be answered late on purpose.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// A running local cloud. Ends with [`LocalCloud::shutdown`] or when it is asked to at `/_zonewalk/shutdown`.
pub struct LocalCloud {
    address: SocketAddr,
    stop: CancellationToken,
    tracker: TaskTracker,
    shared: Arc<Shared>,
}

struct Shared {
    account: Account,
    observer: Option<Observer>,
    requests: AtomicU64,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl LocalCloud {
    /// Binds and serves. Fails if the address cannot be bound, or the policy is none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen)?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let account =
            Account::new(&options).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.message))?;
        let shared = Arc::new(Shared {
            account,
            observer: options.observer,
            requests: AtomicU64::new(0),
            stop: stop.clone(),
            tracker: tracker.clone(),
        });
        let endpoint = Arc::new(Endpoint(Arc::clone(&shared)));
        let server = Server::spawn(listener, None, endpoint, &tokio::runtime::Handle::current())?;
        tracker.spawn(server.until(stop.clone(), SHUTDOWN_TIMEOUT));
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
        self.shared.account.set_faults(faults);
    }

    /// The faults as they were asked for, each with how many calls it was about (`matched`) and met (`struck`).
    pub fn faults(&self) -> Value {
        self.shared.account.faults.lock().report()
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
        for mesh in self.shared.account.meshes() {
            mesh.shutdown().await;
        }
    }
}

/// What answers at the endpoint.
struct Endpoint(Arc<Shared>);

impl Handler for Endpoint {
    type Body = Full<Bytes>;

    async fn handle(&self, request: hyper::Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Full<Bytes>>> {
        answer(Arc::clone(&self.0), request).await
    }
}

/// The error is a fault's: it closes the connection without an answer.
async fn answer(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let refused = |error: &AwsError| {
        let request_id = shared.next_request_id();
        let (content_type, body) = encoding_of(&head.headers).error(error, &request_id);
        response(Answer { status: error.status, content_type, body }, &request_id, is_cbor(&head.headers))
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
            let injected = shared.account.inject(&request);
            let delay = injected.delay;
            let answer = shared.aws_answer(&request, injected, &request_id, is_cbor(&head.headers));
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
            (&Method::GET, "faults") => own_answer(StatusCode::OK, &self.account.faults.lock().report()),
            (&Method::PUT, "faults") => match Faults::from_json(body) {
                Ok(faults) => {
                    self.account.set_faults(faults);
                    own_answer(StatusCode::OK, &self.account.faults.lock().report())
                }
                Err(message) => own_answer(StatusCode::BAD_REQUEST, &json!({ "message": message })),
            },
            (&Method::DELETE, "faults") => {
                self.account.set_faults(Faults::default());
                own_answer(StatusCode::OK, &self.account.faults.lock().report())
            }
            _ => own_answer(
                StatusCode::NOT_FOUND,
                &json!({ "message": "GET health, GET, PUT or DELETE faults, POST shutdown" }),
            ),
        }
    }

    /// None: the connection is to be closed.
    fn aws_answer(
        &self,
        request: &Request,
        injected: Injected,
        request_id: &str,
        cbor: bool,
    ) -> Option<Response<Full<Bytes>>> {
        let dropped = matches!(injected.answering, Answering::DropAnswer);
        let answer = self.account.answer(request, injected, request_id, &self.tracker, &self.stop)?;
        let (service, operation) = (request.service.signing_name, request.operation.name);
        tracing::debug!(service, operation, status = %answer.status);
        if let Some(observer) = &self.observer {
            observer(&Exchange {
                service,
                operation,
                status: answer.status.as_u16(),
                content_type: answer.content_type,
                body: answer.body.clone(),
            });
        }
        (!dropped).then(|| response(answer, request_id, cbor))
    }

    fn next_request_id(&self) -> String {
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-a000-{n:012x}")
    }
}

fn response(answer: Answer, request_id: &str, cbor: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(answer.content_type));
    if let Ok(id) = header::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if cbor {
        headers.insert("smithy-protocol", header::HeaderValue::from_static("rpc-v2-cbor"));
    }
    response
}

fn own_answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let body = body.to_string().into_bytes();
    response(Answer { status, content_type: "application/json", body }, "-", false)
}
