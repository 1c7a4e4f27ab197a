//! Envoy's admin interface on its Unix socket.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hyper::{Method, StatusCode};

use crate::http;

/// How long the admin interface may take: it answers within milliseconds, from a thread of its own.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Admin {
    pub(super) socket: PathBuf,
}

impl Admin {
    pub(super) async fn get(&self, path: &str) -> io::Result<String> {
        self.ask(Method::GET, path).await
    }

    pub(super) async fn post(&self, path: &str) -> io::Result<String> {
        self.ask(Method::POST, path).await
    }

    /// [`Self::get`] for callers that are not async. They may hold a lock that all threads of their runtime wait for, so a
    /// thread and a runtime of its own ask.
    pub(super) fn get_blocking(&self, path: &str) -> io::Result<String> {
        let ask = || tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.get(path));
        let asked = std::thread::scope(|scope| scope.spawn(ask).join());
        asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The body of the answer, which has to be a 200.
    async fn ask(&self, method: Method, path: &str) -> io::Result<String> {
        let answer = http::ask_socket(method.clone(), &self.socket, path, TIMEOUT).await;
        match answer.map_err(io::Error::other)? {
            (StatusCode::OK, body) => String::from_utf8(body.into()).map_err(io::Error::other),
            (status, _) => Err(io::Error::other(format!("{method} {path} was answered with {status}"))),
        }
    }
}
