//! What the walkthrough costs on AWS.

use serde::Serialize;

use crate::settings::Settings;
use crate::stages::Context;

/// USD per hour in us-east-1 by AWS's price list of November 2026; other regions differ by some tens of percent.
const T3_MEDIUM: f64 = 0.0416;
const LOAD_BALANCER: f64 = 0.0225;
/// A root volume of 30 GB, gp3, at 0.08 USD per GB and month.
const ROOT_VOLUME: f64 = 0.0033;
const PUBLIC_IPV4: f64 = 0.005;

/// The load balancer has a public address in each of three zones.
const LOAD_BALANCER_ADDRESSES: u32 = 3;

/// What the walkthrough costs on AWS: an estimate, by the prices of us-east-1.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// USD per hour. Null: the price of an item is not known.
    pub usd_per_hour: Option<f64>,
    pub items: Vec<CostItem>,
    /// The same in words.
    pub text: String,
}

/// What a part of the walkthrough costs on AWS.
#[derive(Clone, Debug, Serialize)]
pub struct CostItem {
    /// What is paid for: `t3.medium instance`.
    pub item: String,
    pub count: u32,
    /// USD per hour, for all of them. Null: the price is not known.
    pub usd_per_hour: Option<f64>,
}

/// An estimate for a walkthrough with these settings.
pub fn estimate(settings: &Settings) -> Cost {
    let instances = settings.task_count.instances();
    let instance_price = (settings.instance_type == "t3.medium").then_some(T3_MEDIUM);
    let prices = [
        (format!("{} instance", settings.instance_type), instances, instance_price),
        ("root volume".to_owned(), instances, Some(ROOT_VOLUME)),
        ("load balancer".to_owned(), 1, Some(LOAD_BALANCER)),
        ("public IPv4 address".to_owned(), instances + LOAD_BALANCER_ADDRESSES, Some(PUBLIC_IPV4)),
    ];
    let items = prices.map(|(item, count, price)| CostItem {
        item,
        count,
        usd_per_hour: price.map(|price| rounded(f64::from(count) * price)),
    });
    let usd_per_hour = items.iter().map(|item| item.usd_per_hour).sum::<Option<f64>>().map(rounded);
    Cost { usd_per_hour, items: items.into(), text: hourly(settings) }
}

/// To a hundredth of a cent, which is what the prices are given in.
fn rounded(usd: f64) -> f64 {
    (usd * 10_000.0).round() / 10_000.0
}

/// An estimate in words: `about 0.64 USD an hour (12 t3.medium, a load balancer, 15 public addresses)`.
pub fn hourly(settings: &Settings) -> String {
    let (count, addresses) = (settings.task_count.instances(), f64::from(LOAD_BALANCER_ADDRESSES));
    let instances = f64::from(count);
    let rest = LOAD_BALANCER + instances * (ROOT_VOLUME + PUBLIC_IPV4) + addresses * PUBLIC_IPV4;
    if settings.instance_type == "t3.medium" {
        format!(
            "about {:.2} USD an hour ({instances} t3.medium, a load balancer, {} public addresses)",
            rest + instances * T3_MEDIUM,
            instances + addresses
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

    #[test]
    fn the_items_add_up_to_what_is_told_in_words() {
        let cost = estimate(&Settings::default());
        let sum: f64 = cost.items.iter().filter_map(|item| item.usd_per_hour).sum();
        assert_eq!(cost.usd_per_hour.map(|usd| format!("about {usd:.2}")).as_deref(), cost.text.get(..10));
        assert!((sum - cost.usd_per_hour.unwrap_or_default()).abs() < 1e-3, "{cost:?}");
        let other = estimate(&Settings { instance_type: "m7i.large".to_owned(), ..Settings::default() });
        assert_eq!((other.usd_per_hour, other.items[0].usd_per_hour), (None, None));
        assert_eq!(other.items[0].item, "m7i.large instance");
    }

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
