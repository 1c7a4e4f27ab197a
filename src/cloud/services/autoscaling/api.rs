//! The operations of Amazon EC2 Auto Scaling.

use super::{activities, groups, members, refreshes, tags};
use crate::cloud::service::Operation;

const INVALID_PROFILE: &str = "You must use a valid fully-formed launch template. Value for parameter \
                               iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CancelInstanceRefresh", "AutoScalingGroupName", refreshes::cancel),
    Operation::change(
        "CreateAutoScalingGroup",
        "AutoScalingGroupName LaunchTemplate MinSize MaxSize DesiredCapacity DefaultCooldown \
         AvailabilityZones LoadBalancerNames TargetGroupARNs HealthCheckType HealthCheckGracePeriod \
         VPCZoneIdentifier TerminationPolicies NewInstancesProtectedFromScaleIn CapacityRebalance Tags \
         ServiceLinkedRoleARN MaxInstanceLifetime DefaultInstanceWarmup TrafficSources",
        groups::create,
    )
    .refusing_role("ValidationError", INVALID_PROFILE),
    Operation::change("CreateOrUpdateTags", "Tags", tags::create_or_update),
    Operation::change("DeleteAutoScalingGroup", "AutoScalingGroupName ForceDelete", groups::delete),
    Operation::change("DeleteTags", "Tags", tags::delete),
    Operation::read("DescribeAutoScalingGroups", "AutoScalingGroupNames IncludeInstances", groups::describe),
    Operation::read("DescribeAutoScalingInstances", "InstanceIds", members::describe),
    Operation::read("DescribeInstanceRefreshes", "AutoScalingGroupName InstanceRefreshIds", refreshes::describe),
    Operation::read(
        "DescribeScalingActivities",
        "ActivityIds AutoScalingGroupName IncludeDeletedGroups Filters",
        activities::describe,
    ),
    Operation::read("DescribeTags", "Filters", tags::describe),
    Operation::change("ResumeProcesses", "AutoScalingGroupName ScalingProcesses", groups::resume_processes),
    Operation::change("SetDesiredCapacity", "AutoScalingGroupName DesiredCapacity", groups::set_desired_capacity),
    Operation::change(
        "StartInstanceRefresh",
        "AutoScalingGroupName Strategy DesiredConfiguration Preferences",
        refreshes::start,
    ),
    Operation::change("SuspendProcesses", "AutoScalingGroupName ScalingProcesses", groups::suspend_processes),
    Operation::change(
        "TerminateInstanceInAutoScalingGroup",
        "InstanceId InstanceIds AutoScalingGroupName ShouldDecrementDesiredCapacity",
        members::terminate,
    ),
    Operation::change(
        "UpdateAutoScalingGroup",
        "AutoScalingGroupName LaunchTemplate MinSize MaxSize DesiredCapacity DefaultCooldown \
         AvailabilityZones HealthCheckType HealthCheckGracePeriod VPCZoneIdentifier TerminationPolicies \
         NewInstancesProtectedFromScaleIn ServiceLinkedRoleARN MaxInstanceLifetime CapacityRebalance \
         DefaultInstanceWarmup",
        groups::update,
    )
    .refusing_role("ValidationError", INVALID_PROFILE),
];
