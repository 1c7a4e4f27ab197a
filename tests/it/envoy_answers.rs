//! The same conversations through our sidecar and through a real Envoy, with hosts that answer, fail, hang, refuse and break
//! off: clients get the same answers, and both count the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use zonewalk::mesh::Proxies;
use zonewalk::mesh::endpoints::{Address, LocalCluster, Upstream};
use zonewalk::mesh::envoy_proxy::{EnvoyProxy, Event, Settings};
use zonewalk::mesh::proxy::Proxy;
use zonewalk::mesh::sidecar::{Server, Sidecar};
use zonewalk::mesh::transport::{IDLE_TIMEOUT, Transport};
use zonewalk::routing::{Health, Locality};

use crate::envoy_sidecars::envoys;
use crate::stub_host::{BROKEN, Manner, OK, Stub, UNAVAILABLE, refusing};

/// A host that is called.
#[derive(Clone, Copy)]
enum Host {
    Is(Manner),
    Refuses,
    /// Takes no connection and refuses none, as a machine that is gone.
    IsGone,
}

/// What a client does.
#[derive(Clone, Copy)]
enum Ask {
    Get,
    /// A body of so many bytes.
    Post(usize),
    /// The same without saying how long it will be.
    PostChunked(usize),
    /// A body that takes longer than a request may.
    PostSlowly,
    /// A body whose second chunk is none.
    PostNonsense,
    /// A body of which only half comes.
    PostHalf,
    Http10,
    /// No request: waits until a host has been ejected, and requests know.
    UntilEjected,
}

struct Conversation {
    name: &'static str,
    hosts: &'static [Host],
    asks: &'static [Ask],
}

const fn says(name: &'static str, hosts: &'static [Host], asks: &'static [Ask]) -> Conversation {
    Conversation { name, hosts, asks }
}

const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
const NO_HTTP: &str = "SSH-2.0-OpenSSH_9.9\r\n\r\n";

const CONVERSATIONS: &[Conversation] = {
    use Ask::{Get, Http10, Post, PostChunked, PostHalf, PostNonsense, PostSlowly, UntilEjected};
    use Host::{Is, IsGone, Refuses};
    use Manner::{Answers, Breaks, Closes, Hangs, Stalls};
    &[
        says("answers", &[Is(Answers(OK))], &[Get, Post(10), PostChunked(10), Get]),
        says("answers-in-chunks", &[Is(Answers(CHUNKED))], &[Get, Get]),
        says("answers-and-closes", &[Is(Answers(CLOSING))], &[Get, Get]),
        says("has-no-content", &[Is(Answers("HTTP/1.1 204 No Content\r\n\r\n"))], &[Get, Get]),
        says("is-unavailable", &[Is(Answers(UNAVAILABLE))], &[Get]),
        says("is-unavailable-everywhere", &[Is(Answers(UNAVAILABLE)); 3], &[Get]),
        says("is-broken", &[Is(Answers(BROKEN))], &[Get, Get, Get, Get, Get, UntilEjected, Get, Get]),
        says("is-broken-for-a-while", &[Is(Answers(BROKEN))], &[Get, Get]),
        says("closes", &[Is(Closes)], &[Get]),
        says("closes-after-a-large-body", &[Is(Closes)], &[Post(200_000)]),
        says("closes-after-a-chunked-body", &[Is(Closes)], &[PostChunked(200_000)]),
        says("closes-after-a-huge-body", &[Is(Closes)], &[Post(3_000_000)]),
        says("refuses", &[Refuses], &[Get]),
        says("refuses-everywhere", &[Refuses, Refuses, Refuses], &[Get]),
        says("refuses-and-is-ejected", &[Refuses], &[Get, Get, UntilEjected, Get]),
        says("is-gone", &[IsGone], &[Get]),
        says("speaks-something-else", &[Is(Answers(NO_HTTP))], &[Get]),
        says("hangs", &[Is(Hangs)], &[Get]),
        says("stalls", &[Is(Stalls)], &[Get]),
        says("breaks", &[Is(Breaks)], &[Get]),
        says("nobody", &[], &[Get]),
        says("slow-client", &[Is(Answers(OK))], &[PostSlowly]),
        says("rude-client", &[Is(Answers(OK))], &[PostNonsense; 6]),
        says("hasty-client", &[Is(Answers(OK))], &[PostHalf; 6]),
        says("old-client", &[Is(Answers(OK))], &[Http10]),
    ]
};

impl Conversation {
    fn upstream(&self) -> Upstream {
        Upstream {
            name: format!("{}.ns", self.name),
            authorities: vec![self.authority()],
            transport: Transport::default(),
        }
    }

    fn authority(&self) -> String {
        format!("{}:8090", self.name)
    }
}

pub(crate) fn zone(number: usize) -> Locality {
    Locality::new("us-east-1", format!("use1-az{number}"))
}

/// What was heard through a proxy.
#[derive(Default)]
struct Heard {
    /// By conversation.
    answers: BTreeMap<&'static str, Vec<String>>,
    /// By conversation, without `cluster.<name>.`
    stats: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// A proxy whose application is us.
pub(crate) struct Proxied {
    pub(crate) proxy: Proxy,
    pub(crate) egress: SocketAddr,
    _server: Option<Server>,
}

impl Proxied {
    pub(crate) async fn new(proxies: &Proxies, upstreams: Vec<Upstream>) -> Self {
        let Proxies::Envoy(binary) = proxies else {
            let sidecar = Arc::new(Sidecar::new(&zone(1), upstreams));
            tokio::spawn(sidecar.clone().maintain());
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let egress = listener.local_addr().unwrap();
            let server = sidecar.serve_outbound(listener, Some(IDLE_TIMEOUT), &Handle::current()).unwrap();
            return Self { proxy: Proxy::Sidecar(sidecar), egress, _server: Some(server) };
        };
        let settings = Settings {
            task: "task",
            service: "service",
            locality: zone(1),
            ingresses: vec![],
            upstreams: &upstreams,
            connect_timeout: Duration::from_secs(5),
        };
        let (ready, listeners) = oneshot::channel();
        let ready = std::sync::Mutex::new(Some(ready));
        let tell = move |event| match event {
            Event::Ready(listeners) => ready.lock().unwrap().take().unwrap().send(listeners).unwrap(),
            Event::UpToDate => {}
            Event::Failed(reason) => panic!("{reason}"),
        };
        let envoy = EnvoyProxy::start(binary, &settings, &Handle::current(), tell).unwrap();
        Self { proxy: Proxy::Envoy(Arc::new(envoy)), egress: listeners.await.unwrap().egress, _server: None }
    }

    pub(crate) async fn knows_all(&self) {
        if let Proxy::Envoy(envoy) = &self.proxy {
            eventually("Envoy knows its endpoints", || envoy.is_up_to_date()).await;
        }
    }

    fn stats(&self, conversation: &Conversation) -> BTreeMap<String, u64> {
        let prefix = format!("cluster.{}.ns.", conversation.name);
        let text = self.proxy.stats().unwrap();
        let stat = |line: &str| {
            let (name, value) = line.strip_prefix(&prefix)?.split_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        text.lines().filter_map(stat).collect()
    }

    fn stat(&self, conversation: &Conversation, name: &str) -> u64 {
        self.stats(conversation).get(name).copied().unwrap_or_default()
    }

    async fn hold(&self, conversation: &Conversation) -> Vec<String> {
        let mut answers = vec![];
        let rebuilds = self.stat(conversation, "lb_recalculate_zone_structures");
        for ask in conversation.asks {
            if matches!(ask, Ask::UntilEjected) {
                eventually(conversation.name, || {
                    self.stat(conversation, "outlier_detection.ejections_active") > 0
                        && self.stat(conversation, "lb_recalculate_zone_structures") > rebuilds
                })
                .await;
            } else {
                answers.push(ask.of(self.egress, &conversation.authority()).await);
            }
        }
        answers
    }
}

impl Ask {
    /// The answer's status and body, and whether it came to its end.
    async fn of(self, proxy: SocketAddr, authority: &str) -> String {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        let (method, version) = match self {
            Self::Get => ("GET", "1.1"),
            Self::Http10 => ("GET", "1.0"),
            _ => ("POST", "1.1"),
        };
        let mut request =
            format!("{method} / HTTP/{version}\r\nhost: {authority}\r\nconnection: close\r\n").into_bytes();
        let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        let mut rest = String::new();
        match self {
            Self::Get | Self::Http10 | Self::UntilEjected => request.extend(b"\r\n"),
            Self::Post(size) => {
                request.extend(format!("content-length: {size}\r\n\r\n{}", "x".repeat(size)).as_bytes());
            }
            Self::PostHalf => request.extend(b"content-length: 10\r\n\r\nxxxxx"),
            Self::PostChunked(size) => {
                request.extend(b"transfer-encoding: chunked\r\n\r\n");
                request.extend(format!("{}{}0\r\n\r\n", chunk(size / 2), chunk(size - size / 2)).as_bytes());
            }
            Self::PostSlowly => {
                request.extend(format!("transfer-encoding: chunked\r\n\r\n{}", chunk(5)).as_bytes());
                rest = format!("{}0\r\n\r\n", chunk(5));
            }
            Self::PostNonsense => {
                request.extend(format!("transfer-encoding: chunked\r\n\r\n{}", chunk(5)).as_bytes());
                "nonsense\r\n".clone_into(&mut rest);
            }
        }
        // A proxy may have answered and closed before it has read all.
        let _ = stream.write_all(&request).await;
        if matches!(self, Self::PostSlowly) {
            tokio::time::sleep(Duration::from_secs(16)).await;
        }
        let _ = stream.write_all(rest.as_bytes()).await;
        if matches!(self, Self::PostHalf) {
            // Long enough for the half to have come.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return "nobody listens".to_owned();
        }
        let mut answer = Vec::new();
        let end = match stream.read_to_end(&mut answer).await {
            Ok(_) => "",
            Err(_) => " (reset)",
        };
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        let is_type = |line: &&str| line.starts_with("content-type: ");
        let content_type = head.lines().find(is_type).unwrap_or("no content-type");
        format!("{status}, {content_type}, {body:?}{end}")
    }
}

/// Nobody accepts, and the queue is full: Linux lets further attempts wait.
struct Gone {
    _listener: tokio::net::TcpListener,
    _queue: Vec<TcpStream>,
    address: SocketAddr,
}

impl Gone {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = vec![];
        while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
            assert!(queue.len() < 10, "the queue has an end");
        }
        Self { _listener: listener, _queue: queue, address }
    }
}

async fn hear(proxies: Proxies) -> Heard {
    let gone = Gone::new().await;
    let proxied = Proxied::new(&proxies, CONVERSATIONS.iter().map(Conversation::upstream).collect()).await;
    let mut endpoints = vec![];
    for conversation in CONVERSATIONS {
        let mut hosts = vec![];
        for (number, host) in conversation.hosts.iter().enumerate() {
            let socket = match host {
                Host::Is(manner) => Stub::new(*manner).await.address,
                Host::Refuses => refusing().await,
                Host::IsGone => gone.address,
            };
            let network = "10.0.0.1:8090".parse().unwrap();
            let owner = format!("host{number}").into();
            hosts.push(Address { owner, socket, network, locality: zone(1), health: Health::Healthy, blocked: None });
        }
        endpoints.push((conversation.upstream().name, hosts));
    }
    let local: LocalCluster = [(zone(1), vec![[10, 0, 0, 1].into()])].into();
    proxied.proxy.update(&local, &endpoints);
    proxied.knows_all().await;

    let mut heard = Heard::default();
    let before = CONVERSATIONS.iter().map(|conversation| proxied.stats(conversation)).collect::<Vec<_>>();
    let answers = join_all(CONVERSATIONS.iter().map(|conversation| proxied.hold(conversation))).await;
    // Connections that end are noticed a moment later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for ((conversation, answers), before) in CONVERSATIONS.iter().zip(answers).zip(before) {
        heard.answers.insert(conversation.name, answers);
        let mut stats = proxied.stats(conversation);
        // How often Envoy rebuilds as it starts depends on which endpoints it reads first.
        let rebuilds = stats.get_mut("lb_recalculate_zone_structures").unwrap();
        *rebuilds -= before["lb_recalculate_zone_structures"];
        heard.stats.insert(conversation.name, stats);
    }
    heard
}

/// Whether a sidecar has this counter of Envoy's.
fn is_ours(stat: &str) -> bool {
    let families = [
        "external.",
        "lb_",
        "membership_",
        "outlier_detection.",
        "retry.",
        "upstream_rq_",
        "upstream_cx_none",
        "zone.",
    ];
    families.iter().any(|family| stat.starts_with(family)) && !stat.starts_with("lb_subsets_")
}

/// What differs, and why: the conversation, the counters, the reason.
const DIFFERENT: [(&str, &str, &str); 7] = [
    (
        "is-gone",
        "upstream_cx_connect_",
        "the third attempt to connect and the request come to their ends at the same time",
    ),
    ("is-gone", "upstream_rq_cancelled", "the same"),
    ("is-gone", "upstream_rq_pending_failure_eject", "the same"),
    (
        "refuses-and-is-ejected",
        "lb_healthy_panic",
        "Envoy's worker hears of the ejection after the request's last attempt",
    ),
    ("rude-client", "upstream_", "Envoy passes a body on as it comes, the sidecar when it is whole"),
    ("hasty-client", "upstream_", "the same"),
    ("rude-client", "external.", "the same"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn clients_get_what_envoys_clients_get() {
    let (ours, envoys) = tokio::join!(hear(Proxies::Zonewalk), hear(envoys()));
    assert!(ours.stats["is-gone"]["upstream_cx_connect_timeout"] >= 2, "{:?}", ours.stats["is-gone"]);
    let mut differences = vec![];
    for Conversation { name, .. } in CONVERSATIONS {
        let (our, envoy) = (&ours.answers[name], &envoys.answers[name]);
        if our != envoy {
            differences.push(format!("{name}: answered {our:#?}, Envoy {envoy:#?}"));
        }
        let (our, envoy) = (&ours.stats[name], &envoys.stats[name]);
        let names: BTreeSet<&String> = our.keys().chain(envoy.keys().filter(|stat| is_ours(stat))).collect();
        for stat in names {
            // Counters by status exist from their first increment on; Envoy's sometimes before it.
            let of = |stats: &BTreeMap<String, u64>| match stats.get(stat) {
                None if stat.ends_with("upstream_rq_completed") => Some(0),
                value => value.copied(),
            };
            let (our, envoy) = (of(our), of(envoy));
            let is_known = DIFFERENT.iter().any(|(with, of, _)| with == name && stat.starts_with(of));
            if our != envoy && !is_known {
                differences.push(format!("{name}: {stat} is {our:?}, with Envoy {envoy:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came true: {what}");
}
