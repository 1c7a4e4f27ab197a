//! The listener for what the application sends: `Host` names the client alias, and with it the upstream cluster.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};

use super::answers::{answered, local_reply};
use super::clusters::Clusters;
use crate::http::{Body, Handler};
use crate::mesh::journal::Recorder;

pub(super) struct Outbound {
    pub(super) clusters: Arc<Clusters>,
    pub(super) recorder: Option<Recorder>,
}

impl Handler for Outbound {
    type Body = Body;
    const TAKES_HTTP2: bool = true;

    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        let pass_on = async |request| match authority(&request).and_then(|name| self.clusters.called(name)) {
            Some(cluster) => cluster.forward(request, self.recorder.as_ref()).await,
            // Envoy's answer when no route matches.
            None => local_reply(StatusCode::NOT_FOUND, Bytes::new()),
        };
        Ok(answered(request, pass_on).await)
    }
}

/// The authority that a request is for: an absolute target wins over `Host` (RFC 9112, section 3.2.2).
fn authority(request: &Request<Incoming>) -> Option<&[u8]> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => request.headers().get(HOST).map(|host| host.as_bytes()),
    }
}
