//! Envoy's admin interface on its Unix socket. It answers within milliseconds, from a thread of its own, so callers wait.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An Envoy that takes this long is not going to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(super) struct Admin {
    socket: PathBuf,
}

impl Admin {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn get(&self, path: &str) -> io::Result<String> {
        self.ask("GET", path)
    }

    pub(super) fn post(&self, path: &str) -> io::Result<String> {
        self.ask("POST", path)
    }

    /// The body of a 200.
    fn ask(&self, method: &str, path: &str) -> io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        body(&answer).ok_or_else(|| {
            let line = answer.lines().next().unwrap_or("nothing");
            io::Error::other(format!("{method} {path} of Envoy's admin interface was answered with {line:?}"))
        })
    }
}

fn body(answer: &str) -> Option<String> {
    let (head, rest) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    if !lines.next()?.starts_with("HTTP/1.1 200 ") {
        return None;
    }
    if lines.any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked")) {
        return dechunked(rest);
    }
    Some(rest.to_owned())
}

/// Joins chunks; `None` if the last one is missing.
fn dechunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, chunk) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(chunk.get(..size)?);
        rest = chunk.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn bodies_come_whole_or_in_chunks() {
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nLIVE\n").as_deref(), Some("LIVE\n"));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(body(chunked).as_deref(), Some("a\r\n0123456789"));
    }

    #[test]
    fn what_broke_off_or_is_no_200_is_no_body() {
        assert_eq!(body("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"), None);
        assert_eq!(body("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nno\n"), None);
        assert_eq!(body(""), None);
    }
}
