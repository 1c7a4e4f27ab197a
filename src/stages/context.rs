//! What every stage works with: clients, settings, names, where events go. Requests are sent here, and none after an
//! interruption.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_sts::primitives::DateTime;
use futures_util::TryFutureExt;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::aws::error::{SdkResult, ServiceError};
use crate::aws::{Clients, CloudError, ErrorClass};
use crate::data_plane::DataPlane;
use crate::events::Events;
use crate::settings::{ResourceNames, Settings};

/// What every stage works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    pub clients: Clients,
    pub settings: Arc<Settings>,
    pub names: Arc<ResourceNames>,
    pub events: Events,
    /// The token that is cancelled when the user interrupts: the request under way is awaited, and no further one is sent.
    pub cancel: CancellationToken,
    pub data_plane: DataPlane,
    /// The start of this run: what AWS dates before it is history.
    started: SystemTime,
    /// What was found to be others' and stays so: it is not asked for again.
    pub(super) foreign: Arc<Mutex<BTreeSet<String>>>,
    /// What has been noted of looks that were refused.
    noted: Arc<Mutex<BTreeSet<String>>>,
    /// Whether something of the stage that works with this context exists in the cloud, finished or not.
    begun: Arc<AtomicBool>,
}

impl Context {
    pub fn new(clients: Clients, settings: Settings, events: Events, cancel: CancellationToken) -> Self {
        let names = Arc::new(settings.name.resources());
        let (started, foreign, begun) = (SystemTime::now(), Arc::default(), Arc::default());
        let data_plane = DataPlane::default();
        let (settings, noted) = (Arc::new(settings), Arc::default());
        Self { clients, settings, names, events, cancel, data_plane, started, foreign, noted, begun }
    }

    /// The same context where somebody else than the cloud carries the traffic.
    pub fn with_data_plane(self, data_plane: DataPlane) -> Self {
        Self { data_plane, ..self }
    }

    /// The same context with another token, for work that others do not interrupt, such as putting back what was changed.
    pub fn with_cancel(&self, cancel: CancellationToken) -> Self {
        Self { cancel, ..self.clone() }
    }

    /// The same context with another limit for what is waited for.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        let settings = Settings { timeout, ..(*self.settings).clone() };
        Self { settings: Arc::new(settings), ..self.clone() }
    }

    /// The same context with another receiver of events.
    pub fn with_events(&self, events: Events) -> Self {
        Self { events, ..self.clone() }
    }

    /// The same context for one stage, which has begun nothing yet.
    pub(crate) fn for_stage(&self) -> Self {
        Self { begun: Arc::default(), ..self.clone() }
    }

    /// Whether the stage has found a resource of ours, or changed anything: should it fail, that exists all the same.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn set_begun(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// The value of the owner tag.
    pub(super) fn owner(&self) -> &str {
        self.settings.name.as_str()
    }

    /// Sends one request that changes nothing, unless the user has interrupted. `action` is its name as IAM spells it.
    pub(crate) fn look<T, E: ServiceError>(
        &self,
        action: &'static str,
        request: impl Future<Output = SdkResult<T, E>>,
    ) -> impl Future<Output = Result<T, Error>> {
        let call = self.clients.call(action, request);
        async {
            self.checkpoint()?;
            Ok(call.await?)
        }
    }

    /// Sends one request that changes something, unless the user has interrupted.
    pub(crate) fn change<T, E: ServiceError>(
        &self,
        action: &'static str,
        request: impl Future<Output = SdkResult<T, E>>,
    ) -> impl Future<Output = Result<(), Error>> {
        self.change_with_answer(action, request).map_ok(drop)
    }

    /// The same, where the answer tells something that is needed.
    pub(crate) fn change_with_answer<T, E: ServiceError>(
        &self,
        action: &'static str,
        request: impl Future<Output = SdkResult<T, E>>,
    ) -> impl Future<Output = Result<T, Error>> {
        let call = self.clients.call(action, request);
        async {
            self.checkpoint()?;
            let answer = call.await;
            if may_be_done(&answer) {
                self.set_begun();
            }
            Ok(answer?)
        }
    }

    /// Reads all pages of a list, where `next` sends the request for one (the SDK's paginators send none ahead). An
    /// interruption ends it before the next page is asked for.
    pub(crate) async fn pages<T, E: ServiceError>(
        &self,
        action: &'static str,
        mut next: impl AsyncFnMut() -> Option<SdkResult<T, E>>,
    ) -> Result<Vec<T>, Error> {
        let mut pages = vec![];
        loop {
            self.checkpoint()?;
            let Some(page) = next().await else { return Ok(pages) };
            pages.push(self.clients.call(action, async { page }).await?);
        }
    }

    /// What a look has found, where the walkthrough can go on without. None: the caller may not look, which is noted once,
    /// with what is done instead.
    pub(super) fn unless_refused<T>(&self, found: Result<T, Error>, instead: &str) -> Result<Option<T>, Error> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Error::Cloud(CloudError { class: ErrorClass::Refused, action, code: Some(_), .. })) => {
                let note = format!("{action} is not allowed: {instead}");
                if self.noted.lock().insert(note.clone()) {
                    self.events.note(note);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A new token by which AWS knows a repetition of one request from a second request.
    pub(super) fn client_token(&self) -> String {
        format!("zonewalk-{:016x}", rand::random::<u64>())
    }

    /// Whether something that AWS dates so has happened in this run.
    pub(super) fn is_of_this_run(&self, time: &DateTime) -> bool {
        *time >= DateTime::from(self.started)
    }

    fn checkpoint(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// A refusal tells that nothing was done, unless it says that it was done already; a lost answer tells nothing.
fn may_be_done<T>(answer: &Result<T, CloudError>) -> bool {
    answer.as_ref().err().is_none_or(|error| {
        error.code.is_none() || matches!(error.class, ErrorClass::AlreadyExists | ErrorClass::ServerFault)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::aws::Target;

    /// Answers each `ListTasks` with a page that says that there is another.
    async fn serve_pages_without_end(listener: TcpListener, on_page: impl Fn()) {
        let body = r#"{"taskArns":["arn:aws:ecs:us-east-1:000000000000:task/c/1"],"nextToken":"more"}"#;
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        while let Ok((mut connection, _)) = listener.accept().await {
            on_page();
            let mut request = vec![];
            while !request.ends_with(b"}") {
                assert!(connection.read_buf(&mut request).await.unwrap() > 0, "half a request");
            }
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_cancelled_command_sends_no_further_page() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::local(&format!("http://{}", listener.local_addr().unwrap()), "us-east-1");
        let clients = target.connect().await.unwrap();
        let ctx = Context::new(clients, Settings::default(), Events::silent(), CancellationToken::new());
        let (pages, cancel) = (Arc::new(AtomicU32::new(0)), ctx.cancel.clone());
        let sent = Arc::clone(&pages);
        tokio::spawn(serve_pages_without_end(listener, move || {
            if sent.fetch_add(1, Ordering::Relaxed) == 2 {
                cancel.cancel();
            }
        }));
        let mut tasks = ctx.clients.ecs.list_tasks().into_paginator().stop_on_duplicate_token(false).send();
        let listed = ctx.pages("ecs:ListTasks", async || tasks.next().await).await;
        assert!(listed.unwrap_err().is_interrupted());
        assert_eq!(pages.load(Ordering::Relaxed), 3, "the page under way is the last");
    }
}
