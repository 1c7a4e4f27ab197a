//! Public parameters, which EC2 keeps with the images that they name. An account has none of its own.

use serde_json::{Value, json};

use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::ec2::ecs_optimized::{PublicParameter, public_parameter};
use crate::cloud::wire::{Params, timestamp};

pub(super) fn get(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let parameter = public_parameter(&region.name, params.str("Name")?)?;
    Ok(json!({ "Parameter": wire(region, &parameter) }))
}

pub(super) fn get_all(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let names = params.strings("Names");
    if !(1..=10).contains(&names.len()) {
        return Err(AwsError::invalid_parameter("Names must have from 1 to 10 members"));
    }
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for name in names {
        match public_parameter(&region.name, name) {
            Ok(parameter) => found.push(wire(region, &parameter)),
            Err(error) if error.code.starts_with("Parameter") => invalid.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok(json!({ "Parameters": found, "InvalidParameters": invalid }))
}

fn wire(region: &Region, parameter: &PublicParameter) -> Value {
    let PublicParameter { name, selector, value, last_modified } = parameter;
    json!({
        "Name": name,
        "Selector": selector,
        "Type": "String",
        "Value": value,
        "Version": 1,
        "LastModifiedDate": last_modified.parse().map_or(Value::Null, timestamp),
        // Public parameters are no account's.
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", region.name),
        "DataType": "text",
    })
}
