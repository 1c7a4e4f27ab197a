//! `--local-traffic`: the hosts' part on an emulator, played by a process in the background, of which there is one for
//! each walkthrough. The first command starts it, `down` stops it.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::background::{self, Background};
use crate::aws::Clients;
use crate::local_traffic::Hosts;
use crate::local_traffic::client::{self, Client};
use crate::settings::Name;
use crate::stages::Context;

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
    #[error(transparent)]
    Client(#[from] client::Error),
}

impl Error {
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotAnEmulator)
    }
}

/// Where the process listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub control_url: String,
    pub process: u32,
}

impl background::Record for Record {
    fn endpoint_url(&self) -> &str {
        &self.control_url
    }

    fn process(&self) -> u32 {
        self.process
    }
}

/// One for each emulator, region and walkthrough.
fn process(clients: &Clients, name: &Name) -> Result<Background, Error> {
    let url = clients.endpoint_url.as_deref().filter(|url| !is_of_aws(url)).ok_or(Error::NotAnEmulator)?;
    let mut hasher = DefaultHasher::new();
    (url, &clients.region).hash(&mut hasher);
    Ok(Background { what: "the process that plays the hosts", name: format!("hosts-{name}-{:016x}", hasher.finish()) })
}

/// Whether it is AWS that is spoken to, be it through an endpoint that was named: it has hosts, and costs.
pub fn is_aws(clients: &Clients) -> bool {
    clients.endpoint_url.as_deref().is_none_or(is_of_aws)
}

/// Whether an endpoint is AWS's own.
fn is_of_aws(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    ["amazonaws.com", "amazonaws.com.cn", "api.aws"].iter().any(|domain| host.ends_with(domain))
}

/// Plays until `stop` completes, or somebody asks the hosts to end.
pub async fn serve(clients: Clients, name: &Name, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let process = process(&clients, name)?;
    let hosts = Hosts::start(clients, name).await.map_err(Error::Listen)?;
    let record = Record { control_url: hosts.control_url(), process: std::process::id() };
    process.write_record(&record)?;
    tokio::select! {
        () = hosts.stopped() => {}
        () = stop => {}
    }
    hosts.shutdown().await;
    process.remove_record::<Record>(record.process)?;
    Ok(())
}

/// Those that play for this walkthrough, or new ones in the background.
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

/// Ends them.
pub async fn stop(clients: &Clients, name: &Name, record: &Record) -> Result<(), Error> {
    Ok(process(clients, name)?.stop(record).await?)
}

/// Where a load balancer's URL leads: on an emulator to the hosts, once they are ready; else nowhere else.
pub async fn entrance(ctx: &Context, url: String) -> Result<String, Error> {
    let Some(control_url) = &ctx.settings.local_hosts else { return Ok(url) };
    let dns_name = url.trim_start_matches("http://").trim_end_matches('/');
    Ok(Client::new(control_url).entrance(dns_name).await?.unwrap_or(url))
}

/// What the hosts' proxies have counted; none where there is SSM to ask the cloud's.
pub async fn stats(ctx: &Context) -> Result<Option<String>, Error> {
    match &ctx.settings.local_hosts {
        Some(control_url) => Ok(Some(Client::new(control_url).stats().await?)),
        None => Ok(None),
    }
}

/// Says what the hosts have made up for: nothing of an emulator's gaps is hidden.
pub async fn tell_notes(ctx: &Context) -> Result<(), Error> {
    let Some(control_url) = &ctx.settings.local_hosts else { return Ok(()) };
    for note in Client::new(control_url).notes().await? {
        ctx.events.note(format!("the emulator: {note}"));
    }
    Ok(())
}

/// On an emulator the tasks have to end before what they run on is taken from them.
pub async fn leave(ctx: &Context) -> Result<(), Error> {
    match &ctx.settings.local_hosts {
        Some(control_url) => Ok(Client::new(control_url).leave().await?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awss_own_endpoints_are_no_emulators() {
        for url in ["https://ecs.us-east-1.amazonaws.com", "https://vpce-1.ecs.cn-north-1.vpce.amazonaws.com.cn:443/"] {
            assert!(is_of_aws(url), "{url}");
        }
        for url in ["http://127.0.0.1:4566", "http://localhost.localstack.cloud:4566", "http://amazonaws.com.test"] {
            assert!(!is_of_aws(url), "{url}");
        }
    }
}
