//! The local cloud's process itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::Error;
use super::own_paths::Conditions;
use super::started::{NewCloud, Record, Started, process};
use crate::cloud::{Faults, LocalCloud, OnRequest, Options};
use crate::live;
use crate::mesh::Entrances;
use crate::plain;
use crate::processes::{error, log};

/// The ports of load balancers in a container. LocalStack has the same for what it serves beside its endpoint, and AWS lets a region
/// have as many load balancers.
const PUBLISHED: RangeInclusive<u16> = 4510..=4559;

#[derive(Clone)]
pub struct ServeOptions {
    pub listen: SocketAddr,
    /// Listens on every address instead, at the same port, and its load balancers at [`PUBLISHED`].
    pub in_container: bool,
    pub cloud: NewCloud,
    pub faults: Faults,
    pub requests: RequestLog,
}

/// Where the requests are told, a line each.
#[derive(Clone)]
pub enum RequestLog {
    /// Where the user who serves the cloud sees them.
    Foreground(OnRequest),
    /// In its log: a command has started it in the background.
    Background,
}

/// Serves until `stop` completes or a command asks the cloud to stop. In the foreground `ready` is told where it listens, and whether
/// commands with `--local` find it: they use the one that ran before, if one did.
pub async fn serve(
    options: ServeOptions,
    ready: impl FnOnce(&Record, bool),
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    if !options.listen.ip().is_loopback() {
        return Err(Error::NotLoopback(options.listen));
    }
    let (address, entrances) = if options.in_container {
        ((Ipv4Addr::UNSPECIFIED, options.listen.port()).into(), Entrances::Published(PUBLISHED))
    } else {
        (options.listen, Entrances::Loopback)
    };
    let NewCloud { pace, bare_account, proxy } = options.cloud;
    let (process, proxies) = (process(), proxy.find()?);
    let whose = proxies.to_string();
    let (log, on_request) = match options.requests {
        RequestLog::Foreground(on_request) => (None, on_request),
        RequestLog::Background => {
            let path = process.path("log")?;
            let log = log::Writer::open(&path).map_err(|error| error::Error::state(&path, &error))?;
            let log = Arc::new(log);
            let requests = Arc::clone(&log);
            // A disk that is full is no reason to refuse a request, and there is nowhere else to tell it.
            let on_request: OnRequest = Arc::new(move |served| drop(requests.write(&served.to_string())));
            (Some((path, log)), on_request)
        }
    };
    let calls = live::Calls::default();
    let noted = calls.clone();
    let on_request: OnRequest = Arc::new(move |served| {
        noted.note(served);
        on_request(served);
    });
    let cloud = LocalCloud::start(Options {
        listen: address,
        entrances,
        pace,
        bare_account,
        proxies,
        faults: options.faults,
        conditions: Conditions::of_a_new_cloud().into(),
        on_request: Some(on_request),
        ..Options::default()
    })
    .await
    .map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::InUse { address },
        _ => Error::Listen { address, reason: plain::of_io(&error) },
    })?;
    live::show(&cloud, calls);
    let url = cloud.endpoint_url();
    let started = |background| Started { background, proxies: Some(whose), cloud: options.cloud };
    let record = if let Some((path, log)) = log {
        // Nobody else hears if that fails, either.
        let _ = log.write(&format!("{:.3}  local cloud started: {url}", Timestamp::now()));
        let record = Record::new(url, Some(path), started(true));
        // The command that started it has the turn.
        process.write_record(&record)?;
        record
    } else {
        let record = Record::new(url, None, started(false));
        let found_by_commands = process.register(&record).await?;
        ready(&record, found_by_commands);
        record
    };
    tokio::select! {
        () = cloud.stopped() => {}
        () = stop => {}
    }
    cloud.shutdown().await;
    process.remove_record(record.process)?;
    Ok(())
}
