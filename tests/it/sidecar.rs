//! The sidecar against hosts that answer, fail, hang, refuse and break off: what Service Connect's clients would see.
//!
//! Time limits are met by moving tokio's clock, never by waiting; while it stands still nothing else happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::{Request, Response, StatusCode, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use zonewalk::mesh::endpoints::{Address, Upstream};
use zonewalk::mesh::sidecar::{Server, Sidecar};
use zonewalk::mesh::transport::{IDLE_TIMEOUT, Transport};
use zonewalk::routing::{Health, Host, HostSet, Locality};

use crate::mesh_stage::eventually;
use crate::stub_host::{BROKEN, Manner, OK, Stub, UNAVAILABLE, refusing};
use crate::support::skip;

pub(crate) const ALIAS: &str = "sc.test.az.aware.backend:8090";

/// A sidecar whose application calls the given hosts.
pub(crate) struct Proxy {
    pub(crate) sidecar: Arc<Sidecar>,
    pub(crate) outbound: SocketAddr,
    _server: Server,
}

pub(crate) fn own() -> Locality {
    Locality::new("us-east-1", "use1-az1")
}

pub(crate) fn local() -> HostSet {
    [(own(), vec![Host::default()])].into_iter().collect()
}

pub(crate) fn upstream(transport: &Transport) -> Upstream {
    Upstream { name: "backend.ns".to_owned(), authorities: vec![ALIAS.to_owned()], transport: transport.clone() }
}

pub(crate) fn address(socket: SocketAddr) -> Address {
    Address {
        owner: socket.to_string().into(),
        socket,
        network: "10.0.0.1:8090".parse().unwrap(),
        locality: own(),
        health: Health::Healthy,
        blocked: None,
    }
}

impl Proxy {
    async fn new(hosts: &[SocketAddr]) -> Self {
        Self::of(Some(IDLE_TIMEOUT), &Transport::default(), hosts.iter().copied().map(address).collect())
    }

    pub(crate) fn of(idle_timeout: Option<Duration>, transport: &Transport, hosts: Vec<Address>) -> Self {
        let sidecar = Arc::new(Sidecar::new(&own(), vec![]));
        sidecar.set_upstreams(vec![(upstream(transport), hosts)], &local());
        tokio::spawn(sidecar.clone().maintain());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let outbound = listener.local_addr().unwrap();
        let server = sidecar.serve_outbound(listener, idle_timeout, &Handle::current()).unwrap();
        Self { sidecar, outbound, _server: server }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        send(self.outbound, request).await
    }

    async fn get(&self) -> (StatusCode, String) {
        read(self.send(get(ALIAS)).await).await
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        let text = self.sidecar.stats();
        let stats: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(": ")).collect();
        stats.get(&*format!("cluster.backend.ns.{name}")).map_or(0, |value| value.parse().unwrap())
    }
}

/// Sends on a connection of its own.
async fn send(to: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(to).await.unwrap())).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn get(host: &str) -> Request<Full<Bytes>> {
    Request::get("/").header(HOST, host).body(Full::default()).unwrap()
}

fn post(size: usize) -> Request<Full<Bytes>> {
    Request::post("/").header(HOST, ALIAS).body(vec![b'x'; size].into()).unwrap()
}

#[tokio::test]
async fn a_503_is_retried_on_another_host_and_a_500_is_passed_on() {
    let (good, bad) = (Stub::new(Manner::Answers(OK)).await, Stub::new(Manner::Answers(UNAVAILABLE)).await);
    let proxy = Proxy::new(&[good.address, bad.address]).await;
    for _ in 0..4 {
        assert_eq!(proxy.get().await, (StatusCode::OK, "ok".to_owned()));
    }
    let retries = bad.requests() as u64;
    assert!(retries > 0);
    assert_eq!((proxy.stat("upstream_rq_retry"), proxy.stat("upstream_rq_retry_success")), (retries, retries));
    assert_eq!((proxy.stat("upstream_rq_total"), proxy.stat("upstream_rq_completed")), (4 + retries, 4));

    good.turns(Manner::Answers(BROKEN));
    bad.turns(Manner::Answers(BROKEN));
    assert_eq!(proxy.get().await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(proxy.stat("upstream_rq_retry"), retries);
}

#[tokio::test]
async fn a_host_that_closes_without_an_answer_is_retried_around() {
    let (good, bad) = (Stub::new(Manner::Answers(OK)).await, Stub::new(Manner::Closes).await);
    let proxy = Proxy::new(&[good.address, bad.address]).await;
    for _ in 0..4 {
        assert_eq!(proxy.send(post(1_000)).await.status(), StatusCode::OK);
    }
    // What the bad one had read was sent again, whole.
    assert!(bad.requests() > 0);
    assert_eq!(*good.read.lock().unwrap(), [1_000; 4]);
}

#[tokio::test]
async fn when_every_host_refuses_the_answer_is_envoys() {
    let proxy = Proxy::new(&[refusing().await, refusing().await, refusing().await]).await;
    let (status, text) = proxy.get().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    insta::assert_snapshot!(text, @"upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure");
    assert_eq!((proxy.stat("upstream_rq_retry"), proxy.stat("upstream_rq_retry_limit_exceeded")), (2, 1));
    assert_eq!((proxy.stat("upstream_cx_connect_fail"), proxy.stat("upstream_rq_total")), (3, 0));
}

#[tokio::test]
async fn a_host_that_speaks_something_else_is_a_502() {
    let stub = Stub::new(Manner::Answers("SSH-2.0-OpenSSH_9.9\r\n\r\n")).await;
    let proxy = Proxy::new(&[stub.address]).await;
    assert_eq!(proxy.get().await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(stub.requests(), 3);
}

#[tokio::test]
async fn a_host_that_hangs_is_a_504_after_15_seconds() {
    let stub = Stub::new(Manner::Hangs).await;
    let proxy = Proxy::new(&[stub.address]).await;
    let request = proxy.send(get(ALIAS));
    let clock = async {
        eventually(|| stub.requests() == 1).await;
        skip(15).await;
    };
    let (response, ()) = tokio::join!(request, clock);
    assert_eq!(read(response).await, (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout".to_owned()));
    assert_eq!((proxy.stat("upstream_rq_timeout"), proxy.stat("upstream_rq_504")), (1, 1));
    // It is not retried, and the connection is not used again.
    assert_eq!((proxy.stat("upstream_rq_retry"), proxy.stat("upstream_cx_active")), (0, 0));
}

#[tokio::test]
async fn a_response_that_stalls_breaks_off_after_15_seconds() {
    let stub = Stub::new(Manner::Stalls).await;
    let proxy = Proxy::new(&[stub.address]).await;
    let mut body = proxy.send(get(ALIAS)).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    let (rest, ()) = tokio::join!(body.frame(), skip(15));
    assert!(rest.unwrap().is_err());
}

#[tokio::test]
async fn five_failures_eject_a_host_and_30_seconds_bring_it_back() {
    let (good, bad) = (Stub::new(Manner::Answers(OK)).await, Stub::new(Manner::Answers(BROKEN)).await);
    let proxy = Proxy::new(&[good.address, bad.address]).await;
    while proxy.stat("outlier_detection.ejections_active") == 0 {
        assert!(bad.requests() < 5);
        proxy.get().await;
    }
    assert_eq!(bad.requests(), 5);
    assert_eq!((proxy.stat("membership_healthy"), proxy.stat("membership_total")), (1, 2));
    for _ in 0..4 {
        assert_eq!(proxy.get().await.0, StatusCode::OK);
    }

    // The sweeps have a rhythm of their own, so it may take the second one.
    skip(30).await;
    skip(30).await;
    eventually(|| proxy.stat("outlier_detection.ejections_active") == 0).await;
    bad.turns(Manner::Answers(OK));
    for _ in 0..4 {
        assert_eq!(proxy.get().await.0, StatusCode::OK);
    }
    assert_eq!(bad.requests(), 7);
    assert_eq!(proxy.stat("outlier_detection.ejections_enforced_total"), 1);
}

#[tokio::test]
async fn with_every_host_ejected_panic_sends_to_all_of_them() {
    let stub = Stub::new(Manner::Answers(BROKEN)).await;
    let proxy = Proxy::new(&[stub.address]).await;
    for _ in 0..6 {
        assert_eq!(proxy.get().await.0, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!((proxy.stat("outlier_detection.ejections_active"), proxy.stat("lb_healthy_panic")), (1, 1));
}

#[tokio::test]
async fn large_bodies_stream_both_ways() {
    const SIZE: usize = 4 * 1024 * 1024;
    let stub = Stub::new(Manner::Echoes).await;
    let proxy = Proxy::new(&[stub.address]).await;
    let response = proxy.send(post(SIZE)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*stub.read.lock().unwrap(), [SIZE]);

    // A sidecar in front of a sidecar, so that the large response has a length and comes in many pieces.
    let large: &'static str = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n{}", "x".repeat(SIZE)).leak();
    stub.turns(Manner::Answers(large));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inbound = listener.local_addr().unwrap();
    let _server = Sidecar::new(&Locality::new("us-east-1", "use1-az1"), vec![])
        .serve_inbound(8090, listener, Some(stub.address), &Transport::default(), &Handle::current())
        .unwrap();
    let proxy = Proxy::new(&[inbound]).await;
    for _ in 0..3 {
        let response = proxy.send(get(ALIAS)).await;
        assert_eq!(response.headers()[CONTENT_LENGTH], SIZE.to_string());
        assert_eq!(read(response).await.1.len(), SIZE);
    }
    assert_eq!(proxy.stat("upstream_cx_total"), 1);
}

#[tokio::test]
async fn connections_are_used_again_until_they_are_idle_for_5_minutes() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let stub = Stub::new(Manner::Answers(OK)).await;
    let proxy = Proxy::new(&[stub.address]).await;
    for answer in [OK, chunked, "HTTP/1.1 204 No Content\r\n\r\n", OK] {
        stub.turns(Manner::Answers(answer));
        assert!(proxy.get().await.0.is_success());
    }
    assert_eq!((proxy.stat("upstream_cx_total"), proxy.stat("upstream_cx_active")), (1, 1));

    skip(5 * 60).await;
    eventually(|| proxy.stat("upstream_cx_active") == 0).await;
    assert_eq!(proxy.get().await.0, StatusCode::OK);
    assert_eq!(proxy.stat("upstream_cx_total"), 2);

    stub.turns(Manner::Answers("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"));
    proxy.get().await;
    assert_eq!(proxy.stat("upstream_cx_active"), 0);
}

#[tokio::test]
async fn what_concerns_one_hop_stays_there_and_host_goes_on() {
    let stub = Stub::new(Manner::Echoes).await;
    let proxy = Proxy::new(&[stub.address]).await;
    let request =
        Request::get("/path?query").header(HOST, ALIAS).header("connection", "keep-alive, x-hop").header("x-hop", "1");
    let (_, head) = read(proxy.send(request.header("x-end", "2").body(Full::default()).unwrap()).await).await;
    insta::assert_snapshot!(head.replace('\r', ""), @"
    GET /path?query HTTP/1.1
    host: sc.test.az.aware.backend:8090
    x-end: 2
    ");
}

#[tokio::test]
async fn a_target_is_reduced_to_path_and_query() {
    let stub = Stub::new(Manner::Echoes).await;
    let proxy = Proxy::new(&[stub.address]).await;
    let absolute = format!("http://{ALIAS}");
    for (target, expected) in [(&*format!("{absolute}/a?b"), "/a?b"), ("/a?b", "/a?b"), (&*absolute, "/")] {
        let request = Request::get(target).header(HOST, ALIAS).body(Full::default()).unwrap();
        let (_, head) = read(proxy.send(request).await).await;
        assert!(head.starts_with(&format!("GET {expected} HTTP/1.1\r\n")), "{head}");
    }
}

#[tokio::test]
async fn http_10_and_unknown_names_are_refused() {
    let stub = Stub::new(Manner::Answers(OK)).await;
    let proxy = Proxy::new(&[stub.address]).await;
    assert_eq!(proxy.send(get("elsewhere:8090")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(proxy.send(get(&ALIAS.to_uppercase())).await.status(), StatusCode::OK);

    let mut stream = TcpStream::connect(proxy.outbound).await.unwrap();
    stream.write_all(format!("GET / HTTP/1.0\r\nhost: {ALIAS}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 426 Upgrade Required\r\n"), "{answer}");
    assert_eq!(stub.requests(), 1);
}

#[tokio::test]
async fn a_connection_that_gets_nowhere_for_5_minutes_is_closed() {
    let stub = Stub::new(Manner::Answers(OK)).await;
    let proxy = Proxy::new(&[stub.address]).await;
    let post = format!("POST / HTTP/1.1\r\nhost: {ALIAS}\r\ncontent-length: 20\r\n\r\n");
    // Nothing, half of a head, a head that comes a letter a minute, half of a body, and a body that does come a letter a minute.
    let beginnings = ["", "GET / HT", "GET /", &*format!("{post}x"), &post];
    let mut streams = vec![];
    for beginning in beginnings {
        let mut stream = TcpStream::connect(proxy.outbound).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    let sockets = || tokio::time::sleep(Duration::from_millis(20));
    for _ in 0..9 {
        sockets().await;
        skip(60).await;
        for trickling in [2, 4] {
            // It may be closed by now.
            let _ = streams[trickling].write_all(b"x").await;
        }
    }
    sockets().await;
    let mut slow = streams.pop().unwrap();
    for mut stuck in streams {
        let mut rest = vec![];
        let closed = tokio::time::timeout(Duration::from_secs(60), stuck.read_to_end(&mut rest)).await;
        closed.expect("it is closed").ok();
        assert!(rest.is_empty());
    }
    slow.write_all(b"xxxxxxxxxxx").await.unwrap();
    let mut answer = [0; 15];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    assert_eq!(*stub.read.lock().unwrap(), [20]);
}

#[tokio::test]
async fn without_an_idle_timeout_a_silent_connection_is_kept() {
    let stub = Stub::new(Manner::Answers(OK)).await;
    let proxy = Proxy::of(None, &Transport::default(), vec![address(stub.address)]);
    let mut stream = TcpStream::connect(proxy.outbound).await.unwrap();
    for words in ["GET / HT", "TP/1.1\r\nhost: "] {
        stream.write_all(words.as_bytes()).await.unwrap();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            skip(60).await;
        }
    }
    stream.write_all(format!("{ALIAS}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_client_that_goes_leaves_its_host_a_closed_connection() {
    let stub = Stub::new(Manner::Hangs).await;
    let proxy = Proxy::new(&[stub.address]).await;
    let mut stream = TcpStream::connect(proxy.outbound).await.unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {ALIAS}\r\n\r\n").as_bytes()).await.unwrap();
    eventually(|| stub.requests() == 1).await;
    assert_eq!(proxy.stat("upstream_cx_active"), 1);
    drop(stream);
    eventually(|| proxy.stat("upstream_cx_active") == 0).await;
}

#[tokio::test]
async fn what_a_slow_reader_does_not_take_waits_at_the_host() {
    // More than all buffers on the way hold.
    const SIZE: usize = 64 * 1024 * 1024;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::new(&[listener.local_addr().unwrap()]).await;
    let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = written.clone();
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let mut head = [0; 16];
        stream.read_exact(&mut head).await.unwrap();
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").as_bytes()).await.unwrap();
        for _ in 0..SIZE / 65_536 {
            stream.write_all(&[b'x'; 65_536]).await.unwrap();
            counted.fetch_add(65_536, std::sync::atomic::Ordering::Relaxed);
        }
        std::future::pending::<()>().await;
    });
    let mut body = proxy.send(get(ALIAS)).await.into_body();
    let so_far = || written.load(std::sync::atomic::Ordering::Relaxed);
    let mut seen = usize::MAX;
    while seen != so_far() {
        seen = so_far();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(seen < SIZE / 2, "{seen} bytes are on the way");
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(read, SIZE);
}
