//! What answers in the place of containers that are not the article's application, of which nothing is known but their
//! ports: HTTP, 200 to everything. Load balancers find them healthy, and their services get stable.

use std::io;
use std::net::IpAddr;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::http::{Body, Handler, answer};
use crate::mesh::topology::Task;

pub(in crate::mesh) struct Plain(String);

impl Plain {
    pub(in crate::mesh) fn of(task: &Task) -> Self {
        Self(format!("{} in {}: containers are not run here, this answers for them\n", task.family, task.az_id))
    }
}

impl Handler for Plain {
    type Body = Body;

    async fn handle(&self, _request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        Ok(answer(StatusCode::OK, "text/plain", self.0.clone()))
    }
}
