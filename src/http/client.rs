//! A client that asks once: a connection for one request, and its whole answer within a limit of time.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// The port that an `http` URL means if it names none.
pub(crate) const PORT: u16 = 80;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{0:?} is no http URL")]
    Url(String),
    #[error(transparent)]
    Connect(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("no answer in time")]
    Late,
}

/// The answer to a request at an `http` URL.
pub(crate) async fn ask(
    method: Method,
    url: &str,
    body: impl Into<Bytes>,
    limit: Duration,
) -> Result<(StatusCode, Bytes), AskError> {
    let uri: Uri = url.parse().map_err(|_| AskError::Url(url.to_owned()))?;
    let Some(authority) = uri.authority().filter(|_| uri.scheme_str() == Some("http")) else {
        return Err(AskError::Url(url.to_owned()));
    };
    let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(PORT));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let connect = TcpStream::connect(address);
    within(limit, async { exchange(connect.await?, method, authority.as_str(), path, body.into()).await }).await
}

/// The same of a server that listens on a Unix socket.
pub(crate) async fn ask_socket(
    method: Method,
    socket: &Path,
    path: &str,
    limit: Duration,
) -> Result<(StatusCode, Bytes), AskError> {
    let connect = UnixStream::connect(socket);
    within(limit, async { exchange(connect.await?, method, "localhost", path, Bytes::new()).await }).await
}

async fn within<T>(limit: Duration, asking: impl Future<Output = Result<T, AskError>>) -> Result<T, AskError> {
    timeout(limit, asking).await.unwrap_or(Err(AskError::Late))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    method: Method,
    host: &str,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), AskError> {
    let request = Request::builder().method(method).uri(path).header(HOST, host).body(Full::new(body));
    let request = request.map_err(|_| AskError::Url(path.to_owned()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    };
    // What breaks the connection is in the answer, if it was not complete; the connection ends with the sender.
    tokio::join!(answer, connection).0
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Reads a request's head, answers with `answer` and closes; gives back what it has read.
    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    }

    async fn asked(answer: &str) -> (Result<(StatusCode, Bytes), AskError>, String) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}/a?b", listener.local_addr().unwrap());
        let server = async { serve(listener.accept().await.unwrap().0, answer).await };
        tokio::join!(ask(Method::POST, &url, "x", LIMIT), server)
    }

    #[tokio::test]
    async fn answers_come_whole_or_in_chunks_from_either_kind_of_socket() {
        let (answer, head) = asked("HTTP/1.1 503 Unavailable\r\ncontent-length: 3\r\n\r\nno\n").await;
        assert_eq!(answer.unwrap(), (StatusCode::SERVICE_UNAVAILABLE, Bytes::from("no\n")));
        assert!(head.starts_with("POST /a?b HTTP/1.1\r\nhost: 127.0.0.1:"), "{head}");

        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\na\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
        let server = async { serve(listener.accept().await.unwrap().0, chunked).await };
        let (answer, head) = tokio::join!(ask_socket(Method::GET, &socket, "/stats?filter=^a\\.b$", LIMIT), server);
        assert_eq!(answer.unwrap(), (StatusCode::OK, Bytes::from("a\r\n0123456789")));
        assert!(head.starts_with("GET /stats?filter=^a\\.b$ HTTP/1.1\r\n"), "{head}");
    }

    #[tokio::test]
    async fn what_broke_off_is_late_or_is_no_answer_is_an_error() {
        let (answer, _) = asked("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        assert!(matches!(answer, Err(AskError::Http(_))), "{answer:?}");
        let (answer, _) = asked("").await;
        assert!(matches!(answer, Err(AskError::Http(_))), "{answer:?}");
        let silent = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let answer = ask(Method::GET, &url, "", Duration::from_millis(1)).await;
        assert!(matches!(answer, Err(AskError::Late)), "{answer:?}");
        let answer = ask(Method::GET, "https://127.0.0.1", "", LIMIT).await;
        assert!(matches!(answer, Err(AskError::Url(_))), "{answer:?}");
    }
}
