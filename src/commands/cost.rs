//! What the walkthrough costs on AWS.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::prices;
use crate::settings::{LaunchType, Settings};
use crate::stages::Context;
use crate::stages::inventory::{GroupStatus, ServiceStatus};
use crate::stages::task_definitions::task_needs;

/// USD per hour in us-east-1 by AWS's price list of November 2026; other regions differ by some tens of percent.
const T3_MEDIUM: f64 = 0.0416;
const LOAD_BALANCER: f64 = 0.0225;
/// A root volume of 30 GB, gp3, at 0.08 USD per GB and month.
const ROOT_VOLUME: f64 = 0.0033;
const PUBLIC_IPV4: f64 = 0.005;

/// The load balancer has a public address in each of three zones.
const LOAD_BALANCER_ADDRESSES: u32 = 3;

/// What a walkthrough costs while it stands, by the list prices of us-east-1.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Cost {
    /// USD per hour, the sum of all items. Null: the price of the instance type is not known.
    pub usd_per_hour: Option<f64>,
    /// What is paid for.
    pub items: Vec<Item>,
    /// The same in words.
    pub text: String,
}

/// A part of the cost.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
#[schemars(rename = "CostItem")]
pub struct Item {
    /// What is paid for: an instance type, a task on Fargate with its size, `load balancer`, `root volume` or `public IPv4 address`.
    pub what: String,
    /// How many of them.
    pub count: u32,
    /// USD per hour for all of them together. Null: the price is not known.
    pub usd_per_hour: Option<f64>,
}

impl Item {
    fn new(what: &str, count: u32, price: Option<f64>) -> Self {
        let usd_per_hour = price.map(|price| rounded(price * f64::from(count)));
        Self { what: what.to_owned(), count, usd_per_hour }
    }
}

/// The size of a task on Fargate: CPU units and MiB.
type TaskSize = (u64, u64);

/// An estimate of what a walkthrough with these settings costs.
pub fn hourly(ctx: &Context) -> Cost {
    let Settings { instance_type, task_count, .. } = &*ctx.settings;
    if ctx.launch_type() == LaunchType::Ec2 {
        return of(&BTreeMap::from([(instance_type.clone(), task_count.instances())]));
    }
    let mut tasks = BTreeMap::new();
    // A template that does not render is told of where it is needed.
    for needs in task_needs(ctx).into_iter().flatten() {
        *tasks.entry((needs.cpu, needs.memory)).or_default() += task_count.get();
    }
    of_tasks(&tasks)
}

/// The same for so many instances of each type, with a load balancer.
pub(super) fn of(instances: &BTreeMap<String, u32>) -> Cost {
    let all: u32 = instances.values().sum();
    let price = |instance_type: &str| (instance_type == "t3.medium").then_some(T3_MEDIUM);
    let items: Vec<Item> =
        instances.iter().map(|(instance_type, n)| Item::new(instance_type, *n, price(instance_type))).collect();
    with_the_rest(items, &[Item::new("root volume", all, Some(ROOT_VOLUME))], all)
}

/// The same for so many tasks of each size on Fargate.
fn of_tasks(tasks: &BTreeMap<TaskSize, u32>) -> Cost {
    let item = |((units, mib), n): (&TaskSize, &u32)| {
        let (vcpus, gigabytes) = (*units as f64 / 1024.0, *mib as f64 / 1024.0);
        let what = format!("Fargate task with {vcpus} vCPU and {gigabytes} GB");
        Item::new(&what, *n, Some(prices::fargate_task(vcpus, gigabytes)))
    };
    with_the_rest(tasks.iter().map(item).collect(), &[], tasks.values().sum())
}

/// The cost of what stands: of the group's instances, or of the tasks that run on Fargate. None: neither.
pub(super) fn of_standing(group: Option<&GroupStatus>, services: &[ServiceStatus]) -> Option<Cost> {
    if let Some(group) = group {
        return Some(of(&group.instances));
    }
    let mut tasks = BTreeMap::new();
    for task in services.iter().filter(|service| service.is_on_fargate()).flat_map(|service| &service.tasks) {
        *tasks.entry((task.cpu_units.into(), task.memory_mib.into())).or_default() += 1;
    }
    (!tasks.is_empty()).then(|| of_tasks(&tasks))
}

/// The machines, what belongs to them, and what there is whatever they are; `public` of them have a public address.
fn with_the_rest(machines: Vec<Item>, belongings: &[Item], public: u32) -> Cost {
    let addresses = public + LOAD_BALANCER_ADDRESSES;
    let told = machines.iter().map(|item| format!("{} {}", item.count, item.what.replacen("task", "tasks", 1)));
    let told = told.collect::<Vec<_>>().join(", ");
    let mut items = machines;
    items.push(Item::new("load balancer", 1, Some(LOAD_BALANCER)));
    items.extend_from_slice(belongings);
    items.push(Item::new("public IPv4 address", addresses, Some(PUBLIC_IPV4)));
    let usd_per_hour = items.iter().map(|item| item.usd_per_hour).sum::<Option<f64>>().map(rounded);
    let rest: f64 = items.iter().filter_map(|item| item.usd_per_hour).sum();
    let text = match usd_per_hour {
        Some(usd) => format!("about {usd:.2} USD an hour ({told}, a load balancer, {addresses} public addresses)"),
        None => format!("about {rest:.2} USD an hour and the price of {told}"),
    };
    Cost { usd_per_hour, items, text }
}

impl Cost {
    /// What it has come to. None: the price is not known here.
    pub fn so_far(&self, age: Duration) -> Option<f64> {
        self.usd_per_hour.map(|usd| rounded(usd * age.as_secs_f64() / 3600.0))
    }
}

/// To a hundredth of a cent: what is beyond is the binary system's.
fn rounded(usd: f64) -> f64 {
    (usd * 10_000.0).round() / 10_000.0
}

/// Says that `what` stands where a command ends: on AWS it costs until it is removed.
pub fn still_stands(ctx: &Context, what: &str) -> String {
    let price = if ctx.clients.is_aws() { format!(" and costs up to {}", hourly(ctx).text) } else { String::new() };
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

    #[test]
    fn tasks_on_fargate_cost_by_their_size() {
        let cost = of_tasks(&BTreeMap::from([((512, 1024), 12)]));
        assert_eq!(cost.usd_per_hour, Some(0.3937));
        let told =
            "about 0.39 USD an hour (12 Fargate tasks with 0.5 vCPU and 1 GB, a load balancer, 15 public addresses)";
        assert_eq!(cost.text, told);
    }

    #[test]
    fn the_items_add_up_to_the_whole_unless_one_is_not_known() {
        let of = |instance_type: &str, n| of(&BTreeMap::from([(instance_type.to_owned(), n)]));
        let cost = of("t3.medium", 12);
        assert_eq!(cost.usd_per_hour, Some(0.6363));
        assert_eq!(cost.so_far(Duration::from_secs(3 * 3600 + 12 * 60)), Some(2.0362));
        let other = of("c7i-flex.large", 6);
        assert_eq!((other.usd_per_hour, other.so_far(Duration::from_secs(3600))), (None, None));
        assert_eq!(other.text, "about 0.09 USD an hour and the price of 6 c7i-flex.large");
    }
}
