//! How the commands speak to the process that plays an emulator's hosts for them.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::control::INGRESS;
use crate::http;

/// Longer than the process takes to say that the hosts are not ready.
const LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the hosts at {control_url} do not answer ({reason}): repeat the command with --local-traffic, which starts them anew"
    )]
    Unreachable { control_url: String, reason: String },
    #[error("{0}")]
    NotReady(String),
}

/// A client of the process behind a control URL. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    control_url: String,
}

impl Client {
    pub fn new(control_url: impl Into<String>) -> Self {
        Self { control_url: control_url.into() }
    }

    /// The URL that stands in for a load balancer's name, once everything runs that should. None: nothing does.
    pub async fn ingress(&self, dns_name: &str) -> Result<Option<String>, Error> {
        let url = self.ask(Method::GET, &format!("{INGRESS}{dns_name}")).await?;
        Ok(Some(url).filter(|url| !url.is_empty()))
    }

    /// All proxies' counters, as the script of `stats` prints them.
    pub async fn stats(&self) -> Result<String, Error> {
        self.ask(Method::GET, "/_zonewalk/stats").await
    }

    /// What the emulator lacks and was made up for.
    pub async fn notes(&self) -> Result<Vec<String>, Error> {
        let notes = self.ask(Method::GET, "/_zonewalk/notes").await?;
        Ok(notes.lines().map(str::to_owned).collect())
    }

    /// Stops all tasks, and lets no more start.
    pub async fn drain(&self) -> Result<(), Error> {
        self.ask(Method::POST, "/_zonewalk/drain").await.map(drop)
    }

    /// Lets tasks start again after a [`Client::drain`] whose removal was not finished.
    pub async fn resume(&self) -> Result<(), Error> {
        self.ask(Method::POST, "/_zonewalk/resume").await.map(drop)
    }

    /// Whether anything stands that the hosts play for.
    pub async fn is_needed(&self) -> Result<bool, Error> {
        Ok(self.ask(Method::GET, "/_zonewalk/needed").await? != "no")
    }

    /// Why no task stays, if that is so.
    pub async fn trouble(&self) -> Result<Option<String>, Error> {
        let trouble = self.ask(Method::GET, "/_zonewalk/trouble").await?;
        Ok(Some(trouble).filter(|trouble| !trouble.is_empty()))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<String, Error> {
        let answer = http::ask(method, &format!("{}{path}", self.control_url), Bytes::new(), LIMIT).await;
        let (status, body) = answer.map_err(|error| Error::Unreachable {
            control_url: self.control_url.to_owned(),
            reason: error.to_string(),
        })?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status == StatusCode::OK { Ok(text) } else { Err(Error::NotReady(text)) }
    }
}
