//! What every operation's table promises: parameters that are not heeded are refused by their names, and lists come page by
//! page. Of ECS and the services beside it, and of IAM.

use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, HealthCheck, OsFamily, RuntimePlatform, TaskDefinitionPlacementConstraint,
};
use aws_sdk_iam::types::Tag;
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused};

const UNSUPPORTED: &str = "UnsupportedFeatureException";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_heeded_is_refused_by_its_name() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    let clients = &stand.clients;
    let create = clients.ecs.create_cluster().cluster_name("c").capacity_providers("of-a-group");
    assert_refused(create.send().await, UNSUPPORTED, "the capacity provider of-a-group");
    let update = clients.ecs.update_service().service("s").enable_execute_command(true);
    assert_refused(update.send().await, UNSUPPORTED, "the parameter enableExecuteCommand");
    let create = clients.logs.create_log_group().log_group_name("g").kms_key_id("key");
    assert_refused(create.send().await, UNSUPPORTED, "the parameter kmsKeyId");
    let operation = clients.servicediscovery.get_operation().operation_id("o").owner_account("111122223333");
    assert_refused(operation.send().await, UNSUPPORTED, "the parameter OwnerAccount");
    let send = clients.ssm.send_command().document_name("AWS-RunShellScript").max_errors("1");
    assert_refused(send.send().await, UNSUPPORTED, "the parameter MaxErrors");
    let quota = clients.servicequotas.get_service_quota().service_code("ec2").quota_code("L-1216C47A");
    assert_refused(quota.context_id("c").send().await, UNSUPPORTED, "the parameter ContextId");
    let role = clients.iam.create_role().role_name("r").assume_role_policy_document("{}").permissions_boundary("p");
    assert_refused(role.send().await, UNSUPPORTED, "the parameter PermissionsBoundary");
    let roles = clients.iam.simulate_principal_policy().policy_source_arn("arn").action_names("ecs:Poll");
    assert_refused(roles.caller_arn("arn").send().await, UNSUPPORTED, "the parameter CallerArn");
    assert_eq!(clients.ecs.list_clusters().send().await.unwrap().cluster_arns(), [] as [String; 0]);

    // Which changes nothing is heeded in its own way.
    let parameter = clients.ssm.get_parameter().name("/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended");
    parameter.with_decryption(true).send().await.unwrap();
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_definition_says_in_vain_is_refused() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    let container = || ContainerDefinition::builder().name("app").image("app").memory(64);
    let register = |container: ContainerDefinition| {
        stand.clients.ecs.register_task_definition().family("f").container_definitions(container)
    };
    let check = HealthCheck::builder().command("true").build().unwrap();
    let checked = register(container().health_check(check).build());
    assert_refused(checked.send().await, UNSUPPORTED, "the parameter healthCheck");
    let constraint = TaskDefinitionPlacementConstraint::builder().expression("a == b").build();
    let constrained = register(container().build()).placement_constraints(constraint);
    assert_refused(constrained.send().await, UNSUPPORTED, "the parameter placementConstraints");
    let windows = RuntimePlatform::builder().operating_system_family(OsFamily::WindowsServer2022Core).build();
    let on_windows = register(container().build()).runtime_platform(windows);
    let words = "operatingSystemFamily WINDOWS_SERVER_2022_CORE, only LINUX";
    assert_refused(on_windows.send().await, UNSUPPORTED, words);
    let on_fargate = register(container().build()).requires_compatibilities(Compatibility::Fargate);
    assert_refused(on_fargate.send().await, "ClientException", "Fargate only supports network mode");
    register(container().build()).send().await.unwrap();
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pages_hold_the_same_list_as_large_ones() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    let clients = &stand.clients;
    const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": []}"#;
    for name in ["a", "b", "c"] {
        clients.ecs.create_cluster().cluster_name(name).send().await.unwrap();
        clients.logs.create_log_group().log_group_name(name).send().await.unwrap();
        clients.servicediscovery.create_http_namespace().name(name).send().await.unwrap();
        clients.iam.create_role().role_name(name).assume_role_policy_document(TRUST).send().await.unwrap();
        let tag = Tag::builder().key(name).value("v").build().unwrap();
        clients.iam.tag_role().role_name("a").tags(tag).send().await.unwrap();
    }
    /// The list of one page, and the one of pages of two.
    macro_rules! assert_pages {
        ($request:expr, $list:ident) => {
            let all = $request.send().await.unwrap().$list().to_vec();
            assert!(all.len() >= 3);
            let mut pages = $request.into_paginator().page_size(2).send();
            let mut paged = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.unwrap().$list().to_vec();
                assert!(page.len() <= 2);
                paged.extend(page);
            }
            assert_eq!(paged, all);
        };
    }
    assert_pages!(clients.ecs.list_clusters(), cluster_arns);
    assert_pages!(clients.logs.describe_log_groups(), log_groups);
    assert_pages!(clients.servicediscovery.list_namespaces(), namespaces);
    assert_pages!(clients.iam.list_roles(), roles);
    assert_pages!(clients.iam.list_role_tags().role_name("a"), tags);

    let constraint = "'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100";
    let too_many = clients.ecs.list_clusters().max_results(101).send().await;
    assert_refused(too_many, "InvalidParameterException", constraint);
    let too_many = clients.servicediscovery.list_namespaces().max_results(101).send().await;
    assert_refused(too_many, "InvalidInput", constraint);
    assert_refused(clients.iam.list_roles().max_items(1001).send().await, "ValidationError", "'maxItems'");
    assert_refused(clients.logs.describe_log_groups().limit(51).send().await, "InvalidParameterException", "'limit'");
    let too_few = clients.ssm.describe_instance_information().max_results(4).send().await;
    assert_refused(too_few, "ValidationException", "greater than or equal to 5");
    stand.end().await;
}
