//! The ECS-optimized AMIs of a region: what EC2's `DescribeImages` knows, and SSM's public parameters that name them.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::cloud::error::AwsError;

/// A public AMI of Amazon's, as its `…/recommended` parameter describes it.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// `/aws/service/ecs/optimized-ami/<this>/recommended` (ECS Developer Guide, "Retrieving Amazon ECS-optimized Linux AMI
    /// metadata")
    pub(crate) parameter: &'static str,
    /// `ami-0…`, another one in each region.
    pub(crate) id: String,
    pub(crate) name: Cow<'static, str>,
    pub(crate) architecture: &'static str,
    /// As `DescribeImages` has it.
    pub(crate) description: Cow<'static, str>,
    /// `Amazon Linux 2023`
    pub(crate) os: &'static str,
    pub(crate) source_image_name: &'static str,
    pub(crate) version: &'static str,
    /// ISO 8601, as `DescribeImages` has it.
    pub(crate) creation_date: &'static str,
    /// Of the ECS agent on it.
    pub(crate) agent_version: &'static str,
    /// Whether it is a copy of the account's own, in which it may have changed anything.
    pub(crate) is_own: bool,
}

impl Image {
    /// Whether Service Connect's proxy on it routes by zone: the AMI of 20260226 has an agent that tells it the zone, and a proxy
    /// of before, pinned to v1.34.4.2; that of 20260323 lifts the pin (aws/amazon-ecs-ami, CHANGELOG).
    pub(crate) fn has_zone_aware_proxy(&self) -> bool {
        let date = self.version.rsplit('.').next().and_then(|date| date.parse().ok());
        date.is_some_and(|date: u32| date >= 20_260_323)
    }
}

/// Amazon's account that owns the ECS-optimized AMIs.
pub(crate) const OWNER_ID: &str = "591542846629";

/// Of the ECS agent on those of 20260323.
const AGENT_VERSION: &str = "1.102.1";
/// Of Docker on all of them.
pub(crate) const DOCKER_VERSION: &str = "25.0.14";

/// Those that the public parameters recommend, all of the version that zone-aware routing needs at least: 20260323.
pub(crate) fn images(region: &str) -> [Image; 4] {
    [
        Image {
            parameter: "amazon-linux-2",
            id: image_id(region, 2),
            name: Cow::Borrowed("amzn2-ami-ecs-hvm-2.0.20260323-x86_64-ebs"),
            architecture: "x86_64",
            description: Cow::Borrowed("Amazon Linux AMI 2.0.20260323 x86_64 ECS HVM GP2"),
            os: "Amazon Linux 2",
            source_image_name: "amzn2-ami-minimal-hvm-2.0.20260302.0-x86_64-ebs",
            version: "2.0.20260323",
            creation_date: "2026-03-23T22:02:41.000Z",
            agent_version: AGENT_VERSION,
            is_own: false,
        },
        Image {
            parameter: "amazon-linux-2023",
            id: image_id(region, 2023),
            name: Cow::Borrowed("al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-x86_64"),
            architecture: "x86_64",
            description: Cow::Borrowed("Amazon Linux AMI 2023.0.20260323 x86_64 ECS HVM EBS"),
            os: "Amazon Linux 2023",
            source_image_name: "al2023-ami-minimal-2023.10.20260302.1-kernel-6.1-x86_64",
            version: "2023.0.20260323",
            creation_date: "2026-03-23T22:04:12.000Z",
            agent_version: AGENT_VERSION,
            is_own: false,
        },
        Image {
            parameter: "amazon-linux-2/arm64",
            id: image_id(region, 64),
            name: Cow::Borrowed("amzn2-ami-ecs-hvm-2.0.20260323-arm64-ebs"),
            architecture: "arm64",
            description: Cow::Borrowed("Amazon Linux AMI 2.0.20260323 arm64 ECS HVM GP2"),
            os: "Amazon Linux 2",
            source_image_name: "amzn2-ami-minimal-hvm-2.0.20260302.0-arm64-ebs",
            version: "2.0.20260323",
            creation_date: "2026-03-23T22:02:57.000Z",
            agent_version: AGENT_VERSION,
            is_own: false,
        },
        Image {
            parameter: "amazon-linux-2023/arm64",
            id: image_id(region, 64 + 2023),
            name: Cow::Borrowed("al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-arm64"),
            architecture: "arm64",
            description: Cow::Borrowed("Amazon Linux AMI 2023.0.20260323 arm64 ECS HVM EBS"),
            os: "Amazon Linux 2023",
            source_image_name: "al2023-ami-minimal-2023.10.20260302.1-kernel-6.1-arm64",
            version: "2023.0.20260323",
            creation_date: "2026-03-23T22:04:31.000Z",
            agent_version: AGENT_VERSION,
            is_own: false,
        },
    ]
}

/// Versions of before zone-aware routing, and one of after it, with their agents (aws/amazon-ecs-ami, CHANGELOG).
const OTHERS: [(&str, &str, &str); 3] = [
    ("2023.0.20250923", "1.99.1", "2025-09-23T21:47:09.000Z"),
    ("2023.0.20260226", "1.102.0", "2026-02-26T22:31:54.000Z"),
    ("2023.0.20260901", "1.106.2", "2026-09-01T21:12:35.000Z"),
];

/// All that are there: the recommended ones, and of Amazon Linux 2023 other versions.
pub(crate) fn all(region: &str) -> Vec<Image> {
    let mut all = images(region).to_vec();
    for image in images(region).into_iter().filter(|image| image.os == "Amazon Linux 2023") {
        for (number, (version, agent_version, creation_date)) in (1..).zip(OTHERS) {
            all.push(Image {
                id: image_id(region, number * 10_000 + u64::from(image.architecture == "arm64")),
                name: image.name.replace(image.version, version).into(),
                description: image.description.replace(image.version, version).into(),
                version,
                agent_version,
                creation_date,
                ..image.clone()
            });
        }
    }
    all
}

/// The same for a region in every run: FNV-1a of its name and a number of the image's own.
fn image_id(region: &str, image: u64) -> String {
    let hash = region
        .bytes()
        .chain(image.to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("ami-0{hash:016x}")
}

/// A public parameter of SSM's.
pub(crate) struct PublicParameter {
    pub(crate) name: String,
    /// With its colon, as it was asked for.
    pub(crate) selector: Option<String>,
    pub(crate) value: String,
    /// ISO 8601
    pub(crate) last_modified: &'static str,
}

/// What AWS's public parameters begin with (Systems Manager User Guide, "Discovering public parameters").
const PUBLIC: &[&str] = &[
    "/aws/service/ami-amazon-linux-latest/",
    "/aws/service/ami-macos",
    "/aws/service/ami-windows-latest/",
    "/aws/service/aws-for-fluent-bit",
    "/aws/service/bottlerocket/",
    "/aws/service/canonical/",
    "/aws/service/debian/",
    "/aws/service/deeplearning/",
    "/aws/service/ecs/optimized-ami/amazon-linux",
    "/aws/service/ecs/optimized-ami/windows_server/",
    "/aws/service/eks/optimized-ami/",
    "/aws/service/freebsd/",
    "/aws/service/global-infrastructure/",
    "/aws/service/marketplace/",
    "/aws/service/neuron/",
    "/aws/service/suse/",
];
const ROOT: &str = "/aws/service/ecs/optimized-ami/";

/// The recommended ECS-optimized AMI of each Amazon Linux, or any by its name, whole as JSON (`<image>/recommended`) or each member
/// by itself; asked for by name or ARN, with a version or without (API Reference, "GetParameter"). Errors are SSM's.
pub(crate) fn public_parameter(region: &str, reference: &str) -> Result<PublicParameter, AwsError> {
    let name = match reference.strip_prefix("arn:") {
        Some(arn) => {
            arn.split_once(":parameter").filter(|(of, _)| of.split(':').nth(2) == Some(region)).map(|(_, n)| n)
        }
        None => Some(reference),
    };
    let (name, selector) = name.map_or(("", None), |name| match name.split_once(':') {
        Some((name, selector)) => (name, Some(selector)),
        None => (name, None),
    });
    let image = all(region).into_iter().find_map(|image| {
        let which = name.strip_prefix(ROOT)?.strip_prefix(image.parameter)?.strip_prefix('/')?;
        let is_recommended = image.agent_version == AGENT_VERSION;
        let recommended = if is_recommended { which.strip_prefix("recommended") } else { None };
        let rest = recommended.or_else(|| which.strip_prefix(&*image.name))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| (image.clone(), rest))
    });
    // AWS says no more than that it is not there.
    let not_found = || AwsError::new("ParameterNotFound", "");
    let Some((image, rest)) = image else {
        return Err(if PUBLIC.iter().any(|public| name.starts_with(public)) {
            AwsError::lacking(format_args!(
                "public parameter {name}, only those of the ECS-optimized Amazon Linux AMIs"
            ))
        } else {
            not_found()
        });
    };
    let description = description(&image);
    let value = match (rest, rest.strip_prefix('/').and_then(|member| description.get(member))) {
        ("", _) => Value::Object(description).to_string(),
        (_, Some(Value::String(text))) => text.clone(),
        (_, Some(other)) => other.to_string(),
        (_, None) => return Err(not_found()),
    };
    match selector {
        None | Some("1") => {}
        Some(version) if version.parse::<u64>().is_ok() => {
            let message = format!(
                "Systems Manager could not find version {version} of {name}. Verify the version and try again."
            );
            return Err(AwsError::new("ParameterVersionNotFound", message));
        }
        Some(label) => return Err(AwsError::lacking(format_args!("labels of parameters, such as {label}"))),
    }
    let selector = selector.map(|selector| format!(":{selector}"));
    Ok(PublicParameter { name: name.to_owned(), selector, value, last_modified: image.creation_date })
}

fn description(image: &Image) -> Map<String, Value> {
    let members = [
        ("ecs_agent_version", json!(image.agent_version)),
        ("ecs_runtime_version", json!(format!("Docker version {DOCKER_VERSION}"))),
        ("image_id", json!(image.id)),
        ("image_name", json!(image.name)),
        ("image_version", json!(image.version)),
        ("os", json!(image.os)),
        ("schema_version", json!(1)),
        ("source_image_name", json!(image.source_image_name)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_another_id_in_each_region() {
        let ids: std::collections::BTreeSet<_> =
            crate::cloud::partition::REGIONS.iter().flat_map(|region| all(region)).map(|image| image.id).collect();
        assert_eq!(ids.len(), 10 * crate::cloud::partition::REGIONS.len());
        assert!(ids.iter().all(|id| id.len() == "ami-0123456789abcdef0".len()));
    }
}
