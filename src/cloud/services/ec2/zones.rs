//! Regions and zones as EC2 describes them.

use serde_json::{Value, json};

use super::lacking_filters;
use super::resources::{Filter, LACKING, NAMESAKE, filtered};
use crate::cloud::error::AwsError;
use crate::cloud::partition::{self, Zone, ZoneType};
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;

const FILTERS: &[Filter] = &[
    (lacking_filters::AVAILABILITY_ZONES, LACKING),
    ("group-name opt-in-status parent-zone-id parent-zone-name", NAMESAKE),
    ("region-name zone-id zone-name zone-type", NAMESAKE),
    ("message", "messageSet"),
    ("state", "zoneState"),
];

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let zones = partition::zones(&region.name);
    let (names, ids) = (params.strings("ZoneName"), params.strings("ZoneId"));
    check_known(&names, |name| zones.iter().any(|zone| zone.name == name), "Invalid availability zone")?;
    check_known(&ids, |id| zones.iter().any(|zone| zone.id == id), "Invalid availability zone-id")?;
    let wanted = zones
        .iter()
        .filter(|zone| names.is_empty() || names.contains(&zone.name.as_str()))
        .filter(|zone| ids.is_empty() || ids.contains(&zone.id.as_str()))
        .map(|zone| wire(&region.name, zone, zones.first()));
    Ok(json!({ "availabilityZoneInfo": filtered(wanted, FILTERS, params)? }))
}

/// A Local Zone hangs on a parent, and has to be opted in to. This account has: a walkthrough must pass it over by its type.
fn wire(region: &str, zone: &Zone, parent: Option<&Zone>) -> Value {
    let is_local = zone.zone_type == ZoneType::LocalZone;
    let parent = parent.filter(|_| is_local);
    // `us-east-1-zg-1`; of a Local Zone its name without the last letter, `us-east-1-bos-1`.
    let local_group = zone.name.trim_end_matches(char::is_alphabetic);
    json!({
        "optInStatus": if is_local { "opted-in" } else { "opt-in-not-required" },
        "messageSet": [],
        "regionName": region,
        "zoneName": zone.name,
        "zoneId": zone.id,
        "groupName": if is_local { local_group.to_owned() } else { format!("{region}-zg-1") },
        // Where its addresses are announced.
        "networkBorderGroup": if is_local { local_group } else { region },
        "zoneType": if is_local { "local-zone" } else { "availability-zone" },
        "parentZoneName": parent.map(|parent| &parent.name),
        "parentZoneId": parent.map(|parent| &parent.id),
        "zoneState": "available",
    })
}

fn check_known(wanted: &[&str], is_known: impl Fn(&str) -> bool, words: &str) -> Result<(), AwsError> {
    let unknown: Vec<_> = wanted.iter().copied().filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(AwsError::invalid_parameter(format!("{words}: [{}]", unknown.join(", "))))
    }
}

const REGION_FILTERS: &[Filter] = &[("opt-in-status region-name", NAMESAKE), ("endpoint", "regionEndpoint")];

pub(super) fn describe_regions(params: Params<'_>) -> Answer {
    let names = params.strings("RegionName");
    check_known(&names, partition::is_region, "Invalid region provided")?;
    let wanted = partition::REGIONS.into_iter().filter(|name| names.is_empty() || names.contains(name)).map(|name| {
        let endpoint = format!("ec2.{name}.amazonaws.com");
        json!({ "regionName": name, "regionEndpoint": endpoint, "optInStatus": "opt-in-not-required" })
    });
    Ok(json!({ "regionInfo": filtered(wanted, REGION_FILTERS, params)? }))
}
