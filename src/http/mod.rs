//! HTTP on this machine: the one server, which drains, and a client that asks once; for proxies a pool of keep-alive
//! connections per endpoint, bodies that stream, and the headers that end at each hop.
//!
//! A request passes through a proxy in one task: the server's connection polls the service, the service polls its
//! upstream connection. No channel and no other task is between them, so nothing has to be woken across threads.

mod body;
mod client;
mod connection;
mod headers;
mod loopback;
mod multiplexed;
mod pool;
mod progress;
mod replay;
mod server;
mod small_writes;
mod tunnel;

pub(crate) use body::{Body, BodySize, Ended};
pub(crate) use client::{AskError, PORT, ask, ask_socket};
pub(crate) use headers::{is_chunked, passed_on, switches_to, to_next_hop};
pub(crate) use loopback::{is_loopback, on_loopback};
pub(crate) use multiplexed::is_grpc;
pub use pool::Patience;
pub(crate) use pool::{HttpVersion, Pool, PoolCounters, SendError};
pub use server::Server;
pub(crate) use server::{Handler, TcpConnection, listen, listen_shared};
pub(crate) use tunnel::{Switching, join};

/// The largest head of a request, in bytes: Envoy's `max_request_headers_kb`, whose default is 60.
const MAX_REQUEST_HEAD: usize = 60 * 1024;

/// The largest head of an answer, in bytes: what Envoy takes from an upstream cluster by default.
const MAX_RESPONSE_HEAD: usize = 80 * 1024;

/// The most that is read of a connection ahead, in bytes, so that many connections take little memory: a little more than a head.
const MAX_BUFFER: usize = 96 * 1024;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// A response with a whole body, as servers make it.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::Whole(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
