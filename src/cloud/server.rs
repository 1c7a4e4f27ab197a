//! The endpoint: HTTP on loopback, one port for all services and regions, and a few paths of its own under `/_zonewalk/`.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::control;
use super::error::AwsError;
use super::exchange::Answer;
use super::faults::{Answering, Faults, Injected};
use super::operator::{Operator, Pages};
use super::options::{Exchange, Observer, OnRequest, Options, Served};
use super::request::{Request, encoding_of};
use super::wire::is_cbor;
use crate::http::{Handler, Server, on_loopback};
use crate::mesh::Conditions;

/// What a request's body may have: many times the largest that a walkthrough sends, a task definition of 64 KiB.
const MAX_BODY: usize = 1 << 20;

/// How long [`LocalCloud::shutdown`] lets requests finish: one may never come to its end, or be answered late on purpose.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

const OWN_PATHS: &str = "GET health, GET walkthroughs, GET, PUT or DELETE faults, GET or PUT mesh, POST age, POST metrics, POST shared-namespace, \
     POST shutdown";

/// A running local cloud. Ends with [`LocalCloud::shutdown`] or when it is asked to at `/_zonewalk/shutdown`.
pub struct LocalCloud {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    account: Arc<Account>,
    pages: OnceLock<Arc<dyn Pages>>,
    observer: Option<Observer>,
    on_request: Option<OnRequest>,
    requests: AtomicU64,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl LocalCloud {
    /// Binds and serves. Fails if the address cannot be bound, or the policy is none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen)?;
        let address = listener.local_addr()?;
        let account =
            Account::new(&options).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.message))?;
        let shared = Arc::new(Shared {
            account: Arc::new(account),
            pages: OnceLock::new(),
            observer: options.observer,
            on_request: options.on_request,
            requests: AtomicU64::new(0),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        });
        let server = Server::spawn(listener, None, Arc::clone(&shared), &tokio::runtime::Handle::current())?;
        shared.tracker.spawn(server.until(shared.stop.clone(), SHUTDOWN_TIMEOUT));
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give a client as `--endpoint-url`.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", on_loopback(self.address))
    }

    /// From now on these go wrong, and what was hidden is seen.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.account.set_faults(faults);
    }

    /// The faults as they were asked for, each with how many calls it was about (`matched`) and met (`struck`).
    pub fn faults(&self) -> Value {
        self.shared.account.faults.lock().report()
    }

    /// Sets at one of its own paths what no AWS API can, as a POST there does.
    pub fn control(&self, path: &str, parameters: &Value) -> Result<Value, String> {
        let done = control::at(&self.shared.account, &Method::POST, path, parameters.to_string().as_bytes());
        done.unwrap_or_else(|| Err(OWN_PATHS.to_owned()))
    }

    /// The conditions under which requests are carried.
    pub fn conditions(&self) -> Conditions {
        self.shared.account.conditions()
    }

    /// From now on requests are carried under these conditions.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.shared.account.set_conditions(conditions);
    }

    /// The cloud from the inside.
    pub fn operator(&self) -> Operator {
        let Shared { account, on_request, stop, tracker, .. } = &*self.shared;
        Operator {
            account: Arc::clone(account),
            on_request: on_request.clone(),
            stop: stop.clone(),
            tracker: tracker.clone(),
        }
    }

    /// From now on these are served, too. There is one set of pages.
    pub fn show(&self, pages: Arc<dyn Pages>) {
        // A second set is not asked for anywhere.
        let _ = self.shared.pages.set(pages);
    }

    /// Completes when somebody has asked the cloud to stop.
    pub async fn stopped(&self) {
        self.shared.stop.cancelled().await;
    }

    /// Stops serving, and every task and load balancer with it.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
        for mesh in self.shared.account.meshes() {
            mesh.shutdown().await;
        }
    }
}

impl Handler for Shared {
    type Body = Full<Bytes>;

    /// The error is a fault's: it closes the connection without an answer.
    async fn handle(&self, request: hyper::Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Full<Bytes>>> {
        let received = Instant::now();
        let (head, body) = request.into_parts();
        let path = || format!("{} {}", head.method, head.uri.path());
        let refused = |error: &AwsError| {
            let request_id = self.next_request_id();
            let (content_type, body) = encoding_of(&head.uri, &head.headers).error(error, &request_id);
            let mut response =
                response(Answer::refused(error, content_type, body), &request_id, is_cbor(&head.headers));
            self.tell(path(), None, Some(&response), received);
            // Where the clients of services with REST and JSON look for the code.
            if let Ok(code) = header::HeaderValue::from_str(&error.code) {
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            response
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
            if let Some(answer) = self.pages.get().and_then(|pages| pages.answer(&head, &body)) {
                return Ok(answer);
            }
            // A browser names the page that asks: of these paths none has any business there, wherever it is from.
            if head.headers.contains_key(header::ORIGIN) {
                return Ok(own_answer(StatusCode::FORBIDDEN, &json!({ "message": "not for web pages" })));
            }
            return Ok(self.own_path(&head.method, path, &body));
        }
        match Request::decode(&head.method, &head.uri, &head.headers, &body) {
            Ok(request) => {
                let request_id = self.next_request_id();
                let injected = self.account.inject(&request);
                let delay = injected.delay;
                let answer = self.aws_answer(&request, injected, &request_id, is_cbor(&head.headers));
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                self.tell(request.action(), Some(&request.region), answer.as_ref(), received);
                answer.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
            }
            Err(error) => Ok(refused(&error)),
        }
    }
}

impl Shared {
    fn own_path(&self, method: &Method, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let faults = match (method, path) {
            (&Method::GET, "health") => {
                let version = env!("CARGO_PKG_VERSION");
                let health = json!({ "service": "zonewalk", "version": version, "process": std::process::id() });
                return own_answer(StatusCode::OK, &health);
            }
            (&Method::POST, "shutdown") => {
                self.stop.cancel();
                return own_answer(StatusCode::OK, &json!({ "stopping": true }));
            }
            (&Method::GET, "walkthroughs") => {
                let standing = self.account.walkthroughs().into_iter();
                let standing: Value = standing
                    .map(
                        |((name, region), resources)| json!({ "name": name, "region": region, "resources": resources }),
                    )
                    .collect();
                return own_answer(StatusCode::OK, &standing);
            }
            (&Method::GET, "mesh") => return own_answer(StatusCode::OK, &json!(self.account.conditions())),
            (&Method::PUT, "mesh") => match serde_json::from_slice(body) {
                Ok(conditions) => {
                    self.account.set_conditions(conditions);
                    return own_answer(StatusCode::OK, &json!(conditions));
                }
                Err(error) => {
                    return own_answer(StatusCode::BAD_REQUEST, &json!({ "message": error.to_string() }));
                }
            },
            (&Method::GET, "faults") => None,
            (&Method::PUT, "faults") => match Faults::from_json(body) {
                Ok(faults) => Some(faults),
                Err(message) => return own_answer(StatusCode::BAD_REQUEST, &json!({ "message": message })),
            },
            (&Method::DELETE, "faults") => Some(Faults::default()),
            _ => {
                return match control::at(&self.account, method, path, body) {
                    Some(Ok(answer)) => own_answer(StatusCode::OK, &answer),
                    Some(Err(message)) => own_answer(StatusCode::BAD_REQUEST, &json!({ "message": message })),
                    None => own_answer(StatusCode::NOT_FOUND, &json!({ "message": OWN_PATHS })),
                };
            }
        };
        if let Some(faults) = faults {
            self.account.set_faults(faults);
        }
        own_answer(StatusCode::OK, &self.account.faults.lock().report())
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
        if let Some(observer) = &self.observer {
            observer(&Exchange {
                service: request.service.name(),
                operation: request.operation.name,
                status: answer.status.as_u16(),
                content_type: answer.content_type,
                body: answer.body.clone(),
            });
        }
        (!dropped).then(|| response(answer, request_id, cbor))
    }

    /// Tells whoever wants to know what became of a request.
    fn tell(&self, what: String, region: Option<&str>, answer: Option<&Response<Full<Bytes>>>, received: Instant) {
        if let Some(on_request) = &self.on_request {
            on_request(&Served {
                answered_at: Timestamp::now(),
                what,
                region: region.map(str::to_owned),
                status: answer.map(|answer| answer.status().as_u16()),
                error: answer.and_then(|answer| answer.extensions().get()).map(|ErrorCode(code)| code.clone()),
                took: received.elapsed(),
            });
        }
    }

    fn next_request_id(&self) -> String {
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-a000-{n:012x}")
    }
}

/// Goes with an answer that is an error, for the log alone.
#[derive(Clone)]
struct ErrorCode(String);

fn response(answer: Answer, request_id: &str, cbor: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    if let Some(code) = answer.error {
        response.extensions_mut().insert(ErrorCode(code));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(answer.content_type));
    if let Some(Ok(error)) = answer.query_error.map(|error| header::HeaderValue::from_str(&error)) {
        headers.insert("x-amzn-query-error", error);
    }
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
    response(Answer { status, error: None, query_error: None, content_type: "application/json", body }, "-", false)
}
