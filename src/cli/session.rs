//! What a command against a cloud needs around it: opened before the command, closed after it.

use std::io::IsTerminal;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::browser;
use super::cloud_command::CloudCommand;
use super::console::Console;
use super::interrupt;
use super::resolve::{Destination, Resolved};
use crate::aws::{Clients, Target};
use crate::cloud::Pace;
use crate::commands::{Error, cost, question};
use crate::data_plane::DataPlane;
use crate::events::Events;
use crate::mesh::Proxies;
use crate::processes::local_cloud::{self, Left, Purpose};
use crate::processes::local_traffic;
use crate::report::progress::Progress;
use crate::settings::Settings;
use crate::stages::{self, Context};

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
    /// Finds or starts the processes that the command needs, connects, and asks before money is spent, or what has cost it removed.
    /// None: the user does not want it.
    pub(super) async fn open(
        command: &CloudCommand,
        resolved: Resolved,
        console: &Console,
    ) -> Result<Option<Self>, Error> {
        let Resolved { settings, destination, yes, local_traffic, record: _ } = resolved;
        // A local cloud that is used is given up properly, whenever the command is interrupted.
        let cancel = matches!(destination, Destination::Local { .. })
            .then(|| interrupt::token(console, command.before_it_ends(), command.if_ended_at_once()));
        let lines = console.clone();
        let progress = Progress::new(console.view(), console.is_verbose(), move |line: &str| lines.progress_line(line));
        let progress = Arc::new(progress);
        let events = console.events(progress.events());
        let opening = open_destination(command, destination, &events, cancel.as_ref());
        let (target, local_cloud) = opening.await?;
        let clients = target.connect().await?;
        if local_cloud.is_some() {
            console.advise_local(&clients);
        }
        if let Some(cloud) = local_cloud.as_ref().filter(|_| command.opens_page()) {
            browser::open(&cloud.record().live_page(), console);
        }
        console.note_run(|run| {
            run.region = Some(clients.region.clone());
            run.endpoint_url = clients.endpoint_url.clone();
        });
        if clients.is_aws()
            && !yes
            && !may_begin(command, &clients, &settings, target.profile.as_deref(), console).await?
        {
            return Ok(None);
        }
        if clients.is_aws() || local_cloud.as_ref().is_some_and(|cloud| cloud.record().own.cloud.pace == Pace::Aws) {
            progress.set_aws_pace();
        }
        progress.begin(command.title());
        // Not before: until it is answered, an interrupt ends the question.
        let cancel =
            cancel.unwrap_or_else(|| interrupt::token(console, command.before_it_ends(), command.if_ended_at_once()));
        let local_traffic = if local_traffic && !command.is_dry_run() {
            let hosts = local_traffic::InUse::of(&clients, &settings.name, target.profile.as_deref());
            Some(heeding(&cancel, events.patiently("the process that plays the hosts", hosts)).await?)
        } else {
            None
        };
        let played = local_traffic.as_ref().map(|hosts| DataPlane::Played(hosts.client()));
        let proxies = match (&local_cloud, &played) {
            (Some(cloud), _) => cloud.record().own.proxies.clone(),
            (None, Some(_)) => Some(Proxies::default().to_string()),
            (None, None) => None,
        };
        let ctx = Context::new(clients, settings, events, cancel).with_proxies(proxies);
        let ctx = ctx.with_data_plane(played.unwrap_or_default());
        Ok(Some(Self { ctx, progress, local_cloud, local_traffic, removes: command.removes() }))
    }

    /// Ends the use of the processes, however the command has ended, and those of them that nothing is left for. `removed`: the
    /// command has left nothing behind.
    pub(super) async fn close(self, removed: bool, console: &Console) -> Result<(), Error> {
        let Self { ctx, local_cloud, local_traffic, removes, .. } = self;
        let events = &ctx.events;
        if let Some(hosts) = local_traffic {
            events.patiently("the end of the process that plays the hosts", hosts.leave(removes)).await?;
        }
        if let Some(cloud) = local_cloud {
            match events.patiently("the end of the local cloud", cloud.leave(removes && removed)).await? {
                Left::Stopped => console.progress_line("local cloud stopped"),
                Left::Needed(by) => console.progress_line(&format!("the local cloud runs on for {by}")),
                Left::AsItWas => {}
            }
        }
        Ok(())
    }
}

/// Asks on a terminal whether to make what costs on AWS, or to remove what stands there; refuses where nobody can be asked.
async fn may_begin(
    command: &CloudCommand,
    clients: &Clients,
    settings: &Settings,
    profile: Option<&str>,
    console: &Console,
) -> Result<bool, Error> {
    let (makes, removes) = (command.makes(), command.removes());
    if command.is_dry_run() || !makes && !removes {
        return Ok(true);
    }
    // The SDK takes the profile from this variable if none is given.
    let of_environment = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let profile = profile.map(str::to_owned).or(of_environment);
    // Until it is answered, an interrupt ends the program.
    let ctx = Context::new(clients.clone(), settings.clone(), Events::silent(), CancellationToken::new());
    if !std::io::stdin().is_terminal() {
        let (name, region) = (&settings.name, &clients.region);
        let place = profile.map(|profile| format!("{region}, with profile {profile},"));
        let place = place.unwrap_or_else(|| region.clone());
        return Err(Error::Usage(if makes {
            let cost = cost::hourly(&ctx).text;
            format!(
                "this creates resources on AWS in {place} that cost {cost}: say --yes to agree, or --local to rehearse"
            )
        } else {
            format!(
                "this removes walkthrough {name} on AWS in {place} and all that is in it: say --yes to agree; `zonewalk down \
                 --dry-run` tells what that is"
            )
        }));
    }
    let question = if makes {
        Some(question::before_making(&ctx, profile.as_deref()).await?)
    } else {
        question::before_removing(&ctx, profile.as_deref()).await?
    };
    Ok(question.is_none_or(|question| console.agrees(&format!("{question} Go on?")) == Some(true)))
}

/// Where calls go, and the local cloud if they go there: a new one if there is none and the command can do with that.
async fn open_destination(
    command: &CloudCommand,
    destination: Destination,
    events: &Events,
    cancel: Option<&CancellationToken>,
) -> Result<(Target, Option<local_cloud::InUse>), Error> {
    let (region, asked, faults) = match destination {
        Destination::Cloud(target) => return Ok((target, None)),
        Destination::Local { region, asked, faults } => (region, asked, faults),
    };
    let purpose = match command {
        CloudCommand::Down(_) => Purpose::Remove,
        CloudCommand::Doctor(_) => Purpose::Examine,
        _ if command.is_dry_run() => Purpose::Examine,
        _ if command.makes() => Purpose::Make,
        _ => Purpose::Look,
    };
    let opening = local_cloud::InUse::of(purpose, asked);
    let opening = events.patiently("the local cloud, which another command may be starting or stopping", opening);
    let used = match cancel {
        Some(cancel) => heeding(cancel, opening).await?,
        None => opening.await?,
    };
    for news in used.news() {
        events.note(news);
    }
    if let Some(faults) = faults
        && let Err(error) = local_cloud::set_faults(used.record(), &faults).await
    {
        used.leave(false).await?;
        return Err(error.into());
    }
    Ok((Target::local(&used.record().endpoint_url, &region), Some(used)))
}

/// Gives up at an interrupt, at once: what is waited for is the work of another command, or is undone when it is given up.
async fn heeding<T, E: Into<Error>>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(stages::Error::Interrupted.into()),
        done = work => done.map_err(Into::into),
    }
}
