//! Service Quotas: the one quota that a walkthrough runs into.

use hyper::StatusCode;
use serde_json::json;

use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::{Answer, Operation, Service};
use crate::cloud::wire::Params;

/// Of running On-Demand Standard instances, in vCPU.
const STANDARD_VCPUS: &str = "L-1216C47A";

pub(crate) static SERVICE: Service = Service {
    signing_name: "servicequotas",
    target_prefix: Some("ServiceQuotasV20190624"),
    words: Words {
        throttled: ("TooManyRequestsException", "Rate exceeded", StatusCode::TOO_MANY_REQUESTS),
        failure: ("ServiceException", "ServiceException"),
        ..Words::JSON
    },
    operations: &[Operation::read("GetServiceQuota", "ServiceCode QuotaCode", get)],
    ..Service::PLAIN
};

fn get(region: &Region, params: Params<'_>) -> Answer {
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
