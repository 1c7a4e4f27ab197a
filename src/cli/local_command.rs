//! The commands about the local cloud itself: what each of them runs.

use std::sync::Arc;
use std::time::Duration;

use clap_complete::Shell;

use super::browser;
use super::console::{Console, write_stdout};
use super::interrupt;
use super::local_args::{AgeArgs, EnvArgs, FaultsArgs, LocalCommand, LogsArgs, MeshArgs, ServeArgs, SidecarArgs};
use super::options::Global;
use super::resolve::{self, Destination};
use crate::cloud::{Faults, OnRequest};
use crate::commands::Error;
use crate::commands::local::age::LocalAge;
use crate::commands::local::env::LocalEnv;
use crate::commands::local::faults::LocalFaults;
use crate::commands::local::mesh::LocalMesh;
use crate::commands::local::{logs, status, stop};
use crate::commands::outcome::Outcome;
use crate::processes::local_cloud::{self, Age, Conditions, RequestLog};
use crate::processes::{local_sidecar, local_traffic};
use crate::report::style;

impl LocalCommand {
    /// Runs the command, and gives its exit code.
    pub(super) async fn run(&self, global: Global, console: &Console) -> Result<u8, Error> {
        match self {
            Self::Status => return Ok(print(&status::run().await?, console)),
            Self::Env(args) => env(args, global, console).await?,
            Self::Stop => return stop(&global, console).await,
            Self::Logs(args) => logs(args, console).await?,
            Self::Serve(args) => serve(args, &global, console).await?,
            Self::Sidecar(args) => sidecar(args, console).await?,
            Self::Faults(args) => faults(args, console).await?,
            Self::Mesh(args) => mesh(args, console).await?,
            Self::Age(args) => age(args, global, console).await?,
            Self::Operations => console.print_operations(),
            Self::Hosts => hosts(global, console).await?,
        }
        Ok(0)
    }
}

/// Prints an outcome, and what to type next. Its exit code.
pub(super) fn print(outcome: &dyn Outcome, console: &Console) -> u8 {
    console.print_bare(outcome);
    if let Some(next) = outcome.next() {
        console.progress_line(&format!("next: {next}"));
    }
    outcome.exit_code()
}

async fn env(args: &EnvArgs, global: Global, console: &Console) -> Result<(), Error> {
    let record = local_cloud::find().await?;
    let region = region(global)?;
    console.note_local_cloud(&record);
    console.note_run(|run| run.region = Some(region.clone()));
    print(&LocalEnv::new(&record, &region, args.shell), console);
    Ok(())
}

/// The local cloud's region, as a command with `--local` would take it.
fn region(global: Global) -> Result<String, Error> {
    match resolve::resolve(Global { local: true, ..global }, None)?.destination {
        Destination::Local { region, .. } => Ok(region),
        Destination::Cloud(_) => Err(Error::Usage("the local cloud is at no other endpoint".to_owned())),
    }
}

async fn stop(global: &Global, console: &Console) -> Result<u8, Error> {
    let Some(ending) = stop::look().await? else { return Ok(print(&stop::LocalStop::default(), console)) };
    let agreed = match ending.contents() {
        Some(contents) if !global.yes => {
            let agreed = console.agrees(&format!("This ends {contents} with the local cloud. Go on?"));
            agreed
                .ok_or_else(|| Error::Usage(format!("this ends {contents} with the local cloud: say --yes to agree")))?
        }
        _ => true,
    };
    let outcome = if agreed { ending.end().await? } else { ending.spare() };
    Ok(print(&outcome, console))
}

/// How often a log is looked at that is followed.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

async fn logs(args: &LogsArgs, console: &Console) -> Result<(), Error> {
    if args.follow && console.is_json() {
        return Err(Error::Usage(
            "a log that is followed has no end: leave out --follow for one JSON document".to_owned(),
        ));
    }
    let mut log = logs::open().await?;
    let over = "no local cloud is running: this is the log of the last one";
    if !args.follow {
        let running = log.running;
        print(&log.read()?, console);
        if !running {
            console.progress_line(over);
        }
        return Ok(());
    }
    loop {
        // In this order: what it wrote last is read, too.
        let goes_on = log.goes_on().await?;
        write_stdout(&log.new_lines()?);
        if !goes_on {
            console.progress_line(over);
            return Ok(());
        }
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

async fn hosts(global: Global, console: &Console) -> Result<(), Error> {
    let resolved = resolve::resolve(global, None)?;
    let Destination::Cloud(target) = resolved.destination else {
        return Err(Error::Usage("the local cloud has hosts of its own".to_owned()));
    };
    let stop = interrupt::token(console, None, None);
    local_traffic::serve(target.connect().await?, &resolved.settings.name, stop.cancelled()).await?;
    Ok(())
}

async fn serve(args: &ServeArgs, global: &Global, console: &Console) -> Result<(), Error> {
    let stop = interrupt::token(console, Some("stopping the local cloud"), None);
    let requests = if args.background {
        RequestLog::Background
    } else {
        let console = console.clone();
        let tell: OnRequest = Arc::new(move |served| {
            let line = served.to_string();
            let is_good = served.status.is_some_and(|status| status < 400);
            console.progress_line(&if is_good { line } else { style::attention(line) });
        });
        RequestLog::Foreground(tell)
    };
    let options = local_cloud::ServeOptions {
        listen: args.listen,
        in_container: args.in_container,
        cloud: global.asked().new_cloud(),
        faults: global.faults.as_deref().map(local_cloud::read_faults).transpose()?.unwrap_or_default(),
        requests,
    };
    let region = region(global.clone())?;
    let ready = |record: &local_cloud::Record, found_by_commands: bool| {
        if !found_by_commands {
            let url = &record.endpoint_url;
            let text = format!(
                "commands with --local go on using the one that runs already: use --endpoint-url {url} for this one"
            );
            console.progress_line(&text);
        }
        if args.in_container {
            let text = "it listens on every address, and accepts any credentials: publish its ports on loopback alone";
            console.message(&style::attention(text));
        }
        console.print_serving(record, &LocalEnv::new(record, &region, Shell::Bash));
        if args.open {
            browser::open(&record.live_page(), console);
        }
    };
    local_cloud::serve(options, ready, stop.cancelled()).await?;
    Ok(())
}

async fn sidecar(args: &SidecarArgs, console: &Console) -> Result<(), Error> {
    let stop = interrupt::token(console, Some("requests in flight are finished"), None);
    let ready = |serving: &local_sidecar::Serving| console.print_sidecar(serving);
    let changed = |change| console.note_sidecar_change(change);
    local_sidecar::serve(&args.file, ready, changed, stop).await?;
    Ok(())
}

async fn mesh(args: &MeshArgs, console: &Console) -> Result<(), Error> {
    let record = local_cloud::find().await?;
    console.note_local_cloud(&record);
    let before = local_cloud::conditions(&record.endpoint_url).await?;
    let mut wanted = if args.reset { Conditions::of_a_new_cloud() } else { before };
    let Conditions { same_zone_ms, cross_zone_ms, runtime } = &mut wanted;
    *same_zone_ms = args.same_zone.unwrap_or(*same_zone_ms);
    *cross_zone_ms = args.cross_zone.unwrap_or(*cross_zone_ms);
    runtime.zone_routing_enabled = args.routing_enabled.or(runtime.zone_routing_enabled);
    runtime.min_cluster_size = args.min_cluster_size.or(runtime.min_cluster_size);
    let now = if wanted == before { before } else { local_cloud::set_conditions(&record.endpoint_url, wanted).await? };
    print(&LocalMesh::from(now), console);
    Ok(())
}

async fn age(args: &AgeArgs, global: Global, console: &Console) -> Result<(), Error> {
    let record = local_cloud::find().await?;
    let region = region(global)?;
    console.note_local_cloud(&record);
    let AgeArgs { service, cluster, days } = args;
    let age = Age { region, cluster: cluster.clone(), service: service.clone(), days: *days };
    print(&LocalAge(local_cloud::age(&record, &age).await?), console);
    Ok(())
}

async fn faults(args: &FaultsArgs, console: &Console) -> Result<(), Error> {
    let wanted = match &args.file {
        Some(file) => Some(local_cloud::read_faults(file)?),
        None if args.clear => Some(Faults::default()),
        None => None,
    };
    let record = local_cloud::find().await?;
    console.note_local_cloud(&record);
    let report = match wanted {
        Some(faults) => local_cloud::set_faults(&record, &faults).await?,
        None => local_cloud::faults(&record).await?,
    };
    print(&LocalFaults(report), console);
    Ok(())
}
