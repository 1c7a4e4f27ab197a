//! `DescribeImages` for the ECS-optimized AMIs, whose identifiers SSM's public parameters hand out.

use serde_json::{Value, json};

use super::resources::{Filter, Kind, Resource};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::ec2::ecs_optimized::{self, ARCHITECTURE, Image, OWNER_ID};
use crate::cloud::wire::Params;

const ROOT_DEVICE: &str = "/dev/xvda";

impl Resource for Image {
    const KIND: Kind = Kind {
        prefix: "ami",
        resource_type: "image",
        malformed: "InvalidAMIID.Malformed",
        not_found: "InvalidAMIID.NotFound",
        words: ("The image id '[", "]' does not exist"),
    };

    const FILTERS: &'static [Filter<Self>] = &[
        ("architecture", |_| vec![ARCHITECTURE.to_owned()]),
        ("description", |image| vec![image.description.to_owned()]),
        ("image-id", |image| vec![image.id.clone()]),
        ("image-type", |_| vec!["machine".to_owned()]),
        ("is-public", |_| vec!["true".to_owned()]),
        ("name", |image| vec![image.name.to_owned()]),
        ("owner-alias", |_| vec!["amazon".to_owned()]),
        ("owner-id", |_| vec![OWNER_ID.to_owned()]),
        ("root-device-type", |_| vec!["ebs".to_owned()]),
        ("state", |_| vec!["available".to_owned()]),
        ("virtualization-type", |_| vec!["hvm".to_owned()]),
    ];

    fn id(&self) -> &str {
        &self.id
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let all = ecs_optimized::images(&region.name);
    let owners = params.strings("Owner");
    let images: Value = region
        .ec2()
        .select(&all, &params.strings("ImageId"), params)?
        .into_iter()
        .filter(|_| owners.is_empty() || owners.contains(&"amazon") || owners.contains(&OWNER_ID))
        .map(|image| {
            json!({
                "imageId": image.id,
                "imageLocation": format!("amazon/{}", image.name),
                "imageState": "available",
                "imageOwnerId": OWNER_ID,
                "imageOwnerAlias": "amazon",
                "creationDate": image.creation_date,
                "isPublic": true,
                "architecture": ARCHITECTURE,
                "imageType": "machine",
                "platformDetails": "Linux/UNIX",
                "usageOperation": "RunInstances",
                "name": image.name,
                "description": image.description,
                "enaSupport": true,
                "hypervisor": "xen",
                "rootDeviceName": ROOT_DEVICE,
                "rootDeviceType": "ebs",
                "virtualizationType": "hvm",
                "blockDeviceMapping": [{
                    "deviceName": ROOT_DEVICE,
                    "ebs": { "deleteOnTermination": true, "volumeSize": 30, "volumeType": "gp3", "encrypted": false },
                }],
            })
        })
        .collect();
    Ok(json!({ "imagesSet": images }))
}
