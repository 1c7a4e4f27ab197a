//! The local cloud as a process: in the foreground (`local serve`), or in the background for `--local`, where the
//! first command that makes something starts it and the last `down` ends it. A record in a directory of the user's own tells the
//! commands in between where it listens.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::ValueEnum;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::IntoStaticStr;

use super::background::{self, Background, Found, Left, Use};
use crate::cloud::{Faults, LocalCloud, Options, Pace};
use crate::mesh::{Binary, BinaryError, Proxies};
use crate::text_file;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no local cloud is running{}: start one with `zonewalk up --local`, or `zonewalk local serve`", gone(.0))]
    NotRunning(Option<u32>),
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
        "the local cloud that runs has {running}, not {asked}: a new one can; {}",
        if *.background { "end this one first with `zonewalk down --local`" } else { "end this one first where `zonewalk local serve` runs" }
    )]
    OtherCloud { running: String, asked: String, background: bool },
}

impl Error {
    pub fn is_usage(&self) -> bool {
        use Error::{Envoy, Faults, InUse, NotLoopback, OtherCloud};
        matches!(self, InUse { .. } | NotLoopback(_) | Faults { .. } | Envoy(_) | OtherCloud { .. })
    }
}

/// Says that a cloud has ended without having been told to, if that is known by its process.
pub(crate) fn gone(process: &Option<u32>) -> String {
    process.map_or(String::new(), |process| {
        format!(" (process {process} was killed, and all that was made in it is gone with it)")
    })
}

/// The record that a running local cloud leaves for the commands that look for it.
pub type Record = background::Record<Started>;

/// How a local cloud was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// Whether a command with `--local` started it, so that one is to stop it.
    pub background: bool,
    /// Whose Service Connect proxies its tasks have: `zonewalk's own`, `Envoy 1.40.0`.
    pub proxies: Option<String>,
    #[serde(flatten)]
    pub cloud: NewCloud,
}

fn process() -> Background {
    Background { what: "the local cloud", name: "local".to_owned() }
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
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCloud {
    pub pace: Pace,
    pub bare_account: bool,
    pub proxy: Proxy,
}

/// What a command asks of a local cloud, as far as it does.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub pace: Option<Pace>,
    pub bare_account: bool,
    pub proxy: Option<Proxy>,
}

impl Asked {
    /// What a new cloud is made with for it.
    pub fn new_cloud(self) -> NewCloud {
        let Self { pace, bare_account, proxy } = self;
        NewCloud { pace: pace.unwrap_or_default(), bare_account, proxy: proxy.unwrap_or_default() }
    }

    /// An error if a cloud that runs is another than is asked for.
    fn check(self, started: &Started) -> Result<(), Error> {
        let Started { background, cloud, .. } = *started;
        let other = |running: String, asked: String| Err(Error::OtherCloud { running, asked, background });
        match self {
            Self { proxy: Some(asked), .. } if asked != cloud.proxy => {
                other(format!("{} proxies", cloud.proxy), asked.to_string())
            }
            Self { pace: Some(asked), .. } if asked != cloud.pace => {
                other(format!("the pace {}", cloud.pace), asked.to_string())
            }
            Self { bare_account: true, .. } if !cloud.bare_account => {
                other("an account with the article's roles".to_owned(), "a bare one (--bare-account)".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
pub struct ServeOptions {
    pub listen: SocketAddr,
    pub cloud: NewCloud,
    pub faults: Faults,
    pub background: bool,
}

/// Serves until `stop` completes or a command asks the cloud to stop. `ready` is told where it listens, and whether commands with
/// `--local` find it: they use the one that ran before, if one did.
pub async fn serve(
    options: ServeOptions,
    ready: impl FnOnce(&Record, bool),
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = options.listen;
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback(address));
    }
    let NewCloud { pace, bare_account, proxy } = options.cloud;
    let (process, found) = (process(), proxy.find()?);
    let proxies = Some(found.to_string());
    let cloud = LocalCloud::start(Options {
        listen: address,
        pace,
        bare_account,
        proxies: found,
        faults: options.faults,
        ..Options::default()
    })
    .await
    .map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::InUse { address },
        _ => Error::Listen { address, source },
    })?;
    let record =
        Record::new(cloud.endpoint_url(), Started { background: options.background, proxies, cloud: options.cloud });
    let found_by_commands = if options.background {
        // The command that started it has the turn.
        process.write_record(&record).map(|()| true)?
    } else {
        process.register(&record).await?
    };
    ready(&record, found_by_commands);
    tokio::select! {
        () = cloud.stopped() => {}
        () = stop => {}
    }
    cloud.shutdown().await;
    process.remove_record(record.process)?;
    Ok(())
}

/// The record of the local cloud that runs.
pub async fn find() -> Result<Record, Error> {
    match process().find().await? {
        Found::Running(record) => Ok(record),
        Found::Gone(process) => Err(Error::NotRunning(Some(process))),
        Found::Nothing => Err(Error::NotRunning(None)),
    }
}

/// A command's use of a local cloud.
#[derive(Debug)]
pub struct InUse(Use<Started>);

/// What a command does with the local cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It makes something: if no cloud runs, one is started in the background.
    Make,
    Look,
    /// Whatever cloud it is.
    Remove,
}

impl InUse {
    /// Uses the local cloud that runs, if it is as asked.
    pub async fn of(purpose: Purpose, asked: Asked) -> Result<Self, Error> {
        let process = process();
        let used = if purpose == Purpose::Make {
            let new = asked.new_cloud();
            if matches!(process.find::<Started>().await?, Found::Gone(_) | Found::Nothing) {
                // The new process would find out itself, but this way the refusal comes before anything is made.
                new.proxy.find()?;
            }
            let mut args = vec!["local", "serve", "--listen", "127.0.0.1:0", "--background"];
            args.extend(["--pace", new.pace.into(), "--proxy", new.proxy.into()]);
            if new.bare_account {
                args.push("--bare-account");
            }
            process.join_or_start(args).await?
        } else {
            match process.join().await? {
                Found::Running(used) => used,
                Found::Gone(process) => return Err(Error::NotRunning(Some(process))),
                Found::Nothing => return Err(Error::NotRunning(None)),
            }
        };
        let used = Self(used);
        let checked = if purpose == Purpose::Remove { Ok(()) } else { check(used.record(), asked) };
        match checked {
            Ok(()) => Ok(used),
            Err(error) => {
                used.leave(false).await?;
                Err(error)
            }
        }
    }

    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// Ends the use. If `ends`, and no command uses the cloud and nothing is left in it, the cloud ends with it; if it runs on all
    /// the same, says for whom.
    pub async fn leave(self, ends: bool) -> Result<Option<String>, Error> {
        // One that its user serves is for its user to end.
        let ends = ends && self.record().own.background;
        let mut left = String::new();
        let needs = async |record: &Record| match walkthroughs(record).await {
            Ok(walkthroughs) => {
                left = walkthroughs.join(", ");
                !left.is_empty()
            }
            Err(error) => {
                left = format!("what may be left in it ({error}): `kill {}` ends it", record.process);
                true
            }
        };
        Ok(match process().leave(self.0, ends, needs).await? {
            Left::InUse if ends => Some("another command, which uses it".to_owned()),
            Left::RunsOn if ends => Some(left),
            _ => None,
        })
    }
}

/// An error if a cloud is not what a command can use.
fn check(record: &Record, asked: Asked) -> Result<(), Error> {
    if !record.is_of_this_version() {
        let first = "remove what is in it with `zonewalk down --local`, then ";
        let error = background::Error::OtherVersion { what: process().what, first, process: record.process };
        return Err(error.into());
    }
    asked.check(&record.own)
}

/// The walkthroughs of which something stands in a local cloud, in words.
async fn walkthroughs(record: &Record) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Standing {
        name: String,
        region: Option<String>,
    }
    let listed: Vec<Standing> = own_path(record, Method::GET, "walkthroughs", Bytes::new()).await?;
    let words = listed.into_iter().map(|Standing { name, region }| match region {
        Some(region) => format!("walkthrough {name} in {region}"),
        None => format!("the roles of walkthrough {name}"),
    });
    Ok(words.collect())
}

/// Reads the faults that a file asks for: JSON if its name ends in `.json`, else TOML.
pub fn read_faults(path: &Path) -> Result<Faults, Error> {
    let error = |reason| Error::Faults { path: path.to_owned(), reason };
    let text = text_file::read(path).map_err(|reason| error(reason.to_string()))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let faults = if is_json { Faults::from_json(text.as_bytes()) } else { Faults::from_toml(&text) };
    faults.map_err(error)
}

/// The faults of a running local cloud, and how often each was met.
pub async fn faults(record: &Record) -> Result<Value, Error> {
    own_path(record, Method::GET, "faults", Bytes::new()).await
}

/// Replaces the faults of a running local cloud.
pub async fn set_faults(record: &Record, faults: &Faults) -> Result<Value, Error> {
    own_path(record, Method::PUT, "faults", serde_json::to_vec(faults).unwrap_or_default().into()).await
}

/// What a local cloud answers at one of its own paths.
async fn own_path<T: DeserializeOwned>(record: &Record, method: Method, path: &str, body: Bytes) -> Result<T, Error> {
    let error = |reason| Error::NoAnswer { endpoint_url: record.endpoint_url.clone(), reason };
    let answer = background::send(&record.endpoint_url, method, path, body).await;
    let (status, body) = answer.map_err(|reason| error(reason.to_string()))?;
    match serde_json::from_slice(&body) {
        Ok(answer) if status == StatusCode::OK => Ok(answer),
        _ => Err(error(String::from_utf8_lossy(&body).into_owned())),
    }
}
