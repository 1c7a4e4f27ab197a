//! The listener that takes the place of the container's port: what comes in goes to the application on loopback.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::answers::{REFUSED, answer_for, local_reply, no_response, refuse};
use super::limits::{IDLE_TIMEOUT, in_time};
use crate::http::{Body, Handler, Pool, passed_on, to_next_hop};
use crate::mesh::journal::{Recorder, To};

pub(super) struct Inbound {
    /// The task's port whose place it takes.
    port: u16,
    recorder: Option<Recorder>,
    /// `None`: the container does not listen on this port.
    application: Option<Arc<Pool>>,
}

impl Inbound {
    pub(super) fn new(port: u16, application: Option<SocketAddr>, recorder: Option<Recorder>) -> Self {
        let application = application.map(|address| Pool::new(address, IDLE_TIMEOUT, Arc::default()));
        Self { port, recorder, application }
    }
}

impl Handler for Inbound {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        if let Some(refusal) = refuse(&request) {
            return Ok(refusal);
        }
        let Some(application) = &self.application else {
            return Ok(no_response(StatusCode::SERVICE_UNAVAILABLE, false, REFUSED));
        };
        let (mut head, body) = request.into_parts();
        let recording = self.recorder.as_ref().map(|recorder| recorder.begin(&mut head));
        to_next_hop(&mut head);
        let (body, ended) = Body::streamed(body);
        let size = body.size();
        let (sent, deadline) = in_time(ended, application.send(Request::from_parts(head, body))).await;
        let mut response = match sent {
            Ok(Ok(response)) => {
                let mut response = passed_on(response);
                response.body_mut().set_deadline(deadline);
                response
            }
            Ok(Err(error)) => answer_for(&error, false),
            Err(_) => local_reply(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout"),
        };
        if let Some(recording) = recording {
            recording.end(To::Own(self.port), size, &mut response);
        }
        Ok(response)
    }
}
