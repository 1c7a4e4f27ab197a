//! Clusters and task definitions, and the services beside ECS: Cloud Map, Systems Manager, Logs.

use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{
    ClusterField, ClusterSetting, ClusterSettingName, TaskDefinitionFamilyStatus, TaskDefinitionStatus,
};
use aws_sdk_servicediscovery::types::{FilterCondition, OperationFilter, OperationFilterName};
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, NAMESPACE, Stand, assert_refused};
use crate::support;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_has_its_namespace_made_and_leaves_it_behind() {
    let stand = Stand::new(Pace::Instant).await;
    let (ecs, names) = (&stand.clients.ecs, &stand.clients.servicediscovery);
    let found = names.list_namespaces().send().await.unwrap().namespaces.unwrap();
    let arn = found[0].arn.clone().unwrap();
    assert_eq!(found[0].name(), Some(NAMESPACE));
    let tags = names.list_tags_for_resource().resource_arn(&arn).send().await.unwrap().tags.unwrap();
    assert_eq!((tags[0].key(), tags[0].value()), ("AmazonECSManaged", "true"));

    let describe = ecs.describe_clusters().clusters(CLUSTER).clusters("other").include(ClusterField::Attachments);
    let described = describe.send().await.unwrap();
    let cluster = &described.clusters()[0];
    assert_eq!(cluster.service_connect_defaults().unwrap().namespace(), Some(arn.as_str()));
    assert_eq!(cluster.attachments()[0].status(), Some("ATTACHED"));
    assert_eq!(described.failures()[0].reason(), Some("MISSING"));

    let again = ecs.create_cluster().cluster_name(CLUSTER).send().await.unwrap().cluster.unwrap();
    assert_eq!(again.cluster_arn, cluster.cluster_arn);

    ecs.delete_cluster().cluster(CLUSTER).send().await.unwrap();
    assert_eq!(stand.cluster_status().await, "INACTIVE");
    assert_refused(ecs.list_tasks().cluster(CLUSTER).send().await, "ClusterNotFoundException", "Cluster not found.");
    assert_eq!(names.list_namespaces().send().await.unwrap().namespaces().len(), 1);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_are_never_used_again() {
    let stand = Stand::new(Pace::Instant).await;
    let ecs = &stand.clients.ecs;
    let first = stand.define("backend", LOG_GROUP, false).await;
    assert!(first.ends_with(":1"));
    assert_refused(
        ecs.deregister_task_definition().task_definition("backend").send().await,
        "ClientException",
        "revision",
    );
    let delete = || ecs.delete_task_definitions().task_definitions(&first);
    assert_eq!(delete().send().await.unwrap().failures().len(), 1, "it is still ACTIVE");
    ecs.deregister_task_definition().task_definition("backend:1").send().await.unwrap();
    assert_refused(
        ecs.describe_task_definition().task_definition("backend").send().await,
        "ClientException",
        "Unable to describe task definition.",
    );
    let by_number = ecs.describe_task_definition().task_definition("backend:1").send().await.unwrap();
    assert_eq!(by_number.task_definition().unwrap().status(), Some(&TaskDefinitionStatus::Inactive));
    let deleted = delete().send().await.unwrap().task_definitions.unwrap().pop().unwrap();
    assert_eq!(deleted.status(), Some(&TaskDefinitionStatus::DeleteInProgress));
    for status in [TaskDefinitionStatus::Active, TaskDefinitionStatus::Inactive, TaskDefinitionStatus::DeleteInProgress]
    {
        let list = ecs.list_task_definitions().status(status).send().await.unwrap();
        assert!(list.task_definition_arns().is_empty());
    }
    assert!(stand.define("backend", LOG_GROUP, false).await.ends_with(":2"));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_map_knows_the_running_tasks_and_outlives_their_service() {
    let stand = Stand::with_instances(Pace::Instant, 3).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 3).send().await.unwrap();
    let service = stand.until_steady("backend").await;
    let resource = &service.deployments()[0].service_connect_resources()[0];
    let given_back = service.deployments()[0].service_connect_configuration().unwrap();
    assert_eq!(given_back.namespace(), Some(NAMESPACE));
    assert_eq!(given_back.services()[0].client_aliases()[0].dns_name(), Some("backend"));

    let names = &stand.clients.servicediscovery;
    let found = names.list_services().send().await.unwrap().services.unwrap().pop().unwrap();
    assert_eq!((found.name(), found.arn()), (Some("backend"), resource.discovery_arn()));
    assert_eq!(found.instance_count(), Some(3));
    let id = found.id().unwrap();
    let instances = names.list_instances().service_id(id).send().await.unwrap().instances.unwrap();
    assert_eq!(instances[0].attributes().unwrap()["AWS_INSTANCE_PORT"], "8080");
    assert_refused(names.delete_service().id(id).send().await, "ResourceInUse", "registered instances");
    let service = names.get_service().id(id).send().await.unwrap().service.unwrap();
    assert_eq!((service.name(), service.arn()), (Some("backend"), found.arn()));
    let listed = stand.clients.ecs.list_services_by_namespace().namespace(NAMESPACE).send().await.unwrap();
    assert_eq!(listed.service_arns(), [stand.service("backend").await.service_arn().unwrap()]);

    stand.clients.ecs.delete_service().cluster(CLUSTER).service("backend").force(true).send().await.unwrap();
    stand.until("the service is gone", async || stand.service("backend").await.status() == Some("INACTIVE")).await;
    let namespace = names.list_namespaces().send().await.unwrap().namespaces.unwrap().pop().unwrap();
    let namespace = namespace.id().unwrap();
    assert_refused(names.delete_namespace().id(namespace).send().await, "ResourceInUse", "associated services");
    names.delete_service().id(id).send().await.unwrap();
    let operation = names.delete_namespace().id(namespace).send().await.unwrap().operation_id.unwrap();
    let operation = names.get_operation().operation_id(operation).send().await.unwrap().operation.unwrap();
    assert_eq!(operation.status().unwrap().as_str(), "SUCCESS");
    let operations = async |kind: &str| {
        let by_type = OperationFilter::builder().name(OperationFilterName::Type).condition(FilterCondition::Eq);
        let list = names.list_operations().filters(by_type.values(kind).build().unwrap()).send().await.unwrap();
        list.operations().iter().map(|it| it.id().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(operations("DELETE_NAMESPACE").await, [operation.id().unwrap()]);
    assert_eq!(operations("CREATE_NAMESPACE").await.len(), 1);
    assert_refused(names.get_namespace().id(namespace).send().await, "NamespaceNotFound", namespace);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_made_once() {
    for (pace, code) in [(Pace::Aws, "DuplicateRequest"), (Pace::Instant, "NamespaceAlreadyExists")] {
        let cloud = support::start_cloud(pace).await;
        let names = support::clients(&cloud).await.servicediscovery;
        let create = |token: &str| names.create_http_namespace().name("names").creator_request_id(token);
        let first = create("one").send().await.unwrap().operation_id;
        assert_eq!(create("one").send().await.unwrap().operation_id, first);
        assert_refused(create("one").name("others").send().await, "DuplicateRequest", "names");
        assert_refused(create("two").send().await, code, "names");
        let is_made = code == "NamespaceAlreadyExists";
        assert_eq!(names.list_namespaces().send().await.unwrap().namespaces().len(), usize::from(is_made));
        let operation = names.get_operation().operation_id(first.unwrap()).send().await.unwrap().operation.unwrap();
        assert_eq!(operation.status().unwrap().as_str(), if is_made { "SUCCESS" } else { "PENDING" });
        cloud.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_amis_are_told_as_json_and_known_to_ec2() {
    let stand = Stand::new(Pace::Instant).await;
    for image in ["amazon-linux-2", "amazon-linux-2023"] {
        let name = format!("/aws/service/ecs/optimized-ami/{image}/recommended");
        let told: serde_json::Value = serde_json::from_str(&stand.parameter(&name).await).unwrap();
        let id = told["image_id"].as_str().unwrap();
        assert_eq!(stand.parameter(&format!("{name}/image_id")).await, id);
        assert_eq!(told["schema_version"], 1);
        let known = stand.clients.ec2.describe_images().image_ids(id).send().await.unwrap();
        assert_eq!(known.images()[0].name(), told["image_name"].as_str());
    }
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_is_got_by_name_version_and_arn() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    const NAME: &str = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id";
    let (ssm, id) = (&stand.clients.ssm, stand.parameter(NAME).await);
    let first = ssm.get_parameter().name(format!("{NAME}:1")).send().await.unwrap().parameter.unwrap();
    assert_eq!((first.name(), first.selector(), first.value()), (Some(NAME), Some(":1"), Some(id.as_str())));
    assert_eq!(stand.parameter(first.arn().unwrap()).await, id);
    assert_eq!(stand.parameter(&format!("{}:1", first.arn().unwrap())).await, id);
    let get = async |name: &str| ssm.get_parameter().name(name).send().await;
    assert_refused(get(&format!("{NAME}:2")).await, "ParameterVersionNotFound", "could not find version 2 of /aws/");
    assert_refused(get(&format!("{NAME}:live")).await, "UnsupportedFeatureException", "has no labels of parameters");
    for missing in
        ["/mine", &NAME.replace("image_id", "nonsense"), &first.arn().unwrap().replace("us-east-1", "eu-west-1")]
    {
        let error = get(missing).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Some("ParameterNotFound"), Some("")));
    }
    let elsewhere = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    assert_refused(get(elsewhere).await, "UnsupportedFeatureException", "local cloud has no public parameter");

    let all = ssm.get_parameters().names(NAME).names("/mine").names(format!("{NAME}:2")).send().await.unwrap();
    assert_eq!((all.parameters().len(), all.invalid_parameters()), (1, &["/mine".to_owned(), format!("{NAME}:2")][..]));
    let none = ssm.get_parameters().names(NAME).send().await.unwrap();
    assert_eq!(none.invalid_parameters, Some(vec![]));
    assert_refused(ssm.get_parameters().names(elsewhere).send().await, "UnsupportedFeatureException", elsewhere);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_is_run_but_the_one_that_is_known() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 1).send().await.unwrap();
    stand.until_steady("backend").await;
    let ssm = &stand.clients.ssm;
    let online = ssm.describe_instance_information().send().await.unwrap().instance_information_list.unwrap();
    let instance = online[0].instance_id().unwrap();
    let send = |command: &str| {
        let commands = command.lines().map(str::to_owned).collect();
        ssm.send_command().document_name("AWS-RunShellScript").parameters("commands", commands)
    };
    let script = zonewalk::envoy::script::Script { family: "backend".to_owned() }.render();
    for other in ["touch /tmp/x", &format!("{script}\ntouch /tmp/x")] {
        assert_refused(send(other).instance_ids(instance).send().await, "UnsupportedFeatureException", "it runs none");
    }
    assert_refused(
        send(&script).instance_ids("i-0123456789abcdef0").send().await,
        "InvalidInstanceId",
        "Instances [[i-0123456789abcdef0]] not in a valid state for account 000000000000",
    );
    assert_refused(
        send(&script).instance_ids(instance).document_version("2").send().await,
        "InvalidDocumentVersion",
        "no version 2",
    );
    assert_refused(
        send(&script).instance_ids(instance).timeout_seconds(29).send().await,
        "ValidationException",
        "from 30 to 2592000",
    );
    let send = send(&script).instance_ids(instance).document_version("$LATEST").timeout_seconds(60);
    let sent = send.send().await.unwrap().command.unwrap();
    assert_eq!((sent.status().unwrap().as_str(), sent.timeout_seconds()), ("Pending", Some(60)));
    let id = sent.command_id().unwrap();
    let answer = ssm.get_command_invocation().command_id(id).instance_id(instance).send().await.unwrap();
    assert_eq!(answer.status().unwrap().as_str(), "Success");
    let listed = ssm.list_commands().instance_id(instance).send().await.unwrap();
    let [command] = listed.commands() else { panic!("{listed:?}") };
    assert_eq!((command.command_id(), command.completed_count()), (Some(id), 1));
    let invocations = ssm.list_command_invocations().command_id(id).details(true).send().await.unwrap();
    let [invocation] = invocations.command_invocations() else { panic!("{invocations:?}") };
    assert_eq!((invocation.instance_id(), invocation.status().unwrap().as_str()), (Some(instance), "Success"));
    let told = invocation.command_plugins()[0].output().unwrap();
    assert!(!told.is_empty() && answer.standard_output_content().unwrap().starts_with(told), "{told}");
    let task = stand.tasks("backend").await.pop().unwrap().task_arn.unwrap();
    assert!(answer.standard_output_content().unwrap().contains(&task));
    assert_refused(
        ssm.get_command_invocation().command_id(id).instance_id("i-0123456789abcdef0").send().await,
        "InvocationDoesNotExist",
        "",
    );
    assert_refused(
        ssm.start_session().target(instance).send().await,
        "UnsupportedFeatureException",
        "no command of a client is ever run",
    );
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_groups_are_kept_with_their_tags() {
    let cloud = support::start_cloud(Pace::Instant).await;
    let logs = support::clients(&cloud).await.logs;
    logs.create_log_group().log_group_name("/ecs/a").tags("owner", "me").send().await.unwrap();
    assert_refused(
        logs.create_log_group().log_group_name("/ecs/a").send().await,
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    );
    logs.put_retention_policy().log_group_name("/ecs/a").retention_in_days(7).send().await.unwrap();
    let found = logs.describe_log_groups().log_group_name_prefix("/ecs/").send().await.unwrap().log_groups.unwrap();
    assert_eq!(found[0].retention_in_days(), Some(7));
    logs.delete_retention_policy().log_group_name("/ecs/a").send().await.unwrap();
    let found = logs.describe_log_groups().log_group_name_prefix("/ecs/").send().await.unwrap().log_groups.unwrap();
    assert_eq!(found[0].retention_in_days(), None);
    let arn = found[0].log_group_arn().unwrap();
    logs.tag_resource().resource_arn(arn).tags("more", "tags").send().await.unwrap();
    logs.untag_resource().resource_arn(arn).tag_keys("owner").send().await.unwrap();
    let tags = logs.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags.unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("more".to_owned(), "tags".to_owned())]);
    logs.delete_log_group().log_group_name("/ecs/a").send().await.unwrap();
    assert_refused(
        logs.delete_log_group().log_group_name("/ecs/a").send().await,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
    cloud.shutdown().await;
}

/// As clients of before 2022 do it.
#[tokio::test(flavor = "multi_thread")]
async fn log_groups_are_tagged_by_their_names_too() {
    let cloud = support::start_cloud(Pace::Instant).await;
    let logs = support::clients(&cloud).await.logs;
    logs.create_log_group().log_group_name("/ecs/a").tags("owner", "me").send().await.unwrap();
    #[expect(deprecated, reason = "AWS answers them, and clients still call them")]
    {
        logs.tag_log_group().log_group_name("/ecs/a").tags("more", "tags").send().await.unwrap();
        logs.untag_log_group().log_group_name("/ecs/a").tags("owner").send().await.unwrap();
        let tags = logs.list_tags_log_group().log_group_name("/ecs/a").send().await.unwrap().tags.unwrap();
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("more".to_owned(), "tags".to_owned())]);
        let missing = logs.list_tags_log_group().log_group_name("/ecs/b").send().await;
        assert_refused(missing, "ResourceNotFoundException", "The specified log group does not exist.");
    }
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_asked_for_many_at_a_time() {
    let cloud = support::start_cloud(Pace::Instant).await;
    let ssm = support::clients(&cloud).await.ssm;
    let known = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id";
    let answer = ssm.get_parameters().names(known).names("/mine").send().await.unwrap();
    let [parameter] = answer.parameters() else { panic!("{answer:?}") };
    assert_eq!(parameter.name(), Some(known));
    assert!(parameter.value().unwrap().starts_with("ami-"), "{parameter:?}");
    assert_eq!(answer.invalid_parameters(), ["/mine"]);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn families_are_listed_by_what_is_active_in_them_and_settings_change_by_themselves() {
    let stand = Stand::new(Pace::Instant).await;
    let ecs = &stand.clients.ecs;
    for family in ["backend", "batch", "frontend"] {
        stand.define(family, LOG_GROUP, false).await;
    }
    ecs.deregister_task_definition().task_definition("batch:1").send().await.unwrap();
    let families = async |prefix: &str, status: TaskDefinitionFamilyStatus| {
        let list = ecs.list_task_definition_families().family_prefix(prefix).status(status);
        list.send().await.unwrap().families.unwrap()
    };
    assert_eq!(families("", TaskDefinitionFamilyStatus::Active).await, ["backend", "frontend"]);
    assert_eq!(families("ba", TaskDefinitionFamilyStatus::All).await, ["backend", "batch"]);
    assert_eq!(families("", TaskDefinitionFamilyStatus::Inactive).await, ["batch"]);
    let all = ecs.list_task_definition_families().send().await.unwrap().families.unwrap();
    assert_eq!(all, ["backend", "batch", "frontend"], "both, unless one is asked for");

    let insights = ClusterSetting::builder().name(ClusterSettingName::ContainerInsights).value("enabled").build();
    let update = ecs.update_cluster_settings().cluster(CLUSTER).settings(insights).send().await.unwrap();
    let cluster = update.cluster.unwrap();
    assert_eq!(cluster.settings()[0].value(), Some("enabled"));
    assert!(cluster.service_connect_defaults().is_some(), "the rest stays as it was");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_groups_are_refused_and_described_as_aws_does() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    let logs = &stand.clients.logs;
    let long = logs.create_log_group().log_group_name("l".repeat(513)).send().await;
    let code = "InvalidParameterException";
    assert_refused(long, code, "Invalid LogGroup or LogStream, both must have length less than or equal to 512.");
    logs.create_log_group().log_group_name("group").send().await.unwrap();
    let described = logs.describe_log_groups().log_group_name_pattern("rou").send().await.unwrap();
    assert_eq!(described.log_groups()[0].deletion_protection_enabled(), Some(false));
    let both = logs.describe_log_groups().log_group_name_pattern("rou").log_group_name_prefix("g").send().await;
    assert_refused(both, code, "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
    stand.end().await;
}
