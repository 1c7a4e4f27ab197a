//! Local traffic as a process: the hosts' part on an emulator is played in the background for `--local-traffic`, by one
//! process for each walkthrough. The first command starts it, `down` stops it.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::background::{self, Background};
use crate::aws::Clients;
use crate::local_traffic::LocalTraffic;
use crate::settings::Name;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "--local-traffic plays the hosts' part on an emulator, and this is AWS, which has hosts; name the emulator with --endpoint-url"
    )]
    NotAnEmulator,
    #[error("listening on loopback: {0}")]
    Listen(std::io::Error),
    #[error(transparent)]
    Background(#[from] background::Error),
}

impl Error {
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotAnEmulator)
    }
}

/// The record that the process leaves for the commands that look for it.
pub type Record = background::Record<()>;

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
    let record = Record::new(traffic.control_url(), ());
    process.write_record(&record)?;
    tokio::select! {
        () = traffic.stopped() => {}
        () = stop => {}
    }
    traffic.shutdown().await;
    process.remove_record(record.process)?;
    Ok(())
}

/// The process that plays for this walkthrough, or a new one in the background.
pub async fn find_or_start(clients: &Clients, name: &Name, profile: Option<&str>) -> Result<Record, Error> {
    let process = process(clients, name)?;
    if let Some(record) = process.find().await? {
        return Ok(record);
    }
    let url = clients.endpoint_url.as_deref().unwrap_or_default();
    let mut args = vec!["local", "hosts", "--endpoint-url", url, "--region", &clients.region, "--name", name.as_str()];
    args.extend(profile.map(|profile| ["--profile", profile]).into_iter().flatten());
    Ok(process.start(args).await?)
}

/// Stops the process and waits until it is gone.
pub async fn stop(clients: &Clients, name: &Name, record: &Record) -> Result<(), Error> {
    Ok(process(clients, name)?.stop(record).await?)
}
