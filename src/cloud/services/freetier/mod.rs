//! AWS Free Tier: the plan of the account. Its one endpoint is in us-east-1, whatever region is asked about, so every region
//! here answers alike.

use serde_json::json;

use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::Words;
use crate::cloud::region::Region;
use crate::cloud::service::{Answer, Operation, Service};
use crate::cloud::wire::Params;

pub(crate) static SERVICE: Service = Service {
    signing_name: "freetier",
    target_prefix: Some("AWSFreeTierService"),
    words: Words { failure: ("InternalServerException", "InternalServerException"), ..Words::JSON },
    operations: &[Operation::read("GetAccountPlanState", "", get_account_plan_state)],
    ..Service::PLAIN
};

/// The plan is paid, unless a fault has it otherwise.
fn get_account_plan_state(region: &Region, _: Params<'_>) -> Answer {
    let plan = if region.faults.lock().has_free_plan() { "FREE" } else { "PAID" };
    Ok(json!({ "accountId": ACCOUNT_ID, "accountPlanType": plan, "accountPlanStatus": "ACTIVE" }))
}
