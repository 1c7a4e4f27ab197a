//! Traffic on a machine that reaches others through the proxy which its environment names.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::machine::{Machine, result};

const NAME: &str = "lb.example.invalid";

/// Passes on what comes, wherever it is addressed to, and edits the answers.
#[derive(Clone)]
pub(crate) struct Relay {
    to: String,
    edit: Arc<dyn Fn(String) -> String + Send + Sync>,
    /// The targets of the requests, as they came.
    targets: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    async fn start(to: &str, replace: (&str, &str)) -> (Self, SocketAddr) {
        let (from, into) = (replace.0.to_owned(), replace.1.to_owned());
        Self::editing(to, move |text| text.replace(&from, &into)).await
    }

    pub(crate) async fn editing(
        to: &str,
        edit: impl Fn(String) -> String + Send + Sync + 'static,
    ) -> (Self, SocketAddr) {
        let relay = Self { to: to.to_owned(), edit: Arc::new(edit), targets: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = relay.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let relay = served.clone();
                let service = service_fn(move |request| relay.clone().pass_on(request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        (relay, address)
    }

    async fn pass_on(
        self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper_util::client::legacy::Error> {
        self.targets.lock().unwrap().push(request.uri().to_string());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("http://{}{path}", self.to).parse::<Uri>().unwrap();
        let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await?;
        let (mut head, body) = answer.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, Full::from((self.edit)(text))))
    }

    fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_goes_through_the_environments_proxy_but_to_loopback() {
    let machine = Machine::new();
    let up = machine.json(&["up", "--local", "--output", "json"]);
    let load_balancer = up["url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
    let record = machine.path().join("local.json");
    let local = std::fs::read_to_string(&record).unwrap();
    let endpoint = serde_json::from_str::<Value>(&local).unwrap()["endpoint_url"].as_str().unwrap().to_owned();

    let (proxy, address) = Relay::start(load_balancer, ("", "")).await;
    let verify = async || {
        let mut command = machine.command(&["verify", "--local", "--output", "json"]);
        command.env("HTTP_PROXY", format!("http://{address}"));
        let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        result(&output.stdout)
    };
    assert_eq!(verify().await["requests"], 200);
    assert_eq!(proxy.targets(), Vec::<String>::new());

    // The same cloud, whose load balancer has a name that only the proxy knows.
    let (_, renamed) = Relay::start(endpoint.trim_start_matches("http://"), (load_balancer, NAME)).await;
    std::fs::write(&record, local.replace(&endpoint, &format!("http://{renamed}"))).unwrap();
    assert_eq!(verify().await["requests"], 200);
    let targets = proxy.targets();
    assert!(targets.len() >= 200 && targets.iter().all(|target| *target == format!("http://{NAME}/")), "{targets:?}");

    std::fs::write(&record, local).unwrap();
    machine.json(&["down", "--local", "--output", "json"]);
}
