//! The listener that takes the place of the container's port: what comes in goes to the application on loopback.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::{IDLE_TIMEOUT, NoResponse, REQUEST_TIMEOUT, local_reply, passed_on, refuse_http_10};
use crate::mesh::http::{Body, Handler, Pool, strip_hop_by_hop, to_origin_form};

pub(super) struct Inbound {
    /// `None`: the container does not listen on this port.
    application: Option<Arc<Pool>>,
}

impl Inbound {
    pub(super) fn new(application: Option<SocketAddr>) -> Self {
        Self { application: application.map(|address| Pool::new(address, IDLE_TIMEOUT, Arc::default())) }
    }
}

impl Handler for Inbound {
    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> Response<Body> {
        if let Some(refusal) = refuse_http_10(&request) {
            return refusal;
        }
        let Some(application) = &self.application else {
            return NoResponse::CONNECT_FAILURE.answer(false);
        };
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut request = request.map(Body::Streamed);
        strip_hop_by_hop(request.headers_mut());
        to_origin_form(request.uri_mut());
        match timeout_at(deadline, application.send(request)).await {
            Ok(Ok(response)) => {
                let mut response = passed_on(response);
                response.body_mut().set_deadline(deadline);
                response
            }
            Ok(Err(error)) => NoResponse::from(&error).answer(false),
            Err(_) => local_reply(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout"),
        }
    }
}
