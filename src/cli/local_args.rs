//! The arguments of the commands about the local cloud itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use clap_complete::Shell;

use super::values;
use crate::commands::limits::within;

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
    /// Run a sidecar proxy beside an application of yours: zone-aware routing, retries, outlier detection
    Sidecar(SidecarArgs),
    /// Show the running local cloud's faults and how often each was met, or set them
    #[command(after_help = FAULTS)]
    Faults(FaultsArgs),
    /// Show or set how long requests are under way between zones, and the proxies' zone-aware routing
    Mesh(MeshArgs),
    /// Make a service's current deployment old, as if it had been made before zone-aware routing
    Age(AgeArgs),
    /// List the operations that the local cloud has, each with the parameters that it takes
    Operations,
    /// Play the hosts' part on the emulator at --endpoint-url; --local-traffic starts it
    #[command(hide = true)]
    Hosts,
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
    pub(super) shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(super) struct LogsArgs {
    /// Go on printing as requests come in, until the local cloud ends
    #[arg(long, short)]
    pub(super) follow: bool,
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
    pub(super) same_zone: Option<f64>,
    /// Time of a request and its answer to another zone [a new cloud's: 1.5ms, as AWS says]
    #[arg(long, value_name = "TIME", value_parser = values::latency)]
    pub(super) cross_zone: Option<f64>,
    /// Percent of requests for which the proxies consider zones; 0 switches zone-aware routing off
    #[arg(long, value_name = "PERCENT", value_parser = within::<u64>(0..=100))]
    pub(super) routing_enabled: Option<u64>,
    /// Fewest backends with which the proxies route by zone; real Envoys heed it with the next change of tasks
    #[arg(long, value_name = "COUNT", value_parser = within::<u64>(1..=1_000))]
    pub(super) min_cluster_size: Option<u64>,
    /// First put all back to what a new cloud has
    #[arg(long)]
    pub(super) reset: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct AgeArgs {
    /// Name or ARN of the service
    #[arg(long, value_name = "NAME")]
    pub(super) service: String,
    /// Name or ARN of its cluster [default: whichever has a service of the name]
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Option<String>,
    /// How many days ago its current deployment was created
    #[arg(long, value_name = "COUNT", value_parser = within::<u32>(0..=10_000))]
    pub(super) days: u32,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ServeArgs {
    /// Address on this machine, or its port alone; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDRESS", value_parser = values::listen_address)]
    pub(super) listen: SocketAddr,
    /// Inside a container: listen on all its addresses, with load balancers on ports 4510 to 4559, so that the host can publish them
    #[arg(long)]
    pub(super) in_container: bool,
    /// Open the live page in the browser
    #[arg(long)]
    pub(super) open: bool,
    /// Started by `up --local`
    #[arg(long, hide = true)]
    pub(super) background: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SidecarArgs {
    /// Configuration: TOML, or JSON if the name ends in .json; changes apply while it runs (docs/sidecar.md)
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
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
