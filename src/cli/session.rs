//! What a command against a cloud needs around it: opened before the command, closed after it.

use std::io::IsTerminal;
use std::sync::Arc;

use super::cloud_command::CloudCommand;
use super::console::Console;
use super::interrupt;
use super::resolve::{Destination, Resolved};
use crate::aws::Target;
use crate::commands::Error;
use crate::commands::outcome::Outcome;
use crate::data_plane::DataPlane;
use crate::local_traffic::client::Client;
use crate::processes::{local_cloud, local_traffic};
use crate::report::progress::Progress;
use crate::stages::Context;

pub(super) struct Session {
    pub(super) ctx: Context,
    /// What shows the context's events.
    pub(super) progress: Arc<Progress>,
    /// The local cloud that the command speaks to.
    local_cloud: Option<local_cloud::Record>,
    /// The process that plays an emulator's hosts.
    local_traffic: Option<local_traffic::Record>,
    /// Whether the command removes what the processes were started for.
    removes: bool,
}

impl Session {
    /// Finds or starts the processes that the command needs, connects, and asks before money is spent. None: no local cloud
    /// runs, so there is nothing to remove.
    pub(super) async fn open(
        command: &CloudCommand,
        resolved: Resolved,
        console: &Console,
    ) -> Result<Option<Self>, Error> {
        let Resolved { settings, destination, yes, local_traffic } = resolved;
        let Some((target, local_cloud)) = open_destination(command, destination).await? else { return Ok(None) };
        let clients = target.connect().await?;
        if command.makes() && !command.is_dry_run() && clients.is_aws() && !yes {
            console.confirm_cost(&settings, &clients.region, target.profile.as_deref())?;
        }
        let local_traffic = if local_traffic && !command.is_dry_run() {
            Some(local_traffic::find_or_start(&clients, &settings.name, target.profile.as_deref()).await?)
        } else {
            None
        };
        let played = local_traffic.as_ref().map(|record| DataPlane::Played(Client::new(&record.endpoint_url)));
        let lines = console.clone();
        let progress = Progress::new(std::io::stderr().is_terminal(), move |line: &str| lines.progress_line(line));
        let progress = Arc::new(progress);
        let ctx = Context::new(clients, settings, progress.events(), interrupt::token(console))
            .with_data_plane(played.unwrap_or_default());
        Ok(Some(Self { ctx, progress, local_cloud, local_traffic, removes: command.removes() }))
    }

    /// Stops the processes that nothing is left for.
    pub(super) async fn close(self, outcome: &dyn Outcome) -> Result<(), Error> {
        let Self { ctx, local_cloud, local_traffic, removes, .. } = self;
        if let Some(record) = local_traffic
            && removes
        {
            local_traffic::stop(&ctx.clients, &ctx.settings.name, &record).await?;
        }
        if let Some(record) = local_cloud
            && removes
            && record.own.background
            && outcome.left_nothing()
        {
            local_cloud::stop(&record).await?;
        }
        Ok(())
    }
}

/// Where calls go, and the local cloud if they go there: a new one if there is none and the command makes something.
async fn open_destination(
    command: &CloudCommand,
    destination: Destination,
) -> Result<Option<(Target, Option<local_cloud::Record>)>, Error> {
    let (region, proxy, new, faults) = match destination {
        Destination::Cloud(target) => return Ok(Some((target, None))),
        Destination::Local { region, proxy, new, faults } => (region, proxy, new, faults),
    };
    let found =
        if command.makes() { Some(local_cloud::find_or_start(new).await?) } else { local_cloud::find().await? };
    let record = match (found, command) {
        (Some(record), _) => record,
        (None, CloudCommand::Down) => return Ok(None),
        (None, _) => return Err(local_cloud::Error::NotRunning.into()),
    };
    record.check_proxy(proxy)?;
    if let Some(faults) = faults {
        local_cloud::set_faults(&record, &faults).await?;
    }
    Ok(Some((Target::local(&record.endpoint_url, &region), Some(record))))
}
