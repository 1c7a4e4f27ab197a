//! The arguments, as clap parses them. What they do not say is resolved in `resolve`.

use std::path::PathBuf;

use clap::builder::{FalseyValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use strum::VariantNames;

use super::cloud_command::CloudCommand;
use super::local_command::LocalCommand;
use crate::cloud::Pace;
use crate::commands::predict;
use crate::processes::local_cloud::{self, Proxy};
use crate::settings::{Cidr, Name, ServiceConnectMode, TaskCount};

/// Zone-aware routing in Amazon ECS Service Connect: provisioned, proven with traffic, drilled, inspected, torn down.
#[derive(Debug, Parser)]
#[command(name = "zonewalk", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  zonewalk walkthrough --local        everything, on this machine, with no AWS account
  zonewalk up --local                 then verify, failover, stats, status, down with --local
  zonewalk up --region eu-west-1      the same on AWS: it costs about 0.64 USD an hour until `down`

Exit codes: 0 done; 1 a check did not hold; 2 usage; 3 the cloud refused or failed; 130 interrupted";

#[derive(Debug, ClapArgs)]
pub(super) struct Global {
    /// Run against a local cloud on this machine, which `up` starts and `down` stops; no AWS account is read or touched
    #[arg(long, global = true, conflicts_with_all = ["profile", "endpoint_url"])]
    pub(super) local: bool,
    /// How fast a new local cloud is: AWS's times, a hundredth of them, or none
    /// [default: fast]
    #[arg(long, global = true, value_parser = PossibleValuesParser::new(Pace::VARIANTS).try_map(|pace| pace.parse::<Pace>()))]
    pub(super) pace: Option<Pace>,
    /// The Service Connect proxies of a new local cloud's tasks: zonewalk's own, or a real Envoy each (ENVOY_BIN, or `envoy` on
    /// the PATH) [default: zonewalk]
    #[arg(long, global = true, value_enum, env = "ZONEWALK_PROXY", value_name = "PROXY")]
    pub(super) proxy: Option<Proxy>,
    /// A new local cloud's account lacks the roles that the article takes for granted
    #[arg(long, global = true)]
    pub(super) bare_account: bool,
    /// What the local cloud is to do wrong: a TOML or JSON file; see `local serve --help`
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["profile", "endpoint_url"])]
    pub(super) faults: Option<PathBuf>,
    /// Profile of the AWS configuration
    #[arg(long, global = true)]
    pub(super) profile: Option<String>,
    /// AWS region
    #[arg(long, global = true)]
    pub(super) region: Option<String>,
    /// Send the AWS calls there: LocalStack, moto, `zonewalk local serve` [env: AWS_ENDPOINT_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
    /// On an emulator, play the part of the hosts: register instances, run tasks, carry the traffic (with --endpoint-url)
    #[arg(long, global = true, conflicts_with = "local")]
    pub(super) local_traffic: bool,
    /// What stdout gets
    #[arg(long, global = true, value_enum, default_value_t = Output::Human)]
    pub(super) output: Output,
    /// Name of the walkthrough: the first part of every resource's name, and the owner tag's value [default: az-aware]
    #[arg(long, global = true, env = "ZONEWALK_NAME")]
    pub(super) name: Option<Name>,
    /// Settings file [default: zonewalk.toml, if there is one]
    #[arg(long, global = true, env = "ZONEWALK_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Take over resources that have our names and not our tag
    #[arg(long, global = true)]
    pub(super) adopt: bool,
    /// Seconds that any one resource may take to become ready, or to go [default: 900]
    #[arg(long, global = true, env = "ZONEWALK_TIMEOUT", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) timeout: Option<u64>,
    /// Do not ask before spending money
    #[arg(long, short, global = true)]
    pub(super) yes: bool,
    /// Show every request to the cloud (-vv: what the libraries say, too)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// No colors
    #[arg(long, global = true)]
    pub(super) no_color: bool,
}

/// What stdout gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Text and tables
    Human,
    /// One JSON document, and nothing else: docs/json.md tells its shape
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Cloud(CloudCommand),
    /// Print the IAM policy that this tool needs
    Policy,
    /// Topologies in, routing out, as JSON lines; no cloud
    Predict(PredictArgs),
    /// Print the JSON Schema of what the commands print with --output json and jsonl
    Schema(SchemaArgs),
    /// The local cloud by itself
    #[command(subcommand)]
    Local(LocalCommand),
}

/// What is to be provisioned.
#[derive(Debug, Default, ClapArgs)]
pub(super) struct ProvisionArgs {
    /// Tasks of each service; at least 6 for zone-aware routing over 3 zones [default: 6]
    #[arg(long, env = "TASK_COUNT")]
    pub(super) task_count: Option<TaskCount>,
    /// EC2 instance type; two of its instances hold a task of each service [default: t3.medium]
    #[arg(long, env = "ZONEWALK_INSTANCE_TYPE", value_name = "TYPE")]
    pub(super) instance_type: Option<String>,
    /// Image of the demo application [default: the article's]
    #[arg(long, env = "ZONEWALK_IMAGE")]
    pub(super) image: Option<String>,
    /// Who may reach the load balancer, by IPv4, for example 192.0.2.7/32; can be given several times [default: 0.0.0.0/0]
    #[arg(long = "allow-cidr", env = "ZONEWALK_ALLOW_CIDR", value_name = "CIDR", value_delimiter = ',')]
    pub(super) allow_cidrs: Vec<Cidr>,
    /// Use the account's roles, and fail if they do not serve, rather than make some
    #[arg(long)]
    pub(super) no_create_roles: bool,
    /// Only tell what IAM's simulation denies the caller, and go on: it also denies what is allowed on single resources only
    #[arg(long, env = "ZONEWALK_NO_CHECK_PERMISSIONS", value_parser = FalseyValueParser::new())]
    pub(super) no_check_permissions: bool,
    /// Only tell what AWS's quotas do not allow, and go on
    #[arg(long, env = "ZONEWALK_NO_CHECK_QUOTA", value_parser = FalseyValueParser::new())]
    pub(super) no_check_quota: bool,
    /// Whether the frontend also offers a name in the namespace, or only calls others [default: client-server]
    #[arg(long, env = "ZONEWALK_FRONTEND", value_enum)]
    pub(super) frontend: Option<ServiceConnectMode>,
    /// Directory whose files replace the built-in ones of the same names: user_data.sh, task_definition.backend.json,
    /// task_definition.frontend.json
    #[arg(long, env = "ZONEWALK_TEMPLATES", value_name = "DIR")]
    pub(super) templates: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct PredictArgs {
    /// Topologies, one JSON object a line; - is standard input
    #[arg(default_value = "-")]
    pub(super) file: PathBuf,
    /// Also make that many picks and count them by zone
    #[arg(long, value_name = "N")]
    simulate: Option<u64>,
    /// Seed of the picks' random numbers
    #[arg(long, default_value_t = 1, requires = "simulate")]
    seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SchemaArgs {
    /// A command, such as `verify` or `local faults` [default: all of them]
    pub(super) command: Vec<String>,
}

impl PredictArgs {
    pub(super) fn simulation(&self) -> Option<predict::Simulate> {
        self.simulate.map(|requests| predict::Simulate { requests, seed: self.seed })
    }
}

impl Global {
    /// What is asked of a local cloud.
    pub(super) fn asked(&self) -> local_cloud::Asked {
        local_cloud::Asked { pace: self.pace, bare_account: self.bare_account, proxy: self.proxy }
    }
}
