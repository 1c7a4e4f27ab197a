//! The answer to a change is lost on the wire: the cloud has carried it out, the client does not know and asks again.
//! Nothing may come of it twice, whatever the change; for most the SDK repeats, where it must not the stage looks first.

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
use zonewalk::cloud::Pace;
use zonewalk::report::events::Events;
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use crate::support::{self, REGION, inventory, settings, start_cloud};

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

    async fn context(&self) -> Context {
        let clients = Target::local(&format!("http://{}", self.address), REGION).connect().await.unwrap();
        Context::new(clients, settings(), Events::silent(), CancellationToken::new())
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

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_change_makes_nothing_twice() {
    let cloud = start_cloud(Pace::Instant).await;
    let proxy = LossyProxy::start(cloud.address()).await;
    let ctx = proxy.context().await;
    let empty = inventory(&ctx.clients).await;
    up(&ctx).await.unwrap();
    let changes_of_up = proxy.changes();
    let complete = inventory(&ctx.clients).await;
    down(&ctx).await.unwrap();
    let changes_of_down = proxy.changes() - changes_of_up;
    proxy.task.abort();
    cloud.shutdown().await;

    let case = async |n: usize| {
        let cloud = start_cloud(Pace::Instant).await;
        let proxy = LossyProxy::start(cloud.address()).await;
        let (ctx, direct) = (proxy.context().await, support::clients(&cloud).await);
        proxy.lose(n);
        let done = up(&ctx).await;
        let lost = proxy.lost(n, changes_of_up);
        done.unwrap_or_else(|error| panic!("up without the answer to {lost}: {error}"));
        assert_eq!(inventory(&direct).await, complete, "up without the answer to {lost}");
        proxy.lose(n);
        let removed = down(&ctx).await.unwrap();
        let lost = proxy.lost(n, changes_of_down);
        assert_eq!(removed.leftovers, [], "down without the answer to {lost}");
        assert_eq!(inventory(&direct).await, empty, "down without the answer to {lost}");
        proxy.task.abort();
        cloud.shutdown().await;
    };
    let cases = futures_util::stream::iter(1..=changes_of_up.max(changes_of_down));
    cases.map(case).buffer_unordered(4).collect::<Vec<()>>().await;
    println!("each of {changes_of_up} changes of up and {changes_of_down} of down without its answer");
}
