//! Whose account it is. ARNs are made of its number and its partition (`aws`, `aws-cn`, `aws-us-gov`).

use super::{Context, Error};
use crate::events::Event;
use crate::plan::Step;

#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) account: String,
    /// The caller's ARN, as STS gives it.
    pub(crate) arn: String,
    pub(crate) partition: String,
}

/// The kind of caller, which decides whether IAM can be asked about it.
pub(crate) enum Caller {
    /// The account's root user, who may do everything.
    Root,
    /// A user, by the ARN.
    User(String),
    /// An assumed role, by its name; its path is not known.
    Role(String),
    Other,
}

impl Identity {
    pub(crate) fn caller(&self) -> Caller {
        let resource = self.arn.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["root"] => Caller::Root,
            ["user", ..] => Caller::User(self.arn.clone()),
            ["assumed-role", role, _session] => Caller::Role((*role).to_owned()),
            _ => Caller::Other,
        }
    }

    /// Who it is, as a tag can hold it. Sessions are people's, where they sign in, or have names that their SDKs make up.
    pub(crate) fn creator(&self) -> String {
        let made_up = |session: &str| {
            let by_an_sdk = ["botocore-session-", "aws-go-sdk-", "aws-sdk-", "i-"];
            by_an_sdk.iter().any(|prefix| session.starts_with(prefix)) || session.chars().all(|c| c.is_ascii_digit())
        };
        let who = match self.arn.rsplit_once('/') {
            Some((role, session)) if role.contains(":assumed-role/") && made_up(session) => role,
            _ => &self.arn,
        };
        who.replace(',', ".")
    }

    /// IAM is global: its ARNs have no region.
    pub(super) fn iam_arn(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.partition, self.account)
    }

    /// One of the policies that AWS keeps, by its path and name.
    pub(super) fn managed_policy_arn(&self, policy: &str) -> String {
        format!("arn:{}:iam::aws:policy/{policy}", self.partition)
    }

    /// The name of EC2 in a trust policy, which alone of the services used here has a name of its own in China.
    pub(super) fn ec2_principal(&self) -> String {
        let domain = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("ec2.{domain}")
    }
}

pub(crate) async fn find_identity(ctx: &Context) -> Result<Identity, Error> {
    let caller = ctx.look("sts:GetCallerIdentity", ctx.clients.sts.get_caller_identity().send()).await?;
    let account = caller.account().unwrap_or_default().to_owned();
    ctx.learn_account(&account);
    let arn = caller.arn().unwrap_or_default().to_owned();
    let partition = arn.split(':').nth(1).unwrap_or("aws").to_owned();
    ctx.events
        .send(Event::Found { step: Step::Network, what: format!("account {account}, region {}", ctx.clients.region) });
    Ok(Identity { account, arn, partition })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(arn: &str) -> Identity {
        let partition = arn.split(':').nth(1).unwrap().to_owned();
        Identity { account: "123456789012".to_owned(), arn: arn.to_owned(), partition }
    }

    #[test]
    fn callers_are_told_apart() {
        let caller = |arn| identity(arn).caller();
        assert!(matches!(caller("arn:aws:iam::123456789012:root"), Caller::Root));
        assert!(matches!(caller("arn:aws:iam::123456789012:user/team/ann"), Caller::User(_)));
        let role = caller("arn:aws-cn:sts::123456789012:assumed-role/deployer/ann@example.com");
        assert!(matches!(role, Caller::Role(name) if name == "deployer"));
        assert!(matches!(caller("arn:aws:sts::123456789012:federated-user/ann"), Caller::Other));
    }

    #[test]
    fn who_made_it_is_the_same_in_another_session_of_an_sdks() {
        let creator = |arn: &str| identity(arn).creator();
        assert_eq!(creator("arn:aws:iam::123456789012:user/ann"), "arn:aws:iam::123456789012:user/ann");
        let role = "arn:aws:sts::123456789012:assumed-role/deployer";
        assert_eq!(creator(&format!("{role}/ann@example.com")), format!("{role}/ann@example.com"));
        assert_eq!(creator(&format!("{role}/botocore-session-1700000000")), role);
        assert_eq!(creator(&format!("{role}/1700000000000")), role);
    }

    #[test]
    fn every_partition_has_its_own_arns() {
        let china = identity("arn:aws-cn:iam::123456789012:user/ann");
        assert_eq!(china.iam_arn("role/r"), "arn:aws-cn:iam::123456789012:role/r");
        assert_eq!(china.managed_policy_arn("P"), "arn:aws-cn:iam::aws:policy/P");
        assert_eq!(china.ec2_principal(), "ec2.amazonaws.com.cn");
        let government = identity("arn:aws-us-gov:iam::123456789012:root");
        assert_eq!(government.managed_policy_arn("P"), "arn:aws-us-gov:iam::aws:policy/P");
        assert_eq!(government.ec2_principal(), "ec2.amazonaws.com");
    }
}
