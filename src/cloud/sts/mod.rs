//! AWS STS: who the caller is. Whoever reaches loopback is the account's root.

use serde_json::{Value, json};

use super::ACCOUNT_ID;
use super::error::AwsError;
use super::protocol::Params;
use super::region::Region;

pub(crate) fn handle(_region: &mut Region, operation: &str, _params: Params<'_>) -> Result<Value, AwsError> {
    match operation {
        "GetCallerIdentity" => Ok(json!({
            "UserId": ACCOUNT_ID,
            "Account": ACCOUNT_ID,
            "Arn": format!("arn:aws:iam::{ACCOUNT_ID}:root"),
        })),
        _ => Err(AwsError::unknown_operation("sts", operation)),
    }
}
