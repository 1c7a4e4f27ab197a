//! The admin interface on a Unix socket: Envoy's `/ready`, `/stats` and `/clusters`.

use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::State;
use crate::http::{Body, answer};

/// How long a client may take to send a request, or to send none.
const PATIENCE: Duration = Duration::from_secs(60);

/// After a failed `accept` (most likely no file descriptor is left) it waits this long, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The running interface. Dropped, it is gone with its socket.
pub(super) struct Admin {
    path: PathBuf,
    _accepting: AbortOnDropHandle<()>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }
}

impl Admin {
    pub(super) fn serve(path: &Path, state: Arc<State>) -> io::Result<Self> {
        let listener = listen(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let accepting = tokio::spawn(accept(listener, state));
        Ok(Self { path: path.to_owned(), _accepting: AbortOnDropHandle::new(accepting) })
    }
}

/// Takes the place of a socket that nobody listens at any more.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match std::os::unix::net::UnixStream::connect(path) {
            Err(stale) if stale.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)
            }
            _ => Err(error),
        },
        bound => bound,
    }
}

async fn accept(listener: UnixListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(converse(stream, state.clone()))),
                Err(error) => {
                    tracing::warn!("failed to accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: UnixStream, state: Arc<State>) {
    let service = service_fn(|request| {
        let response = respond(&request, &state);
        async { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("an admin connection ended: {error}");
    }
}

fn respond(request: &Request<Incoming>, state: &State) -> Response<Body> {
    let text = |status, text: String| answer(status, "text/plain; charset=UTF-8", text);
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET is the only method\n".to_owned());
    }
    match (request.uri().path(), request.uri().query()) {
        ("/ready", None) if state.is_draining() => text(StatusCode::SERVICE_UNAVAILABLE, "DRAINING\n".to_owned()),
        ("/ready", None) => text(StatusCode::OK, "LIVE\n".to_owned()),
        ("/clusters", None) => text(StatusCode::OK, state.sidecar.hosts()),
        ("/stats", None) => text(StatusCode::OK, state.stats()),
        ("/stats", Some("histogram_buckets=detailed")) => text(StatusCode::OK, state.stats() + &state.sidecar.times()),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /ready, /clusters, /stats and /stats?histogram_buckets=detailed\n".to_owned(),
        ),
    }
}
