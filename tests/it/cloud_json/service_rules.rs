//! What `CreateService` refuses.

use aws_sdk_ecs::types::{
    AwsVpcConfiguration, LoadBalancer, NetworkConfiguration, PlacementStrategy, PlacementStrategyType,
    ServiceConnectClientAlias, ServiceConnectConfiguration, ServiceConnectService, TimeoutConfiguration,
};
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, Stand, assert_refused, log_to};

const INVALID: &str = "InvalidParameterException";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_needs_target_groups_for_addresses_that_are_there() {
    let stand = Stand::new(Pace::Instant).await;
    stand.define("web", LOG_GROUP, true).await;
    let elbv2 = &stand.clients.elbv2;
    let vpcs = stand.clients.ec2.describe_vpcs().send().await.unwrap().vpcs.unwrap();
    let vpc = vpcs[0].vpc_id().unwrap();
    let group = async |name: &str, target_type: &str| {
        let create = elbv2.create_target_group().name(name).protocol("HTTP".into()).port(8080).vpc_id(vpc);
        let created = create.target_type(target_type.into()).send().await.unwrap();
        created.target_groups()[0].target_group_arn().unwrap().to_owned()
    };
    let balancer =
        |arn: &str| LoadBalancer::builder().target_group_arn(arn).container_name("app").container_port(8080).build();
    let create = |balancers: Vec<LoadBalancer>| {
        let create = stand.create_service("web", 1).set_service_connect_configuration(None);
        create.set_load_balancers(Some(balancers)).send()
    };
    let of_instances = group("instances", "instance").await;
    let words = "has target type instance, which is incompatible with the awsvpc network mode";
    assert_refused(create(vec![balancer(&of_instances)]).await, INVALID, words);
    let unused = group("unused", "ip").await;
    assert_refused(create(vec![balancer(&unused)]).await, INVALID, "does not have an associated load balancer");
    let gone = unused.replace("unused", "gone");
    assert_refused(create(vec![balancer(&gone)]).await, INVALID, "target group does not exist");
    assert_refused(create(vec![balancer(&unused); 6]).await, INVALID, "at most 5 items");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_needs_a_network_that_is_there() {
    let stand = Stand::new(Pace::Instant).await;
    stand.define("web", LOG_GROUP, true).await;
    let create = |subnets: Vec<String>, groups: Vec<String>| {
        let network = AwsVpcConfiguration::builder().set_subnets(Some(subnets)).set_security_groups(Some(groups));
        let network = NetworkConfiguration::builder().awsvpc_configuration(network.build().unwrap()).build();
        stand.create_service("web", 0).network_configuration(network).send()
    };
    let (subnets, group) = (|| stand.subnets.clone(), stand.group.clone());
    let missing = || "sg-01234567".to_owned();
    assert_refused(create(subnets(), vec![missing()]).await, INVALID, "ErrorCode: InvalidGroup.NotFound");
    assert_refused(create(subnets(), vec![group.clone(); 6]).await, INVALID, "securityGroups can have at most 5");
    assert_refused(create(vec![subnets().remove(0); 17], vec![]).await, INVALID, "subnets can have at most 16");
    assert_refused(create(subnets(), vec![group.clone(); 2]).await, INVALID, "securityGroups can not have duplicates");
    assert_refused(create(vec!["subnet-01234567".to_owned()], vec![]).await, INVALID, "InvalidSubnetID.NotFound");
    let spread = |field: &str| PlacementStrategy::builder().r#type(PlacementStrategyType::Spread).field(field).build();
    let many = stand.create_service("web", 0).set_placement_strategy(Some(vec![spread("instanceId"); 6]));
    assert_refused(many.send().await, INVALID, "placementStrategy can have at most 5");
    assert_refused(stand.create_service("web", 0).client_token("a token").send().await, INVALID, "clientToken");
    create(subnets(), vec![group]).await.unwrap();
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_service_connect_offers_has_an_alias_and_a_name_of_its_pattern() {
    let stand = Stand::new(Pace::Instant).await;
    stand.define("web", LOG_GROUP, true).await;
    let limited = |limit: i32| {
        let alias = ServiceConnectClientAlias::builder().port(8080).build().unwrap();
        let timeout = TimeoutConfiguration::builder().per_request_timeout_seconds(limit).build();
        let service = ServiceConnectService::builder().port_name("http").client_aliases(alias).timeout(timeout).build();
        let connect = ServiceConnectConfiguration::builder().enabled(true).services(service.unwrap());
        stand.create_service("web", 0).service_connect_configuration(connect.build()).send()
    };
    assert_refused(limited(-1).await, INVALID, "perRequestTimeoutSeconds must be from 0");
    let offer = |discovery_name: &str, alias: Option<(&str, i32)>, log_options: bool| {
        let alias = alias
            .map(|(name, port)| vec![ServiceConnectClientAlias::builder().dns_name(name).port(port).build().unwrap()]);
        let service = ServiceConnectService::builder().port_name("http").discovery_name(discovery_name);
        let service = service.set_client_aliases(alias).build().unwrap();
        let mut log = log_to(LOG_GROUP, false);
        if !log_options {
            log.options = None;
        }
        let connect = ServiceConnectConfiguration::builder().enabled(true).services(service).log_configuration(log);
        stand.create_service("web", 0).service_connect_configuration(connect.build()).send()
    };
    let alias = Some(("web", 8080));
    assert_refused(offer("web", None, true).await, INVALID, "must have a clientAlias");
    assert_refused(offer("-web", alias, true).await, INVALID, "discoveryName(-web)");
    assert_refused(offer("Web", alias, true).await, INVALID, "discoveryName(Web)");
    assert_refused(offer("web", Some(("-web", 8080)), true).await, INVALID, "dnsName(-web)");
    assert_refused(offer("web", Some(("web", 0)), true).await, INVALID, "port of a clientAlias");
    assert_refused(offer("web", alias, false).await, INVALID, "Log driver awslogs requires options");
    offer("web", alias, true).await.unwrap();
    let tasks =
        stand.clients.ecs.run_task().cluster(CLUSTER).task_definition("web").network_configuration(stand.network());
    assert_refused(tasks.send().await, INVALID, "No Container Instances");
    stand.end().await;
}
