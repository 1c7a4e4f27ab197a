//! Where the commands find the hosts: a few paths on loopback.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Ask;

pub(super) const ENTRANCE: &str = "/_zonewalk/entrance/";

/// After a failed `accept` (most likely no file descriptor is left) it waits this long, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(listener: TcpListener, asks: mpsc::Sender<Ask>, stop: CancellationToken) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((connection, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (asks, stop) = (asks.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, asks.clone(), stop.clone()));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a control connection broke");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    asks: mpsc::Sender<Ask>,
    stop: CancellationToken,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let said = match (request.method(), path) {
        (&Method::GET, "/_zonewalk/health") => Ok(String::new()),
        (&Method::POST, "/_zonewalk/shutdown") => {
            stop.cancel();
            Ok(String::new())
        }
        (&Method::POST, "/_zonewalk/leave") => ask(&asks, Ask::Leave).await.map(|()| String::new()),
        (&Method::GET, "/_zonewalk/stats") => ask(&asks, Ask::Stats).await,
        (&Method::GET, "/_zonewalk/notes") => ask(&asks, Ask::Notes).await.map(|notes| notes.join("\n")),
        // Empty: it leads nowhere.
        (&Method::GET, path) if path.starts_with(ENTRANCE) => {
            let name = path[ENTRANCE.len()..].to_owned();
            ask(&asks, |reply| Ask::Entrance(name, reply)).await.map(Option::unwrap_or_default)
        }
        (method, path) => Err(format!("the hosts have no {method} {path}")),
    };
    let (status, text) = match said {
        Ok(text) => (StatusCode::OK, text),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
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
