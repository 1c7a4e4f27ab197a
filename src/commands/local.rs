//! The local cloud as a process: in the foreground (`local serve`), or in the background for `--local`, where `up` starts
//! it and `down` stops it. A record in a directory of the user's own tells the commands in between where it listens.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::cloud::{Faults, LocalCloud, Options, Pace};
use crate::mesh::{Binary, BinaryError, Proxies};

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
    #[error("faults file {}: {reason}", .path.display())]
    Faults { path: PathBuf, reason: String },
    #[error("the local cloud at {endpoint_url} did not answer: {reason}")]
    NoAnswer { endpoint_url: String, reason: String },
    #[error("no directory for the local cloud's record: set {STATE_DIR_VARIABLE}")]
    NoStateDir,
    #[error(transparent)]
    Envoy(#[from] BinaryError),
    #[error(
        "the local cloud that runs has {running} proxies, not {asked}: remove it first with `zonewalk down --local`"
    )]
    OtherProxy { running: Proxy, asked: Proxy },
}

impl Error {
    pub(super) fn is_usage(&self) -> bool {
        use Error::{Envoy, Faults, InUse, NotLoopback, OtherProxy};
        matches!(self, InUse { .. } | NotLoopback(_) | Faults { .. } | Envoy(_) | OtherProxy { .. })
    }
}

/// What a running local cloud leaves for the commands that look for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub endpoint_url: String,
    pub process: u32,
    /// Started by `up --local`, which makes it `down --local`'s to stop.
    pub background: bool,
    #[serde(default)]
    pub proxy: Proxy,
}

impl Record {
    /// Refuses if a command asks for other proxies than this cloud's.
    pub fn check_proxy(&self, asked: Option<Proxy>) -> Result<(), Error> {
        match asked {
            Some(asked) if asked != self.proxy => Err(Error::OtherProxy { running: self.proxy, asked }),
            _ => Ok(()),
        }
    }
}

/// Whose Service Connect proxies the tasks have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proxy {
    /// Its own
    #[default]
    Zonewalk,
    /// A real Envoy for each task
    Envoy,
}

impl Proxy {
    fn name(self) -> &'static str {
        match self {
            Self::Zonewalk => "zonewalk",
            Self::Envoy => "envoy",
        }
    }

    /// What is needed for them is there.
    fn find(self) -> Result<Proxies, BinaryError> {
        match self {
            Self::Zonewalk => Ok(Proxies::Zonewalk),
            Self::Envoy => Binary::find().map(Proxies::Envoy),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a local cloud is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewCloud {
    pub pace: Pace,
    pub bare_account: bool,
    pub proxy: Proxy,
}

#[derive(Clone, Debug)]
pub struct ServeOptions {
    pub listen: SocketAddr,
    pub cloud: NewCloud,
    pub faults: Faults,
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
    let NewCloud { pace, bare_account, proxy } = options.cloud;
    let cloud = LocalCloud::start(Options {
        listen: address,
        pace,
        bare_account,
        proxies: proxy.find()?,
        faults: options.faults,
        ..Options::default()
    })
    .await
    .map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::InUse { address },
        _ => Error::Listen { address, source },
    })?;
    let record = Record {
        endpoint_url: cloud.endpoint_url(),
        process: std::process::id(),
        background: options.background,
        proxy,
    };
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
pub async fn find_or_start(new: NewCloud) -> Result<Record, Error> {
    if let Some(record) = find().await? {
        return Ok(record);
    }
    // It would find out itself, but this way there is an answer before there is anything else.
    new.proxy.find()?;
    let directory = state_dir()?;
    let log = directory.join("local.log");
    let state_error = |source| Error::State { path: log.clone(), source };
    std::fs::create_dir_all(&directory).map_err(state_error)?;
    let output = std::fs::File::create(&log).map_err(state_error)?;
    let errors = output.try_clone().map_err(state_error)?;
    let program = std::env::current_exe().map_err(state_error)?;
    let mut command = std::process::Command::new(program);
    command.args(["local", "serve", "--listen", "127.0.0.1:0", "--background"]);
    command.args(["--pace", pace_name(new.pace), "--proxy", new.proxy.name()]);
    if new.bare_account {
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

/// The faults that a file asks for: JSON if its name ends so, else TOML.
pub fn read_faults(path: &Path) -> Result<Faults, Error> {
    let error = |reason| Error::Faults { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|reason| error(reason.to_string()))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let faults = if is_json { Faults::from_json(text.as_bytes()) } else { Faults::from_toml(&text) };
    faults.map_err(error)
}

/// The faults of a running local cloud, and how often each has been met.
pub async fn faults(record: &Record) -> Result<Value, Error> {
    change_faults(record, Method::GET, Bytes::new()).await
}

/// Sets the faults of a running local cloud instead of those it has.
pub async fn set_faults(record: &Record, faults: &Faults) -> Result<Value, Error> {
    change_faults(record, Method::PUT, serde_json::to_vec(faults).unwrap_or_default().into()).await
}

async fn change_faults(record: &Record, method: Method, body: Bytes) -> Result<Value, Error> {
    let error = |reason| Error::NoAnswer { endpoint_url: record.endpoint_url.clone(), reason };
    let (status, body) = send(record, method, "faults", body).await.map_err(error)?;
    match serde_json::from_slice(&body) {
        Ok(report) if status == StatusCode::OK => Ok(report),
        _ => Err(error(String::from_utf8_lossy(&body).into_owned())),
    }
}

/// Whether the cloud of this record answers at one of its own paths.
async fn ask(record: &Record, method: Method, path: &str) -> bool {
    matches!(send(record, method, path, Bytes::new()).await, Ok((StatusCode::OK, _)))
}

/// The answer to a request at one of the cloud's own paths, or why there is none.
async fn send(record: &Record, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let url = format!("{}/_zonewalk/{path}", record.endpoint_url);
    let request =
        Request::builder().method(method).uri(url).body(Full::new(body)).map_err(|error| error.to_string())?;
    let answer = async {
        let (head, body) = client.request(request).await.map_err(|error| error.to_string())?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((head.status, body))
    };
    tokio::time::timeout(Duration::from_secs(2), answer).await.unwrap_or_else(|late| Err(late.to_string()))
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
