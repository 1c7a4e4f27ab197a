//! How fast the driver is beside wrk: requests a second of each, on one thread, against the same server, which answers at once
//! with the article's JSON. They take turns in one run.
//! `cargo bench --bench driver` (arguments: connections, seconds of a turn, turns); needs wrk, which distributions package.

#![expect(clippy::print_stdout, reason = "what it measures is what it is for")]

use std::convert::Infallible;
use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use zonewalk::traffic::{Load, drive};

type AnyError = Box<dyn Error + Send + Sync>;

const ANSWER: &[u8] = br#"{"name":"fe","availabilityZoneId":"use1-az1","upstreamAvailabilityZoneId":"use1-az1"}"#;

/// The least share of wrk's rate that the driver is to reach.
const LEAST: f64 = 0.5;

/// Serves on a thread of its own for as long as the process lives.
fn serve() -> Result<SocketAddr, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true)?;
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
            }
            Ok::<(), std::io::Error>(())
        })
    });
    Ok(address)
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(ANSWER))))
}

fn driver(url: &str, connections: u32, lasting: Duration) -> Result<f64, AnyError> {
    let load = Load { url: url.to_owned(), concurrency: connections, lasting: Some(lasting), ..Load::default() };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(drive(&load, &CancellationToken::new(), |_| ()))?;
    if seen.failed() > 0 {
        return Err(format!("{:?}", seen.errors).into());
    }
    seen.requests_per_second().ok_or_else(|| "nothing was sent".into())
}

fn wrk(url: &str, connections: u32, lasting: Duration) -> Result<f64, AnyError> {
    let options = ["-t1".to_owned(), format!("-c{connections}"), format!("-d{}s", lasting.as_secs())];
    let output = Command::new("wrk").args(options).args(["-H", "azAwareRouting: true", url]).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let rate = told.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(rate.ok_or_else(|| told.to_string())?.trim().parse()?)
}

fn main() -> Result<(), AnyError> {
    let numbers: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let argument = |place: usize, default: u32| numbers.get(place).copied().unwrap_or(default);
    let (connections, seconds, turns) = (argument(0, 16), argument(1, 2), argument(2, 3));
    let (url, lasting) = (format!("http://{}/", serve()?), Duration::from_secs(seconds.into()));
    driver(&url, connections, Duration::from_millis(500))?;
    let (mut ours, mut theirs) = (0.0, 0.0);
    for _ in 0..turns {
        theirs += wrk(&url, connections, lasting)? / f64::from(turns);
        ours += driver(&url, connections, lasting)? / f64::from(turns);
    }
    let ratio = ours / theirs;
    println!("{connections} connections: driver {ours:.0}, wrk {theirs:.0} requests a second: {:.0}%", ratio * 100.0);
    if ratio < LEAST {
        return Err(format!("less than {:.0}% of wrk's rate", LEAST * 100.0).into());
    }
    Ok(())
}
