//! What the walkthrough costs on AWS.

use crate::settings::Settings;
use crate::stages::Context;

/// USD per hour in us-east-1 by AWS's price list of November 2026; other regions differ by some tens of percent.
const T3_MEDIUM: f64 = 0.0416;
const LOAD_BALANCER: f64 = 0.0225;
/// A root volume of 30 GB, gp3, at 0.08 USD per GB and month.
const ROOT_VOLUME: f64 = 0.0033;
const PUBLIC_IPV4: f64 = 0.005;

/// The load balancer has a public address in each of three zones.
const LOAD_BALANCER_ADDRESSES: f64 = 3.0;

/// An estimate in words: `about 0.64 USD an hour (12 t3.medium, a load balancer, 15 public addresses)`.
pub fn hourly(settings: &Settings) -> String {
    let instances = f64::from(settings.task_count.instances());
    let rest = LOAD_BALANCER + instances * (ROOT_VOLUME + PUBLIC_IPV4) + LOAD_BALANCER_ADDRESSES * PUBLIC_IPV4;
    if settings.instance_type == "t3.medium" {
        format!(
            "about {:.2} USD an hour ({instances} t3.medium, a load balancer, {} public addresses)",
            rest + instances * T3_MEDIUM,
            instances + LOAD_BALANCER_ADDRESSES
        )
    } else {
        format!("about {rest:.2} USD an hour and the price of {instances} {}", settings.instance_type)
    }
}

/// Says that `what` stands where a command ends: on AWS it costs until it is removed.
pub fn still_stands(ctx: &Context, what: &str) -> String {
    let price =
        if ctx.clients.is_aws() { format!(" and costs up to {}", hourly(&ctx.settings)) } else { String::new() };
    format!("{what} still stands{price}: `zonewalk down` removes it")
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::aws::{CredentialSource, Target};
    use crate::events::Events;

    async fn told(endpoint_url: Option<&str>) -> String {
        let target = Target {
            region: Some("us-east-1".to_owned()),
            endpoint_url: endpoint_url.map(str::to_owned),
            credentials: CredentialSource::Dummy,
            ..Target::default()
        };
        let clients = target.connect().await.unwrap();
        still_stands(&Context::new(clients, Settings::default(), Events::silent(), CancellationToken::new()), "it")
    }

    #[tokio::test]
    async fn what_stands_on_aws_is_told_with_its_price() {
        let priced = told(None).await;
        let price = "about 0.64 USD an hour (12 t3.medium, a load balancer, 15 public addresses)";
        assert_eq!(priced, format!("it still stands and costs up to {price}: `zonewalk down` removes it"));
        assert_eq!(told(Some("https://ecs.us-east-1.amazonaws.com")).await, priced);
        assert_eq!(told(Some("http://127.0.0.1:1")).await, "it still stands: `zonewalk down` removes it");
    }
}
