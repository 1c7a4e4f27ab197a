//! Regions and their Availability Zones, as AWS lays them out.

/// The regions of the `aws` partition that every account has without opting in.
pub(crate) const REGIONS: [&str; 17] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
];

pub(crate) fn is_region(name: &str) -> bool {
    REGIONS.contains(&name)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZoneType {
    AvailabilityZone,
    LocalZone,
}

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    /// `us-east-1a`; which zone that is differs between accounts.
    pub(crate) name: String,
    /// `use1-az1`; the same zone for every account.
    pub(crate) id: String,
    pub(crate) zone_type: ZoneType,
    /// Whether instances of the article's type, t3.medium, are offered there: not in us-east-1e.
    pub(crate) offers_t3_medium: bool,
}

/// The letters of a region's Availability Zones, and the numbers of their IDs. Names and IDs do not go in step, as in real
/// accounts: a tool that mixes the two up is found out.
///
/// Which there are is AWS's list ("AWS Availability Zones"), as most accounts see it: new ones get no zone that has no room
/// left. So us-west-1 shows two of its three (run-x/opta#644), ap-northeast-1 no `b`, ca-central-1 no `c`.
fn letters(region: &str) -> &'static [(char, u32)] {
    match region {
        "us-east-1" => &[('a', 4), ('b', 6), ('c', 1), ('d', 2), ('e', 3), ('f', 5)],
        "us-west-1" => &[('a', 3), ('c', 1)],
        "us-west-2" => &[('a', 2), ('b', 1), ('c', 3), ('d', 4)],
        "ap-northeast-1" => &[('a', 4), ('c', 1), ('d', 2)],
        "ap-northeast-2" => &[('a', 1), ('b', 2), ('c', 3), ('d', 4)],
        "ap-south-1" => &[('a', 1), ('b', 3), ('c', 2)],
        "ca-central-1" => &[('a', 1), ('b', 2), ('d', 4)],
        "eu-central-1" => &[('a', 2), ('b', 3), ('c', 1)],
        _ => &[('a', 1), ('b', 2), ('c', 3)],
    }
}

/// The zones of a region: in us-east-1 a Local Zone, too, and `us-east-1e`, which offers no t3.medium.
pub(crate) fn zones(region: &str) -> Vec<Zone> {
    let short = short_name(region);
    let zone = |(letter, number): &(char, u32)| Zone {
        name: format!("{region}{letter}"),
        id: format!("{short}-az{number}"),
        zone_type: ZoneType::AvailabilityZone,
        offers_t3_medium: !(region == "us-east-1" && *letter == 'e'),
    };
    let mut zones: Vec<_> = letters(region).iter().map(zone).collect();
    if region == "us-east-1" {
        zones.push(Zone {
            name: "us-east-1-bos-1a".to_owned(),
            id: "use1-bos1-az1".to_owned(),
            zone_type: ZoneType::LocalZone,
            offers_t3_medium: true,
        });
    }
    zones
}

/// The region's part of a zone ID: `us-east-1` is `use1`, `ap-northeast-1` is `apne1`.
fn short_name(region: &str) -> String {
    let mut parts = region.split('-');
    let area = parts.next().unwrap_or_default();
    let direction: String = match parts.next().unwrap_or_default() {
        "northeast" => "ne".to_owned(),
        "southeast" => "se".to_owned(),
        other => other.chars().take(1).collect(),
    };
    format!("{area}{direction}{}", parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids_follow_aws_abbreviations() {
        assert_eq!(zones("ap-northeast-1")[1].id, "apne1-az1");
        assert_eq!(zones("eu-west-1")[2].id, "euw1-az3");
        assert_eq!(zones("us-east-1").len(), 7);
    }

    #[test]
    fn regions_have_the_zones_that_most_accounts_see() {
        let names = |region| zones(region).into_iter().map(|zone| zone.name).collect::<Vec<_>>();
        assert_eq!(names("us-west-1"), ["us-west-1a", "us-west-1c"]);
        assert_eq!(names("us-west-2").len(), 4);
        assert_eq!(names("ap-northeast-1"), ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"]);
    }
}
