//! Traffic that comes from far away, or does not arrive.

use std::sync::Arc;

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
    for requests in [200, 3] {
        let error = drive(&load(&url, requests, None), &CancellationToken::new(), |_| ()).await.unwrap_err();
        let DriveError::OutOfReach { tried, .. } = &error else { panic!("{error}") };
        assert!(*tried >= requests.min(8) && *tried < 20, "{error}");
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
