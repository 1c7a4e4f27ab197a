//! An audit of many services: AWS throttles who calls often, and answers after a tenth of a second or so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_ecs::types::{
    ApplicationProtocol, AssignPublicIp, AwsVpcConfiguration, Compatibility, ContainerDefinition, LaunchType,
    NetworkConfiguration, NetworkMode, PortMapping, ServiceConnectClientAlias, ServiceConnectConfiguration,
    ServiceConnectService,
};
use serde_json::json;
use zonewalk::cloud::{Exchange, LocalCloud, Observer, Options, Pace};
use zonewalk::commands::audit;
use zonewalk::stages::Context;

use crate::support::{REGION, context, settings};

const SERVICES: usize = 500;
const IN_A_NAMESPACE: usize = 10;

/// In so many namespaces one service runs ten tasks here, together more than a page has. What is asked of tasks goes by the hundred, so
/// that the calls for more can be told from these.
const RUNNING: usize = 11;
const TASKS_EACH: i32 = 10;

/// All of them would run so many.
const TASKS: u64 = 5_000;

fn name(index: usize) -> String {
    format!("service-{index:03}")
}

async fn subnets(ctx: &Context) -> Vec<String> {
    let found = ctx.clients.ec2.describe_subnets().send().await.unwrap().subnets.unwrap_or_default();
    found.into_iter().filter_map(|subnet| subnet.subnet_id).take(3).collect()
}

async fn add_service(ctx: &Context, subnets: &[String], index: usize) {
    let (ecs, name) = (&ctx.clients.ecs, name(index));
    let port = PortMapping::builder().name("main").container_port(8080).app_protocol(ApplicationProtocol::Http);
    let container = ContainerDefinition::builder().name("app").image("example.com/app:1").essential(true);
    let definition = ecs.register_task_definition().family(&name).cpu("256").memory("512");
    let definition = definition.network_mode(NetworkMode::Awsvpc).requires_compatibilities(Compatibility::Fargate);
    definition.container_definitions(container.port_mappings(port.build()).build()).send().await.unwrap();

    let alias = ServiceConnectClientAlias::builder().port(80).dns_name(&name).build().unwrap();
    let offer = ServiceConnectService::builder().port_name("main").discovery_name(&name).client_aliases(alias);
    let connect = ServiceConnectConfiguration::builder().enabled(true).services(offer.build().unwrap());
    let connect = connect.namespace(format!("namespace-{}", index / IN_A_NAMESPACE));
    let vpc = AwsVpcConfiguration::builder().set_subnets(Some(subnets.to_vec()));
    let vpc = vpc.assign_public_ip(AssignPublicIp::Enabled).build().unwrap();
    let network = NetworkConfiguration::builder().awsvpc_configuration(vpc).build();
    let service = ecs.create_service().cluster("many").service_name(&name).task_definition(&name);
    let service = service.launch_type(LaunchType::Fargate).network_configuration(network);
    let runs = index.is_multiple_of(IN_A_NAMESPACE) && index / IN_A_NAMESPACE < RUNNING;
    let service = service.desired_count(if runs { TASKS_EACH } else { 0 });
    service.service_connect_configuration(connect.build()).send().await.unwrap();
}

async fn build(cloud: &LocalCloud, ctx: &Context) {
    ctx.clients.ecs.create_cluster().cluster_name("many").send().await.unwrap();
    for index in 0..SERVICES / IN_A_NAMESPACE {
        let create = ctx.clients.servicediscovery.create_http_namespace().name(format!("namespace-{index}"));
        create.send().await.unwrap();
    }
    let subnets = subnets(ctx).await;
    for index in 0..SERVICES {
        add_service(ctx, &subnets, index).await;
    }
    for attempt in 0.. {
        let names = (1..RUNNING).map(|namespace| name(namespace * IN_A_NAMESPACE)).collect();
        let found = ctx.clients.ecs.describe_services().cluster("many").set_services(Some(names)).send().await.unwrap();
        if found.services().iter().all(|service| service.running_count() == TASKS_EACH) {
            break;
        }
        assert!(attempt < 1_000, "the tasks do not run");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Each calls the next of its namespace.
    let begin = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let pair = |index: usize| {
        let next = index / IN_A_NAMESPACE * IN_A_NAMESPACE + (index + 1) % IN_A_NAMESPACE;
        let dimensions =
            json!({ "TargetDiscoveryName": name(next), "ServiceName": name(index), "ClusterName": "many" });
        json!({ "metric": "TargetProcessedBytes", "dimensions": dimensions, "from": begin.to_string(), "value": 1e6 })
    };
    let pairs: Vec<_> = (0..SERVICES).map(pair).collect();
    cloud.control("metrics", &json!({ "region": REGION, "metrics": pairs })).unwrap();
}

/// How calls of an operation follow each other.
enum Order {
    /// Each page after the one before.
    Pages,
    /// Four at a time.
    AtOnce,
}

/// The calls of an audit, in their order, and whether they are for tasks.
const CALLS: [(&str, u64, Order, bool); 13] = [
    ("sts:GetCallerIdentity", 1, Order::Pages, false),
    ("ec2:DescribeAvailabilityZones", 1, Order::Pages, false),
    ("ecs:ListClusters", 1, Order::Pages, false),
    ("ecs:ListServices", 5, Order::Pages, false),
    ("ecs:DescribeServices", 50, Order::AtOnce, false),
    ("servicediscovery:ListNamespaces", 1, Order::Pages, false),
    ("ecs:DescribeTaskDefinition", 500, Order::AtOnce, false),
    ("ecs:ListTasks", 2, Order::Pages, true),
    ("ecs:DescribeTasks", 2, Order::AtOnce, true),
    ("servicediscovery:GetNamespace", 50, Order::AtOnce, false),
    // Five pages for each namespace: the filter is for what a page of all has ("ListServices" of Cloud Map's API Reference).
    ("servicediscovery:ListServices", 250, Order::AtOnce, false),
    ("cloudwatch:ListMetrics", 1, Order::Pages, false),
    // Bytes and four kinds of answers of each pair, the tasks of each that is called: 500 series a call.
    ("cloudwatch:GetMetricData", 6, Order::AtOnce, false),
];

/// How often an answer is waited for, with so many tasks.
fn rounds(tasks: u64) -> u64 {
    let of = |(_, calls, order, for_tasks): &(&str, u64, Order, bool)| {
        let calls = if *for_tasks { tasks.div_ceil(100) } else { *calls };
        match order {
            Order::Pages => calls,
            Order::AtOnce => calls.div_ceil(4),
        }
    };
    CALLS.iter().map(of).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_services_and_five_thousand_tasks_are_audited_in_a_minute() {
    let counted: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let recorder = Arc::clone(&counted);
    let observer: Observer = Arc::new(move |exchange: &Exchange| {
        let action = format!("{}:{}", exchange.service, exchange.operation);
        *recorder.lock().unwrap().entry(action).or_default() += 1;
    });
    let options = Options { pace: Pace::Instant, observer: Some(observer), ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let ctx = context(&cloud, settings()).await;
    build(&cloud, &ctx).await;
    counted.lock().unwrap().clear();
    let audit = audit::run(&ctx, &audit::Options::default()).await.unwrap();
    assert_eq!((audit.services.len(), audit.unknown.len()), (SERVICES, 0), "{:?}", audit.unknown);
    let talking = audit.pairs.iter().filter(|pair| !pair.idle).count();
    assert_eq!(talking, SERVICES);

    let counted = std::mem::take(&mut *counted.lock().unwrap());
    let expected = CALLS.iter().map(|(action, calls, ..)| ((*action).to_owned(), *calls)).collect();
    assert_eq!(counted, expected);
    // At 100 ms an answer.
    assert!(rounds(TASKS) < 600, "{} rounds", rounds(TASKS));
    cloud.shutdown().await;
}
