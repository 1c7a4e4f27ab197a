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
use crate::aws::{Clients, CloudError, ErrorClass, ZoneNames};
use crate::data_plane::DataPlane;
use crate::events::Events;
use crate::settings::{LaunchType, NetworkMode, ResourceNames, Settings};

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
    /// Whose Service Connect proxies the tasks have, if they are not AWS's.
    pub proxies: Option<String>,
    /// The start of this run: what AWS dates before it is history.
    started: SystemTime,
    /// The zones that have been looked up in this run.
    zones: Arc<Mutex<ZoneNames>>,
    /// The account, once it has been asked for.
    account: Arc<Mutex<Option<String>>>,
    /// What the tasks that stand run on, once it has been looked up.
    launch_type: Arc<Mutex<Option<LaunchType>>>,
    /// How they are reached, the same.
    network_mode: Arc<Mutex<Option<NetworkMode>>>,
    /// What has been noted of looks that were refused.
    noted: Arc<Mutex<BTreeSet<String>>>,
    /// What was found to be others' and stays so: it is not asked for again.
    pub(super) foreign: Arc<Mutex<BTreeSet<String>>>,
    /// Whether something of the stage that works with this context exists in the cloud, finished or not.
    begun: Arc<AtomicBool>,
    /// The same of anything of the walkthrough, found or made in this run.
    stands: Arc<AtomicBool>,
}

impl Context {
    pub fn new(clients: Clients, settings: Settings, events: Events, cancel: CancellationToken) -> Self {
        let names = Arc::new(settings.name.resources());
        Self {
            clients,
            settings: Arc::new(settings),
            names,
            events,
            cancel,
            data_plane: DataPlane::default(),
            proxies: None,
            started: SystemTime::now(),
            zones: Arc::default(),
            account: Arc::default(),
            launch_type: Arc::default(),
            network_mode: Arc::default(),
            noted: Arc::default(),
            foreign: Arc::default(),
            begun: Arc::default(),
            stands: Arc::default(),
        }
    }

    /// The same context where somebody else than the cloud carries the traffic.
    pub fn with_data_plane(self, data_plane: DataPlane) -> Self {
        Self { data_plane, ..self }
    }

    /// The same context where these proxies do the routing.
    pub fn with_proxies(self, proxies: Option<String>) -> Self {
        Self { proxies, ..self }
    }

    /// Whether the tasks' proxies are a local cloud's, which tells under which conditions they work.
    pub fn has_local_proxies(&self) -> bool {
        self.proxies.is_some() && matches!(self.data_plane, DataPlane::Cloud)
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
        self.set_stands();
    }

    /// Whether something of the walkthrough has been found or made in this run: should the run fail, it may stand all the same.
    pub(crate) fn stands(&self) -> bool {
        self.stands.load(Ordering::Relaxed)
    }

    pub(super) fn set_stands(&self) {
        self.stands.store(true, Ordering::Relaxed);
    }

    /// The zones that have been looked up in this run, for texts.
    pub fn zones(&self) -> ZoneNames {
        self.zones.lock().clone()
    }

    pub(super) fn learn_zones(&self, zones: ZoneNames) {
        *self.zones.lock() = zones;
    }

    /// The account that has been asked for in this run.
    pub fn account(&self) -> Option<String> {
        self.account.lock().clone()
    }

    pub(super) fn learn_account(&self, account: &str) {
        *self.account.lock() = Some(account.to_owned());
    }

    /// What tasks run on, or are to: what was asked for, else what those that stand run on.
    pub fn launch_type(&self) -> LaunchType {
        self.settings.launch_type.or(*self.launch_type.lock()).unwrap_or_default()
    }

    pub fn is_on_fargate(&self) -> bool {
        self.launch_type() == LaunchType::Fargate
    }

    /// How tasks are reached, or are to be: what was asked for, else how those that stand are.
    pub fn network_mode(&self) -> NetworkMode {
        self.settings.network_mode.or(self.standing_network_mode()).unwrap_or_default()
    }

    pub(super) fn standing_network_mode(&self) -> Option<NetworkMode> {
        *self.network_mode.lock()
    }

    pub(super) fn learn_network_mode(&self, network_mode: NetworkMode) {
        *self.network_mode.lock() = Some(network_mode);
    }

    pub(super) fn learn_launch_type(&self, launch_type: LaunchType) {
        *self.launch_type.lock() = Some(launch_type);
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
        async move {
            self.checkpoint()?;
            Ok(self.answer(action, call).await?)
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
        async move {
            self.checkpoint()?;
            let answer = self.answer(action, call).await;
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
            let Some(page) = self.answer(action, next()).await else { return Ok(pages) };
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

    /// Whether something that AWS dates so has happened in this run, whatever this machine's clock says.
    pub(super) fn is_of_this_run(&self, time: &DateTime) -> bool {
        let started = DateTime::from(self.started).as_secs_f64() + self.clients.clock.ahead();
        time.as_secs_f64() >= started
    }

    /// How long ago something happened that AWS dates so.
    pub(crate) fn age(&self, time: &DateTime) -> Duration {
        let now = DateTime::from(SystemTime::now()).as_secs_f64() + self.clients.clock.ahead();
        Duration::try_from_secs_f64(now - time.as_secs_f64()).unwrap_or_default()
    }

    /// The answer to a call, which the SDK may have to send several times.
    async fn answer<T>(&self, action: &str, call: impl Future<Output = T>) -> T {
        self.events.patiently(&format!("an answer to {action}"), call).await
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

    /// What AWS dates is compared with AWS's clock: one of this machine that is ahead would hide the run's failures, one that
    /// is behind would show those of earlier runs.
    #[tokio::test]
    async fn the_clouds_clock_decides_what_is_of_this_run() {
        for ahead in [-3600, 0, 3600] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = Target::local(&format!("http://{}", listener.local_addr().unwrap()), "us-east-1");
            let ctx = Context::new(
                target.connect().await.unwrap(),
                Settings::default(),
                Events::silent(),
                CancellationToken::new(),
            );
            let now = DateTime::from(SystemTime::now()).secs() + ahead;
            let date = DateTime::from_secs(now).fmt(aws_sdk_sts::primitives::DateTimeFormat::HttpDate).unwrap();
            let serve = async {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = vec![];
                while !request.ends_with(b"}") {
                    assert!(connection.read_buf(&mut request).await.unwrap() > 0, "half a request");
                }
                let head = format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: 2\r\n\r\n{{}}");
                connection.write_all(head.as_bytes()).await.unwrap();
            };
            let look = ctx.look("ecs:ListTasks", ctx.clients.ecs.list_tasks().send());
            let (looked, ()) = tokio::join!(look, serve);
            looked.unwrap();
            assert!(ctx.is_of_this_run(&DateTime::from_secs(now + 5)), "{ahead}");
            assert!(!ctx.is_of_this_run(&DateTime::from_secs(now - 60)), "{ahead}");
            assert!((50..70).contains(&ctx.age(&DateTime::from_secs(now - 60)).as_secs()), "{ahead}");
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
