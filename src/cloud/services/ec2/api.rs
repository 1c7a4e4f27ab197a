//! The operations of Amazon EC2.

use super::permissions::Direction;
use super::{
    gateways, images, instance_types, instances, interfaces, launch_templates, rules, security_groups, subnets, tags,
    vpcs, zones,
};
use crate::cloud::service::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change(
        "AuthorizeSecurityGroupEgress",
        "GroupId GroupName IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName \
         SourceSecurityGroupOwnerId TagSpecification",
        |region, params| rules::authorize(region, Direction::Egress, params),
    ),
    Operation::change(
        "AuthorizeSecurityGroupIngress",
        "GroupId GroupName IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName \
         SourceSecurityGroupOwnerId TagSpecification",
        |region, params| rules::authorize(region, Direction::Ingress, params),
    ),
    Operation::change(
        "CreateLaunchTemplate",
        "ClientToken LaunchTemplateName VersionDescription",
        launch_templates::create,
    )
    .refusing_role(
        "InvalidParameterValue",
        "Value for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
    ),
    Operation::change(
        "CreateLaunchTemplateVersion",
        "ClientToken LaunchTemplateId LaunchTemplateName SourceVersion VersionDescription",
        launch_templates::create_version,
    ),
    Operation::change("CreateSecurityGroup", "GroupDescription GroupName VpcId", security_groups::create),
    Operation::change("CreateSubnet", "AvailabilityZone AvailabilityZoneId CidrBlock VpcId", subnets::create),
    Operation::change("CreateTags", "ResourceId Tag", tags::create),
    Operation::change("DeleteInternetGateway", "InternetGatewayId", gateways::delete),
    Operation::change("DeleteLaunchTemplate", "LaunchTemplateId LaunchTemplateName", launch_templates::delete),
    Operation::change("DeleteSecurityGroup", "GroupId GroupName", security_groups::delete),
    Operation::change("DeleteSubnet", "SubnetId", subnets::delete),
    Operation::change("DeleteTags", "ResourceId Tag", tags::delete),
    Operation::change("DeleteVpc", "VpcId", vpcs::delete),
    Operation::read("DescribeAccountAttributes", "AttributeName", vpcs::describe_account_attributes),
    Operation::read("DescribeAvailabilityZones", "ZoneName ZoneId", zones::describe),
    Operation::read("DescribeImages", "ImageId Owner", images::describe),
    Operation::read("DescribeInstanceStatus", "InstanceId IncludeAllInstances", instances::describe_status),
    Operation::read("DescribeInstanceTypeOfferings", "LocationType", instance_types::describe_offerings),
    Operation::read("DescribeInstanceTypes", "InstanceType", |_, params| instance_types::describe(params)),
    Operation::read("DescribeInstances", "InstanceId", instances::describe),
    Operation::read("DescribeInternetGateways", "InternetGatewayId", gateways::describe),
    Operation::read(
        "DescribeLaunchTemplateVersions",
        "LaunchTemplateId LaunchTemplateName LaunchTemplateVersion MinVersion MaxVersion",
        launch_templates::describe_versions,
    ),
    Operation::read("DescribeLaunchTemplates", "LaunchTemplateId LaunchTemplateName", launch_templates::describe),
    Operation::read("DescribeNetworkInterfaces", "NetworkInterfaceId", interfaces::describe),
    Operation::read("DescribeRegions", "RegionName", |_, params| zones::describe_regions(params)),
    Operation::read("DescribeRouteTables", "RouteTableId", gateways::describe_route_tables),
    Operation::read("DescribeSecurityGroupRules", "SecurityGroupRuleId", rules::describe),
    Operation::read("DescribeSecurityGroups", "GroupId GroupName", security_groups::describe),
    Operation::read("DescribeSubnets", "SubnetId", subnets::describe),
    Operation::read("DescribeTags", "", tags::describe),
    Operation::read("DescribeVpcAttribute", "Attribute VpcId", vpcs::describe_attribute),
    Operation::read("DescribeVpcs", "VpcId", vpcs::describe),
    Operation::change("DetachInternetGateway", "InternetGatewayId VpcId", gateways::detach),
    Operation::change(
        "ModifyLaunchTemplate",
        "ClientToken LaunchTemplateId LaunchTemplateName SetDefaultVersion",
        launch_templates::modify,
    ),
    Operation::change("ModifySubnetAttribute", "MapPublicIpOnLaunch SubnetId", subnets::modify_attribute),
    Operation::change(
        "RevokeSecurityGroupEgress",
        "GroupId GroupName IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName \
         SourceSecurityGroupOwnerId SecurityGroupRuleId",
        |region, params| rules::revoke(region, Direction::Egress, params),
    ),
    Operation::change(
        "RevokeSecurityGroupIngress",
        "GroupId GroupName IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName \
         SourceSecurityGroupOwnerId SecurityGroupRuleId",
        |region, params| rules::revoke(region, Direction::Ingress, params),
    ),
    Operation::change("TerminateInstances", "InstanceId", instances::terminate_requested),
];
