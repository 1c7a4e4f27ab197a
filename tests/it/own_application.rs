//! An application of one's own, which says in its own words where it is.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use zonewalk::cloud::Pace;
use zonewalk::commands::application::Application;
use zonewalk::commands::verify;
use zonewalk::traffic::{Load, RoutingState, Verdict, drive};

use crate::support::{context, settings, start_cloud};

const HEADER: &str = "x-tenant: blue\r\n";

/// Answers with the zones if the header came along, again and again.
async fn answer(mut stream: TcpStream, zones: &'static str) {
    let mut request = vec![];
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let status = if String::from_utf8_lossy(&request).contains(HEADER) { "200 OK" } else { "403 Forbidden" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{zones}", zones.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        request.clear();
    }
}

async fn application(zones: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/shop?all=1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, zones));
        }
    });
    url
}

fn asked(url: &str) -> verify::Asked {
    let application = Application {
        url: Some(url.to_owned()),
        headers: vec!["X-Tenant=blue".parse().unwrap()],
        zone_fields: Some("/here/az,there".parse().unwrap()),
        ..Application::default()
    };
    verify::Asked { application, ..verify::Asked::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_judged_by_its_answers_alone_where_its_services_are_not_known() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    for (answer, state) in [
        (r#"{"here":{"az":"use1-az1"},"there":"use1-az1"}"#, RoutingState::On),
        (r#"{"here":{"az":"use1-az1"},"there":"use1-az4"}"#, RoutingState::Off),
    ] {
        let url = application(answer).await;
        let result = verify::run_until_interrupted(&ctx, asked(&url)).await.unwrap();
        assert_eq!((result.requests, result.errors), (200, 0), "{:?}", result.error_kinds);
        assert_eq!(result.zone_aware_routing.state, state, "{:?}", result.reasons);
        assert_eq!(result.verdict, Verdict::of(state == RoutingState::On));
        assert_eq!((result.url.as_deref(), result.expected.same_zone_share), (Some(url.as_str()), None));
        assert!(result.reasons.iter().any(|reason| reason.contains("nothing is predicted")), "{:?}", result.reasons);
        let why = result.zone_aware_routing.counters_not_read.unwrap();
        assert!(why.contains("--services"), "{why}");
        let transfer = result.transfer.unwrap();
        assert_eq!(transfer.cross_zone_share_without_zones, None);
        // The head of a request and of an answer, and the answer's body.
        let head =
            "GET /shop?all=1 HTTP/1.1\r\nhost: 127.0.0.1:12345\r\nazawarerouting: true\r\n\r\n".len() + HEADER.len();
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len()).len() + answer.len();
        let expected = 200 * (head + reply) as u64;
        assert!(transfer.bytes.abs_diff(expected) <= 200, "{} and {expected}", transfer.bytes);
    }
    cloud.shutdown().await;
}

#[tokio::test]
async fn fields_that_are_not_there_are_named() {
    let url = application(r#"{"here":{"az":"use1-az1"}}"#).await;
    let headers = vec!["x-tenant=blue".parse().unwrap()];
    let load =
        Load { url, requests: Some(3), headers, zone_fields: "/here/az,there".parse().unwrap(), ..Load::default() };
    let seen = drive(&load, &CancellationToken::new(), |_| ()).await.unwrap();
    assert_eq!(seen.errors["answered without a backend's zone (there)"], 3, "{:?}", seen.errors);
}

/// A rate and a time make a number of requests, whatever the answers take.
#[tokio::test]
async fn a_rate_is_kept_for_a_time() {
    let url = application(r#"{"availabilityZoneId":"a","upstreamAvailabilityZoneId":"b"}"#).await;
    let headers = vec!["x-tenant=blue".parse().unwrap()];
    let load =
        Load { url, headers, lasting: Some(Duration::from_millis(200)), per_second: Some(100), ..Load::default() };
    let seen = drive(&load, &CancellationToken::new(), |_| ()).await.unwrap();
    assert_eq!((seen.answered(), seen.failed()), (20, 0), "{:?}", seen.errors);
    // The last one was to start 190 ms after the first.
    assert!(seen.took >= Duration::from_millis(190), "{:?}", seen.took);
    let lasting = Load { per_second: None, ..load };
    let seen = drive(&lasting, &CancellationToken::new(), |_| ()).await.unwrap();
    assert!(seen.answered() > 0 && seen.took >= Duration::from_millis(200), "{:?}", seen.took);
    assert_eq!(seen.latencies(|(frontend, backend)| frontend != backend).count(), seen.answered());
}
