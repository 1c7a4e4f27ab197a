//! Hosts behind a proxy that answer, fail, hang, refuse and break off.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
pub(crate) const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
pub(crate) const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";

/// How a stub host treats a request once it has read it.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    Answers(&'static str),
    /// 200, with the request's head as the body.
    Echoes,
    Hangs,
    /// Half of a response, then nothing.
    Stalls,
    Closes,
    /// Half of a response, then the connection's end.
    Breaks,
}

#[derive(Clone)]
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    /// The body sizes of the requests that it has read.
    pub(crate) read: Arc<Mutex<Vec<usize>>>,
}

impl Stub {
    pub(crate) async fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stub = Self { address, manner: Arc::new(Mutex::new(manner)), read: Arc::default() };
        let accepting = stub.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        stub
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some((head, body)) = read_request(&mut stream).await {
            self.read.lock().unwrap().push(body);
            let manner = *self.manner.lock().unwrap();
            let answer = match manner {
                Manner::Answers(answer) => answer.to_owned(),
                Manner::Echoes => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len()),
                Manner::Stalls => HALF.to_owned(),
                Manner::Hangs => String::new(),
                Manner::Breaks => {
                    stream.write_all(HALF.as_bytes()).await.unwrap();
                    return;
                }
                Manner::Closes => return,
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return; // the proxy has given up on it
            }
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.read.lock().unwrap().len()
    }

    pub(crate) fn turns(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

/// A request's head, and how long its body was.
async fn read_request(stream: &mut TcpStream) -> Option<(String, usize)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    // hyper and Envoy write names in lower case.
    let length = match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => length.parse().unwrap(),
        None if head.contains("\r\ntransfer-encoding: chunked") => return Some((head, read_chunks(stream).await?)),
        None => 0,
    };
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some((head, length))
}

async fn read_chunks(stream: &mut TcpStream) -> Option<usize> {
    let mut sum = 0;
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.ok()?);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
        stream.read_exact(&mut vec![0; size + 2]).await.ok()?;
        sum += size;
        if size == 0 {
            return Some(sum);
        }
    }
}

/// An address that refuses connections.
pub(crate) async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
