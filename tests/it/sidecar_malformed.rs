//! Messages that are malformed, ambiguous or unusual, byte for byte: what the sidecar answers, whether it goes on with the
//! connection, and what reaches the host behind it. `envoy_malformed` sends a real Envoy the same.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::timeout;
use zonewalk::mesh::endpoints::{Address, Upstream};
use zonewalk::mesh::sidecar::Sidecar;
use zonewalk::mesh::transport::{IDLE_TIMEOUT, Transport};
use zonewalk::routing::{Health, Host, HostSet, Locality};

/// How long nothing has to come before it counts as silence.
const SILENCE: Duration = Duration::from_millis(700);

/// The authority of a case: its host records what reaches it.
fn authority(name: &str) -> String {
    format!("{name}:8090")
}

/// A request, and its name. `HOST` stands for a line with the right `Host`.
const REQUESTS: &[(&str, &str)] = &[
    ("plain", "GET / HTTP/1.1\r\nHOST\r\n"),
    ("head", "HEAD / HTTP/1.1\r\nHOST\r\n"),
    ("pipelined", "GET /1 HTTP/1.1\r\nHOST\r\nGET /2 HTTP/1.1\r\nHOST\r\n"),
    ("length-and-chunked", "POST / HTTP/1.1\r\nHOSTcontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked-and-length", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n"),
    (
        "smuggled-behind-chunks",
        "POST / HTTP/1.1\r\nHOSTcontent-length: 50\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHOST\r\n",
    ),
    ("two-lengths", "POST / HTTP/1.1\r\nHOSTcontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
    ("one-length-twice", "POST / HTTP/1.1\r\nHOSTcontent-length: 2\r\ncontent-length: 2\r\n\r\nab"),
    ("length-list", "POST / HTTP/1.1\r\nHOSTcontent-length: 2, 2\r\n\r\nab"),
    ("length-plus", "POST / HTTP/1.1\r\nHOSTcontent-length: +2\r\n\r\nab"),
    ("length-minus", "POST / HTTP/1.1\r\nHOSTcontent-length: -2\r\n\r\nab"),
    ("length-hex", "POST / HTTP/1.1\r\nHOSTcontent-length: 0x2\r\n\r\nab"),
    ("length-empty", "POST / HTTP/1.1\r\nHOSTcontent-length:\r\n\r\n"),
    ("length-huge", "POST / HTTP/1.1\r\nHOSTcontent-length: 99999999999999999999\r\n\r\nab"),
    ("length-spaced-colon", "POST / HTTP/1.1\r\nHOSTcontent-length : 2\r\n\r\nab"),
    ("coding-unknown", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("coding-identity", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: identity\r\n\r\n0\r\n\r\n"),
    ("coding-chunked-first", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("coding-gzip-chunked", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (
        "coding-twice",
        "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    ("coding-vertical-tab", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("coding-folded", "POST / HTTP/1.1\r\nHOSTtransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("coding-in-http-10", "POST / HTTP/1.0\r\nHOSTtransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunks", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
    ("chunks-trailer", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx: y\r\n\r\n"),
    ("chunks-extension", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\n\r\n"),
    ("chunks-extension-lf", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n2;a\nxx\r\nab\r\n0\r\n\r\n"),
    ("chunks-hex-prefix", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n"),
    ("chunks-plus", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n"),
    ("chunks-minus", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n"),
    ("chunks-underscore", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n0_2\r\nab\r\n0\r\n\r\n"),
    ("chunks-empty-size", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n"),
    ("chunks-huge", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n0\r\n\r\n"),
    ("chunks-size-lf", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n"),
    ("chunks-data-lf", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n"),
    ("chunks-too-long", "POST / HTTP/1.1\r\nHOSTtransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"),
    ("bare-lf", "GET / HTTP/1.1\nHOST\n"),
    ("bare-lf-in-a-header", "GET / HTTP/1.1\r\nHOSTa: b\nc: d\r\n\r\n"),
    ("bare-cr-in-a-header", "GET / HTTP/1.1\r\nHOSTa: b\rc: d\r\n\r\n"),
    ("nul-in-a-header", "GET / HTTP/1.1\r\nHOSTa: b\0c\r\n\r\n"),
    ("folded-header", "GET / HTTP/1.1\r\nHOSTa: b\r\n c\r\n\r\n"),
    ("no-colon", "GET / HTTP/1.1\r\nHOSTnothing\r\n\r\n"),
    ("empty-name", "GET / HTTP/1.1\r\nHOST: b\r\n\r\n"),
    ("space-in-a-name", "GET / HTTP/1.1\r\nHOSTa b: c\r\n\r\n"),
    ("space-before-the-first", "GET / HTTP/1.1\r\n a: b\r\nHOST\r\n"),
    ("empty-line-first", "\r\nGET / HTTP/1.1\r\nHOST\r\n"),
    ("no-host", "GET / HTTP/1.1\r\n\r\n"),
    ("two-hosts", "GET / HTTP/1.1\r\nHOSThost: other\r\n\r\n"),
    ("host-twice", "GET / HTTP/1.1\r\nHOSTHOST\r\n"),
    ("absolute-target", "GET http://absolute-target:8090/a HTTP/1.1\r\nHOST\r\n"),
    ("absolute-and-other-host", "GET http://absolute-and-other-host:8090/a HTTP/1.1\r\nhost: other\r\n\r\n"),
    ("method-unknown", "PURGE / HTTP/1.1\r\nHOST\r\n"),
    ("method-lower-case", "get / HTTP/1.1\r\nHOST\r\n"),
    ("method-with-nul", "G\0T / HTTP/1.1\r\nHOST\r\n"),
    ("no-target", "GET HTTP/1.1\r\nHOST\r\n"),
    ("target-with-a-space", "GET /a b HTTP/1.1\r\nHOST\r\n"),
    ("target-with-a-fragment", "GET /a#b HTTP/1.1\r\nHOST\r\n"),
    ("target-with-a-control", "GET /a\x01b HTTP/1.1\r\nHOST\r\n"),
    ("options-all", "OPTIONS * HTTP/1.1\r\nHOST\r\n"),
    ("connect", "CONNECT example.com:443 HTTP/1.1\r\nHOST\r\n"),
    ("trace", "TRACE / HTTP/1.1\r\nHOST\r\n"),
    ("version-1.2", "GET / HTTP/1.2\r\nHOST\r\n"),
    ("version-2.0", "GET / HTTP/2.0\r\nHOST\r\n"),
    ("version-lower-case", "GET / http/1.1\r\nHOST\r\n"),
    ("no-version", "GET /\r\nHOST\r\n"),
    ("two-spaces", "GET  /  HTTP/1.1\r\nHOST\r\n"),
    ("no-http", "hello\r\n\r\n"),
    ("http-2-preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("upgrade", "GET / HTTP/1.1\r\nHOSTconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
    (
        "upgrade-h2c",
        "GET / HTTP/1.1\r\nHOSTconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    ),
    ("expect-continue", "POST / HTTP/1.1\r\nHOSTexpect: 100-continue\r\ncontent-length: 2\r\n\r\nab"),
    ("expect-other", "POST / HTTP/1.1\r\nHOSTexpect: tea\r\ncontent-length: 2\r\n\r\nab"),
    ("connection-names-host", "GET / HTTP/1.1\r\nHOSTconnection: host\r\n\r\n"),
    ("connection-names-length", "POST / HTTP/1.1\r\nHOSTconnection: content-length\r\ncontent-length: 2\r\n\r\nab"),
    ("99-headers", "GET / HTTP/1.1\r\nHOSTHEADERS98\r\n"),
    ("101-headers", "GET / HTTP/1.1\r\nHOSTHEADERS100\r\n"),
    ("head-of-59-kb", "GET / HTTP/1.1\r\nHOSTa: LETTERS59000\r\n\r\n"),
    ("head-of-70-kb", "GET / HTTP/1.1\r\nHOSTa: LETTERS70000\r\n\r\n"),
    ("path-of-50-kb", "GET /LETTERS50000 HTTP/1.1\r\nHOST\r\n"),
    ("path-of-70-kb", "GET /LETTERS70000 HTTP/1.1\r\nHOST\r\n"),
];

/// A host's answer to every request on a connection, and its name.
const ANSWERS: &[(&str, &str)] = &[
    ("a-plain", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ("a-http-10", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ("a-without-reason", "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok"),
    ("a-until-the-end", "HTTP/1.1 200 OK\r\n\r\nokEND"),
    ("a-chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    ("a-chunks-trailer", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n"),
    ("a-chunks-broken", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n"),
    ("a-chunks-cut", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nEND"),
    ("a-length-cut", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nokEND"),
    (
        "a-length-and-chunked",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ),
    ("a-two-lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
    ("a-length-plus", "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok"),
    ("a-coding-unknown", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nokEND"),
    (
        "a-more-than-asked",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
    ),
    ("a-continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ("a-early-hints", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ("a-switching", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    ("a-no-content", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("a-no-content-with-length", "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n"),
    ("a-not-modified", "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n"),
    ("a-status-99", "HTTP/1.1 99 Low\r\ncontent-length: 2\r\n\r\nok"),
    ("a-status-700", "HTTP/1.1 700 High\r\ncontent-length: 2\r\n\r\nok"),
    ("a-status-letters", "HTTP/1.1 2OO OK\r\ncontent-length: 2\r\n\r\nok"),
    ("a-bare-lf", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok"),
    ("a-folded", "HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 2\r\n\r\nok"),
    ("a-no-colon", "HTTP/1.1 200 OK\r\nnothing\r\ncontent-length: 2\r\n\r\nok"),
    ("a-nul", "HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 2\r\n\r\nok"),
    ("a-connection-close", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
    ("a-head-of-70-kb", "HTTP/1.1 200 OK\r\na: LETTERS70000\r\ncontent-length: 2\r\n\r\nok"),
    ("a-head-of-90-kb", "HTTP/1.1 200 OK\r\na: LETTERS90000\r\ncontent-length: 2\r\n\r\nok"),
    ("a-nothing", "END"),
];

/// What a text stands for.
fn filled(text: &str, name: &str) -> Vec<u8> {
    let mut text = text.replace("HOST", &format!("host: {}\r\n", authority(name)));
    for (word, make) in [
        ("HEADERS", (|count: usize| "a: b\r\n".repeat(count)) as fn(usize) -> String),
        ("LETTERS", |count| "x".repeat(count)),
    ] {
        if let Some((before, rest)) = text.split_once(word) {
            let digits = rest.len() - rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
            text = format!("{before}{}{}", make(rest[..digits].parse().unwrap()), &rest[digits..]);
        }
    }
    text.into_bytes()
}

/// A host that answers every request head that it reads with the same bytes, and remembers what it has read.
#[derive(Clone)]
struct Recording {
    address: SocketAddr,
    authority: String,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Recording {
    async fn new(authority: String, answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recording = Self { address: listener.local_addr().unwrap(), authority, read: Arc::default() };
        let read = recording.read.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (read, answer) = (read.clone(), answer.clone());
                tokio::spawn(async move {
                    let (mut seen, mut piece) = (Vec::new(), [0; 16 * 1024]);
                    while let Ok(count @ 1..) = stream.read(&mut piece).await {
                        read.lock().unwrap().extend(&piece[..count]);
                        seen.extend(&piece[..count]);
                        while let Some(end) = request_end(&seen) {
                            seen.drain(..end);
                            let (answer, is_last) = match answer.strip_suffix(b"END") {
                                Some(answer) => (answer, true),
                                None => (&*answer, false),
                            };
                            if stream.write_all(answer).await.is_err() || is_last {
                                return;
                            }
                        }
                    }
                });
            }
        });
        recording
    }

    /// The request lines and bodies that came, headers left out.
    fn requests(&self) -> String {
        let mut rest = self.read.lock().unwrap().clone();
        let mut requests = vec![];
        while let Some(end) = request_end(&rest) {
            let request = String::from_utf8_lossy(&rest[..end]).into_owned();
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
            let host = head
                .to_ascii_lowercase()
                .split("\r\n")
                .filter_map(|line| line.strip_prefix("host: ").map(str::to_owned))
                .collect::<Vec<_>>();
            let host =
                if host == [self.authority.as_str()] { String::new() } else { format!(" (host {})", host.join(", ")) };
            let line = if line.len() > 40 { format!("{}…", &line[..20]) } else { line.to_owned() };
            // In chunks or not is the proxy's choice.
            let body = match head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked") {
                true => body.split("\r\n").skip(1).step_by(2).collect(),
                false => body.to_owned(),
            };
            requests.push(if body.is_empty() { format!("{line}{host}") } else { format!("{line}{host} + {body}") });
            rest.drain(..end);
        }
        if !rest.is_empty() {
            requests.push("a part".to_owned());
        }
        requests.join(", ")
    }
}

/// Where the first request ends, as a host reads it that goes by the lengths.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let find = |from: usize, what: &[u8]| Some(from + bytes[from..].windows(what.len()).position(|at| at == what)?);
    let head = find(0, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let end = if text.contains("\r\ntransfer-encoding: chunked") {
        let mut at = head;
        loop {
            let line = find(at, b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line]).ok()?, 16).ok()?;
            at = line + 2 + size + 2;
            if size == 0 {
                break at;
            }
        }
    } else {
        let length = text.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        head + length.unwrap_or(0)
    };
    (end <= bytes.len()).then_some(end)
}

/// What a client hears: statuses and bodies, then whether the connection is closed; and after that, how a further request on
/// it fares.
async fn converse(proxy: SocketAddr, request: &[u8], name: &str) -> String {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    // The proxy may have answered and closed before it has read all.
    let _ = stream.write_all(request).await;
    let first = hear(&mut stream).await;
    if first.ends_with("closed") {
        return first;
    }
    let _ = stream.write_all(&filled("GET /next HTTP/1.1\r\nHOST\r\n", name)).await;
    let next = hear(&mut stream).await;
    // Some close at once, others a little later.
    if next == "silence closed" { format!("{first} closed") } else { format!("{first}; next {next}") }
}

async fn hear(stream: &mut TcpStream) -> String {
    let (mut heard, mut piece) = (Vec::new(), [0; 16 * 1024]);
    let end = loop {
        match timeout(SILENCE, stream.read(&mut piece)).await {
            Ok(Ok(count @ 1..)) => heard.extend(&piece[..count]),
            Ok(_) => break " closed",
            Err(_) => break "",
        }
    };
    let heard = String::from_utf8_lossy(&heard).into_owned();
    let mut answers = vec![];
    for answer in heard.split("HTTP/1.").skip(1) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default().trim_end();
        let body = body.replace("\r\n", "|");
        // The words of a proxy's own refusals are another test's.
        let is_hosts = body.len() < 20 && status != "400";
        answers.push(if is_hosts && !body.is_empty() { format!("{status} {body}") } else { status.to_owned() });
    }
    let answers = if answers.is_empty() { "silence".to_owned() } else { answers.join(", ") };
    format!("{answers}{end}")
}

/// What is sent, and the host that it is for.
pub(crate) struct Case {
    name: &'static str,
    request: Vec<u8>,
    host: Recording,
}

/// All cases, each with a host of its own.
pub(crate) async fn cases() -> Vec<Case> {
    let mut cases = vec![];
    for (name, request) in REQUESTS {
        let host = Recording::new(authority(name), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()).await;
        cases.push(Case { name, request: filled(request, name), host });
    }
    for (name, answer) in ANSWERS {
        let host = Recording::new(authority(name), filled(answer, name)).await;
        cases.push(Case { name, request: filled("GET / HTTP/1.1\r\nHOST\r\n", name), host });
    }
    cases
}

impl Case {
    pub(crate) fn upstream(&self) -> Upstream {
        Upstream {
            name: format!("{}.ns", self.name),
            authorities: vec![authority(self.name)],
            transport: Transport::default(),
        }
    }

    /// The upstream's name, and its one endpoint.
    pub(crate) fn endpoints(&self, own: &Locality) -> (String, Vec<Address>) {
        let address = Address {
            owner: self.name.into(),
            socket: self.host.address,
            network: "10.0.0.1:8090".parse().unwrap(),
            locality: own.clone(),
            health: Health::Healthy,
            blocked: None,
        };
        (self.upstream().name, vec![address])
    }

    /// What comes of it.
    async fn outcome(&self, proxy: SocketAddr) -> (&'static str, String) {
        let heard = converse(proxy, &self.request, self.name).await;
        let requests = self.host.requests();
        (self.name, format!("{heard} <- {}", if requests.is_empty() { "nothing" } else { &requests }))
    }
}

/// What comes of each case.
pub(crate) async fn outcomes(cases: &[Case], proxy: SocketAddr) -> Vec<(&'static str, String)> {
    join_all(cases.iter().map(|case| case.outcome(proxy))).await
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_smuggles_nothing() {
    let own = Locality::new("us-east-1", "use1-az1");
    let cases = cases().await;
    let sidecar = Sidecar::new(&own, cases.iter().map(Case::upstream).collect());
    let local: HostSet = [(own.clone(), vec![Host::default()])].into_iter().collect();
    for case in &cases {
        let (name, endpoints) = case.endpoints(&own);
        sidecar.update(&name, &local, &endpoints);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    let _server = sidecar.serve_outbound(listener, Some(IDLE_TIMEOUT), &Handle::current()).unwrap();
    let outcome: String =
        outcomes(&cases, proxy).await.into_iter().map(|(name, outcome)| format!("{name}: {outcome}\n")).collect();
    assert!(!outcome.contains("smuggled,") && !outcome.contains("bad"), "{outcome}");
    insta::assert_snapshot!(outcome);
}
