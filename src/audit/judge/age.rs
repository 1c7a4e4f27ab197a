//! What is old enough to lack zone-aware routing: deployments, and the instances that tasks run on.

use std::sync::LazyLock;

use jiff::Timestamp;

use crate::audit::facts::{Host, HostImage};

/// The day from which Service Connect has zone-aware routing (AWS Containers Blog, "Announcing zone-aware routing in Amazon ECS
/// Service Connect").
pub const LAUNCH: &str = "2026-07-01";

/// Regions got it on days that AWS does not tell: between these two, a deployment may have been too early or not.
static UNCLEAR: LazyLock<[Timestamp; 2]> = LazyLock::new(|| {
    ["2026-06-24T00:00:00Z", "2026-07-08T00:00:00Z"].map(|day| day.parse().expect("a time as RFC 3339 has it"))
});

/// The ECS agent tells tasks the ID of their zone from this version on (aws/amazon-ecs-agent pull request 4848), and the proxy takes
/// its zone from there.
pub(super) const AGENT: [u32; 3] = [1, 102, 0];

/// The image that has such an agent and no longer an older proxy (aws/amazon-ecs-ami, change log).
pub(super) const IMAGE: u32 = 20_260_323;

/// Whether a deployment is as new as zone-aware routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Before,
    /// In the days when it came.
    Around,
    Since,
    Unknown,
}

impl Age {
    pub(super) fn of(deployed_at: Option<Timestamp>) -> Self {
        let [begin, end] = *UNCLEAR;
        match deployed_at {
            None => Self::Unknown,
            Some(time) if time < begin => Self::Before,
            Some(time) if time < end => Self::Around,
            Some(_) => Self::Since,
        }
    }
}

/// Whether what an instance runs is as new as zone-aware routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostAge {
    /// Too old, and what of it: `ECS agent 1.98.0 (1.102.0 needed)`.
    TooOld(String),
    New,
    /// The agent is new enough, and whether the proxy is cannot be told: the image is none of the ECS-optimized AMIs.
    CustomImage,
    Unknown,
}

impl HostAge {
    pub(super) fn of(host: &Host) -> Self {
        let agent = host.agent.as_deref().and_then(version);
        let date = match &host.image {
            Some(HostImage::Amazons(name)) => image_date(name),
            Some(HostImage::Custom) | None => None,
        };
        match (agent, date) {
            (Some(agent), _) if agent < AGENT => {
                let [agent, needed] = [agent, AGENT].map(|version| version.map(|part| part.to_string()).join("."));
                Self::TooOld(format!("ECS agent {agent} ({needed} needed)"))
            }
            (_, Some(image)) if image < IMAGE => Self::TooOld(format!("AMI {image} ({IMAGE} needed)")),
            (_, Some(_)) => Self::New,
            (Some(_), None) if host.image.is_some() => Self::CustomImage,
            (_, None) => Self::Unknown,
        }
    }
}

fn version(text: &str) -> Option<[u32; 3]> {
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}

/// The date in the name of an ECS-optimized AMI: `al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-x86_64`.
fn image_date(name: &str) -> Option<u32> {
    let is_of_ecs = name.contains("-ami-ecs-");
    let mut parts = name.split(['-', '.']).filter(|part| is_of_ecs && part.len() == 8);
    parts.find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_around_the_launch_are_unclear() {
        for (day, age) in [
            ("2026-06-23T23:59:59Z", Age::Before),
            ("2026-06-24T00:00:00Z", Age::Around),
            ("2026-07-07T23:59:59Z", Age::Around),
            ("2026-07-08T00:00:00Z", Age::Since),
        ] {
            assert_eq!(Age::of(Some(day.parse().unwrap())), age, "{day}");
        }
        assert_eq!(Age::of(None), Age::Unknown);
    }

    #[test]
    fn hosts_are_as_old_as_their_agent_and_their_image() {
        let host = |agent: Option<&str>, image: Option<&str>| {
            HostAge::of(&Host {
                agent: agent.map(str::to_owned),
                image: image.map(|date| match date {
                    "own" => HostImage::Custom,
                    date => HostImage::Amazons(format!("al2023-ami-ecs-hvm-2023.0.{date}-kernel-6.1-x86_64")),
                }),
                ..Host::default()
            })
        };
        let too_old = |what: &str| HostAge::TooOld(what.to_owned());
        assert_eq!(host(Some("1.98.0"), Some("20251201")), too_old("ECS agent 1.98.0 (1.102.0 needed)"));
        assert_eq!(host(Some("1.102.0"), Some("20260226")), too_old("AMI 20260226 (20260323 needed)"));
        assert_eq!(host(Some("1.102.1"), Some("20260323")), HostAge::New);
        assert_eq!(host(Some("1.102.1"), Some("own")), HostAge::CustomImage);
        assert_eq!(host(Some("1.98.0"), Some("own")), too_old("ECS agent 1.98.0 (1.102.0 needed)"));
        assert_eq!(
            host(Some("1.102.1"), None),
            HostAge::Unknown,
            "an image that was not to be looked at may be Amazon's"
        );
        assert_eq!(host(None, None), HostAge::Unknown);
        let plain = HostImage::Amazons("al2023-ami-2023.9.20260401.0-kernel-6.1-x86_64".to_owned());
        let host = Host { agent: Some("1.102.1".to_owned()), image: Some(plain), ..Host::default() };
        assert_eq!(HostAge::of(&host), HostAge::CustomImage, "somebody has installed the agent there");
    }
}
