//! What is not HTTP/1.1: gRPC and WebSocket, with their own libraries on both sides, and TCP. A real Envoy in the sidecar's place
//! gives the same.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use zonewalk::mesh::Proxies;
use zonewalk::mesh::endpoints::{Address, LocalCluster, Upstream};
use zonewalk::mesh::proxy::Proxy;
use zonewalk::mesh::sidecar::Sidecar;
use zonewalk::mesh::transport::{AppProtocol, IDLE_TIMEOUT, Transport};
use zonewalk::routing::{Health, Host, HostSet, Runtime};

use crate::envoy_answers::{Proxied, zone};
use crate::envoy_sidecars::envoys;
use crate::peers;
use crate::sidecar_program::Program;
use crate::stub_host::Manner::{Answers, Echoes};
use crate::stub_host::{OK, Stub, refusing};

/// Servers of a peer's, which end with it.
struct Servers {
    process: Child,
    ports: Vec<u16>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn peer(script: &str) -> Command {
    let mut command = Command::new(peers::bin("protocols").join("python"));
    command.arg(format!("{}/tests/peers/{script}", env!("CARGO_MANIFEST_DIR")));
    command
}

impl Servers {
    fn start(script: &str, arguments: &[&str], count: usize) -> Self {
        let mut command = peer(script);
        let mut process =
            command.arg("serve").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().take(count);
        let ports = lines.map(|line| line.unwrap().parse().unwrap()).collect();
        Self { process, ports }
    }
}

/// What a peer's client hears of the service that a proxy knows as `name`.
async fn ask(script: &'static str, proxy: SocketAddr, name: &str) -> Value {
    let mut command = peer(script);
    command.args(["ask", &proxy.to_string(), name]);
    let output = tokio::task::spawn_blocking(move || command.stderr(Stdio::inherit()).output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{script} ask {name}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn upstream(name: &str, transport: Transport) -> Upstream {
    Upstream { name: format!("{name}.ns"), authorities: vec![format!("{name}:8090")], transport }
}

fn address(port: u16, number: usize) -> Address {
    let socket = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    Address {
        owner: format!("{port}").into(),
        socket: socket.into(),
        network: socket,
        locality: zone(number),
        health: Health::Healthy,
        blocked: None,
    }
}

/// A proxy in zone 1, of a service with a task in each of two zones.
async fn proxied(proxies: &Proxies, upstreams: Vec<(Upstream, Vec<Address>)>) -> Proxied {
    let (upstreams, endpoints): (Vec<Upstream>, Vec<_>) = upstreams.into_iter().unzip();
    let names: Vec<String> = upstreams.iter().map(|upstream| upstream.name.clone()).collect();
    let proxied = Proxied::new(proxies, upstreams).await;
    let local: LocalCluster = [(zone(1), vec![[10, 0, 0, 1].into()]), (zone(2), vec![[10, 0, 0, 2].into()])].into();
    proxied.proxy.update(&local, &names.into_iter().zip(endpoints).collect::<Vec<_>>());
    proxied.knows_all().await;
    proxied
}

fn stat(proxy: &Proxy, name: &str) -> u64 {
    let stats = proxy.stats().unwrap();
    let value = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {stats}")).parse().unwrap()
}

/// What gRPC's clients hear through a proxy, of servers, of none, of one that is gone, and of what there is no route to.
async fn grpc(proxies: &Proxies, servers: &Servers) -> Value {
    let grpc = || Transport::of(AppProtocol::Grpc);
    let (near, far) = servers.ports.split_at(4);
    let endpoints = near.iter().map(|port| address(*port, 1)).chain(far.iter().map(|port| address(*port, 2))).collect();
    let gone = refusing().await.port();
    let proxied = proxied(
        proxies,
        vec![
            (upstream("stock", grpc()), endpoints),
            (upstream("nobody", grpc()), vec![]),
            (upstream("gone", grpc()), vec![address(gone, 1)]),
        ],
    )
    .await;
    let mut heard = json!({});
    for name in ["stock:8090", "nobody:8090", "gone:8090", "unknown:8090"] {
        heard[name] = ask("grpc_peer.py", proxied.egress, name).await;
    }
    // One connection for each server of the zone, and none to the other zone, whatever the client's only connection.
    let counters =
        ["upstream_cx_http2_total", "upstream_cx_total", "upstream_rq_total", "lb_zone_routing_all_directly"];
    for counter in counters {
        heard[counter] = stat(&proxied.proxy, &format!("cluster.stock.ns.{counter}")).into();
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy, and gRPC's Python library: tests/run.sh installs them"]
async fn grpc_fares_as_with_envoy() {
    let servers = Servers::start("grpc_peer.py", &["6"], 6);
    let ours = grpc(&Proxies::Zonewalk, &servers).await;
    let mut near = servers.ports[..4].iter().map(u16::to_string).collect::<Vec<_>>();
    near.sort();
    assert_eq!(ours["stock:8090"]["ports"], json!(near), "{ours:#}");
    let whole = json!({
        "echo": ["a, b"],
        "ports": near,
        "large": 3_000_000,
        "upload": "4000000",
        "count": ["0", "1", "2"],
        "chat": ["you said one", "you said two", "you said three"],
        "no such method": "UNIMPLEMENTED: Method not found!",
        "too late": "DEADLINE_EXCEEDED: Deadline Exceeded",
        "fails with 3": "INVALID_ARGUMENT: sold out: 100 % gone, été",
        "fails with 5": NOT_FOUND,
        "fails with 14": "UNAVAILABLE: sold out: 100 % gone, été",
    });
    assert_eq!(ours["stock:8090"], whole);
    assert_eq!(ours["nobody:8090"]["echo"], "UNAVAILABLE: no healthy upstream");
    let envoys = grpc(&envoys(), &servers).await;
    assert_eq!(ours, envoys, "ours {ours:#}, Envoy's {envoys:#}");
}

/// What WebSocket's client hears through a proxy, where switching to it is let through, and where it is not.
async fn websocket(proxies: &Proxies, server: &Servers) -> Value {
    let endpoints = || vec![address(server.ports[0], 1)];
    let with = Transport { upgrades: vec!["WebSocket".to_owned()], ..Transport::default() };
    let plain = Stub::new(Answers(OK)).await;
    let proxied = proxied(
        proxies,
        vec![
            (upstream("talk", with.clone()), endpoints()),
            (upstream("silent", Transport::default()), endpoints()),
            (upstream("other", with), vec![address(plain.address.port(), 1)]),
        ],
    )
    .await;
    let mut heard = json!({});
    for name in ["talk:8090", "silent:8090", "other:8090", "unknown:8090"] {
        heard[name] = ask("websocket_peer.py", proxied.egress, name).await;
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy, and a WebSocket library for Python: tests/run.sh installs them"]
async fn websocket_fares_as_with_envoy() {
    let server = Servers::start("websocket_peer.py", &[], 1);
    let ours = websocket(&Proxies::Zonewalk, &server).await;
    let whole =
        json!({ "handshake": "done", "text": "hello", "large": true, "ping": true, "close": "4001 as you wish" });
    assert_eq!(ours["talk:8090"], whole);
    let envoys = websocket(&envoys(), &server).await;
    assert_eq!(ours, envoys, "ours {ours:#}, Envoy's {envoys:#}");
}

/// What becomes of malformed and unusual HTTP/2 at a proxy whose host tells what reaches it.
async fn malformed_http2(proxies: &Proxies) -> Value {
    let host = Stub::new(Echoes).await;
    let upstreams = vec![(upstream("host", Transport::default()), vec![address(host.address.port(), 1)])];
    let proxied = proxied(proxies, upstreams).await;
    ask("http2_peer.py", proxied.egress, "host:8090").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy, and Python's HTTP/2: tests/run.sh installs them"]
async fn malformed_http2_fares_as_with_envoy() {
    let (ours, envoys) = (malformed_http2(&Proxies::Zonewalk).await, malformed_http2(&envoys()).await);
    let mut differences = String::new();
    for (name, ours) in ours.as_object().unwrap() {
        let (envoy, next) = (&envoys[name], &ours[1]);
        // Whether a stream or the connection is given up is each one's choice, but nobody is left waiting.
        let goes_on = next.as_str().unwrap().starts_with("200 GET /next");
        assert!(goes_on || next == "closed", "{name}: {ours}");
        let (reached, envoys) = (reached(ours), reached(envoy));
        let reason = HTTP2_DIFFERENT.iter().find(|(different, _)| different == name);
        if (reached == envoys) != reason.is_none() {
            differences += &format!("{name}:\n  ours  {ours} → {reached:?}\n  Envoy {envoy} → {envoys:?}\n");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// Where Envoy differs in what reaches the host, and why the sidecar's way is as good.
const HTTP2_DIFFERENT: &[(&str, &str)] = &[
    ("options *", "Envoy's route is for paths, and this is none"),
    ("te: trailers", "TE is for one hop, and HTTP/1.1's trailers end at the sidecar"),
    ("pseudo-header in trailers", "trailers end at the sidecar, whatever they are"),
    ("priority of itself", "the sidecar refuses what Envoy ignores"),
    ("a thousand pings", NO_FLOOD),
    ("20,000 pings", NO_FLOOD),
    ("20,000 settings", NO_FLOOD),
];

const NO_FLOOD: &str =
    "each is answered before the next is read, so that nothing piles up; Envoy closes the connection";

/// What has reached the host of a case: the lines of its head, but for what Envoy adds. `None`: it was refused.
fn reached(case: &Value) -> Option<Vec<String>> {
    let head = case[0].as_str().unwrap().strip_prefix("200 ")?;
    let mut lines: Vec<String> = head.split("\r\n").filter(|line| !line.starts_with("x-")).map(str::to_owned).collect();
    lines.sort();
    Some(lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_outlives_its_endpoint() {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (coming, going) = (came.clone(), go.clone());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |_| {
            coming.notify_one();
            let going = going.clone();
            async move {
                going.notified().await;
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
            }
        });
        // Its error is a test that has ended before it.
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    });
    let sidecar = Sidecar::new(&zone(1), vec![upstream("slow", Transport::of(AppProtocol::Http2))]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let egress = listener.local_addr().unwrap();
    let _server = sidecar.serve_outbound(listener, Some(IDLE_TIMEOUT), &Handle::current()).unwrap();
    let local: HostSet = [(zone(1), vec![Host::default()])].into_iter().collect();
    sidecar.update("slow.ns", &local, &[address(port, 1)]);

    // The client speaks HTTP/1.1, and the host HTTP/2.
    let mut client = TcpStream::connect(egress).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: slow:8090\r\nconnection: close\r\n\r\n").await.unwrap();
    came.notified().await;
    sidecar.update("slow.ns", &local, &[]);
    go.notify_one();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ndone"), "{answer}");
}

/// A host that sends its name to whoever connects, and then back what comes, until that ends.
async fn echoing(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(name.as_bytes()).await.unwrap();
                let (mut reads, mut writes) = stream.split();
                tokio::io::copy(&mut reads, &mut writes).await.unwrap();
            });
        }
    });
    port
}

/// What a client of TCP hears that says something and then nothing more.
async fn say(to: SocketAddr, words: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let (mut reads, mut writes) = stream.split();
    let mut heard = Vec::new();
    let (said, read) = tokio::join!(
        async {
            writes.write_all(words).await?;
            writes.shutdown().await
        },
        reads.read_to_end(&mut heard)
    );
    said.and(read.map(|_| ())).unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_stays_with_an_endpoint_of_its_zone() {
    let (near, far, gone) = (echoing("near ").await, echoing("far ").await, refusing().await.port());
    let cache = upstream("cache", Transport::of(AppProtocol::Tcp));
    let sidecar = Sidecar::new(&zone(1), vec![cache]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let egress = listener.local_addr().unwrap();
    let _server = sidecar.serve_tcp("cache.ns", listener, None, &Handle::current()).unwrap();
    let local: HostSet = [(zone(1), vec![Host::default()]), (zone(2), vec![Host::default()])].into_iter().collect();
    sidecar.set_runtime(Runtime { min_cluster_size: Some(1), ..Runtime::default() });
    let set = |endpoints: &[Address]| sidecar.update("cache.ns", &local, endpoints);

    // Nothing to go to: the connection is closed.
    assert!(TcpStream::connect(egress).await.unwrap().read_u8().await.is_err());

    set(&[address(near, 1), address(far, 2)]);
    for _ in 0..10 {
        assert_eq!(say(egress, b"hello").await, b"near hello");
    }
    // What takes long both ways at once.
    let large = vec![b'x'; 8_000_000];
    assert_eq!(say(egress, &large).await.len(), large.len() + 5);

    // Another zone is gone to when the only endpoint in this one has failed five times, and is ejected: in the second connection.
    set(&[address(gone, 1), address(far, 2)]);
    assert!(TcpStream::connect(egress).await.unwrap().read_u8().await.is_err());
    for _ in 0..10 {
        assert_eq!(say(egress, b"hello").await, b"far hello");
    }
    let stats = sidecar.stats();
    for counter in ["upstream_cx_connect_fail: 5", "upstream_rq_total: 21", "outlier_detection.ejections_total: 1"] {
        assert!(stats.contains(&format!("cluster.cache.ns.{counter}\n")), "{counter}: {stats}");
    }

    // In the place of the application's port.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inbound = listener.local_addr().unwrap();
    let (transport, application) = (Transport::of(AppProtocol::Tcp), SocketAddr::from((Ipv4Addr::LOCALHOST, near)));
    let _server = sidecar.serve_inbound(1, listener, Some(application), &transport, &Handle::current()).unwrap();
    assert_eq!(say(inbound, b"hello").await, b"near hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs gRPC's and a WebSocket library for Python: tests/run.sh installs them"]
async fn the_program_carries_what_its_file_says() {
    let (grpc, websocket) = (Servers::start("grpc_peer.py", &["1"], 1), Servers::start("websocket_peer.py", &[], 1));
    let cache = echoing("cache ").await;
    let (grpc_port, websocket_port) = (grpc.ports[0], websocket.ports[0]);
    let program = Program::start(&format!(
        "zone = \"use1-az1\"\nadmin = \"admin.sock\"\noutbound = \"127.0.0.1:0\"\noutbound_idle_timeout_seconds = 0\n\
         [[inbound]]\nlisten = \"127.0.0.1:0\"\napplication = \"127.0.0.1:{grpc_port}\"\napp_protocol = \"grpc\"\n\
         per_request_timeout_seconds = 0\n\
         [[inbound]]\nlisten = \"127.0.0.1:0\"\napplication = \"127.0.0.1:{websocket_port}\"\nupgrades = [\"websocket\"]\n\
         [[upstream]]\nname = \"cache\"\napp_protocol = \"tcp\"\nlisten = \"127.0.0.1:0\"\n\
         [[upstream.endpoint]]\naddress = \"127.0.0.1:{cache}\"\n"
    ));
    let heard = ask("grpc_peer.py", program.inbound[0], "anything").await;
    assert_eq!((&heard["chat"][2], &heard["fails with 5"]), (&"you said three".into(), &NOT_FOUND.into()), "{heard:#}");
    let heard = ask("websocket_peer.py", program.inbound[1], "anything").await;
    assert_eq!((&heard["text"], &heard["close"]), (&"hello".into(), &"4001 as you wish".into()), "{heard:#}");
    assert_eq!(say(program.tcp[0], b"hello").await, b"cache hello");
    assert_eq!(program.stat("cluster.cache.upstream_cx_total"), 1);
}

const NOT_FOUND: &str = "NOT_FOUND: sold out: 100 % gone, été";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_nothing_comes_or_goes_on_is_closed() {
    let near = echoing("near ").await;
    let idle_timeout = Some(Duration::from_millis(500));
    let sidecar = Sidecar::new(&zone(1), vec![]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inbound = listener.local_addr().unwrap();
    let transport = Transport { idle_timeout, ..Transport::of(AppProtocol::Tcp) };
    let application = SocketAddr::from((Ipv4Addr::LOCALHOST, near));
    let _server = sidecar.serve_inbound(1, listener, Some(application), &transport, &Handle::current()).unwrap();
    let mut stream = TcpStream::connect(inbound).await.unwrap();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).await.unwrap();
    // As long as something does, it stands.
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(b"x").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
    }
    assert_eq!(stream.read(&mut heard).await.unwrap(), 0);
}
