//! Streams through the sidecar that break off, go on for long, or find no place: what a proxy must not take for something else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use zonewalk::mesh::endpoints::{Address, Upstream};
use zonewalk::mesh::sidecar::Sidecar;
use zonewalk::mesh::topology::Patience;
use zonewalk::mesh::transport::{AppProtocol, Transport};

use crate::mesh_stage::eventually;
use crate::sidecar::{ALIAS, Proxy, address, local, own, upstream};
use crate::stub_host::{Manner, OK, Stub};
use crate::support::skip;

type Sent = UnsyncBoxBody<Bytes, Infallible>;

/// One whose application may be silent for as long as it likes.
fn proxy(transport: &Transport, hosts: Vec<Address>) -> Proxy {
    Proxy::of(None, transport, hosts)
}

/// A host that treats each of its connections so.
async fn host_that<C: Future<Output = ()> + Send + 'static>(
    converse: impl Fn(TcpStream) -> C + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream));
        }
    });
    address
}

/// Sends by HTTP/1.1 or HTTP/2, on a connection of its own.
async fn send(to: SocketAddr, by_http2: bool, body: Sent) -> Response<Incoming> {
    let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
    if by_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(Request::post(format!("http://{ALIAS}/")).body(body).unwrap()).await.unwrap()
    } else {
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(Request::post("/").header(HOST, ALIAS).body(body).unwrap()).await.unwrap()
    }
}

fn empty() -> Sent {
    Full::default().boxed_unsync()
}

fn http2() -> Transport {
    Transport::of(AppProtocol::Http2)
}

// Frames of HTTP/2 (RFC 9113, sections 4.1 and 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;
const NO_ERROR: [u8; 4] = [0; 4];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let head = [0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream];
    [&head, payload].concat()
}

/// A host of HTTP/2 that begins to answer and then resets the stream without an error, as Envoy does.
async fn resetting(reset: Arc<Notify>) -> SocketAddr {
    host_that(move |mut stream| {
        let reset = reset.clone();
        async move {
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.unwrap();
            stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
            let mut head = [0; 9];
            while head[3] != HEADERS {
                stream.read_exact(&mut head).await.unwrap();
                stream.read_exact(&mut vec![0; usize::from(head[1]) << 8 | usize::from(head[2])]).await.unwrap();
            }
            // 0x88 is `:status: 200` (RFC 7541, appendix A).
            let answer = [frame(HEADERS, END_HEADERS, 1, &[0x88]), frame(DATA, 0, 1, b"half of it")];
            stream.write_all(&answer.concat()).await.unwrap();
            // When the head has been passed on.
            reset.notified().await;
            stream.write_all(&frame(RST_STREAM, 0, 1, &NO_ERROR)).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_that_is_reset_without_an_error_is_not_whole() {
    for by_http2 in [false, true] {
        let reset = Arc::new(Notify::new());
        let proxy = proxy(&http2(), vec![address(resetting(reset.clone()).await)]);
        let response = send(proxy.outbound, by_http2, empty()).await;
        assert_eq!(response.status(), StatusCode::OK);
        reset.notify_one();
        let body = response.into_body().collect().await;
        assert!(body.is_err(), "half of an answer was passed on as the whole: {body:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_reset_without_an_error_is_not_whole() {
    let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sidecar = Sidecar::new(&own(), vec![]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inbound = listener.local_addr().unwrap();
    let at = application.local_addr().ok();
    let _server = sidecar.serve_inbound(1, listener, at, &Transport::default(), &Handle::current()).unwrap();
    let mut client = TcpStream::connect(inbound).await.unwrap();
    // `:method: POST`, `:scheme: http`, `:path: /` and `:authority: a`.
    let head = [0x83, 0x86, 0x84, 0x41, 1, b'a'];
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &head),
        frame(DATA, 0, 1, b"half"),
    ];
    client.write_all(&request.concat()).await.unwrap();
    let mut stream = application.accept().await.unwrap().0;
    let mut heard = Vec::new();
    while !heard.ends_with(b"half\r\n") {
        assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
    }
    client.write_all(&frame(RST_STREAM, 0, 1, &NO_ERROR)).await.unwrap();
    // The connection breaks, and no last chunk comes before.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

/// A host of HTTP/2 that takes so many streams at a time, and answers when all of the request is there.
async fn host(most_streams: u32, connections: Arc<AtomicU32>) -> SocketAddr {
    host_that(move |stream| {
        connections.fetch_add(1, Relaxed);
        let answer = async |request: Request<Incoming>| {
            // The head at once.
            let length = stream::once(async {
                let length = request.into_body().collect().await.unwrap().to_bytes().len();
                Ok::<_, Infallible>(Frame::data(Bytes::from(length.to_string())))
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(length))))
        };
        let mut builder = server::conn::http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(most_streams);
        let serving = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
        async move { drop(serving.await) }
    })
    .await
}

/// A body of so many pieces, one a tenth of a second.
fn drop_by_drop(pieces: usize) -> Sent {
    let piece = |left: usize| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (left > 0).then(|| (Ok(Frame::data(Bytes::from_static(b"x"))), left - 1))
    };
    StreamBody::new(Box::pin(stream::unfold(pieces, piece))).boxed_unsync()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_client_that_goes_on_sending_is_not_idle() {
    let host = host(100, Arc::default()).await;
    let proxy = Proxy::of(Some(Duration::from_secs(1)), &http2(), vec![address(host)]);
    let response = send(proxy.outbound, true, drop_by_drop(30)).await;
    assert_eq!(text(response).await, "30");
}

#[tokio::test]
async fn where_a_host_takes_no_more_streams_there_is_another_connection() {
    let connections = Arc::new(AtomicU32::new(0));
    let host = host(1, connections.clone()).await;
    let proxy = proxy(&http2(), vec![address(host)]);
    // It tells how many it takes when a connection begins.
    assert_eq!(text(send(proxy.outbound, true, empty()).await).await, "0");
    let endless = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>()).boxed_unsync();
    let _standing = send(proxy.outbound, true, endless).await;
    assert_eq!(text(send(proxy.outbound, true, empty()).await).await, "0");
    assert_eq!(connections.load(Relaxed), 2);
}

#[tokio::test]
async fn those_who_wait_for_a_connection_fail_together_and_are_retried() {
    let good = host(100, Arc::default()).await;
    let patience = Patience { connect: Duration::from_secs(2), idle: Duration::from_secs(60) };
    let silent = Address { blocked: Some(patience), ..address("127.0.0.1:1".parse().unwrap()) };
    let limit = Some(Duration::from_secs(8));
    let transport = Transport { per_request_timeout: limit, ..http2() };
    let proxy = proxy(&transport, vec![silent, address(good)]);
    // Round robin sends it every other one; one after the other they would take 16 s.
    let sent = (0..16).map(|_| send(proxy.outbound, true, empty()));
    let statuses: Vec<_> = join_all(sent).await.iter().map(Response::status).collect();
    assert_eq!(statuses, [StatusCode::OK; 16]);
    // One, for all that came before it had failed; a second where this machine stood still meanwhile.
    let failed = proxy.stat("upstream_cx_connect_fail");
    assert!((1..=2).contains(&failed), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_answer_that_never_waits_has_the_requests_time_as_well() {
    let host = host_that(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        // Until nobody takes it.
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    })
    .await;
    let transport = Transport { per_request_timeout: Some(Duration::from_secs(1)), ..Transport::default() };
    let proxy = proxy(&transport, vec![address(host)]);
    let mut client = TcpStream::connect(proxy.outbound).await.unwrap();
    client.write_all(format!("GET / HTTP/1.1\r\nhost: {ALIAS}\r\n\r\n").as_bytes()).await.unwrap();
    // Slower than it comes, so that there is always something.
    let read = async {
        let mut piece = [0; 16 * 1024];
        while client.read(&mut piece).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("it goes on for ever");
}

#[tokio::test]
async fn a_hosts_answer_to_an_upload_that_is_too_long_to_be_sent_again_is_whole() {
    // More than all buffers on the way hold.
    const LENGTH: usize = 64 * 1024 * 1024;
    let host = host_that(|mut stream| async move {
        stream.read_exact(&mut vec![0; 1_200_000]).await.unwrap();
        stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 10\r\n\r\nhello").await.unwrap();
        stream.read_exact(&mut vec![0; LENGTH / 2]).await.unwrap();
        stream.write_all(b"world").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let proxy = proxy(&Transport::default(), vec![address(host)]);
    let response = send(proxy.outbound, true, Full::from(vec![b'x'; LENGTH]).boxed_unsync()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(response).await, "helloworld");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_becomes_another_one_has_its_endpoints_from_the_start() {
    let stub = Stub::new(Manner::Answers(OK)).await;
    let proxy = proxy(&Transport::default(), vec![address(stub.address)]);
    let sidecar = proxy.sidecar.clone();
    let many: Vec<Address> = (1..2_000).map(|port| address(([127, 0, 0, 1], port).into())).collect();
    let changes = tokio::task::spawn_blocking(move || {
        for change in 0..50 {
            let transport =
                Transport { per_request_timeout: Some(Duration::from_secs(15 + change)), ..Transport::default() };
            let first = Upstream { name: "many".to_owned(), authorities: vec![], transport: transport.clone() };
            let upstreams = vec![(first, many.clone()), (upstream(&transport), vec![address(stub.address)])];
            sidecar.set_upstreams(upstreams, &local());
        }
    });
    while !changes.is_finished() {
        assert_eq!(send(proxy.outbound, false, empty()).await.status(), StatusCode::OK);
    }
    changes.await.unwrap();
}

#[tokio::test]
async fn connections_to_the_application_are_closed_when_they_are_idle() {
    let (closed, open) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counted = (closed.clone(), open.clone());
    let application = host_that(move |mut stream| {
        let (closed, open) = counted.clone();
        open.fetch_add(1, Relaxed);
        async move {
            let mut head = [0; 1024];
            while stream.read(&mut head).await.is_ok_and(|count| count > 0) {
                // All are in flight at a time.
                eventually(|| open.load(Relaxed) == 5).await;
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
            closed.fetch_add(1, Relaxed);
        }
    })
    .await;
    let sidecar = Arc::new(Sidecar::new(&own(), vec![]));
    tokio::spawn(sidecar.clone().maintain());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inbound = listener.local_addr().unwrap();
    let transport = Transport::default();
    let _server = sidecar.serve_inbound(1, listener, Some(application), &transport, &Handle::current()).unwrap();
    join_all((0..5).map(|_| send(inbound, false, empty()))).await;
    // One of them is used again and again.
    for _ in 0..6 {
        skip(60).await;
        assert_eq!(send(inbound, false, empty()).await.status(), StatusCode::OK);
    }
    eventually(|| closed.load(Relaxed) == 4).await;
}
