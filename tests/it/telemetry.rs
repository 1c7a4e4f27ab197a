//! What the local cloud tells of the traffic that its sidecars have carried: metrics, access logs and their queries.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, DimensionFilter, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy,
};
use aws_sdk_cloudwatchlogs::types::QueryStatus;
use aws_sdk_ec2::types::FlowLogsResourceType;
use aws_sdk_ecs::types::{
    LogConfiguration, LogDriver, ServiceConnectAccessLogConfiguration, ServiceConnectAccessLoggingFormat,
};
use aws_sdk_servicediscovery::types::{ServiceFilter, ServiceFilterName};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;
use zonewalk::cloud::{Exchange, LocalCloud, Observer, Options, Pace};
use zonewalk::commands::verify::{self, Traffic};
use zonewalk::logs_insights::Query;
use zonewalk::logs_insights::access_logs::Accesses;
use zonewalk::stages::Context;
use zonewalk::walkthrough::up;

use crate::answers;
use crate::clients;
use crate::peers;
use crate::support::{REGION, context, settings, start_cloud};

const BACKEND: &str = "sc-test-az-aware-backend";

fn cloudwatch(cloud: &LocalCloud) -> aws_sdk_cloudwatch::Client {
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(cloud.endpoint_url());
    aws_sdk_cloudwatch::Client::from_conf(config.build())
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn query(id: &str, metric: &str, stat: &str, dimensions: &[(&str, &str)], period: i32) -> MetricDataQuery {
    let dimensions = dimensions.iter().map(|(name, value)| dimension(name, value)).collect();
    let metric = Metric::builder().namespace("AWS/ECS").metric_name(metric).set_dimensions(Some(dimensions)).build();
    let stat = MetricStat::builder().metric(metric).period(period).stat(stat).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

async fn send(ctx: &Context, requests: u64) {
    let options = verify::Options { traffic: Traffic::of(requests, 4), ..verify::Options::default() };
    assert_eq!(verify::run(ctx, options).await.unwrap().errors, 0);
}

async fn ask(client: &aws_sdk_cloudwatch::Client, queries: Vec<MetricDataQuery>, hours: i64) -> Vec<MetricDataResult> {
    let request = client.get_metric_data().set_metric_data_queries(Some(queries));
    let request =
        request.start_time(DateTime::from_secs(now() - 3_600 * hours)).end_time(DateTime::from_secs(now() + 60));
    request.send().await.unwrap().metric_data_results.unwrap()
}

fn total(result: &MetricDataResult) -> f64 {
    result.values().iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecars_count_for_cloudwatch_by_the_minute_and_by_pair() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    send(&ctx, 60).await;
    let client = cloudwatch(&cloud);
    let (cluster, frontend, backend) =
        (ctx.names.cluster.as_str(), ctx.names.frontend.service.as_str(), ctx.names.backend.service.as_str());

    let of_cluster = DimensionFilter::builder().name("ClusterName").value(cluster).build();
    let any_name = DimensionFilter::builder().name("TargetDiscoveryName").build();
    let list = client.list_metrics().namespace("AWS/ECS").metric_name("TargetProcessedBytes");
    let listed = list.dimensions(of_cluster).dimensions(any_name).send().await.unwrap();
    let [pair] = listed.metrics() else { panic!("{:?}", listed.metrics()) };
    let expected = [
        dimension("TargetDiscoveryName", BACKEND),
        dimension("ServiceName", frontend),
        dimension("ClusterName", cluster),
    ];
    assert_eq!(pair.dimensions(), expected);
    // AWS's dimension sets and nothing else.
    let all = client.list_metrics().send().await.unwrap();
    let mut sets: Vec<String> = (all.metrics().iter())
        .map(|metric| metric.dimensions().iter().filter_map(|it| it.name()).collect::<Vec<_>>().join(","))
        .collect();
    sets.sort();
    sets.dedup();
    let expected = [
        "DiscoveryName",
        "DiscoveryName,ServiceName,ClusterName",
        "ServiceName,ClusterName",
        "TargetDiscoveryName",
        "TargetDiscoveryName,ServiceName,ClusterName",
    ];
    assert_eq!(sets, expected);

    let target = [("TargetDiscoveryName", BACKEND), ("ServiceName", frontend), ("ClusterName", cluster)];
    let offered = [("DiscoveryName", BACKEND), ("ServiceName", backend), ("ClusterName", cluster)];
    let service = [("ServiceName", backend), ("ClusterName", cluster)];
    let results = ask(
        &client,
        vec![
            query("bytes", "TargetProcessedBytes", "Sum", &target, 3_600),
            query("ok", "HTTPCode_Target_2XX_Count", "Sum", &target, 3_600),
            query("bad", "HTTPCode_Target_5XX_Count", "Sum", &target, 3_600),
            query("time", "TargetResponseTime", "Average", &target, 60),
            query("incoming", "ProcessedBytes", "Sum", &offered, 3_600),
            query("requests", "RequestCount", "SampleCount", &offered, 3_600),
            query("tasks", "LiveTaskCount", "Maximum", &service, 60),
            query("alone", "TargetProcessedBytes", "Sum", &target[..1], 3_600),
        ],
        1,
    )
    .await;
    let result = |id: &str| results.iter().find(|result| result.id() == Some(id)).unwrap();
    // `verify` sends some before those that it counts.
    let sent = total(result("ok"));
    assert!(sent >= 60.0, "{sent}");
    assert_eq!((total(result("bad")), total(result("requests"))), (0.0, sent));
    let bytes = total(result("bytes"));
    // Heads and bodies of a request and an answer: some 150 bytes each.
    assert!((sent * 100.0..sent * 2_000.0).contains(&bytes), "{bytes}");
    assert_eq!((total(result("alone")), total(result("incoming")) > 0.0), (bytes, true));
    assert!(result("time").values().iter().all(|milliseconds| (0.0..10_000.0).contains(milliseconds)));
    assert_eq!(result("tasks").values().iter().copied().fold(0.0, f64::max), 6.0);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_history_can_be_made_and_is_read_page_by_page() {
    let cloud = start_cloud(Pace::Instant).await;
    let client = cloudwatch(&cloud);
    assert_eq!(client.list_metrics().send().await.unwrap().metrics().len(), 0);
    let from = |days: i64| Timestamp::from_second(now() - 86_400 * days).unwrap().to_string();
    let series = |service: String, days: i64| {
        json!({
            "metric": "TargetProcessedBytes",
            "dimensions": { "TargetDiscoveryName": "cart", "ServiceName": service, "ClusterName": "shop" },
            "from": from(days), "value": 1_000.0,
        })
    };
    let many: Vec<Value> = (0..600).map(|number| series(format!("web{number}"), 1)).collect();
    let seeds = |metrics: Vec<Value>| json!({ "region": REGION, "metrics": metrics });
    cloud.control("metrics", &seeds(many)).unwrap();
    cloud.control("metrics", &seeds(vec![series("week".to_owned(), 7)])).unwrap();
    let mut old = series("old".to_owned(), 30);
    old["to"] = json!(from(15));
    cloud.control("metrics", &seeds(vec![old])).unwrap();

    let mut pages = client.list_metrics().into_paginator().send();
    let mut sizes = vec![];
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().metrics().len());
    }
    // What has had no value for two weeks is not listed.
    assert_eq!(sizes, [500, 102]);

    let of = |service| [("TargetDiscoveryName", "cart"), ("ServiceName", service), ("ClusterName", "shop")];
    let results = ask(&client, vec![query("week", "TargetProcessedBytes", "Sum", &of("week"), 3_600)], 24 * 7).await;
    assert_eq!((results[0].values().len(), results[0].label()), (168, Some("TargetProcessedBytes")));
    assert!(results[0].timestamps().windows(2).all(|pair| pair[0].secs() > pair[1].secs()), "the newest first");
    // Older than 15 days, a period of one minute gives nothing.
    for (period, found) in [(60, false), (300, true)] {
        let results =
            ask(&client, vec![query("old", "TargetProcessedBytes", "Sum", &of("old"), period)], 24 * 31).await;
        assert_eq!(!results[0].values().is_empty(), found, "{period}");
    }

    let request = client.get_metric_data().scan_by(ScanBy::TimestampAscending).max_datapoints(100);
    let request = request.start_time(DateTime::from_secs(now() - 86_400 * 7)).end_time(DateTime::from_secs(now()));
    let request = request.metric_data_queries(query("week", "TargetProcessedBytes", "Sum", &of("week"), 3_600));
    let mut pages = request.into_paginator().send();
    let mut seen = vec![];
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        let result = &page.metric_data_results()[0];
        seen.push((result.values().len(), result.status_code().unwrap().as_str().to_owned()));
    }
    assert_eq!(seen, [(100, "PartialData".to_owned()), (68, "Complete".to_owned())]);

    let odd = ask_for_error(&client, query("week", "TargetProcessedBytes", "Sum", &of("week"), 90)).await;
    assert_eq!(odd.0, "ValidationError");
    let percentile = ask_for_error(&client, query("week", "TargetProcessedBytes", "p99", &of("week"), 60)).await;
    assert!(percentile.1.contains("p99"), "{percentile:?}");
    let wrong = json!({ "region": REGION, "metrics": [{ "metric": "CPUUtilization", "dimensions": {}, "from": from(1), "value": 1.0 }] });
    assert!(cloud.control("metrics", &wrong).unwrap_err().contains("CPUUtilization"));
    cloud.shutdown().await;
}

async fn ask_for_error(client: &aws_sdk_cloudwatch::Client, query: MetricDataQuery) -> (String, String) {
    use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
    let request = client.get_metric_data().metric_data_queries(query);
    let request = request.start_time(DateTime::from_secs(now() - 3_600)).end_time(DateTime::from_secs(now()));
    let error = request.send().await.unwrap_err();
    (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
}

/// Has both services' proxies log accesses, and waits until the new tasks run.
pub(crate) async fn log_accesses(ctx: &Context, format: ServiceConnectAccessLoggingFormat) {
    for service in [&ctx.names.backend.service, &ctx.names.frontend.service] {
        let described = ctx.clients.ecs.describe_services().cluster(&ctx.names.cluster).services(service);
        let described = described.send().await.unwrap().services.unwrap().remove(0);
        let mut connect = described.deployments()[0].service_connect_configuration().unwrap().clone();
        let access_log = ServiceConnectAccessLogConfiguration::builder().format(format.clone()).build().unwrap();
        connect.access_log_configuration = Some(access_log);
        let options = [
            ("awslogs-group", "/ecs/proxies"),
            ("awslogs-region", REGION),
            ("awslogs-stream-prefix", "sc"),
            ("awslogs-create-group", "true"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let log = LogConfiguration::builder().log_driver(LogDriver::Awslogs).set_options(Some(options));
        connect.log_configuration = Some(log.build().unwrap());
        let update = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).service(service);
        let updated = update.service_connect_configuration(connect.clone()).send().await.unwrap();
        let told = updated.service().unwrap().deployments()[0].service_connect_configuration().unwrap();
        assert_eq!(told, &connect);
        for attempt in 0.. {
            let described = ctx.clients.ecs.describe_services().cluster(&ctx.names.cluster).services(service);
            let described = described.send().await.unwrap().services.unwrap().remove(0);
            if described.deployments().len() == 1 && described.running_count() == described.desired_count() {
                break;
            }
            assert!(attempt < 1_000, "{service} does not get steady");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accesses_are_logged_in_both_formats_and_counted_by_a_query() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let logs = &ctx.clients.logs;
    for (format, accesses) in [
        (ServiceConnectAccessLoggingFormat::Json, Accesses::Json),
        (ServiceConnectAccessLoggingFormat::Text, Accesses::Text),
    ] {
        log_accesses(&ctx, format.clone()).await;
        let begin = now();
        send(&ctx, 40).await;

        let tasks = ctx.clients.ecs.list_tasks().cluster(&ctx.names.cluster).send().await.unwrap().task_arns.unwrap();
        let tasks = ctx.clients.ecs.describe_tasks().cluster(&ctx.names.cluster).set_tasks(Some(tasks));
        let tasks = tasks.send().await.unwrap().tasks.unwrap();
        let zones: BTreeMap<String, String> = (tasks.iter())
            .flat_map(|task| {
                let zone = task.availability_zone().unwrap().to_owned();
                let id = task.task_arn().unwrap().rsplit('/').next().unwrap().to_owned();
                let details = task.attachments()[0].details().iter();
                let ip = details.filter(|it| it.name() == Some("privateIPv4Address")).filter_map(|it| it.value.clone());
                [id].into_iter().chain(ip).map(move |key| (key, zone.clone())).collect::<Vec<_>>()
            })
            .collect();

        let started = logs.start_query().log_group_name("/ecs/proxies").start_time(begin).end_time(now() + 60);
        let id = started.query_string(Query::Accesses(accesses).text()).send().await.unwrap().query_id.unwrap();
        let answer = logs.get_query_results().query_id(&id).send().await.unwrap();
        assert_eq!(answer.status(), Some(&QueryStatus::Complete));
        let mut requests = 0.0;
        for row in answer.results() {
            let field = |name: &str| row.iter().find(|it| it.field() == Some(name)).unwrap().value().unwrap();
            let caller = field("@logStream").rsplit('/').next().unwrap();
            assert_eq!(zones[caller], zones[field("ip")], "zone-aware routing is on");
            requests += field("requests").parse::<f64>().unwrap();
            assert!(field("down").parse::<f64>().unwrap() > 0.0);
        }
        assert!(requests >= 40.0, "{requests} in {format:?}");
        let statistics = answer.statistics().unwrap();
        assert!(statistics.bytes_scanned > 0.0 && statistics.records_scanned >= 120.0, "{statistics:?}");

        // Egress of frontends, ingress of both, and Envoy's own lines.
        let pages = logs.filter_log_events().log_group_name("/ecs/proxies").start_time(begin * 1_000).limit(30);
        let mut pages = pages.into_paginator().send();
        let mut lines = vec![];
        while let Some(page) = pages.next().await {
            lines.extend(page.unwrap().events.unwrap_or_default().into_iter().filter_map(|event| event.message));
        }
        assert!(lines.len() >= 120, "{}", lines.len());
        let is_json = format == ServiceConnectAccessLoggingFormat::Json;
        let of_format = |line: &&String| line.starts_with('{') == is_json;
        let mut accesses = lines.iter().filter(of_format);
        let egress = accesses.find(|line| line.contains(":8090") && !line.contains("127.0.0.1:")).unwrap();
        if is_json {
            let line: Value = serde_json::from_str(egress).unwrap();
            assert_eq!(
                (&line["method"], &line["path"], &line["response_code"]),
                (&json!("GET"), &json!("/"), &json!(200))
            );
            assert_eq!((&line["forwarded_for"], &line["user_agent"]), (&Value::Null, &Value::Null));
            assert!(line["bytes_sent"].as_u64().unwrap() > 0 && line["request_id"].is_string(), "{line}");
            assert_eq!(line.as_object().unwrap().len(), 14);
        } else {
            assert!(egress.starts_with('[') && egress.contains("\"GET / HTTP/1.1\" 200 0 "), "{egress}");
        }
    }
    let groups = logs.describe_log_groups().log_group_name_prefix("/ecs/proxies").send().await.unwrap();
    assert!(groups.log_groups()[0].stored_bytes().unwrap() > 10_000);
    let streams = logs.describe_log_streams().log_group_name("/ecs/proxies").limit(5).into_paginator().items();
    let streams: Vec<_> = streams.send().collect::<Result<_, _>>().await.unwrap();
    assert_eq!(streams.len(), 24, "both services' tasks, twice");
    let name = streams[0].log_stream_name().unwrap();
    assert!(name.starts_with("sc/ecs-service-connect-"), "{name}");
    let events = logs.get_log_events().log_group_name("/ecs/proxies").log_stream_name(name).start_from_head(true);
    let first = events.clone().limit(1).send().await.unwrap();
    assert!(first.events()[0].message().unwrap().contains("starting main dispatch loop"));
    let rest = events.next_token(first.next_forward_token().unwrap()).send().await.unwrap();
    assert!(rest.events().iter().all(|event| event.message() != first.events()[0].message()));

    let unknown =
        logs.start_query().log_group_name("/ecs/proxies").start_time(0).end_time(1).query_string("fields @message");
    let refused = format!("{:?}", unknown.send().await.unwrap_err());
    assert!(refused.contains("this query"), "{refused}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn another_accounts_namespace_is_found_by_its_arn_with_its_instances() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let map = &ctx.clients.servicediscovery;
    map.list_namespaces().send().await.unwrap();
    let shared = json!({
        "region": REGION, "name": "orders",
        "services": [{ "name": "api", "instances": [
            { "AWS_INSTANCE_IPV4": "10.9.0.1", "AVAILABILITY_ZONE": "us-east-1a" },
            { "AWS_INSTANCE_IPV4": "10.9.0.2" },
        ] }],
    });
    let arn = cloud.control("shared-namespace", &shared).unwrap()["arn"].as_str().unwrap().to_owned();
    let id = arn.rsplit('/').next().unwrap();
    let refused = map.get_namespace().id(id).send().await.unwrap_err().into_service_error();
    assert!(refused.is_namespace_not_found(), "it goes by its ARN alone: {refused}");
    let namespace = map.get_namespace().id(&arn).send().await.unwrap().namespace.unwrap();
    assert_eq!((namespace.resource_owner(), namespace.name()), (Some("111122223333"), Some("orders")));
    let of = async |namespace: &str| {
        let filter = ServiceFilter::builder().name(ServiceFilterName::NamespaceId).values(namespace).build().unwrap();
        map.list_services().filters(filter).send().await.unwrap()
    };
    assert_eq!(of(id).await.services(), []);
    let services = of(&arn).await;
    let [service] = services.services() else { panic!("{:?}", services.services()) };
    assert_eq!((service.resource_owner(), service.created_by_account()), (Some("111122223333"), Some("111122223333")));
    let refused = map.list_instances().service_id(service.id().unwrap()).send().await.unwrap_err();
    assert!(refused.into_service_error().is_service_not_found());
    let instances = map.list_instances().service_id(service.arn().unwrap()).send().await.unwrap();
    assert_eq!((instances.instances().len(), instances.resource_owner()), (2, Some("111122223333")));
    assert!(map.delete_namespace().id(&arn).send().await.is_err());
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3: tests/run.sh installs it"]
async fn boto3s_paginators_read_all_of_it_and_raw_answers_agree_with_the_models() {
    let seen: Arc<Mutex<Vec<Exchange>>> = Arc::default();
    let recorder = Arc::clone(&seen);
    let observer: Observer = Arc::new(move |exchange: &Exchange| recorder.lock().unwrap().push(exchange.clone()));
    let options = Options { pace: Pace::Instant, observer: Some(observer), ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let week = Timestamp::from_second(now() - 86_400 * 7).unwrap().to_string();
    let many: Vec<Value> = (0..600)
        .map(|number| {
            let dimensions =
                json!({ "TargetDiscoveryName": "cart", "ServiceName": format!("web{number}"), "ClusterName": "shop" });
            json!({ "metric": "TargetProcessedBytes", "dimensions": dimensions, "from": week, "value": 1_000.0 })
        })
        .collect();
    cloud.control("metrics", &json!({ "region": REGION, "metrics": many })).unwrap();
    log_accesses(&ctx, ServiceConnectAccessLoggingFormat::Json).await;
    let vpc = ctx.clients.ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let format = "${az-id} ${ecs-service-name} ${bytes} ${flow-direction} ${next-hop-az-id}";
    let create = ctx.clients.ec2.create_flow_logs().resource_ids(vpc).resource_type(FlowLogsResourceType::Vpc);
    let role = "arn:aws:iam::000000000000:role/flow-logs";
    let create = create.log_group_name("flows").deliver_logs_permission_arn(role).log_format(format);
    create.max_aggregation_interval(60).send().await.unwrap();
    send(&ctx, 40).await;

    let mut python = Command::new(peers::bin("aws").join("python3"));
    let python = python.arg(clients::script("read_evidence.py")).stdin(Stdio::null());
    clients::run(&cloud, python.args([&ctx.names.cluster, &ctx.names.namespace, "/ecs/proxies"])).await;
    let started = ctx.clients.logs.start_query().log_group_name("/ecs/proxies").start_time(0).end_time(now() + 60);
    let id = started.query_string(Query::Accesses(Accesses::Json).text()).send().await.unwrap().query_id.unwrap();
    ctx.clients.logs.get_query_results().query_id(&id).send().await.unwrap();
    ctx.clients.logs.describe_queries().send().await.unwrap();
    assert!(ctx.clients.logs.stop_query().query_id(&id).send().await.is_err());
    cloud.shutdown().await;
    let exchanges = std::mem::take(&mut *seen.lock().unwrap());
    assert!(exchanges.iter().any(|exchange| exchange.service == "cloudwatch"));
    answers::check(&exchanges);
}
