//! The command line as clap parses it: the commands, and the arguments of those that need no cloud.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::cloud_command::CloudCommand;
use super::local_args::LocalCommand;
use super::options::Global;
use super::values;
use crate::commands::predict;

/// Zone-aware routing in Amazon ECS Service Connect: provision it, prove it with traffic, rehearse failover, remove it
#[derive(Debug, Parser)]
#[command(name = "zonewalk", version, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Cloud(CloudCommand),
    /// List the runs that were kept, the newest first
    Runs(RunsArgs),
    /// Show runs that were kept, or write a web page of them
    Report(ReportArgs),
    /// Say what a counter, state, threshold or figure of the output means
    Explain(ExplainArgs),
    /// Print the IAM policy that zonewalk needs
    Policy(PolicyArgs),
    /// Predict Envoy's routing for given topologies (JSON lines; offline)
    Predict(PredictArgs),
    /// Print the JSON Schema of what the commands print with --output json and jsonl
    Schema(SchemaArgs),
    /// Run and control the local cloud
    #[command(subcommand)]
    Local(LocalCommand),
    /// Print the completions of a shell
    #[command(visible_alias = "completion")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
    /// Print the version
    #[command(hide = true)]
    Version,
}

#[derive(Debug, ClapArgs)]
pub(super) struct PredictArgs {
    /// File with a topology in each line; - is standard input
    #[arg(default_value = "-")]
    pub(super) file: PathBuf,
    /// Also simulate that many requests and count them by zone
    #[arg(long, value_name = "REQUESTS", value_parser = values::whole_number)]
    simulate: Option<u64>,
    /// Seed of the simulation's random numbers
    #[arg(long, default_value_t = 1, requires = "simulate", value_parser = values::whole_number)]
    seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RunsArgs {
    /// Only those of this command, such as `verify`
    pub(super) command: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ReportArgs {
    /// IDs of runs, or their beginnings; `last` is the newest [default: last]
    #[arg(value_name = "RUN")]
    pub(super) runs: Vec<String>,
    /// Web page to write, with all runs side by side; it needs no network
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Open the web page in the browser; without --html it is written beside the records
    #[arg(long)]
    pub(super) open: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ExplainArgs {
    /// The term, as the output has it [default: list all]
    pub(super) term: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct PolicyArgs {
    /// What is to be allowed: a walkthrough with all its commands, or `audit`, which only looks
    #[arg(long = "for", value_enum, value_name = "WHAT", default_value_t = PolicyFor::Walkthrough)]
    pub(super) purpose: PolicyFor,
}

/// What an IAM policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PolicyFor {
    Walkthrough,
    Audit,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SchemaArgs {
    /// A command, such as `verify` or `local faults` [default: all of them]
    pub(super) command: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CompletionsArgs {
    /// The shell that is to complete zonewalk's commands and options
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ManArgs {
    /// Directory to write a page for each command to, for example ~/.local/share/man/man1
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

impl PredictArgs {
    pub(super) fn simulation(&self) -> Option<predict::Simulate> {
        self.simulate.map(|requests| predict::Simulate { requests, seed: self.seed })
    }
}
