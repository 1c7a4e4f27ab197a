//! `DescribeImages` for the ECS-optimized AMIs, whose identifiers SSM's public parameters hand out.

use serde_json::{Value, json};

use super::lacking_filters;
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described};
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::services::ec2::ecs_optimized::{self, Image, OWNER_ID};
use crate::cloud::wire::Params;

pub(super) const ROOT_DEVICE: &str = "/dev/xvda";

impl Resource for Image {
    const KIND: Kind = Kind {
        prefix: "ami",
        resource_type: "image",
        malformed: "InvalidAMIID.Malformed",
        not_found: "InvalidAMIID.NotFound",
        words: ("The image id '[", "]' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[
        (lacking_filters::IMAGES, LACKING),
        ("architecture description image-id image-type", NAMESAKE),
        ("is-public name root-device-type virtualization-type", NAMESAKE),
        ("owner-alias", "imageOwnerAlias"),
        ("owner-id", "imageOwnerId"),
        ("state", "imageState"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, _: &Region) -> Value {
        json!({
            "imageId": self.id,
            "imageLocation": format!("amazon/{}", self.name),
            "imageState": "available",
            "imageOwnerId": OWNER_ID,
            "imageOwnerAlias": "amazon",
            "creationDate": self.creation_date,
            "isPublic": true,
            "architecture": self.architecture,
            "imageType": "machine",
            "platformDetails": "Linux/UNIX",
            "usageOperation": "RunInstances",
            "name": self.name,
            "description": self.description,
            "enaSupport": true,
            "hypervisor": "xen",
            "rootDeviceName": ROOT_DEVICE,
            "rootDeviceType": "ebs",
            "virtualizationType": "hvm",
            "blockDeviceMapping": [{
                "deviceName": ROOT_DEVICE,
                "ebs": {
                    "deleteOnTermination": true,
                    "snapshotId": self.id.replace("ami-", "snap-"),  "volumeSize": 30, "volumeType": "gp3", "encrypted": false },
            }],
        })
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let mut images = described(region, &ecs_optimized::all(&region.name), &params.strings("ImageId"), params)?;
    let owners = params.strings("Owner");
    if !owners.is_empty() && !owners.contains(&"amazon") && !owners.contains(&OWNER_ID) {
        images.clear();
    }
    Ok(json!({ "imagesSet": images }))
}
