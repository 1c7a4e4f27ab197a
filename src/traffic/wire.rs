//! How a request goes out and its answer comes in. To an address of this machine it goes on connections of our own, which
//! need no other task to be woken; to all others as the environment's proxies ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use reqwest::{Client, Url, redirect};

use super::load::Header;
use crate::http::{Body, Pool, SendError};

/// How long a connection may take: far longer than there and back to any region.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connections on this machine are kept: they are used again at once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The most that is read of an answer: far more than the application's has, whatever else may answer at the URL.
const MAX_ANSWER: usize = 64 * 1024;

/// An answer, whatever it says.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// The bytes of its status line, headers and body.
    pub(super) bytes: u64,
}

/// Why there is no answer.
pub(super) enum Failure {
    /// There was no connection. In silence: nothing was heard from there, not even a refusal.
    Unconnected {
        reason: String,
        in_silence: bool,
    },
    Broken(String),
}

pub(super) struct Wire {
    url: Url,
    way: Way,
    headers: HeaderMap,
    /// The bytes of a request: its first line and its headers.
    pub(super) request_bytes: u64,
}

enum Way {
    /// Connections to an address of this machine, and the path that is asked for there.
    Own(Arc<Pool>, Uri),
    Others(Client),
}

impl Wire {
    pub(super) fn new(url: &Url, headers: &[Header]) -> Result<Self, reqwest::Error> {
        let headers: HeaderMap = headers.iter().map(|Header(name, value)| (name.clone(), value.clone())).collect();
        let path = url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let frame = "GET  HTTP/1.1\r\nhost: \r\n\r\n".len();
        let request_bytes = (frame + path.len() + host.len()) as u64 + header_bytes(&headers);
        let own = own_address(url).zip(path.parse().ok()).zip(HeaderValue::from_str(&host).ok());
        let mut wire = Self { url: url.clone(), headers, request_bytes, way: Way::Others(client(url)?) };
        if let Some(((address, path), host)) = own {
            wire.way = Way::Own(Pool::new(address, IDLE_TIMEOUT, Arc::default()), path);
            wire.headers.entry(HOST).or_insert(host);
        }
        Ok(wire)
    }

    /// Sends a request and reads the answer. Every answer counts as it is: none is followed elsewhere.
    pub(super) async fn exchange(&self) -> Result<Received, Failure> {
        match &self.way {
            Way::Own(pool, path) => {
                let mut request = Request::new(Body::Whole(Bytes::new()));
                *request.uri_mut() = path.clone();
                *request.headers_mut() = self.headers.clone();
                let (head, body) = pool.send(request).await?.into_parts();
                Received::read(head.status, &head.headers, body).await
            }
            Way::Others(client) => {
                let request = client.get(self.url.clone()).headers(self.headers.clone());
                let answer = request.send().await?;
                let (status, headers) = (answer.status(), answer.headers().clone());
                Received::read(status, &headers, reqwest::Body::from(answer)).await
            }
        }
    }
}

impl Received {
    async fn read<B>(status: StatusCode, headers: &HeaderMap, body: B) -> Result<Self, Failure>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let body = Box::pin(Limited::new(body, MAX_ANSWER)).collect().await;
        let body = body.map_err(|error| Failure::Broken(innermost_cause(error.as_ref())))?.to_bytes();
        let line = "HTTP/1.1 200 \r\n\r\n".len() + status.canonical_reason().unwrap_or_default().len();
        Ok(Self { status, bytes: (line + body.len()) as u64 + header_bytes(headers), body })
    }
}

fn header_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + ": \r\n".len() + value.len()) as u64).sum()
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => Self::Unconnected { reason: not_connected(), in_silence: true },
            (true, false) => Self::Unconnected { reason: innermost_cause(&error), in_silence: false },
            (false, _) => Self::Broken(innermost_cause(&error)),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Connect { error, .. } if error.kind() == std::io::ErrorKind::TimedOut => {
                Self::Unconnected { reason: not_connected(), in_silence: true }
            }
            SendError::Connect { error, .. } => {
                Self::Unconnected { reason: innermost_cause(&error), in_silence: false }
            }
            SendError::Request(error) | SendError::Reset(error) => Self::Broken(innermost_cause(&error)),
            SendError::Protocol(reason) => Self::Broken(reason),
        }
    }
}

fn not_connected() -> String {
    format!("not connected within {} s", CONNECT_TIMEOUT.as_secs())
}

fn innermost_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A client that goes by the environment's proxies, but to this machine itself.
fn client(url: &Url) -> Result<Client, reqwest::Error> {
    let client = Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT_TIMEOUT);
    if is_loopback(url) { client.no_proxy() } else { client }.build()
}

/// Where to connect, if the URL has an address of this machine.
fn own_address(url: &Url) -> Option<SocketAddr> {
    let ip = address(url).filter(|ip| ip.to_canonical().is_loopback() && url.scheme() == "http")?;
    Some(SocketAddr::new(ip, url.port_or_known_default()?))
}

fn address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match address(url) {
        Some(ip) => ip.to_canonical().is_loopback(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let is_loopback = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for url in
            ["http://127.0.0.1:80/", "http://127.8.8.8/", "http://[::1]:80/", "http://LOCALHOST/", "http://127.1"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://lb.example.invalid/", "http://10.0.0.1/", "http://[2001:db8::1]/", "http://localhost.test/"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
