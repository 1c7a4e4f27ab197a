//! HTTP/1.1 on this machine: the one server, which drains, and a client that asks once; for proxies a pool of keep-alive
//! connections per endpoint, bodies that stream, and the headers that end at each hop.
//!
//! A request passes through a proxy in one task: the server's connection polls the service, the service polls its
//! upstream connection. No channel and no other task is between them, so nothing has to be woken across threads.

mod body;
mod client;
mod connection;
mod headers;
mod loopback;
mod pool;
mod server;

pub(crate) use body::{Body, BodySize, Ended};
pub(crate) use client::{AskError, PORT, ask, ask_socket};
pub(crate) use headers::{passed_on, to_next_hop};
pub(crate) use loopback::is_loopback;
pub use pool::Patience;
pub(crate) use pool::{Pool, PoolCounters, SendError};
pub use server::Server;
pub(crate) use server::{Handler, listen, listen_shared};

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
