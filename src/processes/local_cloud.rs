//! The local cloud as a process: in the foreground (`local serve`), or in the background for `--local`, where `up` starts
//! it and `down` stops it. A record in a directory of the user's own tells the commands in between where it listens.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::ValueEnum;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::IntoStaticStr;

use super::background::{self, Background};
use crate::cloud::{Faults, LocalCloud, Options, Pace};
use crate::mesh::{Binary, BinaryError, Proxies};

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
    #[error("faults file {}: {reason}", .path.display())]
    Faults { path: PathBuf, reason: String },
    #[error("the local cloud at {endpoint_url} did not answer: {reason}")]
    NoAnswer { endpoint_url: String, reason: String },
    #[error(transparent)]
    Background(#[from] background::Error),
    #[error(transparent)]
    Envoy(#[from] BinaryError),
    #[error(
        "the local cloud that runs has {running} proxies, not {asked}: remove it first with `zonewalk down --local`"
    )]
    OtherProxy { running: Proxy, asked: Proxy },
}

impl Error {
    pub fn is_usage(&self) -> bool {
        use Error::{Envoy, Faults, InUse, NotLoopback, OtherProxy};
        matches!(self, InUse { .. } | NotLoopback(_) | Faults { .. } | Envoy(_) | OtherProxy { .. })
    }
}

/// The record that a running local cloud leaves for the commands that look for it.
pub type Record = background::Record<Started>;

/// How a local cloud was started.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Started {
    /// Whether `up --local` started it, so that `down --local` is to stop it.
    pub background: bool,
    #[serde(default)]
    pub proxy: Proxy,
}

fn process() -> Background {
    Background { what: "the local cloud", name: "local".to_owned() }
}

impl Record {
    /// An error if a command asks for other proxies than this cloud's.
    pub fn check_proxy(&self, asked: Option<Proxy>) -> Result<(), Error> {
        match asked {
            Some(asked) if asked != self.own.proxy => Err(Error::OtherProxy { running: self.own.proxy, asked }),
            _ => Ok(()),
        }
    }
}

/// Whose Service Connect proxies the tasks have: what `--proxy` takes, its help included.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum, strum::Display, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Proxy {
    /// Its own
    #[default]
    Zonewalk,
    /// A real Envoy for each task
    Envoy,
}

impl Proxy {
    /// The proxies for a mesh, if what they need is there.
    fn find(self) -> Result<Proxies, BinaryError> {
        match self {
            Self::Zonewalk => Ok(Proxies::Zonewalk),
            Self::Envoy => Binary::find().map(Proxies::Envoy),
        }
    }
}

/// What a local cloud is started with.
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

/// Serves until `stop` completes or a command asks the cloud to stop. `ready` is told where it listens.
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
    let record = Record::new(cloud.endpoint_url(), Started { background: options.background, proxy });
    process().write_record(&record)?;
    ready(&record);
    tokio::select! {
        () = cloud.stopped() => {}
        () = stop => {}
    }
    cloud.shutdown().await;
    process().remove_record(record.process)?;
    Ok(())
}

/// The record of the local cloud that runs, if one does.
pub async fn find() -> Result<Option<Record>, Error> {
    Ok(process().find().await?)
}

/// The running local cloud, or a new one in the background.
pub async fn find_or_start(new: NewCloud) -> Result<Record, Error> {
    if let Some(record) = find().await? {
        return Ok(record);
    }
    // The new process would find out itself, but this way the refusal comes before anything is made.
    new.proxy.find()?;
    let mut args = vec!["local", "serve", "--listen", "127.0.0.1:0", "--background"];
    args.extend(["--pace", new.pace.into(), "--proxy", new.proxy.into()]);
    if new.bare_account {
        args.push("--bare-account");
    }
    Ok(process().start(args).await?)
}

/// Stops the local cloud and waits until it is gone.
pub async fn stop(record: &Record) -> Result<(), Error> {
    Ok(process().stop(record).await?)
}

/// Reads the faults that a file asks for: JSON if its name ends in `.json`, else TOML.
pub fn read_faults(path: &Path) -> Result<Faults, Error> {
    let error = |reason| Error::Faults { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|reason| error(reason.to_string()))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let faults = if is_json { Faults::from_json(text.as_bytes()) } else { Faults::from_toml(&text) };
    faults.map_err(error)
}

/// The faults of a running local cloud, and how often each was met.
pub async fn faults(record: &Record) -> Result<Value, Error> {
    change_faults(record, Method::GET, Bytes::new()).await
}

/// Replaces the faults of a running local cloud.
pub async fn set_faults(record: &Record, faults: &Faults) -> Result<Value, Error> {
    change_faults(record, Method::PUT, serde_json::to_vec(faults).unwrap_or_default().into()).await
}

async fn change_faults(record: &Record, method: Method, body: Bytes) -> Result<Value, Error> {
    let error = |reason| Error::NoAnswer { endpoint_url: record.endpoint_url.clone(), reason };
    let answer = background::send(&record.endpoint_url, method, "faults", body).await;
    let (status, body) = answer.map_err(|reason| error(reason.to_string()))?;
    match serde_json::from_slice(&body) {
        Ok(report) if status == StatusCode::OK => Ok(report),
        _ => Err(error(String::from_utf8_lossy(&body).into_owned())),
    }
}
