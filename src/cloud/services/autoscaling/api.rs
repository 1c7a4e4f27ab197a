//! The operations of Amazon EC2 Auto Scaling.

use serde_json::json;

use super::{activities, groups, members, metrics, refreshes, tags};
use crate::cloud::faults::{FaultKind, RoleRefusal};
use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

/// What a new instance profile meets where the launch template is tried: it may not be known yet
/// (hashicorp/terraform-provider-aws#29866), or known and still without the role that is added to it by a call of its own
/// (hashicorp/terraform#2660, hashicorp/terraform#7938).
const NEW_PROFILE: &[RoleRefusal] = &[
    RoleRefusal {
        kind: FaultKind::RefuseRole,
        code: "ValidationError",
        message: "You must use a valid fully-formed launch template. Value for parameter iamInstanceProfile.arn is \
                  invalid. Invalid IAM Instance Profile ARN",
    },
    RoleRefusal {
        kind: FaultKind::EmptyProfile,
        code: "ValidationError",
        message: "You must use a valid fully-formed launch template. IAM Instance Profile of the launch template has no \
                  associated IAM Roles",
    },
];

/// A list that is answered page by page.
const fn pages(list: &'static str, max: usize, default: usize) -> Pages {
    Pages {
        token: "NextToken",
        limit: "MaxRecords",
        list,
        next: "NextToken",
        more: None,
        min: 1,
        max,
        default,
        refusal: Pages::violates_constraint,
    }
}

/// The structures of requests.
/// Instances are warm as soon as they are in service.
pub(super) const STRUCTURES: &[(&str, &str)] = &[
    ("Filters", "Name Values"),
    ("LaunchTemplate", "LaunchTemplateId LaunchTemplateName Version"),
    ("Preferences", "InstanceWarmup MinHealthyPercentage SkipMatching"),
    ("Tags", "Key PropagateAtLaunch ResourceId ResourceType Value"),
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CancelInstanceRefresh", "AutoScalingGroupName", refreshes::cancel),
    Operation::change(
        "CreateAutoScalingGroup",
        "AutoScalingGroupName LaunchTemplate MinSize MaxSize DesiredCapacity DefaultCooldown \
         AvailabilityZones HealthCheckType HealthCheckGracePeriod VPCZoneIdentifier TerminationPolicies \
         NewInstancesProtectedFromScaleIn CapacityRebalance Tags",
        groups::create,
    )
    .refusing_roles(NEW_PROFILE),
    Operation::change("CreateOrUpdateTags", "Tags", tags::create_or_update),
    Operation::change("DeleteAutoScalingGroup", "AutoScalingGroupName ForceDelete", groups::delete),
    Operation::change("DeleteTags", "Tags", tags::delete),
    Operation::read("DescribeAutoScalingGroups", "AutoScalingGroupNames IncludeInstances Filters", groups::describe)
        .paged(pages("AutoScalingGroups", 100, 50)),
    Operation::read("DescribeAutoScalingInstances", "InstanceIds", members::describe).paged(pages(
        "AutoScalingInstances",
        50,
        50,
    )),
    Operation::read("DescribeInstanceRefreshes", "AutoScalingGroupName InstanceRefreshIds", refreshes::describe)
        .paged(pages("InstanceRefreshes", 100, 50)),
    // No operation here makes one, nor can new accounts on AWS (User Guide, "Launch configurations").
    Operation::read("DescribeLaunchConfigurations", "LaunchConfigurationNames", |_, _| {
        Ok(json!({ "LaunchConfigurations": [] }))
    })
    .paged(pages("LaunchConfigurations", 100, 50)),
    Operation::read("DescribeLifecycleHooks", "AutoScalingGroupName LifecycleHookNames", groups::describe_hooks),
    Operation::read(
        "DescribeScalingActivities",
        "ActivityIds AutoScalingGroupName IncludeDeletedGroups Filters",
        activities::describe,
    )
    .paged(pages("Activities", 100, 100)),
    Operation::read("DescribeTags", "Filters", tags::describe).paged(pages("Tags", 100, 50)),
    Operation::change("DisableMetricsCollection", "AutoScalingGroupName Metrics", metrics::disable),
    Operation::change("EnableMetricsCollection", "AutoScalingGroupName Metrics Granularity", metrics::enable),
    Operation::change("ResumeProcesses", "AutoScalingGroupName ScalingProcesses", groups::resume_processes),
    Operation::change("SetDesiredCapacity", "AutoScalingGroupName DesiredCapacity", groups::set_desired_capacity),
    Operation::change(
        "SetInstanceProtection",
        "AutoScalingGroupName InstanceIds ProtectedFromScaleIn",
        members::set_protection,
    ),
    Operation::change("StartInstanceRefresh", "AutoScalingGroupName Strategy Preferences", refreshes::start),
    Operation::change("SuspendProcesses", "AutoScalingGroupName ScalingProcesses", groups::suspend_processes),
    Operation::change(
        "TerminateInstanceInAutoScalingGroup",
        "InstanceId ShouldDecrementDesiredCapacity",
        members::terminate,
    ),
    Operation::change(
        "UpdateAutoScalingGroup",
        "AutoScalingGroupName LaunchTemplate MinSize MaxSize DesiredCapacity DefaultCooldown \
         AvailabilityZones HealthCheckType HealthCheckGracePeriod VPCZoneIdentifier TerminationPolicies \
         NewInstancesProtectedFromScaleIn CapacityRebalance",
        groups::update,
    )
    .refusing_roles(NEW_PROFILE),
];
