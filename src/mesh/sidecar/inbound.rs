//! The listener that takes the place of the container's port: what comes in goes to the application on loopback.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::answers::{REFUSED, answer_for, answered, local_reply, no_response, switching};
use super::tcp;
use super::time_limit::in_time;
use crate::http::{Body, Handler, HttpVersion, Pool, TcpConnection, passed_on, to_next_hop};
use crate::mesh::journal::{Recorder, To};
use crate::mesh::transport::Transport;

pub(super) struct Inbound {
    /// The task's port whose place it takes.
    port: u16,
    recorder: Option<Recorder>,
    transport: Transport,
    /// `None`: the container does not listen on this port.
    application: Option<Arc<Pool>>,
}

impl Inbound {
    pub(super) fn new(
        port: u16,
        application: Option<SocketAddr>,
        transport: Transport,
        recorder: Option<Recorder>,
    ) -> Self {
        let idle_timeout = transport.idle_timeout.unwrap_or(Duration::MAX);
        let connections = |address| Pool::of(transport.http_version(), address, idle_timeout, Arc::default());
        let application = application.map(connections);
        Self { port, recorder, transport, application }
    }

    /// Closes the connections to the application that have been idle for too long, or that it has closed.
    pub(super) fn sweep(&self) {
        if let Some(application) = &self.application {
            application.sweep();
        }
    }

    /// Carries a connection as it is.
    pub(super) async fn carry(&self, client: TcpConnection) {
        if let Some(application) = &self.application {
            tcp::carry(client, application).await;
        }
    }

    async fn pass_on(&self, mut request: Request<Incoming>) -> Response<Body> {
        let switching = match switching(&mut request, &self.transport) {
            Ok(switching) => switching,
            Err(refusal) => return *refusal,
        };
        let Some(application) = &self.application else {
            return no_response(StatusCode::SERVICE_UNAVAILABLE, false, REFUSED);
        };
        let (mut head, body) = request.into_parts();
        let recording = self.recorder.as_ref().map(|recorder| recorder.begin(&mut head));
        let version = HttpVersion::of(&head);
        to_next_hop(&mut head, switching.is_some());
        let (body, ended) = Body::streamed(body, version);
        let size = body.size();
        let sending = pin!(application.send(Request::from_parts(head, body)));
        let (sent, deadline) = in_time(ended, self.transport.per_request_timeout, sending).await;
        let mut response = match sent {
            Ok(Ok(response)) => passed_on(response),
            Ok(Err(error)) => answer_for(&error, false),
            Err(_) => local_reply(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout"),
        };
        response.body_mut().set_deadline(deadline);
        if let Some(switching) = switching {
            switching.complete(&mut response);
        }
        if let Some(recording) = recording {
            recording.end(To::Own(self.port), size, &mut response);
        }
        response
    }
}

impl Handler for Inbound {
    type Body = Body;
    const TAKES_HTTP2: bool = true;

    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        Ok(answered(request, |request| self.pass_on(request)).await)
    }
}
