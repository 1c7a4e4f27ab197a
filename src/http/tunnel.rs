//! Bytes both ways between two connections: TCP, and what follows a switch of protocols, as WebSocket makes one.

use std::pin::Pin;
use std::sync::Arc;

use hyper::client::conn::http1;
use hyper::header::UPGRADE;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

use super::body::Body;
use super::multiplexed::Stream;
use super::pool::{HttpVersion, Pool, SendError, classify};
use super::{MAX_BUFFER, MAX_RESPONSE_HEAD};

/// The most that is on its way in either direction, in bytes.
const BUFFER: usize = 16 * 1024;

/// Passes on what either side sends until both have ended: one may end while the other still sends.
pub(crate) async fn join(mut one: impl AsyncRead + AsyncWrite + Unpin, mut other: impl AsyncRead + AsyncWrite + Unpin) {
    if let Err(error) = copy_bidirectional_with_sizes(&mut one, &mut other, BUFFER, BUFFER).await {
        tracing::debug!("a tunnel ended: {error}");
    }
}

/// An endpoint's connection after it has switched protocols.
pub(crate) struct Switched {
    connection: Upgraded,
    /// It is counted as long as it stands.
    _stream: Stream,
}

/// Sends a request that asks for a switch of protocols, on a connection of its own. `on_connection` is called when there is one.
pub(super) async fn send(
    pool: &Pool,
    request: Request<Body>,
    mut on_connection: impl FnMut(),
) -> Result<Response<Body>, SendError> {
    let (socket, counted) = match pool.connect().await {
        Ok(dialed) => dialed,
        Err(error) => return Err(SendError::Connect { error, unsent: Box::new(request) }),
    };
    on_connection();
    let stream = Stream::alone(counted, pool.counters.clone());
    let mut client = http1::Builder::new();
    client.max_header_size(MAX_RESPONSE_HEAD).max_buf_size(MAX_BUFFER);
    let (mut sender, connection) = client.handshake(TokioIo::new(socket)).await.map_err(classify)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!("a connection to an endpoint ended: {error}");
        }
    });
    let mut response = sender.send_request(request).await.map_err(classify)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let connection = hyper::upgrade::on(&mut response).await.map_err(classify)?;
        return Ok(response.map(|_| Body::Switched(Box::new(Switched { connection, _stream: stream }))));
    }
    Ok(response.map(|incoming| Body::stream(incoming, HttpVersion::Http1, stream)))
}

/// A client that asks for a switch of protocols.
pub(crate) struct Switching {
    client: OnUpgrade,
    place: Place,
}

impl Switching {
    /// The client of a request, if a switch can follow it.
    pub(crate) fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let place = request.extensions_mut().remove()?;
        Some(Self { client: hyper::upgrade::on(request), place })
    }

    /// If an endpoint's response makes the switch, has the client's connection go on with the endpoint's, once the client has it.
    pub(crate) fn complete(self, response: &mut Response<Body>) {
        let Some(endpoint) = response.body_mut().take_switched() else { return };
        let Self { client, place } = self;
        *place.0.lock() = Some(Box::pin(async move {
            match client.await {
                Ok(client) => {
                    let Switched { connection, _stream } = *endpoint;
                    join(TokioIo::new(client), TokioIo::new(connection)).await;
                }
                Err(error) => tracing::debug!("no switch of protocols after all: {error}"),
            }
        }));
    }
}

type Tunnel = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a client's connection finds what it is to go on with.
#[derive(Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<Tunnel>>>);

impl Place {
    /// Notes it in a request that may ask for a switch.
    pub(super) fn note<B>(&self, request: &mut Request<B>) {
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(self.clone());
        }
    }

    pub(super) fn take(&self) -> Option<Tunnel> {
        self.0.lock().take()
    }
}
