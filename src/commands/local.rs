//! The local cloud as a process: in the foreground (`local serve`), or in the background for `--local`, where `up` starts
//! it and `down` stops it. A record in a directory of the user's own tells the commands in between where it listens.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::cloud::{LocalCloud, Options, Pace};

/// Where the record is kept, if not in the user's runtime or cache directory.
pub const STATE_DIR_VARIABLE: &str = "ZONEWALK_STATE_DIR";

/// A process needs a few milliseconds to listen, or to end; this is for a machine under load.
const START_LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no local cloud is running: start one with `zonewalk up --local`, or `zonewalk local serve`")]
    NotRunning,
    #[error(
        "{address} is in use by another program: choose another address with --listen, for example --listen 127.0.0.1:0 for a free port"
    )]
    InUse { address: SocketAddr },
    #[error("listening on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(
        "{0} is not a loopback address: the local cloud accepts any credentials, so it is for this machine alone; use 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    #[error("the local cloud did not start within {} s; its output is in {}", START_LIMIT.as_secs(), .log.display())]
    NotStarted { log: PathBuf },
    #[error("the local cloud ended as it started ({status}); its output is in {}", .log.display())]
    Died { status: std::process::ExitStatus, log: PathBuf },
    #[error("the local cloud did not stop within {} s: end it with `kill {process}`", START_LIMIT.as_secs())]
    NotStopped { process: u32 },
    #[error("{}: {source}; set {STATE_DIR_VARIABLE} to a directory that can be written", .path.display())]
    State { path: PathBuf, source: io::Error },
    #[error("no directory for the local cloud's record: set {STATE_DIR_VARIABLE}")]
    NoStateDir,
}

impl Error {
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::NotLoopback(_))
    }
}

/// What a running local cloud leaves for the commands that look for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub endpoint_url: String,
    pub process: u32,
    /// Started by `up --local`, which makes it `down --local`'s to stop.
    pub background: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    pub listen: SocketAddr,
    pub pace: Pace,
    pub bare_account: bool,
    pub background: bool,
}

/// Serves until `stop` completes or somebody asks the cloud to stop. `ready` hears where it listens.
pub async fn serve(
    options: ServeOptions,
    ready: impl FnOnce(&Record),
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = options.listen;
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback(address));
    }
    let cloud = LocalCloud::start(Options {
        listen: address,
        pace: options.pace,
        bare_account: options.bare_account,
        ..Options::default()
    })
    .await
    .map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::InUse { address },
        _ => Error::Listen { address, source },
    })?;
    let record =
        Record { endpoint_url: cloud.endpoint_url(), process: std::process::id(), background: options.background };
    write_record(&record)?;
    ready(&record);
    tokio::select! {
        () = cloud.stopped() => {}
        () = stop => {}
    }
    cloud.shutdown().await;
    // A later cloud may have put its own record there.
    if read_record()?.is_some_and(|current| current.process == record.process) {
        remove_record()?;
    }
    Ok(())
}

/// The running local cloud.
pub async fn find() -> Result<Option<Record>, Error> {
    match read_record()? {
        Some(record) if ask(&record, Method::GET, "health").await => Ok(Some(record)),
        _ => Ok(None),
    }
}

/// The running local cloud, or a new one in the background.
pub async fn find_or_start(pace: Pace, bare_account: bool) -> Result<Record, Error> {
    if let Some(record) = find().await? {
        return Ok(record);
    }
    let directory = state_dir()?;
    let log = directory.join("local.log");
    let state_error = |source| Error::State { path: log.clone(), source };
    std::fs::create_dir_all(&directory).map_err(state_error)?;
    let output = std::fs::File::create(&log).map_err(state_error)?;
    let errors = output.try_clone().map_err(state_error)?;
    let program = std::env::current_exe().map_err(state_error)?;
    let mut command = std::process::Command::new(program);
    command.args(["local", "serve", "--listen", "127.0.0.1:0", "--background", "--pace", pace_name(pace)]);
    if bare_account {
        command.arg("--bare-account");
    }
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    #[cfg(unix)]
    {
        // A group of its own: Ctrl-C at the command that started it is not meant for it.
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(state_error)?;
    let started = Instant::now();
    while started.elapsed() < START_LIMIT {
        if let Some(record) = find().await?
            && record.process == child.id()
        {
            return Ok(record);
        }
        if let Some(status) = child.try_wait().map_err(state_error)? {
            return Err(Error::Died { status, log });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Error::NotStarted { log })
}

/// Stops the local cloud and waits until it is gone.
pub async fn stop(record: &Record) -> Result<(), Error> {
    ask(record, Method::POST, "shutdown").await;
    let asked = Instant::now();
    while read_record()?.is_some_and(|current| current.process == record.process) {
        if asked.elapsed() >= START_LIMIT {
            return Err(Error::NotStopped { process: record.process });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn pace_name(pace: Pace) -> &'static str {
    match pace {
        Pace::Instant => "instant",
        Pace::Fast => "fast",
        Pace::Aws => "aws",
    }
}

/// Whether the cloud of this record answers at one of its own paths.
async fn ask(record: &Record, method: Method, path: &str) -> bool {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = format!("{}/_zonewalk/{path}", record.endpoint_url);
    let Ok(request) = Request::builder().method(method).uri(url).body(Empty::new()) else { return false };
    let answer = tokio::time::timeout(Duration::from_secs(2), client.request(request)).await;
    matches!(answer, Ok(Ok(answer)) if answer.status() == StatusCode::OK)
}

fn state_dir() -> Result<PathBuf, Error> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(STATE_DIR_VARIABLE)
        .or_else(|| variable("XDG_RUNTIME_DIR").map(|base| base.join("zonewalk")))
        .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("zonewalk")))
        .or_else(|| variable("HOME").map(|base| base.join(".cache").join("zonewalk")))
        .ok_or(Error::NoStateDir)
}

fn record_path() -> Result<PathBuf, Error> {
    Ok(state_dir()?.join("local.json"))
}

fn read_record() -> Result<Option<Record>, Error> {
    let path = record_path()?;
    match std::fs::read(&path) {
        // A half-written or foreign file is no record.
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::State { path, source }),
    }
}

fn write_record(record: &Record) -> Result<(), Error> {
    let path = record_path()?;
    let write = || {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        // Renamed into place, so that nobody reads half of it.
        let partial = path.with_extension(format!("{}.partial", record.process));
        std::fs::write(&partial, serde_json::to_vec(record)?)?;
        std::fs::rename(&partial, &path)
    };
    write().map_err(|source| Error::State { path: path.clone(), source })
}

fn remove_record() -> Result<(), Error> {
    let path = record_path()?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::State { path, source: error }),
        _ => Ok(()),
    }
}
