//! Instance types: what they hold, and in which zones they are offered.

use serde_json::{Value, json};

use super::lacking_filters;
use super::resources::{Filter, LACKING, NAMESAKE, filtered};
use crate::cloud::error::AwsError;
use crate::cloud::partition::{self, Zone};
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;

#[derive(Clone, Copy, Debug)]
pub(super) struct InstanceType {
    pub(super) name: &'static str,
    pub(super) vcpus: u32,
    memory_mib: u32,
    interfaces: u32,
    addresses_per_interface: u32,
    network: &'static str,
    pub(super) architecture: &'static str,
}

/// The general-purpose and compute types a walkthrough may sensibly use, small to middling, and one that it may not
/// (EC2 Instance Types, "Specifications"; VPC limits from "Maximum IP addresses per network interface").
const TYPES: &[InstanceType] = &[
    of("t3.micro", 2, 1, 2, 2, "Up to 5 Gigabit"),
    of("t3.small", 2, 2, 3, 4, "Up to 5 Gigabit"),
    of("t3.medium", 2, 4, 3, 6, "Up to 5 Gigabit"),
    of("t3.large", 2, 8, 3, 12, "Up to 5 Gigabit"),
    of("t3.xlarge", 4, 16, 4, 15, "Up to 5 Gigabit"),
    of("t3.2xlarge", 8, 32, 4, 15, "Up to 5 Gigabit"),
    of("t3a.medium", 2, 4, 3, 6, "Up to 5 Gigabit"),
    of("t3a.large", 2, 8, 3, 12, "Up to 5 Gigabit"),
    of("m5.large", 2, 8, 3, 10, "Up to 10 Gigabit"),
    of("m5.xlarge", 4, 16, 4, 15, "Up to 10 Gigabit"),
    of("m6i.large", 2, 8, 3, 10, "Up to 12.5 Gigabit"),
    of("m6i.xlarge", 4, 16, 4, 15, "Up to 12.5 Gigabit"),
    of("m7i.large", 2, 8, 3, 10, "Up to 12.5 Gigabit"),
    of("m7i.xlarge", 4, 16, 4, 15, "Up to 12.5 Gigabit"),
    of("c5.large", 2, 4, 3, 10, "Up to 10 Gigabit"),
    of("c5.xlarge", 4, 8, 4, 15, "Up to 10 Gigabit"),
    of("c6i.large", 2, 4, 3, 10, "Up to 12.5 Gigabit"),
    of("c6i.xlarge", 4, 8, 4, 15, "Up to 12.5 Gigabit"),
    of("c7i-flex.large", 2, 4, 3, 10, "Up to 12.5 Gigabit"),
    of("m7i-flex.large", 2, 8, 3, 10, "Up to 12.5 Gigabit"),
    of("inf1.xlarge", 4, 8, 4, 10, "Up to 25 Gigabit"),
    arm("t4g.micro", 2, 1, 2, 2),
    arm("t4g.small", 2, 2, 3, 4),
    arm("t4g.medium", 2, 4, 3, 6),
];

/// What accounts made since 2025-07-15 may launch on the Free plan, as DescribeInstanceTypes tells them
/// (aws-samples/eks-workshop-v2#1644, RhinoSecurityLabs/cloudgoat#375).
const FREE_TIER: [&str; 6] = ["t3.micro", "t3.small", "t4g.micro", "t4g.small", "c7i-flex.large", "m7i-flex.large"];

/// The families that the quota of On-Demand Standard instances counts (EC2 User Guide, "EC2 instance type quotas"); a family is
/// the letters before the first digit, so that Inf is none of I.
const STANDARD: [&str; 11] = ["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"];

const fn of(
    name: &'static str,
    vcpus: u32,
    memory_gib: u32,
    interfaces: u32,
    addresses_per_interface: u32,
    network: &'static str,
) -> InstanceType {
    let memory_mib = memory_gib * 1024;
    InstanceType { name, vcpus, memory_mib, interfaces, addresses_per_interface, network, architecture: "x86_64" }
}

const fn arm(
    name: &'static str,
    vcpus: u32,
    memory_gib: u32,
    interfaces: u32,
    addresses_per_interface: u32,
) -> InstanceType {
    let x86 = of(name, vcpus, memory_gib, interfaces, addresses_per_interface, "Up to 5 Gigabit");
    InstanceType { architecture: "arm64", ..x86 }
}

impl InstanceType {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        TYPES.iter().find(|instance_type| instance_type.name == name)
    }

    pub(super) fn is_free_tier_eligible(&self) -> bool {
        FREE_TIER.contains(&self.name)
    }

    /// Whether the quota of On-Demand Standard instances counts it.
    pub(super) fn is_standard(&self) -> bool {
        let family = self.name.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        STANDARD.contains(&family)
    }

    /// AWS's own processors, which are the ones for arm64, have no second thread.
    fn threads_per_core(&self) -> u32 {
        if self.architecture == "arm64" { 1 } else { 2 }
    }

    pub(super) fn cpu_options(&self) -> Value {
        let threads = self.threads_per_core();
        json!({ "coreCount": self.vcpus / threads, "threadsPerCore": threads })
    }

    /// All zones have all types, but that us-east-1e has none of t3's generation and after, as in AWS.
    pub(super) fn is_offered_in(&self, zone: &Zone) -> bool {
        zone.offers_t3_medium
    }
}

/// What an instance of this type registers with ECS: CPU units, MiB of memory, network interfaces.
/// The kernel keeps about a sixteenth of the memory: a t3.medium registers some 3,840 of its 4,096 MiB.
pub(crate) fn instance_capacity(instance_type: &str) -> (u32, u32, u32) {
    InstanceType::find(instance_type)
        .map(|t| (t.vcpus * 1024, t.memory_mib - t.memory_mib / 16, t.interfaces))
        .unwrap_or_default()
}

/// `x86_64` or `arm64`.
pub(crate) fn architecture(instance_type: &str) -> &'static str {
    InstanceType::find(instance_type).map_or("x86_64", |found| found.architecture)
}

const TYPE_FILTERS: &[Filter] = &[
    (lacking_filters::INSTANCE_TYPES, LACKING),
    ("burstable-performance-supported current-generation free-tier-eligible instance-type", NAMESAKE),
    ("memory-info.size-in-mib", "memoryInfo.sizeInMiB"),
    ("network-info.maximum-network-interfaces", "networkInfo.maximumNetworkInterfaces"),
    ("processor-info.supported-architecture", "processorInfo.supportedArchitectures"),
    ("vcpu-info.default-vcpus", "vCpuInfo.defaultVCpus"),
];

/// A type that is none of EC2's, or one of those that are not here.
pub(super) fn unknown(name: &str) -> AwsError {
    if is_named_like_a_type(name) {
        lacking(name)
    } else {
        AwsError::invalid_parameter(format!("Invalid value '{name}' for InstanceType."))
    }
}

fn lacking(name: &str) -> AwsError {
    AwsError::lacking(format_args!("instance type {name}; `aws ec2 describe-instance-types` lists what it has"))
}

/// A family with its generation, and a size (EC2 Instance Types guide, "Naming conventions"): `t2.micro`, `m7g.metal-24xl`.
fn is_named_like_a_type(name: &str) -> bool {
    let Some((family, size)) = name.split_once('.') else { return false };
    let is_family = family.starts_with(|c: char| c.is_ascii_lowercase())
        && family.contains(|c: char| c.is_ascii_digit())
        && family.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let times = size.strip_suffix("xlarge").or(size.strip_prefix("metal-").and_then(|size| size.strip_suffix("xl")));
    let is_size = ["nano", "micro", "small", "medium", "large", "metal"].contains(&size)
        || times.is_some_and(|times| times.is_empty() || times.parse::<u8>().is_ok());
    is_family && is_size
}

pub(super) fn describe(params: Params<'_>) -> Answer {
    let names = params.strings("InstanceType");
    let unknown: Vec<_> = names.iter().copied().filter(|name| InstanceType::find(name).is_none()).collect();
    if let Some(known) = unknown.iter().find(|name| is_named_like_a_type(name)) {
        return Err(lacking(known));
    }
    if !unknown.is_empty() {
        let message = format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(AwsError::new("InvalidInstanceType", message));
    }
    let wanted = TYPES.iter().filter(|t| names.is_empty() || names.contains(&t.name)).map(wire);
    Ok(json!({ "instanceTypeSet": filtered(wanted, TYPE_FILTERS, params)? }))
}

fn wire(t: &InstanceType) -> Value {
    json!({
        "instanceType": t.name,
        "currentGeneration": true,
        "freeTierEligible": t.is_free_tier_eligible(),
        "supportedUsageClasses": ["on-demand", "spot"],
        "supportedRootDeviceTypes": ["ebs"],
        "supportedVirtualizationTypes": ["hvm"],
        "bareMetal": false,
        "hypervisor": "nitro",
        "processorInfo": { "supportedArchitectures": [t.architecture] },
        "vCpuInfo": {
            "defaultVCpus": t.vcpus,
            "defaultCores": t.vcpus / t.threads_per_core(),
            "defaultThreadsPerCore": t.threads_per_core(),
        },
        "memoryInfo": { "sizeInMiB": t.memory_mib },
        "instanceStorageSupported": false,
        "networkInfo": {
            "networkPerformance": t.network,
            "maximumNetworkInterfaces": t.interfaces,
            "maximumNetworkCards": 1,
            "defaultNetworkCardIndex": 0,
            "ipv4AddressesPerInterface": t.addresses_per_interface,
            "enaSupport": "required",
            "efaSupported": false,
        },
        // Burstable types live on CPU credits.
        "burstablePerformanceSupported": t.name.starts_with('t'),
        "autoRecoverySupported": true,
    })
}

pub(super) fn describe_offerings(region: &Region, params: Params<'_>) -> Answer {
    let location_type = params.opt_str("LocationType").unwrap_or("region");
    let zones = partition::zones(&region.name);
    let locations = |t: &InstanceType| -> Option<Vec<String>> {
        let offering_zones = zones.iter().filter(|zone| t.is_offered_in(zone));
        match location_type {
            "region" => Some(vec![region.name.clone()]),
            "availability-zone" => Some(offering_zones.map(|zone| zone.name.clone()).collect()),
            "availability-zone-id" => Some(offering_zones.map(|zone| zone.id.clone()).collect()),
            "outpost" => Some(Vec::new()),
            _ => None,
        }
    };
    let mut offerings = Vec::new();
    for t in TYPES {
        let locations = locations(t).ok_or_else(|| {
            AwsError::invalid_parameter(format!("Value ({location_type}) for parameter locationType is invalid."))
        })?;
        offerings.extend(
            locations
                .into_iter()
                .map(|location| json!({ "instanceType": t.name, "locationType": location_type, "location": location })),
        );
    }
    let filters = [("instance-type location", NAMESAKE)];
    Ok(json!({ "instanceTypeOfferingSet": filtered(offerings, &filters, params)? }))
}
