//! A command's use of a local cloud, from its beginning to its end.

use super::error::Error;
use super::own_paths::walkthroughs;
use super::started::{Asked, Record, Started, process};
use crate::cloud::{LocalCloud, Options};
use crate::plain;
use crate::processes::background::{self, Found, Use};
use crate::processes::error;

/// What a command does with the local cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It makes something: if no cloud runs, one is started in the background.
    Make,
    /// It finds out what could be made: if no cloud runs, a new one of the command's own tells that as well.
    Examine,
    /// It looks at what is there.
    Look,
    /// Whatever cloud it is.
    Remove,
}

/// A command's use of a local cloud.
pub struct InUse {
    record: Record,
    cloud: Cloud,
}

enum Cloud {
    /// A process, which other commands may use.
    Process(Use<Started>),
    /// Part of this very command. No other command finds it.
    Own(LocalCloud),
}

/// What has become of the local cloud that a command has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    Stopped,
    /// It was to end, and runs on for this.
    Needed(String),
    /// It was not to end, or nobody but the command knew of it.
    AsItWas,
}

impl InUse {
    /// Uses the local cloud that runs, if it is as asked. One that is being started when the future is dropped is ended.
    pub async fn of(purpose: Purpose, asked: Asked) -> Result<Self, Error> {
        let process = process();
        let new = asked.new_cloud();
        let used = if purpose == Purpose::Make {
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
                Found::Gone(_) | Found::Nothing if purpose == Purpose::Examine => return Self::own(asked).await,
                Found::Gone(process) => return Err(Error::NotRunning(Some(process))),
                Found::Nothing => return Err(Error::NotRunning(None)),
            }
        };
        let checked = if purpose == Purpose::Remove { Ok(()) } else { check(&used.record, asked) };
        let used = Self { record: used.record.clone(), cloud: Cloud::Process(used) };
        match checked {
            Ok(()) => Ok(used),
            Err(error) => {
                used.leave(false).await?;
                Err(error)
            }
        }
    }

    /// A new one within this command, which leaves no process and no file behind.
    async fn own(asked: Asked) -> Result<Self, Error> {
        let new = asked.new_cloud();
        let options = Options {
            pace: new.pace,
            bare_account: new.bare_account,
            proxies: new.proxy.find()?,
            ..Options::default()
        };
        let proxies = options.proxies.to_string();
        let address = options.listen;
        let listen = |error| Error::Listen { address, reason: plain::of_io(&error) };
        let cloud = LocalCloud::start(options).await.map_err(listen)?;
        let started = Started { background: false, proxies: Some(proxies), cloud: new };
        let record = Record::new(cloud.endpoint_url(), None, started);
        Ok(Self { record, cloud: Cloud::Own(cloud) })
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What the user should know of it, if it is a new one.
    pub fn news(&self) -> Vec<String> {
        let Record { endpoint_url, process, log, .. } = &self.record;
        match &self.cloud {
            Cloud::Process(used) if used.started => {
                let log = log.as_ref().map(|log| format!(", log {}", log.display())).unwrap_or_default();
                vec![
                    format!("local cloud started: {endpoint_url} (process {process}{log})"),
                    format!("live page: {}", self.record.live_page()),
                ]
            }
            Cloud::Process(_) => vec![],
            Cloud::Own(_) => {
                vec!["no local cloud is running: this looks at a new one, which ends with this command".to_owned()]
            }
        }
    }

    /// Ends the use. If `ends`, and no command uses the cloud and nothing is left in it, the cloud ends with it.
    pub async fn leave(self, ends: bool) -> Result<Left, Error> {
        let used = match self.cloud {
            Cloud::Process(used) => used,
            Cloud::Own(cloud) => {
                cloud.shutdown().await;
                return Ok(Left::AsItWas);
            }
        };
        // One that its user serves is for its user to end.
        let ends = ends && self.record.own.background;
        let mut left = String::new();
        let needs = async |record: &Record| match walkthroughs(record).await {
            Ok(walkthroughs) => {
                let walkthroughs: Vec<_> = walkthroughs.iter().map(ToString::to_string).collect();
                left = walkthroughs.join(", ");
                !left.is_empty()
            }
            Err(error) => {
                left = format!("what may be left in it ({error}): `kill {}` ends it", record.process);
                true
            }
        };
        Ok(match process().leave(used, ends, needs).await? {
            background::Left::Ended => Left::Stopped,
            background::Left::InUse if ends => Left::Needed("another command, which uses it".to_owned()),
            background::Left::RunsOn if ends => Left::Needed(left),
            _ => Left::AsItWas,
        })
    }
}

/// An error if a cloud is not what a command can use.
fn check(record: &Record, asked: Asked) -> Result<(), Error> {
    if !record.is_of_this_version() {
        let cure = "remove what is in it with `zonewalk down --local`, stop it with `zonewalk local stop`".to_owned();
        return Err(error::Error::OtherVersion { what: process().what, cure }.into());
    }
    asked.check(record.own.cloud)
}
