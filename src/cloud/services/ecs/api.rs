//! The operations of Amazon ECS.

use super::{
    clusters, container_instances, resource_tags, run_task, service_changes, service_deployments, service_revisions,
    services, task_definitions, tasks,
};
use crate::cloud::faults::{FaultKind, RoleRefusal};
use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

/// The refusal of a role that ECS cannot act in yet, in this service-linked role of its own.
const fn service_linked_role(kind: FaultKind) -> RoleRefusal {
    RoleRefusal {
        kind,
        code: "InvalidParameterException",
        message: "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
    }
}

/// ECS makes its service-linked role with an account's first cluster, and cannot always act in it at once
/// (aws/containers-roadmap#2614, hashicorp/terraform-provider-aws#15452).
const FIRST_CLUSTER: &[RoleRefusal] = &[service_linked_role(FaultKind::ServiceLinkedRole)];
const FIRST_SERVICE: &[RoleRefusal] =
    &[service_linked_role(FaultKind::ServiceLinkedRole), service_linked_role(FaultKind::RefuseRole)];
const NEW_EXECUTION_ROLE: &[RoleRefusal] =
    &[RoleRefusal { kind: FaultKind::RefuseRole, code: "ClientException", message: "Role is not valid" }];
/// The task's role is looked at when a task is started.
const NEW_TASK_ROLE: &[RoleRefusal] = &[
    RoleRefusal {
        kind: FaultKind::RefuseRole,
        code: "ClientException",
        message: "ECS was unable to assume the role that was provided for this task. Please verify that the role being \
                  passed has the proper trust relationship and permissions and that your IAM user has permissions to \
                  pass this role.",
    },
    service_linked_role(FaultKind::ServiceLinkedRole),
];

/// A list that is answered page by page: services come ten to a page, everything else a hundred (API Reference).
const fn pages(list: &'static str, default: usize) -> Pages {
    Pages {
        token: "nextToken",
        limit: "maxResults",
        list,
        next: "nextToken",
        more: None,
        min: 1,
        max: 100,
        default,
        refusal: Pages::violates_constraint,
    }
}

/// The structures of requests.
/// Of a container no process is run, so what only it would see is kept and given back. What ECS's agent would do (check its
/// health, restart it, fetch secrets for it) is not done, and refused.
pub(super) const STRUCTURES: &[(&str, &str)] = &[
    ("accessLogConfiguration", "format includeQueryParameters"),
    ("alarms", "alarmNames enable rollback"),
    ("authorizationConfig", "accessPointId iam"),
    ("awsvpcConfiguration", "subnets securityGroups assignPublicIp"),
    ("capabilities", "add drop"),
    ("capacityProviderStrategy", "base capacityProvider weight"),
    ("clientAliases", "port dnsName testTrafficRules"),
    ("configuration", "executeCommandConfiguration managedStorageConfiguration"),
    ("containerConfigurations", "logLevel"),
    (
        "containerDefinitions",
        "command cpu dependsOn disableNetworking dnsSearchDomains dnsServers dockerLabels dockerSecurityOptions \
         entryPoint environment essential extraHosts hostname image interactive linuxParameters logConfiguration memory \
         memoryReservation mountPoints name portMappings privileged pseudoTerminal readonlyRootFilesystem \
         systemControls ulimits user volumesFrom workingDirectory",
    ),
    ("defaultCapacityProviderStrategy", "base capacityProvider weight"),
    ("dependsOn", "condition containerName"),
    ("deploymentCircuitBreaker", "enable rollback"),
    (
        "deploymentConfiguration",
        "deploymentCircuitBreaker maximumPercent minimumHealthyPercent alarms strategy bakeTimeInMinutes",
    ),
    ("deploymentController", "type"),
    ("devices", "containerPath hostPath permissions"),
    ("dockerVolumeConfiguration", "autoprovision driver driverOpts labels scope"),
    (
        "efsVolumeConfiguration",
        "authorizationConfig fileSystemId rootDirectory transitEncryption transitEncryptionPort",
    ),
    ("environment", "name value"),
    ("executeCommandConfiguration", "kmsKeyId logConfiguration logging"),
    ("extraHosts", "hostname ipAddress"),
    ("header", "name value"),
    ("host", "sourcePath"),
    ("issuerCertificateAuthority", "awsPcaAuthorityArn"),
    ("linuxParameters", "capabilities devices initProcessEnabled maxSwap sharedMemorySize swappiness tmpfs"),
    ("loadBalancers", "targetGroupArn containerName containerPort"),
    // Of a container, and of a cluster's sessions, which nobody can open here.
    (
        "logConfiguration",
        "logDriver options \
         cloudWatchEncryptionEnabled cloudWatchLogGroupName s3BucketName s3EncryptionEnabled s3KeyPrefix",
    ),
    ("managedStorageConfiguration", "fargateEphemeralStorageKmsKeyId kmsKeyId"),
    ("mountPoints", "containerPath readOnly sourceVolume"),
    ("networkConfiguration", "awsvpcConfiguration"),
    ("placementConstraints", "expression type"),
    ("placementStrategy", "field type"),
    ("portMappings", "appProtocol containerPort hostPort name protocol"),
    ("runtimePlatform", "cpuArchitecture operatingSystemFamily"),
    (
        "serviceConnectConfiguration",
        "enabled namespace services logConfiguration accessLogConfiguration containerConfigurations",
    ),
    ("serviceConnectDefaults", "namespace"),
    ("services", "portName discoveryName clientAliases ingressPortOverride timeout tls"),
    ("settings", "name value"),
    ("systemControls", "namespace value"),
    ("tags", "key value"),
    ("testTrafficRules", "header"),
    ("timeout", "idleTimeoutSeconds perRequestTimeoutSeconds"),
    ("tls", "issuerCertificateAuthority kmsKey roleArn"),
    ("tmpfs", "containerPath mountOptions size"),
    ("totalResources", "doubleValue integerValue longValue name stringSetValue type"),
    ("ulimits", "hardLimit name softLimit"),
    ("value", "exact"),
    ("volumes", "name host dockerVolumeConfiguration efsVolumeConfiguration"),
    ("volumesFrom", "readOnly sourceContainer"),
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change(
        "CreateCluster",
        "clusterName tags settings configuration serviceConnectDefaults capacityProviders defaultCapacityProviderStrategy",
        clusters::create,
    )
    .refusing_roles(FIRST_CLUSTER),
    Operation::change(
        "CreateService",
        "cluster serviceName taskDefinition availabilityZoneRebalancing loadBalancers desiredCount \
         clientToken launchType capacityProviderStrategy platformVersion deploymentConfiguration placementConstraints placementStrategy networkConfiguration \
         healthCheckGracePeriodSeconds schedulingStrategy deploymentController tags enableECSManagedTags \
         propagateTags serviceConnectConfiguration",
        service_changes::create,
    )
    .refusing_roles(FIRST_SERVICE),
    Operation::change("DeleteCluster", "cluster", clusters::delete),
    Operation::change("DeleteService", "cluster service force", services::delete),
    Operation::change("DeleteTaskDefinitions", "taskDefinitions", task_definitions::delete),
    Operation::change(
        "DeregisterContainerInstance",
        "cluster containerInstance force",
        container_instances::deregister,
    ),
    Operation::change("DeregisterTaskDefinition", "taskDefinition", task_definitions::deregister),
    Operation::read("DescribeClusters", "clusters include", clusters::describe),
    Operation::read("DescribeContainerInstances", "cluster containerInstances include", container_instances::describe),
    Operation::read("DescribeServices", "cluster services include", services::describe),
    Operation::read("DescribeServiceDeployments", "serviceDeploymentArns", service_deployments::describe),
    Operation::read("DescribeServiceRevisions", "serviceRevisionArns", service_revisions::describe),
    Operation::read("DescribeTaskDefinition", "taskDefinition include", task_definitions::describe),
    Operation::read("DescribeTasks", "cluster tasks include", tasks::describe),
    Operation::read("ListClusters", "", clusters::list).paged(pages("clusterArns", 100)),
    Operation::read("ListContainerInstances", "cluster filter status", container_instances::list)
        .paged(pages("containerInstanceArns", 100)),
    Operation::read("ListServiceDeployments", "cluster service status", service_deployments::list)
        .paged(pages("serviceDeployments", 20)),
    Operation::read("ListServices", "cluster launchType schedulingStrategy", services::list)
        .paged(pages("serviceArns", 10)),
    Operation::read("ListServicesByNamespace", "namespace", services::list_by_namespace)
        .paged(pages("serviceArns", 10)),
    Operation::read("ListTagsForResource", "resourceArn", resource_tags::list),
    Operation::read("ListTaskDefinitionFamilies", "familyPrefix status", task_definitions::list_families)
        .paged(pages("families", 100)),
    Operation::read("ListTaskDefinitions", "familyPrefix status sort", task_definitions::list)
        .paged(pages("taskDefinitionArns", 100)),
    Operation::read(
        "ListTasks",
        "cluster containerInstance family startedBy serviceName desiredStatus launchType",
        tasks::list,
    )
    .paged(pages("taskArns", 100)),
    Operation::change(
        "PutClusterCapacityProviders",
        "cluster capacityProviders defaultCapacityProviderStrategy",
        clusters::put_capacity_providers,
    ),
    Operation::change(
        "RegisterContainerInstance",
        // Nobody checks the signature: whoever reaches loopback is trusted.
        "cluster instanceIdentityDocument instanceIdentityDocumentSignature totalResources tags",
        container_instances::register,
    ),
    Operation::change(
        "RegisterTaskDefinition",
        "family taskRoleArn executionRoleArn networkMode containerDefinitions volumes requiresCompatibilities \
         cpu memory tags pidMode ipcMode runtimePlatform",
        task_definitions::register,
    )
    .refusing_roles(NEW_EXECUTION_ROLE),
    Operation::change(
        "RunTask",
        "cluster count group launchType capacityProviderStrategy platformVersion networkConfiguration startedBy tags \
         taskDefinition clientToken",
        run_task::run,
    )
    .refusing_roles(NEW_TASK_ROLE),
    Operation::change("StopTask", "cluster task reason", tasks::stop),
    Operation::change("TagResource", "resourceArn tags", resource_tags::add),
    Operation::change("UntagResource", "resourceArn tagKeys", resource_tags::remove),
    Operation::change("UpdateCluster", "cluster settings configuration serviceConnectDefaults", clusters::update),
    Operation::change("UpdateClusterSettings", "cluster settings", clusters::update),
    Operation::change(
        "UpdateContainerInstancesState",
        "cluster containerInstances status",
        container_instances::update_state,
    ),
    Operation::change(
        "UpdateService",
        "cluster service desiredCount taskDefinition capacityProviderStrategy platformVersion deploymentConfiguration availabilityZoneRebalancing \
         networkConfiguration placementConstraints placementStrategy forceNewDeployment healthCheckGracePeriodSeconds \
         enableECSManagedTags loadBalancers propagateTags serviceConnectConfiguration",
        service_changes::update,
    ),
];
