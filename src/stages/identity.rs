//! Whose account it is. ARNs are made of its number and its partition (`aws`, `aws-cn`, `aws-us-gov`).

use super::{Context, Error, Step};
use crate::report::events::Event;

#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) partition: String,
}

impl Identity {
    /// IAM is global: its ARNs have no region.
    pub(super) fn iam_arn(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.partition, self.account)
    }
}

pub(crate) async fn find_identity(ctx: &Context) -> Result<Identity, Error> {
    let caller = ctx.call("sts:GetCallerIdentity", ctx.clients.sts.get_caller_identity().send()).await?;
    let account = caller.account().unwrap_or_default().to_owned();
    let partition = caller.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws").to_owned();
    ctx.events
        .send(Event::Found { step: Step::Network, what: format!("account {account}, region {}", ctx.clients.region) });
    Ok(Identity { account, partition })
}
