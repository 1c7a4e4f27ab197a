//! The control server: a few paths on loopback, where the commands' [`client`](super::client) asks.

use std::io;
use std::net::IpAddr;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Ask;
use crate::http::{Body, Handler, answer};

pub(super) const INGRESS: &str = "/_zonewalk/ingress/";

/// Passes on what is asked, and can be told to stop the hosts.
pub(super) struct Control {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) stop: CancellationToken,
}

impl Handler for Control {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        let asks = &self.asks;
        let said = match (request.method(), request.uri().path()) {
            (&Method::GET, "/_zonewalk/health") => Ok(String::new()),
            (&Method::POST, "/_zonewalk/shutdown") => {
                self.stop.cancel();
                Ok(String::new())
            }
            (&Method::POST, "/_zonewalk/drain") => ask(asks, Ask::Drain).await.map(|()| String::new()),
            (&Method::GET, "/_zonewalk/stats") => ask(asks, Ask::Stats).await,
            (&Method::GET, "/_zonewalk/notes") => ask(asks, Ask::Notes).await.map(|notes| notes.join("\n")),
            // Empty: the name leads nowhere.
            (&Method::GET, path) if path.starts_with(INGRESS) => {
                let name = path[INGRESS.len()..].to_owned();
                ask(asks, |reply| Ask::Ingress(name, reply)).await.map(Option::unwrap_or_default)
            }
            (method, path) => Err(format!("the hosts have no {method} {path}")),
        };
        Ok(match said {
            Ok(text) => answer(StatusCode::OK, "text/plain", text),
            Err(reason) => answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", reason),
        })
    }
}

async fn ask<T>(
    asks: &mpsc::Sender<Ask>,
    what: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Ask,
) -> Result<T, String> {
    let (reply, replied) = oneshot::channel();
    let ended = || "the hosts have ended".to_owned();
    asks.send(what(reply)).await.map_err(|_| ended())?;
    replied.await.map_err(|_| ended())?
}
