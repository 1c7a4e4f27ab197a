//! `DescribeImages` for the ECS-optimized AMIs, whose identifiers SSM's public parameters hand out, and for copies of them.

use serde_json::{Value, json};

use super::lacking_filters;
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, find};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
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
        let (owner, alias) = if self.is_own { (ACCOUNT_ID, None) } else { (OWNER_ID, Some("amazon")) };
        json!({
            "imageId": self.id,
            "imageLocation": format!("{}/{}", alias.unwrap_or(owner), self.name),
            "imageState": "available",
            "imageOwnerId": owner,
            "imageOwnerAlias": alias,
            "creationDate": self.creation_date,
            "isPublic": !self.is_own,
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

/// Amazon's, and the account's own.
pub(crate) fn all(region: &Region) -> Vec<Image> {
    ecs_optimized::all(&region.name).into_iter().chain(region.ec2().images.iter().cloned()).collect()
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let (images, owners) = (all(region), params.strings("Owner"));
    let is_of = |image: &Image| {
        let names: [&str; 2] = if image.is_own { [ACCOUNT_ID, "self"] } else { [OWNER_ID, "amazon"] };
        owners.is_empty() || owners.iter().any(|owner| names.contains(owner))
    };
    let described = described(region, &images, &params.strings("ImageId"), params)?;
    let wanted = described.into_iter().filter(|image| images.iter().any(|it| image["imageId"] == it.id && is_of(it)));
    Ok(json!({ "imagesSet": wanted.collect::<Value>() }))
}

/// An image of the account's own with what is on the other. It is available at once.
pub(super) fn copy(region: &mut Region, params: Params<'_>) -> Answer {
    let source = find(&all(region), params.str("SourceImageId")?)?.clone();
    if params.str("SourceRegion")? != region.name {
        return Err(AwsError::unsupported("copies from other regions"));
    }
    let (id, name) = (region.ids.ec2("ami"), params.str("Name")?.to_owned().into());
    let description = params.opt_str("Description").unwrap_or_default().to_owned().into();
    let copy = Image { id: id.clone(), name, description, is_own: true, ..source };
    region.ec2_mut().images.push(copy);
    Ok(json!({ "imageId": id }))
}
