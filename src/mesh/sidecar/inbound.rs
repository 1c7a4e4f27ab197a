//! The listener that takes the place of the container's port: what comes in goes to the application on loopback.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::answers::{REFUSED, answer_for, local_reply, no_response, refuse_http_10};
use super::limits::{IDLE_TIMEOUT, in_time};
use crate::http::{Body, Handler, Pool, passed_on, to_next_hop};

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
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        if let Some(refusal) = refuse_http_10(&request) {
            return Ok(refusal);
        }
        let Some(application) = &self.application else {
            return Ok(no_response(StatusCode::SERVICE_UNAVAILABLE, false, REFUSED));
        };
        let (mut head, body) = request.into_parts();
        to_next_hop(&mut head);
        let (body, ended) = Body::streamed(body);
        let (sent, deadline) = in_time(ended, application.send(Request::from_parts(head, body))).await;
        Ok(match sent {
            Ok(Ok(response)) => {
                let mut response = passed_on(response);
                response.body_mut().set_deadline(deadline);
                response
            }
            Ok(Err(error)) => answer_for(&error, false),
            Err(_) => local_reply(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout"),
        })
    }
}
