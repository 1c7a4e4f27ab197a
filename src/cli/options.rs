//! The options that several commands share. What they do not say is resolved in `resolve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, FalseyValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, ValueEnum};
use strum::VariantNames;

use crate::cloud::Pace;
use crate::commands::limits;
use crate::processes::local_cloud::{self, Proxy};
use crate::settings::{Cidr, LaunchType, Name, NetworkMode, ServiceConnectMode, TaskCount};

/// The options that several commands have. Which command takes which of them is said in `command_line`.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Global {
    /// Take over resources that have these names and lack the owner tag
    #[arg(long, global = true)]
    pub(super) adopt: bool,
    /// Longest wait for one resource: 900 (seconds), 15m, 1h30m [default: 15m]
    #[arg(long, global = true, env = "ZONEWALK_TIMEOUT", value_name = "TIME", value_parser = limits::wait)]
    pub(super) timeout: Option<Duration>,
    /// Use a local cloud on this machine; no AWS account is read or touched
    #[arg(long, global = true, conflicts_with_all = ["profile", "endpoint_url"])]
    pub(super) local: bool,
    /// Profile of the AWS configuration [env: AWS_PROFILE]
    #[arg(long, global = true)]
    pub(super) profile: Option<String>,
    /// AWS region [env: AWS_REGION]
    #[arg(long, short, global = true)]
    pub(super) region: Option<String>,
    /// Endpoint for AWS calls: LocalStack, moto, `zonewalk local serve` [env: AWS_ENDPOINT_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
    /// LocalStack and moto run no tasks: simulate the hosts and the traffic for them
    #[arg(long, global = true, conflicts_with = "local")]
    pub(super) local_traffic: bool,
    /// Name of the walkthrough, the first part of every resource's name [default: az-aware]
    #[arg(long, short, global = true, env = "ZONEWALK_NAME")]
    pub(super) name: Option<Name>,
    /// Settings file [default: zonewalk.toml, if it exists]
    #[arg(long, global = true, env = "ZONEWALK_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Speed of a new local cloud: AWS's own, a hundred times as fast, or without waits [default: fast]
    #[arg(long, global = true, value_parser = PossibleValuesParser::new(Pace::VARIANTS).try_map(|pace| pace.parse::<Pace>()))]
    pub(super) pace: Option<Pace>,
    /// Proxies of a new local cloud's tasks: built in, or real Envoys [default: zonewalk]
    #[arg(long, global = true, value_enum, env = "ZONEWALK_PROXY", value_name = "PROXY")]
    pub(super) proxy: Option<Proxy>,
    /// Start the local cloud without ecsInstanceRole and ecsTaskExecutionRole
    #[arg(long, global = true)]
    pub(super) bare_account: bool,
    /// Faults to inject into the local cloud; see `zonewalk local faults --help`
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) faults: Option<PathBuf>,
    /// Output format
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Human, value_name = "FORMAT")]
    pub(super) output: Output,
    /// Show every request to AWS (-vv: also what libraries log)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Show no progress, only results and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Keep no record of this run
    #[arg(long, global = true, env = "ZONEWALK_NO_RECORD", value_parser = FalseyValueParser::new())]
    pub(super) no_record: bool,
    /// No colors [env: NO_COLOR]
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// Do not ask for confirmation
    #[arg(long, short, global = true)]
    pub(super) yes: bool,
}

/// What a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Text and tables
    Human,
    /// One JSON document, and nothing else; `zonewalk schema` describes it
    Json,
    /// A JSON object in each line: what happens meanwhile, and the document at the end
    Jsonl,
    /// JUnit's XML, for pipelines: of commands whose runs are kept, and of `report`
    Junit,
    /// Markdown, for pull requests: of the same commands
    Markdown,
}

impl Output {
    /// Whether it is a report of what came of a run, which not every command can give.
    pub(super) fn is_report(self) -> bool {
        matches!(self, Self::Junit | Self::Markdown)
    }
}

/// What is to be provisioned.
#[derive(Debug, Default, ClapArgs)]
pub(super) struct ProvisionArgs {
    /// Tasks of each service; zone-aware routing needs 6 or more [default: 6]
    #[arg(long, env = "TASK_COUNT", value_name = "COUNT")]
    pub(super) task_count: Option<TaskCount>,
    /// What the tasks run on [default: what those that stand run on, else ec2]
    #[arg(long, env = "ZONEWALK_LAUNCH_TYPE", value_enum, value_name = "TYPE")]
    pub(super) launch_type: Option<LaunchType>,
    /// How tasks on instances are reached [default: as those that stand, else awsvpc]
    #[arg(long, env = "ZONEWALK_NETWORK_MODE", value_enum, value_name = "MODE")]
    pub(super) network_mode: Option<NetworkMode>,
    /// EC2 instance type [default: t3.medium]
    #[arg(long, env = "ZONEWALK_INSTANCE_TYPE", value_name = "TYPE")]
    pub(super) instance_type: Option<String>,
    /// Image of the demo application [default: the article's]
    #[arg(long, env = "ZONEWALK_IMAGE")]
    pub(super) image: Option<String>,
    /// Addresses that may reach the load balancer, for example 192.0.2.7/32; repeatable [default: 0.0.0.0/0]
    #[arg(long = "allow-cidr", env = "ZONEWALK_ALLOW_CIDR", value_name = "CIDR", value_delimiter = ',')]
    pub(super) allow_cidrs: Vec<Cidr>,
    /// Use the account's roles, and create none
    #[arg(long)]
    pub(super) no_create_roles: bool,
    /// Report what IAM's simulation denies, and go on
    #[arg(long, env = "ZONEWALK_NO_CHECK_PERMISSIONS", value_parser = FalseyValueParser::new())]
    pub(super) no_check_permissions: bool,
    /// Report quotas that are too small, and go on
    #[arg(long, env = "ZONEWALK_NO_CHECK_QUOTA", value_parser = FalseyValueParser::new())]
    pub(super) no_check_quota: bool,
    /// The frontend's part in Service Connect [default: client-server]
    #[arg(long, env = "ZONEWALK_FRONTEND", value_enum, value_name = "MODE")]
    pub(super) frontend: Option<ServiceConnectMode>,
    /// Have Service Connect's proxies log accesses to CloudWatch Logs, or not [default: as it is; off at first]
    #[arg(long, env = "ZONEWALK_ACCESS_LOGS", value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub(super) access_logs: Option<bool>,
    /// Directory with a user_data.sh, task_definition.backend.json or task_definition.frontend.json of your own
    #[arg(long, env = "ZONEWALK_TEMPLATES", value_name = "DIR")]
    pub(super) templates: Option<PathBuf>,
}

impl Global {
    /// What is asked of a local cloud.
    pub(super) fn asked(&self) -> local_cloud::Asked {
        local_cloud::Asked { pace: self.pace, bare_account: self.bare_account, proxy: self.proxy }
    }
}
