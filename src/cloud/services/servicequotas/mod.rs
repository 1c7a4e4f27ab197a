//! Service Quotas: those that a walkthrough runs into.

use hyper::StatusCode;
use serde_json::json;

use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::{Answer, Operation, Service};
use crate::cloud::wire::Params;

struct Quota {
    service: &'static str,
    service_name: &'static str,
    code: &'static str,
    name: &'static str,
    value: fn(&Region) -> u32,
}

const QUOTAS: [Quota; 3] = [
    // In vCPU.
    Quota {
        service: "ec2",
        service_name: "Amazon Elastic Compute Cloud (Amazon EC2)",
        code: "L-1216C47A",
        name: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        value: |region| region.vcpu_quota,
    },
    // In vCPU, too.
    Quota {
        service: "fargate",
        service_name: "AWS Fargate",
        code: "L-3032A538",
        name: "Fargate On-Demand vCPU resource count",
        value: |region| region.vcpu_quota,
    },
    Quota {
        service: "vpc",
        service_name: "Amazon Virtual Private Cloud (Amazon VPC)",
        code: "L-0EA8095F",
        name: "Inbound or outbound rules per security group",
        value: |_| 60,
    },
];

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
    let (service, code) = (params.str("ServiceCode")?, params.str("QuotaCode")?);
    let found = QUOTAS.iter().find(|quota| quota.service == service && quota.code == code);
    let quota =
        found.ok_or_else(|| AwsError::new("NoSuchResourceException", "The specified resource does not exist."))?;
    Ok(json!({
        "Quota": {
            "ServiceCode": service,
            "ServiceName": quota.service_name,
            "QuotaArn": region.arn("servicequotas", &format!("{service}/{code}")),
            "QuotaCode": code,
            "QuotaName": quota.name,
            "Value": (quota.value)(region),
            "Unit": "None",
            "Adjustable": true,
            "GlobalQuota": false,
        }
    }))
}
