//! Local traffic as a process: the hosts' part on an emulator is played in the background for `--local-traffic`, by one
//! process for each walkthrough. The first command starts it; it ends with the last one that uses it once the walkthrough is
//! removed.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::background::{Background, Use};
use super::{error, record};
use crate::aws::Clients;
use crate::local_traffic::LocalTraffic;
use crate::local_traffic::client::Client;
use crate::plain;
use crate::settings::Name;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "--local-traffic plays the hosts' part on an emulator, and this is AWS, which has hosts; name the emulator with --endpoint-url"
    )]
    NotAnEmulator,
    #[error("no port on loopback can be listened on: {}", plain::of_io(.0))]
    Listen(std::io::Error),
    #[error(transparent)]
    Background(#[from] error::Error),
}

impl Error {
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotAnEmulator)
    }
}

/// The record that the process leaves for the commands that look for it.
type Record = record::Record<()>;

/// The process, of which there is one for each emulator, region and walkthrough.
fn process(clients: &Clients, name: &Name) -> Result<Background, Error> {
    let url = clients.emulator_url().ok_or(Error::NotAnEmulator)?;
    let mut hasher = DefaultHasher::new();
    (url, &clients.region).hash(&mut hasher);
    Ok(Background { what: "the process that plays the hosts", name: format!("hosts-{name}-{:016x}", hasher.finish()) })
}

/// Plays until `stop` completes or a command asks the process to stop.
pub async fn serve(clients: Clients, name: &Name, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let process = process(&clients, name)?;
    let traffic = LocalTraffic::start(clients, name).await.map_err(Error::Listen)?;
    let record = Record::new(traffic.control_url(), Some(process.path("log")?), ());
    // The command that started it has the turn.
    process.write_record(&record)?;
    tokio::select! {
        () = traffic.stopped() => {}
        () = stop => {}
    }
    traffic.shutdown().await;
    process.remove_record(record.process)?;
    Ok(())
}

/// A command's use of the process that plays for its walkthrough.
#[derive(Debug)]
pub struct InUse {
    process: Background,
    used: Use<()>,
}

impl InUse {
    /// Uses the process, or a new one in the background.
    pub async fn of(clients: &Clients, name: &Name, profile: Option<&str>) -> Result<Self, Error> {
        let process = process(clients, name)?;
        let url = clients.endpoint_url.as_deref().unwrap_or_default();
        let mut args =
            vec!["local", "hosts", "--endpoint-url", url, "--region", &clients.region, "--name", name.as_str()];
        args.extend(profile.map(|profile| ["--profile", profile]).into_iter().flatten());
        let used: Use<()> = process.join_or_start(args).await?;
        if !used.record.is_of_this_version() {
            let cure = format!("end it with `kill {}`", used.record.process);
            return Err(error::Error::OtherVersion { what: process.what, cure }.into());
        }
        Ok(Self { process, used })
    }

    pub fn client(&self) -> Client {
        Client::new(&self.used.record.endpoint_url)
    }

    /// Ends the use, and the process if that is wanted, no other command uses it and nothing is left that it could play for.
    pub async fn leave(self, ends: bool) -> Result<(), Error> {
        let client = self.client();
        // An emulator that does not answer ends the process by itself.
        let needs = async |_: &Record| client.is_needed().await.unwrap_or(true);
        self.process.leave(self.used, ends, needs).await?;
        Ok(())
    }
}
