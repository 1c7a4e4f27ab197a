//! The settings of a walkthrough, resolved, and the names of all its resources. How they are resolved (flag, environment,
//! file, the article's value) is `cli`'s business; here they are plain values, checked against AWS's limits.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;

/// The tag every resource of a walkthrough carries; its value is the walkthrough's [`Name`].
pub const OWNER_TAG: &str = "zonewalk:walkthrough";
/// The key of the cluster's tag that says who made the walkthrough.
pub const CREATOR_TAG: &str = "zonewalk:creator";

/// What a walkthrough is to be. [`Default`] gives the article's values.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: Name,
    pub task_count: TaskCount,
    /// What the tasks run on. None: what those that stand run on, else the article's instances.
    pub launch_type: Option<LaunchType>,
    /// How the tasks are reached. None: as those that stand, else as the article's.
    pub network_mode: Option<NetworkMode>,
    pub instance_type: String,
    /// The SSM parameter that holds the AMI as JSON. The article's Amazon Linux 2 reached its end of life on 2026-06-30.
    pub ami_parameter: String,
    /// The demo application's image.
    pub image: String,
    /// The command of the backend's container, if not the template's.
    pub backend_command: Option<Vec<String>>,
    /// The command of the frontend's container, if not the template's.
    pub frontend_command: Option<Vec<String>>,
    pub frontend_mode: ServiceConnectMode,
    /// Whether Service Connect's proxies log accesses. None: as it is, which is that they do not until they are told to.
    pub access_logs: Option<bool>,
    /// The directory with files that replace templates of the same names.
    pub templates: Option<PathBuf>,
    /// The name of the instance profile that lets instances join the cluster. Without one, the article's is used if it serves,
    /// else one is made.
    pub instance_profile: Option<String>,
    /// The name of the role with which ECS starts tasks. Without one, the article's is used if it serves, else one is made.
    pub execution_role: Option<String>,
    /// Whether roles may be made.
    pub create_roles: bool,
    /// Whether what IAM's simulation denies the caller stops `up`.
    pub check_permissions: bool,
    /// Whether what AWS's quotas do not allow stops `up`.
    pub check_quota: bool,
    /// The addresses that may reach the load balancer: at least one range.
    pub allow_cidrs: Vec<Cidr>,
    /// Whether to take over resources that have our names and not our tag.
    pub adopt: bool,
    /// How long any single resource may take to become ready, or to go.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: Name::default(),
            task_count: TaskCount::default(),
            launch_type: None,
            network_mode: None,
            instance_type: "t3.medium".to_owned(),
            ami_parameter: "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended".to_owned(),
            image: "public.ecr.aws/h5t0a8k7/serviceconnect/az-aware-routing-test:latest".to_owned(),
            backend_command: None,
            frontend_command: None,
            frontend_mode: ServiceConnectMode::ClientServer,
            access_logs: None,
            templates: None,
            instance_profile: None,
            execution_role: None,
            create_roles: true,
            check_permissions: true,
            check_quota: true,
            allow_cidrs: vec![Cidr::everyone()],
            adopt: false,
            timeout: Duration::from_secs(15 * 60),
        }
    }
}

impl Settings {
    /// The ranges that may reach the load balancer, each once: AWS takes none twice.
    pub fn distinct_cidrs(&self) -> Vec<Cidr> {
        let mut ranges: Vec<Cidr> = vec![];
        for range in &self.allow_cidrs {
            if !ranges.contains(range) {
                ranges.push(*range);
            }
        }
        ranges
    }
}

/// The number of tasks of each of the two services: 1 to 15, since the Auto Scaling group (at most 30 instances) holds one task an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct TaskCount(u32);

impl TaskCount {
    /// The Auto Scaling group's maximum in the article, one task an instance, two services.
    pub const MAX: u32 = 30 / 2;

    pub fn new(count: u32) -> Result<Self, InvalidSetting> {
        if (1..=Self::MAX).contains(&count) {
            Ok(Self(count))
        } else {
            Err(InvalidSetting(format!(
                "a whole number from 1 to {} is needed: the Auto Scaling group holds 30 instances, one for each task of both services",
                Self::MAX
            )))
        }
    }

    pub fn get(self) -> u32 {
        self.0
    }

    /// The number of instances that hold the tasks of both services.
    pub fn instances(self) -> u32 {
        self.0 * 2
    }
}

impl TryFrom<u32> for TaskCount {
    type Error = InvalidSetting;

    fn try_from(count: u32) -> Result<Self, Self::Error> {
        Self::new(count)
    }
}

impl Default for TaskCount {
    fn default() -> Self {
        Self(6)
    }
}

impl FromStr for TaskCount {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is no number is out of range, too.
        Self::new(text.parse().unwrap_or_default())
    }
}

/// Whether a service offers a name in the namespace, or only calls those of others: what `--frontend` takes, its help
/// included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceConnectMode {
    /// The article's
    ClientServer,
    ClientOnly,
}

/// What tasks run on: what `--launch-type` takes, its help included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchType {
    /// Instances of an Auto Scaling group, as in the article
    #[default]
    Ec2,
    /// AWS Fargate, without instances; AWS shows no counters of Envoy there
    Fargate,
}

impl LaunchType {
    /// As the command line takes it.
    pub fn as_argument(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Fargate => "fargate",
        }
    }
}

impl fmt::Display for LaunchType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ec2 => "EC2",
            Self::Fargate => "Fargate",
        })
    }
}

/// How tasks on instances are reached: what `--network-mode` takes, its help included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// At a network interface of their own, as in the article
    #[default]
    Awsvpc,
    /// At their instance's address, on ports that Docker chooses
    Bridge,
}

impl NetworkMode {
    /// As ECS and the command line have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Awsvpc => "awsvpc",
            Self::Bridge => "bridge",
        }
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A range of addresses, IPv4 or IPv6, as security groups take it: no bit is set below its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Every IPv4 address, as in the article.
    pub fn everyone() -> Self {
        Self(Ipv4Net::default().into())
    }

    pub fn is_ipv6(&self) -> bool {
        matches!(self.0, IpNet::V6(_))
    }
}

impl FromStr for Cidr {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(range) if range.trunc() == range && text.contains('/') => Ok(Self(range)),
            Ok(range) => {
                Err(InvalidSetting(format!("{text} is not a range of addresses: did you mean {}?", range.trunc())))
            }
            Err(_) => Err(InvalidSetting(format!(
                "{text:?} is not a range of addresses: they look like 192.0.2.0/24, or 192.0.2.7/32 for a single one"
            ))),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The walkthrough's name: the first part of every resource's name and the value of the owner tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    /// Load balancer names have at most 32 characters, and ours add `-routing-ec2-lb`.
    pub const MAX_LEN: usize = 32 - "-routing-ec2-lb".len();

    pub fn new(name: &str) -> Result<Self, InvalidSetting> {
        let fits = (1..=Self::MAX_LEN).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.ends_with('-')
            && !name.contains("--");
        // What resources of this name would begin with (ELB API Reference, `CreateLoadBalancer`; EC2's, `CreateSecurityGroup`).
        let reserved = [("internal-", "load balancer"), ("sg-", "security group")];
        let kept = reserved.iter().find(|(prefix, _)| format!("{name}-").starts_with(prefix));
        if let Some((prefix, kind)) = kept.filter(|_| fits) {
            Err(InvalidSetting(format!(
                "AWS takes no {kind} name that begins with {prefix}: choose another first word"
            )))
        } else if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidSetting(format!(
                "a name is 1 to {} lower-case letters, digits and single hyphens, beginning with a letter (names of load balancers have at most 32 characters)",
                Self::MAX_LEN
            )))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of all resources; the article's own when the name is the default.
    pub fn resources(&self) -> ResourceNames {
        let n = &self.0;
        let service = |role: &str, port| ServiceNames {
            service: format!("{n}-{role}-service-ec2"),
            log_group: format!("/ecs/{n}-{role}-service-ec2"),
            container: format!("{role}-app"),
            port,
            discovery_name: format!("sc-test-{n}-{role}"),
            dns_name: format!("sc.test.{}.{role}", n.replace('-', ".")),
        };
        ResourceNames {
            cluster: format!("{n}-cluster-ec2"),
            namespace: format!("{n}-routing-ec2-ns"),
            load_balancer: format!("{n}-routing-ec2-lb"),
            target_group: format!("{n}-routing-ec2-lb"),
            auto_scaling_group: format!("{n}-ec2-asg"),
            launch_template: format!("{n}-ec2-launch-template"),
            instance: format!("{n}-ecs-instance"),
            instance_role: format!("{n}-instance-role"),
            execution_role: format!("{n}-task-execution-role"),
            lb_security_group: format!("{n}-routing-lb-sg"),
            client_security_group: format!("{n}-routing-client-sg"),
            server_security_group: format!("{n}-routing-server-sg"),
            backend: service("backend", 8090),
            frontend: service("fe", 8080),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidSetting;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl Default for Name {
    fn default() -> Self {
        Self("az-aware".to_owned())
    }
}

impl FromStr for Name {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What every resource of one walkthrough is called.
#[derive(Clone, Debug)]
pub struct ResourceNames {
    pub cluster: String,
    pub namespace: String,
    pub load_balancer: String,
    pub target_group: String,
    pub auto_scaling_group: String,
    pub launch_template: String,
    /// The `Name` tag of the instances.
    pub instance: String,
    /// The name of the role of the tool's own for the instances; IAM is global, so the region is added.
    pub instance_role: String,
    /// The same of the role with which ECS starts tasks.
    pub execution_role: String,
    pub lb_security_group: String,
    pub client_security_group: String,
    pub server_security_group: String,
    pub backend: ServiceNames,
    pub frontend: ServiceNames,
}

/// The names of one ECS service and of what belongs to it.
#[derive(Clone, Debug)]
pub struct ServiceNames {
    /// The name of both the service and its task definition's family.
    pub service: String,
    pub log_group: String,
    pub container: String,
    pub port: u16,
    pub discovery_name: String,
    /// The client alias under which callers reach the service.
    pub dns_name: String,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSetting(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_name_gives_the_articles_names() {
        let names = Name::default().resources();
        assert_eq!(names.cluster, "az-aware-cluster-ec2");
        assert_eq!(names.load_balancer, "az-aware-routing-ec2-lb");
        assert_eq!(names.namespace, "az-aware-routing-ec2-ns");
        assert_eq!(names.auto_scaling_group, "az-aware-ec2-asg");
        assert_eq!(names.launch_template, "az-aware-ec2-launch-template");
        assert_eq!(names.client_security_group, "az-aware-routing-client-sg");
        assert_eq!(names.backend.service, "az-aware-backend-service-ec2");
        assert_eq!(names.frontend.service, "az-aware-fe-service-ec2");
        assert_eq!(names.backend.discovery_name, "sc-test-az-aware-backend");
        assert_eq!(names.frontend.dns_name, "sc.test.az.aware.fe");
    }

    #[test]
    fn the_longest_name_stays_within_the_load_balancers_limit() {
        let name = Name::new(&"a".repeat(Name::MAX_LEN)).unwrap();
        assert_eq!(name.resources().load_balancer.len(), 32);
        assert!(Name::new(&"a".repeat(Name::MAX_LEN + 1)).is_err());
        for bad in ["", "-a", "a-", "a--b", "A", "1a", "a_b"] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_aws_keeps_to_itself_are_refused() {
        for (name, says) in [("internal", "internal-"), ("internal-x", "internal-"), ("sg", "sg-"), ("sg-a", "sg-")] {
            let refusal = Name::new(name).unwrap_err().to_string();
            assert!(refusal.contains(&format!("begins with {says}")), "{refusal}");
        }
        for name in ["internals", "sga", "an-sg", "x-internal"] {
            assert!(Name::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn ranges_of_addresses_are_whole() {
        for good in ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.7/32", "::/0", "2001:db8::/32", "2001:db8::1/128"] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        for (near, meant) in
            [("10.0.0.1/8", "10.0.0.0/8"), ("192.0.2.7", "192.0.2.7/32"), ("2001:db8::1", "2001:db8::1/128")]
        {
            let refusal = near.parse::<Cidr>().unwrap_err().to_string();
            assert!(refusal.ends_with(&format!("did you mean {meant}?")), "{refusal}");
        }
        for bad in ["", "192.0.2.0", "192.0.2.1/24", "192.0.2.0/33", "2001:db8::/16", "2001:db8::/129", "x/8"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn task_counts_outside_the_groups_capacity_are_refused() {
        assert!(TaskCount::new(0).is_err());
        assert!(TaskCount::new(16).is_err());
        assert!("1000".parse::<TaskCount>().is_err());
        assert_eq!(TaskCount::new(15).unwrap().instances(), 30);
    }
}
