//! Elastic Load Balancing: creation that can be repeated, targets' states, what stays for a while after.

use aws_sdk_ec2::types::{IpPermission, UserIdGroupPair};
use aws_sdk_elasticloadbalancingv2::operation::create_load_balancer::builders::CreateLoadBalancerFluentBuilder;
use aws_sdk_elasticloadbalancingv2::operation::create_target_group::builders::CreateTargetGroupFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, LoadBalancer, LoadBalancerAttribute, LoadBalancerStateEnum, Matcher, ProtocolEnum, Tag,
    TargetDescription, TargetGroupAttribute, TargetHealth, TargetHealthReasonEnum, TargetHealthStateEnum,
    TargetTypeEnum,
};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused, filter, until};

impl Stand {
    fn create_load_balancer(&self, zones: &str, group: &str) -> CreateLoadBalancerFluentBuilder {
        let create = self.clients.elbv2.create_load_balancer().name("lb").set_subnets(Some(self.subnets(zones)));
        create.security_groups(group)
    }

    pub(super) async fn load_balancer(&self, zones: &str, group: &str) -> String {
        let created = self.create_load_balancer(zones, group).send().await.unwrap();
        created.load_balancers()[0].load_balancer_arn().unwrap().to_owned()
    }

    async fn describe_load_balancer(&self) -> LoadBalancer {
        let describe = self.clients.elbv2.describe_load_balancers().names("lb").send().await.unwrap();
        describe.load_balancers()[0].clone()
    }

    fn create_target_group(&self, name: &str) -> CreateTargetGroupFluentBuilder {
        let create = self.clients.elbv2.create_target_group().name(name).protocol(ProtocolEnum::Http).port(80);
        create.vpc_id(&self.vpc).target_type(TargetTypeEnum::Ip).health_check_path("/ping")
    }

    pub(super) async fn target_group(&self, name: &str) -> String {
        let created = self.create_target_group(name).health_check_interval_seconds(10).send().await.unwrap();
        created.target_groups()[0].target_group_arn().unwrap().to_owned()
    }

    async fn listener(&self, load_balancer: &str, target_group: &str) -> String {
        let create = self.clients.elbv2.create_listener().load_balancer_arn(load_balancer).port(80);
        let create = create.protocol(ProtocolEnum::Http).default_actions(forward(target_group));
        create.send().await.unwrap().listeners()[0].listener_arn().unwrap().to_owned()
    }

    async fn register(&self, target_group: &str, ip: &str) {
        let register = self.clients.elbv2.register_targets().target_group_arn(target_group);
        register.targets(target(ip)).send().await.unwrap();
    }

    async fn health(&self, target_group: &str) -> Vec<TargetHealth> {
        let describe = self.clients.elbv2.describe_target_health().target_group_arn(target_group);
        let described = describe.send().await.unwrap().target_health_descriptions.unwrap();
        described.into_iter().map(|description| description.target_health.unwrap()).collect()
    }
}

fn forward(target_group: &str) -> Action {
    Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(target_group).build()
}

fn target(ip: &str) -> TargetDescription {
    TargetDescription::builder().id(ip).port(8080).build()
}

#[track_caller]
fn assert_health(health: &TargetHealth, state: TargetHealthStateEnum, reason: TargetHealthReasonEnum) {
    assert_eq!((health.state(), health.reason()), (Some(&state), Some(&reason)), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_can_be_created_again_with_the_same_settings_only() {
    let stand = Stand::new(Pace::Aws).await;
    let group = stand.security_group("lb").await;
    let arn = stand.load_balancer("abc", &group).await;
    assert_eq!(stand.load_balancer("abc", &group).await, arn);
    let other = stand.create_load_balancer("ab", &group).send().await;
    let words = "A load balancer with the same name 'lb' exists, but with different settings";
    assert_refused(other, "DuplicateLoadBalancerName", words);

    let described = stand.describe_load_balancer().await;
    assert_eq!(described.state().unwrap().code(), Some(&LoadBalancerStateEnum::Provisioning));
    let address: std::net::SocketAddr = described.dns_name().unwrap().parse().unwrap();
    assert!(address.ip().is_loopback());
    assert_eq!(described.availability_zones().len(), 3);
    let absent = stand.clients.elbv2.describe_load_balancers().names("absent").send().await;
    assert_refused(absent, "LoadBalancerNotFound", "Load balancers '[absent]' not found");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_needs_two_zones_and_groups_that_are_there() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("lb").await;
    let one_zone = stand.create_load_balancer("a", &group).send().await;
    assert_refused(one_zone, "ValidationError", "At least two subnets in two different Availability Zones");
    let no_group = stand.create_load_balancer("ab", "sg-00000000000000000").send().await;
    assert_refused(no_group, "InvalidSecurityGroup", "does not exist");
    let long = stand.create_load_balancer("ab", &group).name("x".repeat(33)).send().await;
    assert_refused(long, "ValidationError", "cannot be longer than '32' characters");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_load_balancers_interfaces_hold_its_security_group_for_a_while() {
    for (pace, gone_at_once) in [(Pace::Aws, false), (Pace::Instant, true)] {
        let stand = Stand::new(pace).await;
        let group = stand.security_group("lb").await;
        let arn = stand.load_balancer("abc", &group).await;
        let interfaces = stand.clients.ec2.describe_network_interfaces().filters(filter("group-id", &[&group]));
        let interfaces = interfaces.filters(filter("description", &["ELB app/lb/*"])).send().await.unwrap();
        assert_eq!(interfaces.network_interfaces().len(), 3);
        let delete_group = || stand.clients.ec2.delete_security_group().group_id(&group).send();
        assert_refused(delete_group().await, "DependencyViolation", "has a dependent object");

        let delete = || stand.clients.elbv2.delete_load_balancer().load_balancer_arn(&arn).send();
        delete().await.unwrap();
        delete().await.expect("deleting what is not there succeeds");
        if gone_at_once {
            delete_group().await.unwrap();
        } else {
            assert_refused(delete_group().await, "DependencyViolation", "has a dependent object");
        }
        stand.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_group_in_use_stays() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("lb").await;
    let load_balancer = stand.load_balancer("abc", &group).await;
    let target_group = stand.target_group("tg").await;
    assert_eq!(stand.target_group("tg").await, target_group);
    let other = stand.create_target_group("tg").health_check_path("/").send().await;
    let words = "A target group with the same name 'tg' exists, but with different settings";
    assert_refused(other, "DuplicateTargetGroupName", words);

    let listener = stand.listener(&load_balancer, &target_group).await;
    assert_eq!(stand.listener(&load_balancer, &target_group).await, listener);
    let second = stand.target_group("second").await;
    let elbv2 = &stand.clients.elbv2;
    let create = elbv2.create_listener().load_balancer_arn(&load_balancer).port(80).protocol(ProtocolEnum::Http);
    let duplicate = create.default_actions(forward(&second)).send().await;
    assert_refused(duplicate, "DuplicateListener", "A listener already exists on this port");

    let delete = || elbv2.delete_target_group().target_group_arn(&target_group).send();
    assert_refused(delete().await, "ResourceInUse", "is currently in use by a listener or a rule");
    elbv2.modify_listener().listener_arn(&listener).default_actions(forward(&second)).send().await.unwrap();
    delete().await.unwrap();
    elbv2.delete_listener().listener_arn(&listener).send().await.unwrap();
    let again = elbv2.delete_listener().listener_arn(&listener).send().await;
    assert_refused(again, "ListenerNotFound", "One or more listeners not found");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_says_why_it_is_not_served() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("lb").await;
    let target_group = stand.target_group("tg").await;
    stand.register(&target_group, "172.31.0.100").await;
    let health = stand.health(&target_group).await.remove(0);
    assert_health(&health, TargetHealthStateEnum::Unused, TargetHealthReasonEnum::NotInUse);

    let load_balancer = stand.load_balancer("abc", &group).await;
    stand.listener(&load_balancer, &target_group).await;
    until("nobody has answered at the target's address", async || {
        stand.health(&target_group).await[0].state() == Some(&TargetHealthStateEnum::Unhealthy)
    })
    .await;

    // us-east-1f's subnet, which the load balancer is not in.
    stand.register(&target_group, "172.31.80.100").await;
    let health = stand.health(&target_group).await.remove(1);
    assert_health(&health, TargetHealthStateEnum::Unused, TargetHealthReasonEnum::NotInUse);
    let describe = stand.clients.elbv2.describe_target_health().target_group_arn(&target_group);
    let stranger = describe.targets(target("172.31.0.1")).send().await.unwrap();
    let health = stranger.target_health_descriptions()[0].target_health().unwrap();
    assert_health(health, TargetHealthStateEnum::Unused, TargetHealthReasonEnum::NotRegistered);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_answers_is_a_healthy_target_once_its_security_group_lets_health_checks_in() {
    let stand = Stand::new(Pace::Instant).await;
    let [group, own] = [stand.security_group("lb").await, stand.security_group("app").await];
    let ip = run_the_app(&stand, &own).await;
    let target_group = stand.target_group("tg").await;
    let load_balancer = stand.load_balancer("abc", &group).await;
    stand.listener(&load_balancer, &target_group).await;
    stand.register(&target_group, &ip).await;
    until("the target times out", async || {
        let health = stand.health(&target_group).await.remove(0);
        health.reason() == Some(&TargetHealthReasonEnum::Timeout)
    })
    .await;
    let from_load_balancer = UserIdGroupPair::builder().group_id(&group).build();
    let permission = IpPermission::builder().ip_protocol("tcp").from_port(8000).to_port(8080);
    let permission = permission.user_id_group_pairs(from_load_balancer).build();
    let authorize = stand.clients.ec2.authorize_security_group_ingress().group_id(&own);
    authorize.ip_permissions(permission).send().await.unwrap();
    until("the target is healthy", async || {
        let health = stand.health(&target_group).await.remove(0);
        health.state() == Some(&TargetHealthStateEnum::Healthy) && health.reason().is_none()
    })
    .await;
    stand.end().await;
}

/// A task of the article's app, in a security group, on an instance of its own; answers with its address.
async fn run_the_app(stand: &Stand, group: &str) -> String {
    use aws_sdk_ecs::types::{AwsVpcConfiguration, ContainerDefinition, NetworkConfiguration, NetworkMode};
    let ecs = &stand.clients.ecs;
    ecs.create_cluster().cluster_name("cluster").send().await.unwrap();
    stand.group_of(1, "a").await;
    let command = ["server", "-port=8080", "-protocol=http", "-name=app", "-routes=[]"].map(str::to_owned).to_vec();
    let container = ContainerDefinition::builder().name("app").image("app").memory(256).set_command(Some(command));
    let register = ecs.register_task_definition().family("app").network_mode(NetworkMode::Awsvpc);
    register.container_definitions(container.build()).send().await.unwrap();
    let network = AwsVpcConfiguration::builder().set_subnets(Some(stand.subnets("a")));
    let network = network.security_groups(group).build().unwrap();
    let network = NetworkConfiguration::builder().awsvpc_configuration(network).build();
    let run = ecs.run_task().cluster("cluster").task_definition("app").network_configuration(network);
    let run = run.send().await.unwrap();
    let details = run.tasks()[0].attachments()[0].details();
    let address = details.iter().find(|detail| detail.name() == Some("privateIPv4Address"));
    address.unwrap().value().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deregistered_target_drains_for_the_groups_delay() {
    let stand = Stand::new(Pace::Aws).await;
    let group = stand.security_group("lb").await;
    let target_group = stand.target_group("tg").await;
    let load_balancer = stand.load_balancer("abc", &group).await;
    stand.listener(&load_balancer, &target_group).await;
    stand.register(&target_group, "172.31.0.100").await;
    let health = stand.health(&target_group).await.remove(0);
    assert_health(&health, TargetHealthStateEnum::Initial, TargetHealthReasonEnum::RegistrationInProgress);
    let elbv2 = &stand.clients.elbv2;
    let deregister = || {
        let deregister = elbv2.deregister_targets().target_group_arn(&target_group);
        deregister.targets(target("172.31.0.100")).send()
    };
    deregister().await.unwrap();
    let health = stand.health(&target_group).await.remove(0);
    assert_health(&health, TargetHealthStateEnum::Draining, TargetHealthReasonEnum::DeregistrationInProgress);

    stand.register(&target_group, "172.31.0.100").await;
    assert_eq!(stand.health(&target_group).await[0].state(), Some(&TargetHealthStateEnum::Initial));
    let delay = |seconds: &str| {
        let delay = TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds").value(seconds).build();
        elbv2.modify_target_group_attributes().target_group_arn(&target_group).attributes(delay).send()
    };
    assert_refused(delay("3601").await, "ValidationError", "must be between '0-3600' inclusive");
    delay("0").await.unwrap();
    deregister().await.unwrap();
    assert!(stand.health(&target_group).await.is_empty());
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_come_and_go() {
    let stand = Stand::new(Pace::Instant).await;
    let elbv2 = &stand.clients.elbv2;
    let owner = Tag::builder().key("owner").value("us").build();
    let created = stand.create_target_group("tg").tags(owner.clone()).send().await.unwrap();
    let arn = created.target_groups()[0].target_group_arn().unwrap();
    let second = stand.target_group("second").await;
    elbv2.add_tags().resource_arns(&second).tags(owner).send().await.unwrap();
    elbv2.remove_tags().resource_arns(arn).tag_keys("owner").send().await.unwrap();
    let described = elbv2.describe_tags().resource_arns(arn).resource_arns(&second).send().await.unwrap();
    let counts: Vec<_> = described.tag_descriptions().iter().map(|description| description.tags().len()).collect();
    assert_eq!(counts, [0, 1]);
    let absent = elbv2.describe_tags().resource_arns(format!("{arn}0")).send().await;
    assert_refused(absent, "TargetGroupNotFound", "One or more target groups not found");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matcher_is_given_back_as_it_came_or_refused() {
    let stand = Stand::new(Pace::Instant).await;
    let matcher = |codes: &str| Matcher::builder().http_code(codes).build();
    let created = stand.create_target_group("tg").matcher(matcher("200-299,404")).send().await.unwrap();
    let group = &created.target_groups()[0];
    assert_eq!(group.matcher(), Some(&matcher("200-299,404")));
    let modify = |codes: &str| {
        let modify = stand.clients.elbv2.modify_target_group().set_target_group_arn(group.target_group_arn.clone());
        modify.matcher(matcher(codes)).send()
    };
    let refused = "Health check matcher HTTP code '500' must be within '200-499' inclusive";
    assert_refused(modify("200-500").await, "ValidationError", refused);
    assert_refused(modify("ok").await, "ValidationError", "Health check matcher HTTP code 'ok' is invalid");
    let described = stand.clients.elbv2.describe_target_groups().send().await.unwrap();
    assert_eq!(described.target_groups()[0].matcher(), Some(&matcher("200-299,404")));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mesh_does_not_carry_is_refused_in_so_many_words() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("lb").await;
    let load_balancer = stand.load_balancer("abc", &group).await;
    let target_group = stand.target_group("tg").await;
    let create = stand.clients.elbv2.create_listener().load_balancer_arn(&load_balancer).port(443);
    let https = create.protocol(ProtocolEnum::Https).default_actions(forward(&target_group)).send().await;
    assert_refused(https, "UnsupportedFeatureException", "does not support HTTPS listeners");
    let network = stand.create_load_balancer("abc", &group).r#type("network".into()).name("nlb").send().await;
    assert_refused(network, "UnsupportedFeatureException", "does not support load balancers of type network");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_has_its_default_rule_and_no_other() {
    let stand = Stand::new(Pace::Instant).await;
    let elbv2 = &stand.clients.elbv2;
    let group = stand.security_group("alb").await;
    let (balancer, target_group) = (stand.load_balancer("ab", &group).await, stand.target_group("targets").await);
    let listener = stand.listener(&balancer, &target_group).await;
    let described = elbv2.describe_rules().listener_arn(&listener).send().await.unwrap();
    let [rule] = described.rules() else { panic!("{described:?}") };
    assert_eq!((rule.is_default(), rule.priority()), (Some(true), Some("default")));
    assert_eq!(rule.actions()[0].target_group_arn(), Some(target_group.as_str()));
    let arn = rule.rule_arn().unwrap();
    assert!(arn.starts_with(&listener.replace(":listener/", ":listener-rule/")), "{arn}");
    assert_eq!(elbv2.describe_rules().rule_arns(arn).send().await.unwrap().rules().len(), 1);
    let unknown = elbv2.describe_rules().rule_arns(format!("{arn}0")).send().await;
    assert_refused(unknown, "RuleNotFound", "One or more rules not found");
    assert_refused(
        elbv2.describe_rules().send().await,
        "ValidationError",
        "You must specify either listener rule ARNs",
    );
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_of_a_load_balancer_can_protect_it() {
    let stand = Stand::new(Pace::Instant).await;
    let elbv2 = &stand.clients.elbv2;
    let group = stand.security_group("alb").await;
    let arn = stand.load_balancer("ab", &group).await;
    let value = async |key: &str| {
        let described = elbv2.describe_load_balancer_attributes().load_balancer_arn(&arn).send().await.unwrap();
        let attribute = described.attributes.unwrap().into_iter().find(|attribute| attribute.key() == Some(key));
        attribute.unwrap().value.unwrap()
    };
    let set = |key: &str, value: &str| {
        let attribute = LoadBalancerAttribute::builder().key(key).value(value).build();
        elbv2.modify_load_balancer_attributes().load_balancer_arn(&arn).attributes(attribute).send()
    };
    let (protection, timeout) = ("deletion_protection.enabled", "idle_timeout.timeout_seconds");
    assert_eq!((value(protection).await, value(timeout).await), ("false".to_owned(), "60".to_owned()));
    assert_refused(set(timeout, "30").await, "UnsupportedFeatureException", "idle_timeout.timeout_seconds");
    set(protection, "true").await.unwrap();
    assert_eq!((value(protection).await, value(timeout).await), ("true".to_owned(), "60".to_owned()));
    assert_refused(set(protection, "maybe").await, "ValidationError", "must be one of [true, false]");
    assert_refused(set("colour", "red").await, "ValidationError", "attribute key 'colour' is not recognized");

    let delete = || elbv2.delete_load_balancer().load_balancer_arn(&arn).send();
    assert_refused(delete().await, "OperationNotPermitted", "deletion protection is enabled");
    set(protection, "false").await.unwrap();
    delete().await.unwrap();
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_needs_a_way_out_and_room() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let group = stand.security_group("lb").await;
    let mut small = vec![];
    for (zone, cidr) in [("us-east-1a", "172.31.240.0/28"), ("us-east-1b", "172.31.240.16/28")] {
        let create = ec2.create_subnet().vpc_id(&stand.vpc).cidr_block(cidr).availability_zone(zone);
        small.push(create.send().await.unwrap().subnet.unwrap().subnet_id.unwrap());
    }
    let create = |name: &str| {
        let create = stand.clients.elbv2.create_load_balancer().name(name).set_subnets(Some(small.clone()));
        create.security_groups(&group)
    };
    // Of eleven free addresses each takes one, and eight must be free before.
    for name in ["a", "b", "c", "d"] {
        create(name).send().await.unwrap();
    }
    let words = format!("Not enough IP space available in {}. ELB requires at least 8 free IP addresses", small[0]);
    assert_refused(create("e").send().await, "InvalidSubnet", &words);
    create("a").send().await.unwrap();

    let gateways = ec2.describe_internet_gateways().send().await.unwrap();
    let gateway = gateways.internet_gateways()[0].internet_gateway_id().unwrap();
    ec2.detach_internet_gateway().internet_gateway_id(gateway).vpc_id(&stand.vpc).send().await.unwrap();
    let public = || stand.create_load_balancer("abc", &group).send();
    assert_refused(public().await, "InvalidSubnet", &format!("VPC {} has no internet gateway", stand.vpc));
    let internal = aws_sdk_elasticloadbalancingv2::types::LoadBalancerSchemeEnum::Internal;
    stand.create_load_balancer("abc", &group).scheme(internal).send().await.unwrap();
    stand.end().await;
}
