//! The ECS-optimized AMIs of a region: what EC2's `DescribeImages` knows, and SSM's public parameters that name them.

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
    pub(crate) name: &'static str,
    pub(crate) architecture: &'static str,
    /// As `DescribeImages` has it.
    pub(crate) description: &'static str,
    /// `Amazon Linux 2023`
    pub(crate) os: &'static str,
    pub(crate) source_image_name: &'static str,
    pub(crate) version: &'static str,
    /// ISO 8601, as `DescribeImages` has it.
    pub(crate) creation_date: &'static str,
}

/// Amazon's account that owns the ECS-optimized AMIs.
pub(crate) const OWNER_ID: &str = "591542846629";

/// Of the ECS agent and of Docker on all of them.
pub(crate) const AGENT_VERSION: &str = "1.102.1";
pub(crate) const DOCKER_VERSION: &str = "25.0.14";

/// All of the version that zone-aware routing needs at least: 20260323.
pub(crate) fn images(region: &str) -> [Image; 4] {
    [
        Image {
            parameter: "amazon-linux-2",
            id: image_id(region, 2),
            name: "amzn2-ami-ecs-hvm-2.0.20260323-x86_64-ebs",
            architecture: "x86_64",
            description: "Amazon Linux AMI 2.0.20260323 x86_64 ECS HVM GP2",
            os: "Amazon Linux 2",
            source_image_name: "amzn2-ami-minimal-hvm-2.0.20260302.0-x86_64-ebs",
            version: "2.0.20260323",
            creation_date: "2026-03-23T22:02:41.000Z",
        },
        Image {
            parameter: "amazon-linux-2023",
            id: image_id(region, 2023),
            name: "al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-x86_64",
            architecture: "x86_64",
            description: "Amazon Linux AMI 2023.0.20260323 x86_64 ECS HVM EBS",
            os: "Amazon Linux 2023",
            source_image_name: "al2023-ami-minimal-2023.10.20260302.1-kernel-6.1-x86_64",
            version: "2023.0.20260323",
            creation_date: "2026-03-23T22:04:12.000Z",
        },
        Image {
            parameter: "amazon-linux-2/arm64",
            id: image_id(region, 64),
            name: "amzn2-ami-ecs-hvm-2.0.20260323-arm64-ebs",
            architecture: "arm64",
            description: "Amazon Linux AMI 2.0.20260323 arm64 ECS HVM GP2",
            os: "Amazon Linux 2",
            source_image_name: "amzn2-ami-minimal-hvm-2.0.20260302.0-arm64-ebs",
            version: "2.0.20260323",
            creation_date: "2026-03-23T22:02:57.000Z",
        },
        Image {
            parameter: "amazon-linux-2023/arm64",
            id: image_id(region, 64 + 2023),
            name: "al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-arm64",
            architecture: "arm64",
            description: "Amazon Linux AMI 2023.0.20260323 arm64 ECS HVM EBS",
            os: "Amazon Linux 2023",
            source_image_name: "al2023-ami-minimal-2023.10.20260302.1-kernel-6.1-arm64",
            version: "2023.0.20260323",
            creation_date: "2026-03-23T22:04:31.000Z",
        },
    ]
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

/// The newest ECS-optimized AMI of each Amazon Linux, whole as JSON (`<image>/recommended`) or each member by itself; asked
/// for by name or ARN, with a version or without (API Reference, "GetParameter"). Errors are SSM's.
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
    let image = images(region).into_iter().find_map(|image| {
        let rest = name.strip_prefix(ROOT)?.strip_prefix(image.parameter)?.strip_prefix("/recommended")?;
        Some((image, rest))
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
        ("ecs_agent_version", json!(AGENT_VERSION)),
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
            crate::cloud::partition::REGIONS.iter().flat_map(|region| images(region)).map(|image| image.id).collect();
        assert_eq!(ids.len(), 4 * crate::cloud::partition::REGIONS.len());
        assert!(ids.iter().all(|id| id.len() == "ami-0123456789abcdef0".len()));
    }
}
