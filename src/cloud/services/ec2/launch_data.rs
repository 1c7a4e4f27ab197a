//! What a launch template says of the instances it launches: kept as it was sent, answered in EC2's other spelling.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::ecs_optimized;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

/// `LaunchTemplateData` of a request.
pub(super) type LaunchData = Map<String, Value>;

/// The data of a request over that of the version it starts from.
pub(super) fn checked(params: Params<'_>, source: &LaunchData) -> Result<LaunchData, AwsError> {
    let given = params.object("LaunchTemplateData").ok_or_else(|| AwsError::missing_parameter("LaunchTemplateData"))?;
    check_heeded(given)?;
    if let Some(text) = given.opt_str("UserData") {
        let malformed = |message| AwsError::new("InvalidUserData.Malformed", message);
        let decoded = BASE64_STANDARD.decode(text);
        let decoded = decoded.map_err(|_| malformed("Invalid BASE64 encoding of user data."))?;
        // Code and words as in github-aws-runners/terraform-aws-github-runner#3700.
        if decoded.len() > 16_384 {
            return Err(malformed("User data is limited to 16384 bytes."));
        }
    }
    let mut data = source.clone();
    data.extend(given.map().clone());
    Ok(data)
}

/// Refuses what a launch would pass over.
fn check_heeded(given: Params<'_>) -> Result<(), AwsError> {
    let interfaces = given.objects("NetworkInterface");
    let is_first = |interface: &Params<'_>| {
        matches!(interface.opt_int("DeviceIndex"), Ok(None | Some(0)))
            && interface.opt_bool("DeleteOnTermination") != Some(false)
    };
    if interfaces.len() > 1 || !interfaces.iter().all(is_first) {
        return Err(AwsError::unsupported("network interfaces beside the one that comes and goes with its instance"));
    }
    Ok(())
}

/// The image that is named by its ID, or by a parameter of SSM's that holds its ID at the time of the launch (EC2 User
/// Guide, "Use a Systems Manager parameter instead of an AMI ID").
pub(super) fn image_id(region: &Region, reference: &str) -> Result<String, AwsError> {
    let Some(parameter) = reference.strip_prefix("resolve:ssm:") else { return Ok(reference.to_owned()) };
    ecs_optimized::public_parameter(&region.name, parameter).map(|parameter| parameter.value).map_err(|error| {
        if error.code.starts_with("Parameter") {
            AwsError::invalid_parameter(format!("The parameter {parameter} of the image was not found."))
        } else {
            error
        }
    })
}

/// The user data as the instance sees it.
pub(super) fn user_data(data: &LaunchData) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(Params::new(data).opt_str("UserData")?).ok()
}

/// Answers spell members `lowerCamelCase`, and lists with `Set` after the singular that requests have.
pub(super) fn wire(data: &LaunchData) -> Value {
    structure(data, false)
}

fn structure(members: &LaunchData, of_interface: bool) -> Value {
    let spelled = |(name, value): (&String, &Value)| {
        let mut spelling = name.clone();
        spelling[..1].make_ascii_lowercase();
        let value = match value {
            Value::Array(items) => {
                spelling = match name.as_str() {
                    "SecurityGroupId" if of_interface => "groupSet".to_owned(),
                    _ => format!("{spelling}Set"),
                };
                items.iter().map(|item| any(item, name == "NetworkInterface")).collect()
            }
            other => any(other, false),
        };
        (spelling, value)
    };
    Value::Object(members.iter().map(spelled).collect())
}

fn any(value: &Value, of_interface: bool) -> Value {
    match value {
        Value::Object(members) => structure(members, of_interface),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_spell_lists_as_sets() {
        let data = json!({
            "ImageId": "ami-1",
            "SecurityGroupId": ["sg-1"],
            "IamInstanceProfile": { "Arn": "a" },
            "TagSpecification": [{ "ResourceType": "instance", "Tag": [{ "Key": "k", "Value": "v" }] }],
            "NetworkInterface": [{ "SecurityGroupId": ["sg-2"] }],
        });
        assert_eq!(
            wire(data.as_object().unwrap()),
            json!({
                "imageId": "ami-1",
                "securityGroupIdSet": ["sg-1"],
                "iamInstanceProfile": { "arn": "a" },
                "tagSpecificationSet": [{ "resourceType": "instance", "tagSet": [{ "key": "k", "value": "v" }] }],
                "networkInterfaceSet": [{ "groupSet": ["sg-2"] }],
            })
        );
    }
}
