//! The control server: a few paths on loopback, where the commands' [`client`](super::client) asks.

use std::io;
use std::net::IpAddr;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Ask, Said};
use crate::http::{Body, Handler, answer};

pub(super) const INGRESS: &str = "/_zonewalk/ingress/";

/// Passes on what is asked, and can be told to stop the hosts.
pub(super) struct Control {
    pub(super) asks: mpsc::Sender<(Ask, oneshot::Sender<Said>)>,
    pub(super) stop: CancellationToken,
}

impl Handler for Control {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        let said = match (request.method(), request.uri().path()) {
            (&Method::GET, "/_zonewalk/health") => Ok(String::new()),
            (&Method::POST, "/_zonewalk/shutdown") => {
                self.stop.cancel();
                Ok(String::new())
            }
            (&Method::POST, "/_zonewalk/drain") => self.ask(Ask::Drain).await,
            (&Method::POST, "/_zonewalk/resume") => self.ask(Ask::Resume).await,
            (&Method::GET, "/_zonewalk/needed") => self.ask(Ask::Needed).await,
            (&Method::GET, "/_zonewalk/trouble") => self.ask(Ask::Trouble).await,
            (&Method::GET, "/_zonewalk/stats") => self.ask(Ask::Stats).await,
            (&Method::GET, "/_zonewalk/notes") => self.ask(Ask::Notes).await,
            (&Method::GET, path) if path.starts_with(INGRESS) => {
                self.ask(Ask::Ingress(path[INGRESS.len()..].to_owned())).await
            }
            (method, path) => Err(format!("the hosts have no {method} {path}")),
        };
        Ok(match said {
            Ok(text) => answer(StatusCode::OK, "text/plain", text),
            Err(reason) => answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", reason),
        })
    }
}

impl Control {
    async fn ask(&self, ask: Ask) -> Said {
        let (reply, replied) = oneshot::channel();
        let ended = || "the hosts have ended".to_owned();
        self.asks.send((ask, reply)).await.map_err(|_| ended())?;
        replied.await.map_err(|_| ended())?
    }
}
