//! Regions and zones as EC2 describes them.

use serde_json::{Value, json};

use super::resources::{Filter, filtered};
use crate::cloud::error::AwsError;
use crate::cloud::partition::{self, Zone, ZoneType};
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

/// A zone with what filters ask for beside it.
struct Described {
    region: String,
    zone: Zone,
    /// The zone that a Local Zone hangs on.
    parent: Option<Zone>,
}

impl Described {
    fn zone_type(&self) -> &'static str {
        match self.zone.zone_type {
            ZoneType::AvailabilityZone => "availability-zone",
            ZoneType::LocalZone => "local-zone",
        }
    }

    /// Local Zones have to be opted in to. This account has: a walkthrough must pass them over by their type.
    fn opt_in_status(&self) -> &'static str {
        match self.zone.zone_type {
            ZoneType::AvailabilityZone => "opt-in-not-required",
            ZoneType::LocalZone => "opted-in",
        }
    }

    /// `us-east-1-zg-1`; of a Local Zone its name without the last letter, `us-east-1-bos-1`.
    fn group_name(&self) -> String {
        match self.zone.zone_type {
            ZoneType::AvailabilityZone => format!("{}-zg-1", self.region),
            ZoneType::LocalZone => self.zone.name.trim_end_matches(char::is_alphabetic).to_owned(),
        }
    }

    /// Where its addresses are announced.
    fn network_border_group(&self) -> String {
        match self.zone.zone_type {
            ZoneType::AvailabilityZone => self.region.clone(),
            ZoneType::LocalZone => self.group_name(),
        }
    }
}

const FILTERS: &[Filter<Described>] = &[
    ("group-name", |zone| vec![zone.group_name()]),
    ("message", |_| Vec::new()),
    ("opt-in-status", |zone| vec![zone.opt_in_status().to_owned()]),
    ("parent-zone-id", |zone| zone.parent.iter().map(|parent| parent.id.clone()).collect()),
    ("parent-zone-name", |zone| zone.parent.iter().map(|parent| parent.name.clone()).collect()),
    ("region-name", |zone| vec![zone.region.clone()]),
    ("state", |_| vec!["available".to_owned()]),
    ("zone-id", |zone| vec![zone.zone.id.clone()]),
    ("zone-name", |zone| vec![zone.zone.name.clone()]),
    ("zone-type", |zone| vec![zone.zone_type().to_owned()]),
];

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let zones = partition::zones(&region.name);
    let (names, ids) = (params.strings("ZoneName"), params.strings("ZoneId"));
    check_known(&names, |name| zones.iter().any(|zone| zone.name == name), "Invalid availability zone")?;
    check_known(&ids, |id| zones.iter().any(|zone| zone.id == id), "Invalid availability zone-id")?;
    let parent = zones.first().cloned();
    let wanted = zones
        .into_iter()
        .filter(|zone| names.is_empty() || names.contains(&zone.name.as_str()))
        .filter(|zone| ids.is_empty() || ids.contains(&zone.id.as_str()))
        .map(|zone| Described {
            region: region.name.clone(),
            parent: parent.clone().filter(|_| zone.zone_type == ZoneType::LocalZone),
            zone,
        })
        .collect();
    let answer: Value = filtered(wanted, FILTERS, params)?
        .into_iter()
        .map(|zone| {
            json!({
                "optInStatus": zone.opt_in_status(),
                "messageSet": [],
                "regionName": zone.region,
                "zoneName": zone.zone.name,
                "zoneId": zone.zone.id,
                "groupName": zone.group_name(),
                "networkBorderGroup": zone.network_border_group(),
                "zoneType": zone.zone_type(),
                "parentZoneName": zone.parent.as_ref().map(|parent| &parent.name),
                "parentZoneId": zone.parent.as_ref().map(|parent| &parent.id),
                "zoneState": "available",
            })
        })
        .collect();
    Ok(json!({ "availabilityZoneInfo": answer }))
}

fn check_known(wanted: &[&str], is_known: impl Fn(&str) -> bool, words: &str) -> Result<(), AwsError> {
    let unknown: Vec<_> = wanted.iter().copied().filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(AwsError::invalid_parameter(format!("{words}: [{}]", unknown.join(", "))))
    }
}

fn endpoint(region: &str) -> String {
    format!("ec2.{region}.amazonaws.com")
}

pub(super) fn describe_regions(params: Params<'_>) -> Result<Value, AwsError> {
    let known: &[Filter<&str>] = &[
        ("endpoint", |region| vec![endpoint(region)]),
        ("opt-in-status", |_| vec!["opt-in-not-required".to_owned()]),
        ("region-name", |region| vec![(*region).to_owned()]),
    ];
    let names = params.strings("RegionName");
    check_known(&names, partition::is_region, "Invalid region provided")?;
    let wanted = partition::REGIONS.into_iter().filter(|name| names.is_empty() || names.contains(name)).collect();
    let answer: Value = filtered(wanted, known, params)?
        .into_iter()
        .map(|name| {
            json!({ "regionName": name, "regionEndpoint": endpoint(name), "optInStatus": "opt-in-not-required" })
        })
        .collect();
    Ok(json!({ "regionInfo": answer }))
}
