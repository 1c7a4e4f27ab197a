//! AWS STS: who the caller is. Whoever reaches loopback is the account's root, or acts in the role that is rehearsed.

use serde_json::json;

use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::Words;
use crate::cloud::region::Region;
use crate::cloud::service::{Answer, Operation, Service};
use crate::cloud::wire::{Encoding, Params};

pub(crate) static SERVICE: Service = Service {
    signing_name: "sts",
    encoding: Encoding::Query("https://sts.amazonaws.com/doc/2011-06-15/"),
    words: Words::QUERY,
    operations: &[Operation::read("GetCallerIdentity", "", get_caller_identity)],
    ..Service::PLAIN
};

fn get_caller_identity(region: &Region, _: Params<'_>) -> Answer {
    Ok(json!({ "UserId": ACCOUNT_ID, "Account": ACCOUNT_ID, "Arn": region.iam().caller_arn() }))
}
