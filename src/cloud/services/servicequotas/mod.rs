//! Service Quotas: the one quota that a walkthrough runs into.

use serde_json::{Value, json};

use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

/// Of running On-Demand Standard instances, in vCPU.
const STANDARD_VCPUS: &str = "L-1216C47A";

pub(crate) fn handle(region: &mut Region, operation: &str, params: Params<'_>) -> Result<Value, AwsError> {
    match operation {
        "GetServiceQuota" => get(region, params),
        _ => Err(AwsError::unknown_operation("servicequotas", operation)),
    }
}

fn get(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    params.only(&["ServiceCode", "QuotaCode"])?;
    if (params.str("ServiceCode")?, params.str("QuotaCode")?) != ("ec2", STANDARD_VCPUS) {
        return Err(AwsError::new("NoSuchResourceException", "The specified resource does not exist."));
    }
    let arn = region.arn("servicequotas", &format!("ec2/{STANDARD_VCPUS}"));
    Ok(json!({
        "Quota": {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": arn,
            "QuotaCode": STANDARD_VCPUS,
            "QuotaName": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
            "Value": region.vcpu_quota,
            "Unit": "None",
            "Adjustable": true,
            "GlobalQuota": false,
        }
    }))
}
