//! The answer to a change is lost on the wire: the cloud has carried it out, the client does not know and asks again.
//! Nothing may come of it twice, whatever the change; for most the SDK repeats, where it must not the stage looks first.
//! The account has no roles, so that they are made and removed, too.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zonewalk::aws::Target;
use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::events::Events;
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{self, REGION, settings};

/// Stands before a cloud and loses the answer to one change.
struct LossyProxy {
    address: SocketAddr,
    losses: Arc<Losses>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Losses {
    changes: AtomicUsize,
    /// The number of the change whose answer is lost; 0 for none.
    lose: AtomicUsize,
    lost: Mutex<Option<String>>,
}

impl LossyProxy {
    async fn start(cloud: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let losses = Arc::<Losses>::default();
        let shared = Arc::clone(&losses);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let losses = Arc::clone(&shared);
                let service = service_fn(move |request| forward(cloud, Arc::clone(&losses), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, losses, task }
    }

    /// The walkthrough before and after its settings change: other instances, replaced one by one.
    async fn contexts(&self) -> [Context; 2] {
        let clients = Target::local(&format!("http://{}", self.address), REGION).connect().await.unwrap();
        let before = Settings { task_count: TaskCount::new(2).unwrap(), ..settings() };
        let after = Settings { instance_type: "t3.large".to_owned(), ..before.clone() };
        [before, after]
            .map(|settings| Context::new(clients.clone(), settings, Events::silent(), CancellationToken::new()))
    }

    fn changes(&self) -> usize {
        self.losses.changes.load(Ordering::SeqCst)
    }

    /// Loses the answer to the n-th change from now.
    fn lose(&self, n: usize) {
        self.losses.lose.store(self.changes() + n, Ordering::SeqCst);
    }

    /// The operation whose answer was lost; that there was one, if there are as many changes.
    fn lost(&self, n: usize, changes: usize) -> String {
        let lost = self.losses.lost.lock().unwrap().take();
        assert_eq!(lost.is_some(), n <= changes, "answer {n} of {changes}: {lost:?}");
        lost.unwrap_or_else(|| "nothing".to_owned())
    }
}

async fn forward(
    cloud: SocketAddr,
    losses: Arc<Losses>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let operation = operation(&head, &body);
    head.uri = format!("http://{cloud}{}", head.uri.path()).parse().map_err(io::Error::other)?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.request(Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();

    let changes = !["Describe", "List", "Get"].iter().any(|reading| operation.starts_with(reading));
    if changes {
        let change = losses.changes.fetch_add(1, Ordering::SeqCst) + 1;
        if change == losses.lose.load(Ordering::SeqCst) {
            *losses.lost.lock().unwrap() = Some(operation);
            return Err(io::ErrorKind::ConnectionReset.into()); // closes the connection
        }
    }
    Ok(Response::from_parts(head, Full::new(body)))
}

fn operation(head: &hyper::http::request::Parts, body: &[u8]) -> String {
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()?.split('.').nth(1));
    let action =
        || form_urlencoded::parse(body).find(|(name, _)| name == "Action").map(|(_, value)| value.into_owned());
    target
        .map(str::to_owned)
        .or_else(action)
        .unwrap_or_else(|| head.uri.path().rsplit('/').next().unwrap_or_default().to_owned())
}

async fn bare_account() -> LocalCloud {
    let options = Options { pace: Pace::Instant, bare_account: true, ..Options::default() };
    LocalCloud::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_change_makes_nothing_twice() {
    let cloud = bare_account().await;
    let proxy = LossyProxy::start(cloud.address()).await;
    let [ctx, other] = proxy.contexts().await;
    let empty = inventory(&ctx.clients).await;
    up(&ctx).await.unwrap();
    let changes_of_up = proxy.changes();
    let complete = inventory(&ctx.clients).await;
    up(&other).await.unwrap();
    let changes_of_mending = proxy.changes() - changes_of_up;
    let mended = inventory(&ctx.clients).await;
    down(&other).await.unwrap();
    let changes_of_down = proxy.changes() - changes_of_up - changes_of_mending;
    proxy.task.abort();
    cloud.shutdown().await;

    let case = async |n: usize| {
        let cloud = bare_account().await;
        let proxy = LossyProxy::start(cloud.address()).await;
        let ([ctx, other], direct) = (proxy.contexts().await, support::clients(&cloud).await);
        let mends = n <= changes_of_mending;
        let first = (&ctx, &complete, changes_of_up);
        let then = mends.then_some((&other, &mended, changes_of_mending));
        for (ctx, stands, changes) in [Some(first), then].into_iter().flatten() {
            proxy.lose(n);
            let done = up(ctx).await;
            let lost = proxy.lost(n, changes);
            done.unwrap_or_else(|error| panic!("up without the answer to {lost}: {error}"));
            assert_eq!(inventory(&direct).await, *stands, "up without the answer to {lost}");
        }
        proxy.lose(n);
        let removed = down(&other).await.unwrap();
        let lost = proxy.lost(n, changes_of_down);
        assert_eq!(removed.leftovers, [], "down without the answer to {lost}");
        assert_eq!(inventory(&direct).await, empty, "down without the answer to {lost}");
        proxy.task.abort();
        cloud.shutdown().await;
    };
    let cases = futures_util::stream::iter(1..=changes_of_up.max(changes_of_mending).max(changes_of_down));
    cases.map(case).buffer_unordered(4).collect::<Vec<()>>().await;
    println!(
        "each of {changes_of_up} changes of up, {changes_of_mending} of another up and {changes_of_down} of down \
         without its answer"
    );
}
