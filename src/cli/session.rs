//! What a command against a cloud needs around it: opened before the command, closed after it.

use std::sync::Arc;

use super::cloud_command::CloudCommand;
use super::console::Console;
use super::interrupt;
use super::resolve::{Destination, Resolved};
use crate::aws::Target;
use crate::cloud::Pace;
use crate::commands::Error;
use crate::data_plane::DataPlane;
use crate::processes::local_cloud::{self, Purpose};
use crate::processes::local_traffic;
use crate::report::progress::Progress;
use crate::stages::Context;

pub(super) struct Session {
    pub(super) ctx: Context,
    /// What shows the context's events.
    pub(super) progress: Arc<Progress>,
    /// The local cloud that the command speaks to.
    local_cloud: Option<local_cloud::InUse>,
    /// The process that plays an emulator's hosts.
    local_traffic: Option<local_traffic::InUse>,
    /// Whether the command removes what the processes were started for.
    removes: bool,
}

impl Session {
    /// Finds or starts the processes that the command needs, connects, and asks before money is spent.
    pub(super) async fn open(command: &CloudCommand, resolved: Resolved, console: &Console) -> Result<Self, Error> {
        let Resolved { settings, destination, yes, local_traffic } = resolved;
        // A local cloud that is used is given up properly, whenever the command is interrupted.
        let cancel = matches!(destination, Destination::Local { .. }).then(|| interrupt::token(console));
        let lines = console.clone();
        let progress = Progress::new(console.view(), console.is_verbose(), move |line: &str| lines.progress_line(line));
        let progress = Arc::new(progress);
        let events = progress.events();
        let opening = open_destination(command, destination);
        let (target, local_cloud) =
            events.patiently("the local cloud, which another command may be starting or ending", opening).await?;
        let clients = target.connect().await?;
        if command.makes() && !command.is_dry_run() && clients.is_aws() && !yes {
            console.confirm_cost(&settings, &clients.region, target.profile.as_deref())?;
        }
        if clients.is_aws() || local_cloud.as_ref().is_some_and(|cloud| cloud.record().own.cloud.pace == Pace::Aws) {
            progress.set_aws_pace();
        }
        progress.begin(command.title());
        // Not before: until it is answered, an interrupt ends the question.
        let cancel = cancel.unwrap_or_else(|| interrupt::token(console));
        let local_traffic = if local_traffic && !command.is_dry_run() {
            let hosts = local_traffic::InUse::of(&clients, &settings.name, target.profile.as_deref());
            Some(events.patiently("the process that plays the hosts", hosts).await?)
        } else {
            None
        };
        let played = local_traffic.as_ref().map(|hosts| DataPlane::Played(hosts.client()));
        let ctx = Context::new(clients, settings, events, cancel).with_data_plane(played.unwrap_or_default());
        Ok(Self { ctx, progress, local_cloud, local_traffic, removes: command.removes() })
    }

    /// Ends the use of the processes, however the command has ended, and those of them that nothing is left for. `removed`: the
    /// command has left nothing behind.
    pub(super) async fn close(self, removed: bool, console: &Console) -> Result<(), Error> {
        let Self { ctx, local_cloud, local_traffic, removes, .. } = self;
        let events = &ctx.events;
        if let Some(hosts) = local_traffic {
            events.patiently("the end of the process that plays the hosts", hosts.leave(removes)).await?;
        }
        if let Some(cloud) = local_cloud
            && let Some(whom) = events.patiently("the end of the local cloud", cloud.leave(removes && removed)).await?
        {
            console.progress_line(&format!("the local cloud runs on for {whom}"));
        }
        Ok(())
    }
}

/// Where calls go, and the local cloud if they go there: a new one if there is none and the command makes something.
async fn open_destination(
    command: &CloudCommand,
    destination: Destination,
) -> Result<(Target, Option<local_cloud::InUse>), Error> {
    let (region, asked, faults) = match destination {
        Destination::Cloud(target) => return Ok((target, None)),
        Destination::Local { region, asked, faults } => (region, asked, faults),
    };
    let purpose = match command {
        CloudCommand::Down => Purpose::Remove,
        _ if command.makes() => Purpose::Make,
        _ => Purpose::Look,
    };
    let used = local_cloud::InUse::of(purpose, asked).await?;
    if let Some(faults) = faults
        && let Err(error) = local_cloud::set_faults(used.record(), &faults).await
    {
        used.leave(false).await?;
        return Err(error.into());
    }
    Ok((Target::local(&used.record().endpoint_url, &region), Some(used)))
}
