//! Public parameters: the newest ECS-optimized AMI of each Amazon Linux, whole as JSON or each member by itself.

use serde_json::{Map, Value, json};

use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::ec2::ecs_optimized::{self, Image};
use crate::cloud::wire::{Params, timestamp};

const ROOT: &str = "/aws/service/ecs/optimized-ami/";

pub(super) fn get(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.str("Name")?;
    let parameter = find(region, name)
        .ok_or_else(|| AwsError::new("ParameterNotFound", format!("Parameter {name} was not found.")))?;
    Ok(json!({ "Parameter": parameter }))
}

pub(super) fn get_all(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for name in params.strings("Names") {
        match find(region, name) {
            Some(parameter) => found.push(parameter),
            None => invalid.push(name),
        }
    }
    let invalid = (!invalid.is_empty()).then_some(invalid);
    Ok(json!({ "Parameters": found, "InvalidParameters": invalid }))
}

/// `<image>/recommended`, or `<image>/recommended/<member>`.
fn find(region: &Region, name: &str) -> Option<Value> {
    let (parameter, member) = name.strip_prefix(ROOT)?.split_once("/recommended")?;
    let image = ecs_optimized::images(&region.name).into_iter().find(|image| image.parameter == parameter)?;
    let description = description(&image);
    let value = match member {
        "" => Value::Object(description).to_string(),
        member => match description.get(member.strip_prefix('/')?)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    };
    let modified: jiff::Timestamp = image.creation_date.parse().ok()?;
    Some(json!({
        "Name": name,
        "Type": "String",
        "Value": value,
        "Version": 1,
        "LastModifiedDate": timestamp(modified),
        // Public parameters are no account's.
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", region.name),
        "DataType": "text",
    }))
}

fn description(image: &Image) -> Map<String, Value> {
    let members = [
        ("ecs_agent_version", json!(ecs_optimized::AGENT_VERSION)),
        ("ecs_runtime_version", json!(format!("Docker version {}", ecs_optimized::DOCKER_VERSION))),
        ("image_id", json!(image.id)),
        ("image_name", json!(image.name)),
        ("image_version", json!(image.version)),
        ("os", json!(image.os)),
        ("schema_version", json!(1)),
        ("source_image_name", json!(image.source_image_name)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
