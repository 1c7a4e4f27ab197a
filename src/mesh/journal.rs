//! What the proxies of a mesh have carried, request by request, until somebody takes it.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::request;
use hyper::{Response, Version};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::http::{Body, BodySize};

/// A request that a proxy has carried, with its answer.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The ARN of the proxy's task.
    pub task: Arc<str>,
    pub to: To,
    pub began: Timestamp,
    pub took: Duration,
    /// The answer's HTTP status.
    pub status: u16,
    pub request: Size,
    pub response: Size,
    /// What only an access log tells, if the proxy writes one.
    pub line: Option<Box<Line>>,
}

/// Whom a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// The proxy's own application, at this port of the task.
    Own(u16),
    /// Others.
    Upstream {
        /// `<discovery name>.<namespace>`
        cluster: Arc<str>,
        /// The endpoint that answered last: the task's ARN, and its address in the tasks' network. None: there was none.
        endpoint: Option<(Arc<str>, SocketAddrV4)>,
    },
}

/// Of a request or an answer, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub head: u64,
    pub body: u64,
}

impl Size {
    pub fn whole(self) -> u64 {
        self.head + self.body
    }
}

/// What an access log tells of a request beside its size and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub method: String,
    pub path: String,
    /// `HTTP/1.1`
    pub protocol: &'static str,
    pub authority: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub forwarded_for: Option<String>,
}

/// The most that is kept: of what nobody takes, the oldest is forgotten.
const MOST: usize = 100_000;

/// How many there are when somebody is told to take them.
const ENOUGH: usize = 500;

pub(super) struct Journal {
    kept: Mutex<Vec<Carried>>,
    enough: Arc<Notify>,
}

impl Journal {
    /// `enough` is notified when there is much to take.
    pub(super) fn new(enough: Arc<Notify>) -> Self {
        Self { kept: Mutex::default(), enough }
    }

    pub(super) fn take(&self) -> Vec<Carried> {
        std::mem::take(&mut *self.kept.lock())
    }

    fn note(&self, carried: Carried) {
        let mut kept = self.kept.lock();
        if kept.len() >= MOST {
            kept.drain(..MOST / 2);
            tracing::warn!("what the proxies have passed on is not asked for: half of it is forgotten");
        }
        kept.push(carried);
        if kept.len().is_multiple_of(ENOUGH) {
            self.enough.notify_one();
        }
    }
}

/// What a task's proxy notes what it carries with.
#[derive(Clone)]
pub struct Recorder {
    journal: Arc<Journal>,
    task: Arc<str>,
    logs_accesses: bool,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Recorder {
    pub(super) fn new(journal: Arc<Journal>, task: &str, logs_accesses: bool) -> Self {
        Self { journal, task: task.into(), logs_accesses }
    }

    /// Begins with the head of a request. One that is logged gets an ID, as all do in Envoy.
    pub(super) fn begin(&self, head: &mut request::Parts) -> Recording {
        if self.logs_accesses && !head.headers.contains_key(REQUEST_ID) {
            let id = HeaderValue::from_str(&new_request_id()).unwrap_or_else(|_| HeaderValue::from_static("-"));
            head.headers.insert(REQUEST_ID, id);
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        // `GET /path HTTP/1.1`, and the end of the line.
        let start = head.method.as_str().len() + path.len() + " HTTP/1.1\r\n".len() + 1;
        Recording {
            recorder: self.clone(),
            began: Timestamp::now(),
            since: Instant::now(),
            head: (start + size_of(&head.headers)) as u64,
            line: self.logs_accesses.then(|| Box::new(Line::of(head, path))),
        }
    }
}

/// A request on its way.
pub(super) struct Recording {
    recorder: Recorder,
    began: Timestamp,
    since: Instant,
    head: u64,
    line: Option<Box<Line>>,
}

impl Recording {
    /// Notes the request when its answer has been passed on, or broken off.
    pub(super) fn end(self, to: To, request: BodySize, response: &mut Response<Body>) {
        let Self { recorder, began, since, head, line } = self;
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let start = "HTTP/1.1 200 \r\n".len() + reason.len();
        let response_head = (start + size_of(response.headers())) as u64;
        response.body_mut().on_end(move |body| {
            recorder.journal.note(Carried {
                task: recorder.task,
                to,
                began,
                took: since.elapsed(),
                status: status.as_u16(),
                request: Size { head, body: request.get() },
                response: Size { head: response_head, body },
                line,
            });
        });
    }
}

impl Line {
    fn of(head: &request::Parts, path: &str) -> Self {
        let said = |name: HeaderName| Some(String::from_utf8_lossy(head.headers.get(name)?.as_bytes()).into_owned());
        Self {
            method: head.method.to_string(),
            path: path.to_owned(),
            protocol: if head.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
            authority: said(HOST),
            user_agent: said(USER_AGENT),
            request_id: said(REQUEST_ID),
            forwarded_for: said(FORWARDED_FOR),
        }
    }
}

/// `name: value` and the end of the line of each header, and the empty line.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>() + "\r\n".len()
}

/// A version 4 UUID, as Envoy's request IDs are.
fn new_request_id() -> String {
    let bits = (rand::random::<u128>() & !(0xf << 76) & !(0b11 << 62)) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_version_4_uuids() {
        let id = new_request_id();
        let parts: Vec<&str> = id.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        assert_ne!(id, new_request_id());
    }
}
