//! AWS STS: who the caller is. Whoever reaches loopback is the account's root, or acts in the role that is rehearsed.

use serde_json::{Value, json};

use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

pub(crate) fn handle(region: &mut Region, operation: &str, _params: Params<'_>) -> Result<Value, AwsError> {
    match operation {
        "GetCallerIdentity" => Ok(json!({
            "UserId": ACCOUNT_ID,
            "Account": ACCOUNT_ID,
            "Arn": region.iam().caller_arn(),
        })),
        _ => Err(AwsError::unknown_operation("sts", operation)),
    }
}
