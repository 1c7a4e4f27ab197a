//! Traffic that comes from far away, or does not arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use zonewalk::traffic::{DriveError, Load, drive};

const ANSWER: &str = r#"{"availabilityZoneId": "use1-az1", "upstreamAvailabilityZoneId": "use1-az1"}"#;

fn load(url: &str, requests: u64, per_second: Option<u32>) -> Load {
    Load { url: url.to_owned(), requests: Some(requests), concurrency: 2, per_second, ..Load::default() }
}

#[tokio::test]
async fn a_load_balancer_out_of_reach_is_given_up_after_a_few_tries() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/");
    for (requests, rate) in [(200, None), (3, None), (200, Some(1_000)), (3, Some(1_000))] {
        let error = drive(&load(&url, requests, rate), &CancellationToken::new(), |_| ()).await.unwrap_err();
        let DriveError::OutOfReach { tried, .. } = &error else { panic!("{error}") };
        // With a rate, many may be under way at once.
        assert!(*tried >= requests.min(8) && *tried < if rate.is_some() { 201 } else { 20 }, "{error}");
        assert!(error.to_string().contains("is out of reach"), "{error}");
    }
}

/// Answers nobody before so many requests are under way.
async fn answer_together(mut stream: TcpStream, barrier: Arc<Barrier>) {
    let mut request = vec![];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    barrier.wait().await;
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_rate_is_held_however_long_the_answers_take() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let barrier = Arc::new(Barrier::new(20));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_together(stream, Arc::clone(&barrier)));
        }
    });
    let observed = drive(&load(&url, 20, Some(1_000)), &CancellationToken::new(), |_| ()).await.unwrap();
    assert_eq!((observed.answered(), observed.failed()), (20, 0));
}

/// Answers no sooner than this.
const LEAST: Duration = Duration::from_millis(5);

async fn answer_later(mut stream: TcpStream) {
    let mut request = vec![];
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            tokio::time::sleep(LEAST).await;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_of_a_rate_begins_before_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_later(stream));
        }
    });
    for _ in 0..5 {
        let observed = drive(&load(&url, 300, Some(1_000)), &CancellationToken::new(), |_| ()).await.unwrap();
        assert_eq!((observed.answered(), observed.failed()), (300, 0), "{:?}", observed.errors);
        let fastest = observed.latencies(|_| true).percentile_ms(0.0).unwrap();
        assert!(fastest >= LEAST.as_secs_f64() * 1_000.0 * 0.99, "an answer took {fastest} ms");
    }
}
