//! The commands about the local cloud itself: their arguments, and what each of them runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use clap_complete::Shell;

use super::args::Global;
use super::browser;
use super::console::{Console, write_stdout};
use super::interrupt;
use super::resolve::{self, Destination};
use super::values;
use crate::cloud::{Faults, OnRequest};
use crate::commands::Error;
use crate::commands::limits::within;
use crate::commands::local::env::LocalEnv;
use crate::commands::local::faults::LocalFaults;
use crate::commands::local::mesh::LocalMesh;
use crate::commands::local::{logs, status, stop};
use crate::commands::outcome::Outcome;
use crate::processes::local_cloud::{self, Conditions, RequestLog};
use crate::processes::local_traffic;
use crate::report::style;

#[derive(Debug, Subcommand)]
pub(super) enum LocalCommand {
    /// Show whether a local cloud is running, where, and what is in it (exit code 1: none is)
    Status,
    /// Print the variables that point AWS clients at it: eval "$(zonewalk local env)"
    Env(EnvArgs),
    /// Stop the running local cloud, with all that is in it
    Stop,
    /// Print the log of the local cloud in the background, a line a request
    Logs(LogsArgs),
    /// Serve the local cloud in the foreground: any AWS client can use it
    Serve(ServeArgs),
    /// Show the running local cloud's faults and how often each was met, or set them
    #[command(after_help = FAULTS)]
    Faults(FaultsArgs),
    /// Show or set how long requests are under way between zones, and the proxies' zone-aware routing
    Mesh(MeshArgs),
    /// List the operations that the local cloud has, each with the parameters that it takes
    Operations,
    /// Play the hosts' part on the emulator at --endpoint-url; --local-traffic starts it
    #[command(hide = true)]
    Hosts,
}

impl LocalCommand {
    /// Runs the command, and gives its exit code.
    pub(super) async fn run(&self, global: Global, console: &Console) -> Result<u8, Error> {
        match self {
            Self::Status => return Ok(print(&status::run().await?, console)),
            Self::Env(args) => env(args, global, console).await?,
            Self::Stop => return stop(&global, console).await,
            Self::Logs(args) => logs(args, console).await?,
            Self::Serve(args) => serve(args, &global, console).await?,
            Self::Faults(args) => faults(args, console).await?,
            Self::Mesh(args) => mesh(args, console).await?,
            Self::Operations => console.print_operations(),
            Self::Hosts => hosts(global, console).await?,
        }
        Ok(0)
    }
}

const FAULTS: &str = "\
Kinds of faults (--faults FILE), each in a [[fault]] of its own:
  throttle             refused with the service's throttling code
  server-error         refused with its code of an internal failure;
                       status = 500 or 503
  delay                answered late: milliseconds = 100
  drop-answer          carried out, and the connection closed without an answer
  drop-request         the connection closed, and nothing carried out
  hide                 carried out, and not seen by reads:
                       calls = 3, or milliseconds = 500
  refuse-role          refused: a new role or instance profile has not spread
  empty-profile        refused: a new instance profile is known, and the role
                       in it is not yet
  service-linked-role  refused: a service cannot act yet in its own role, which
                       is new
  no-capacity          an instance cannot be launched: zone = \"us-east-1a\"
  vcpu-limit           instances together may not exceed: vcpus = 16
  free-plan            the account is on AWS's Free plan: types not eligible for
                       it cannot be launched
  shared-namespace     another account shares a Cloud Map namespace:
                       name = \"az-aware-routing-ec2-ns\"
  lose-instance        an instance dies before the call: zone = \"us-east-1a\"
  disconnect-agent     an ECS agent is disconnected just before the call, and
                       comes back: milliseconds = 500, zone = \"us-east-1a\"
  hold-deployment      a service cannot be deleted: a deployment is active that
                       cannot be stopped
  refuse               refused in your words: operation = \"…\",
                       code = \"AccessDenied\", message = \"…\"

Which calls meet it (for no-capacity and free-plan: which launches; for
shared-namespace: which lists). All of them, unless these are given:
  operation = \"ec2:Create*\"  service:Operation, * for any text; a group's
                             launches meet faults of roles as ec2:RunInstances
  after = 3                  not the first three
  first = 2                  the first two (after those)
  rate = 0.1                 a tenth of them, by the file's seed = 1

Example:
  seed = 1
  [[fault]]
  kind = \"drop-answer\"
  operation = \"ecs:CreateService\"
  first = 1";

#[derive(Debug, ClapArgs)]
pub(super) struct EnvArgs {
    /// Shell whose syntax the lines have
    #[arg(long, value_enum, default_value_t = Shell::Bash)]
    shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(super) struct LogsArgs {
    /// Go on printing as requests come in, until the local cloud ends
    #[arg(long, short)]
    follow: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct FaultsArgs {
    /// Faults to set: TOML, or JSON if the name ends in .json
    pub(super) file: Option<PathBuf>,
    /// Remove all faults; what was hidden is seen again
    #[arg(long, conflicts_with = "file")]
    pub(super) clear: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct MeshArgs {
    /// Time of a request and its answer within a zone [a new cloud's: 350us, as AWS says]
    #[arg(long, value_name = "TIME", value_parser = values::latency)]
    same_zone: Option<f64>,
    /// Time of a request and its answer to another zone [a new cloud's: 1.5ms, as AWS says]
    #[arg(long, value_name = "TIME", value_parser = values::latency)]
    cross_zone: Option<f64>,
    /// Percent of requests for which the proxies consider zones; 0 switches zone-aware routing off
    #[arg(long, value_name = "PERCENT", value_parser = within::<u64>(0..=100))]
    routing_enabled: Option<u64>,
    /// Fewest backends with which the proxies route by zone; real Envoys heed it with the next change of tasks
    #[arg(long, value_name = "COUNT", value_parser = within::<u64>(1..=1_000))]
    min_cluster_size: Option<u64>,
    /// First put all back to what a new cloud has
    #[arg(long)]
    reset: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ServeArgs {
    /// Address on this machine, or its port alone; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDRESS", value_parser = values::listen_address)]
    listen: SocketAddr,
    /// Open the live page in the browser
    #[arg(long)]
    open: bool,
    /// Started by `up --local`
    #[arg(long, hide = true)]
    background: bool,
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
        console.print_serving(record, &LocalEnv::new(record, &region, Shell::Bash));
        if args.open {
            browser::open(&record.live_page(), console);
        }
    };
    local_cloud::serve(options, ready, stop.cancelled()).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_fit_a_terminal_of_80_columns() {
        for line in FAULTS.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
