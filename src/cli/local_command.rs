//! The commands about the local cloud itself: their arguments, and what each of them runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::args::Global;
use super::console::Console;
use super::interrupt;
use super::resolve::{self, Destination};
use crate::cloud::Faults;
use crate::commands::Error;
use crate::processes::{local_cloud, local_traffic};

#[derive(Debug, Subcommand)]
pub(super) enum LocalCommand {
    /// Serve the local cloud in the foreground: any AWS client can use it
    #[command(after_long_help = FAULTS)]
    Serve(ServeArgs),
    /// The running local cloud's faults and how often each was met; with a file, sets them
    #[command(after_long_help = FAULTS)]
    Faults(FaultsArgs),
    /// The operations that the local cloud has, each with the parameters that it takes
    Operations,
    /// Play the hosts' part on the emulator at --endpoint-url; --local-traffic starts it
    #[command(hide = true)]
    Hosts,
}

impl LocalCommand {
    pub(super) async fn run(&self, global: Global, console: &Console) -> Result<(), Error> {
        match self {
            Self::Serve(args) => serve(args, &global, console).await,
            Self::Faults(args) => faults(args, console).await,
            Self::Operations => {
                console.print_operations();
                Ok(())
            }
            Self::Hosts => hosts(global, console).await,
        }
    }
}

const FAULTS: &str = "\
Faults (--faults FILE), one [[fault]] each:
  kind = \"throttle\"                   refused with the service's throttling code
  kind = \"server-error\"               refused with its code of an internal failure; status = 500 or 503
  kind = \"delay\"                      answered late: milliseconds = 100
  kind = \"drop-answer\"                carried out, and the connection closed without an answer
  kind = \"drop-request\"               the connection closed, and nothing carried out
  kind = \"hide\"                       carried out, and not seen by reads: calls = 3, or milliseconds = 500
  kind = \"refuse-role\"                refused since a new role or instance profile has not spread yet
  kind = \"empty-profile\"              refused since a new instance profile is known, and the role in it is not yet
  kind = \"service-linked-role\"        refused since a service cannot act yet in its own role, which is new
  kind = \"no-capacity\"                an instance cannot be launched: zone = \"us-east-1a\"
  kind = \"vcpu-limit\"                 instances together may not exceed: vcpus = 16
  kind = \"free-plan\"                  the account is on AWS's Free plan: types not eligible for it cannot be launched
  kind = \"shared-namespace\"           another account shares a Cloud Map namespace: name = \"az-aware-routing-ec2-ns\"
  kind = \"lose-instance\"              an instance dies just before the call: zone = \"us-east-1a\"
  kind = \"disconnect-agent\"           an ECS agent is disconnected just before the call, and comes back:
                                      milliseconds = 500, zone = \"us-east-1a\"
  kind = \"hold-deployment\"            a service cannot be deleted: a deployment is active that cannot be stopped
  kind = \"refuse\"                     refused in your words: code = \"AccessDenied\", message = \"…\"
Which calls (for no-capacity and free-plan, launches; for shared-namespace, lists) meet it, all of them unless it is said:
  operation = \"ec2:Create*\"           service:Operation, * for any text; a group's launches meet the faults of roles
                                      as \"ec2:RunInstances\"
  after = 3                           not the first three
  first = 2                           the first two (after those)
  rate = 0.1                          a tenth of them, by the file's seed = 1

Example:
  seed = 1
  [[fault]]
  kind = \"drop-answer\"
  operation = \"ecs:CreateService\"
  first = 1";

#[derive(Debug, ClapArgs)]
pub(super) struct FaultsArgs {
    /// TOML, or JSON if its name ends in .json
    pub(super) file: Option<PathBuf>,
    /// No more faults; what was hidden is seen
    #[arg(long, conflicts_with = "file")]
    pub(super) clear: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ServeArgs {
    /// Loopback address; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Started by `up --local`
    #[arg(long, hide = true)]
    background: bool,
}

impl ServeArgs {
    pub(super) fn options(&self, global: &Global) -> Result<local_cloud::ServeOptions, local_cloud::Error> {
        Ok(local_cloud::ServeOptions {
            listen: self.listen,
            cloud: global.asked().new_cloud(),
            faults: global.faults.as_deref().map(local_cloud::read_faults).transpose()?.unwrap_or_default(),
            background: self.background,
        })
    }
}

async fn hosts(global: Global, console: &Console) -> Result<(), Error> {
    let resolved = resolve::resolve(global, None)?;
    let Destination::Cloud(target) = resolved.destination else {
        return Err(Error::Usage("the local cloud has hosts of its own".to_owned()));
    };
    let stop = interrupt::token(console);
    local_traffic::serve(target.connect().await?, &resolved.settings.name, stop.cancelled()).await?;
    Ok(())
}

async fn serve(args: &ServeArgs, global: &Global, console: &Console) -> Result<(), Error> {
    let stop = interrupt::token(console);
    let ready = |record: &local_cloud::Record, found_by_commands: bool| {
        if !found_by_commands {
            let url = &record.endpoint_url;
            let text = format!(
                "commands with --local go on using the one that runs already: use --endpoint-url {url} for this one"
            );
            console.progress_line(&text);
        }
        console.print_serving(record);
    };
    local_cloud::serve(args.options(global)?, ready, stop.cancelled()).await?;
    Ok(())
}

async fn faults(args: &FaultsArgs, console: &Console) -> Result<(), Error> {
    let wanted = match &args.file {
        Some(file) => Some(local_cloud::read_faults(file)?),
        None if args.clear => Some(Faults::default()),
        None => None,
    };
    let record = local_cloud::find().await?;
    let report = match wanted {
        Some(faults) => local_cloud::set_faults(&record, &faults).await?,
        None => local_cloud::faults(&record).await?,
    };
    console.print_faults(&report);
    Ok(())
}
