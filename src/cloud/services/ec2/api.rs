//! The operations of Amazon EC2.

use super::permissions::Direction;
use super::{
    flow_logs, gateways, images, instance_types, instances, interfaces, key_pairs, launch_templates, route_tables,
    rules, security_groups, subnets, tags, vpcs, zones,
};
use crate::cloud::faults::{FaultKind, RoleRefusal};
use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

/// A list of up to so many items that is answered page by page.
const fn pages(list: &'static str, max: usize) -> Pages {
    Pages {
        token: "NextToken",
        limit: "MaxResults",
        list,
        next: "nextToken",
        more: None,
        min: 5,
        max,
        default: max,
        refusal: |pages, size| {
            let bound = if size < 5 { "greater than 5".to_owned() } else { format!("less than {}", pages.max) };
            format!("Value ( {size} ) for parameter maxResults is invalid. Expecting a value {bound}.")
        },
    }
}

/// Launch templates are listed in pages of their own kind.
const fn template_pages(list: &'static str) -> Pages {
    Pages { min: 1, refusal: |_, _| "Maximum results allowed are between 1 and 200".to_owned(), ..pages(list, 200) }
}

/// The structures of requests.
/// `LaunchTemplateData` has what a launch heeds, and the first few, which concern what never happens to an instance here (it is
/// not logged in to, stopped, or shut down from within).
pub(super) const STRUCTURES: &[(&str, &str)] = &[
    ("Filter", "Name Value"),
    ("Groups", "GroupId GroupName UserId Description"),
    ("IamInstanceProfile", "Arn Name"),
    ("InstanceMarketOptions", "MarketType"),
    ("IpPermissions", "IpProtocol FromPort ToPort Groups IpRanges Ipv6Ranges PrefixListIds"),
    ("IpRanges", "CidrIp Description"),
    ("Ipv6Ranges", "CidrIpv6 Description"),
    (
        "LaunchTemplateData",
        "DisableApiStop InstanceInitiatedShutdownBehavior KeyName DisableApiTermination IamInstanceProfile ImageId \
         InstanceMarketOptions InstanceType MetadataOptions NetworkInterface SecurityGroup SecurityGroupId \
         TagSpecification UserData",
    ),
    ("MapPublicIpOnLaunch", "Value"),
    ("MetadataOptions", "HttpEndpoint HttpProtocolIpv6 HttpPutResponseHopLimit HttpTokens InstanceMetadataTags"),
    ("NetworkInterface", "AssociatePublicIpAddress DeleteOnTermination DeviceIndex SecurityGroupId"),
    ("PrefixListIds", "PrefixListId Description"),
    ("SecurityGroupRuleDescription", "SecurityGroupRuleId Description"),
    ("Tag", "Key Value"),
    ("TagSpecification", "ResourceType Tag"),
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("AssociateRouteTable", "RouteTableId SubnetId", route_tables::associate),
    Operation::change("AttachInternetGateway", "InternetGatewayId VpcId", gateways::attach),
    Operation::change("AuthorizeSecurityGroupEgress", "GroupId IpPermissions TagSpecification", |region, params| {
        rules::authorize(region, Direction::Egress, params)
    }),
    Operation::change(
        "AuthorizeSecurityGroupIngress",
        "GroupId GroupName IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName TagSpecification",
        |region, params| rules::authorize(region, Direction::Ingress, params),
    ),
    Operation::change("CopyImage", "ClientToken Name Description SourceImageId SourceRegion", images::copy),
    Operation::change("CreateDefaultSubnet", "AvailabilityZone AvailabilityZoneId", subnets::create_default),
    Operation::change(
        "CreateFlowLogs",
        "ClientToken DeliverLogsPermissionArn LogGroupName ResourceId ResourceType TrafficType LogDestinationType LogFormat \
         TagSpecification MaxAggregationInterval",
        flow_logs::create,
    ),
    Operation::change("CreateInternetGateway", "TagSpecification", gateways::create),
    Operation::change(
        "CreateLaunchTemplate",
        "ClientToken LaunchTemplateName VersionDescription LaunchTemplateData TagSpecification",
        launch_templates::create,
    )
    .refusing_roles(&[RoleRefusal {
        kind: FaultKind::RefuseRole,
        code: "InvalidParameterValue",
        message: "Value for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
    }]),
    Operation::change(
        "CreateLaunchTemplateVersion",
        "ClientToken LaunchTemplateId LaunchTemplateName SourceVersion VersionDescription LaunchTemplateData",
        launch_templates::create_version,
    ),
    Operation::change("CreateRoute", "RouteTableId DestinationCidrBlock GatewayId", route_tables::create_route),
    Operation::change("CreateRouteTable", "ClientToken VpcId TagSpecification", route_tables::create),
    Operation::change(
        "CreateSecurityGroup",
        "GroupDescription GroupName VpcId TagSpecification",
        security_groups::create,
    ),
    Operation::change(
        "CreateSubnet",
        "AvailabilityZone AvailabilityZoneId CidrBlock VpcId TagSpecification",
        subnets::create,
    ),
    Operation::change("CreateTags", "ResourceId Tag", tags::create),
    Operation::change("DeleteFlowLogs", "FlowLogId", flow_logs::delete),
    Operation::change("DeleteInternetGateway", "InternetGatewayId", gateways::delete),
    Operation::change("DeleteLaunchTemplate", "LaunchTemplateId LaunchTemplateName", launch_templates::delete),
    Operation::change(
        "DeleteLaunchTemplateVersions",
        "LaunchTemplateId LaunchTemplateName LaunchTemplateVersion",
        launch_templates::delete_versions,
    ),
    Operation::change("DeleteRoute", "RouteTableId DestinationCidrBlock", route_tables::delete_route),
    Operation::change("DeleteRouteTable", "RouteTableId", route_tables::delete),
    Operation::change("DeleteSecurityGroup", "GroupId GroupName", security_groups::delete),
    Operation::change("DeleteSubnet", "SubnetId", subnets::delete),
    Operation::change("DeleteTags", "ResourceId Tag", tags::delete),
    Operation::change("DeleteVpc", "VpcId", vpcs::delete),
    Operation::read("DescribeAccountAttributes", "AttributeName", vpcs::describe_account_attributes),
    // All zones are opted in to, so `AllAvailabilityZones` adds none.
    Operation::read("DescribeAvailabilityZones", "ZoneName ZoneId Filter AllAvailabilityZones", zones::describe),
    // No image here is deprecated or disabled, so the last two add none.
    Operation::read("DescribeImages", "ImageId Owner Filter IncludeDeprecated IncludeDisabled", images::describe)
        .paged(pages("imagesSet", 1_000)),
    Operation::read("DescribeInstanceStatus", "InstanceId IncludeAllInstances Filter", instances::describe_status)
        .paged(pages("instanceStatusSet", 1_000)),
    Operation::read("DescribeInstanceTypeOfferings", "LocationType Filter", instance_types::describe_offerings)
        .paged(pages("instanceTypeOfferingSet", 1_000)),
    Operation::read("DescribeInstanceTypes", "InstanceType Filter", |_, params| instance_types::describe(params))
        .paged(pages("instanceTypeSet", 100)),
    Operation::read("DescribeInstances", "InstanceId Filter", instances::describe)
        .paged(pages("reservationSet", 1_000)),
    Operation::read("DescribeFlowLogs", "FlowLogId Filter", flow_logs::describe)
        .paged(Pages { min: 1, ..pages("flowLogSet", 1_000) }),
    Operation::read("DescribeInternetGateways", "InternetGatewayId Filter", gateways::describe)
        .paged(pages("internetGatewaySet", 1_000)),
    Operation::read("DescribeKeyPairs", "KeyName KeyPairId Filter", key_pairs::describe),
    Operation::read(
        "DescribeLaunchTemplateVersions",
        "LaunchTemplateId LaunchTemplateName LaunchTemplateVersion MinVersion MaxVersion Filter ResolveAlias",
        launch_templates::describe_versions,
    )
    .paged(template_pages("launchTemplateVersionSet")),
    Operation::read(
        "DescribeLaunchTemplates",
        "LaunchTemplateId LaunchTemplateName Filter",
        launch_templates::describe,
    )
    .paged(template_pages("launchTemplates")),
    Operation::read("DescribeNetworkInterfaces", "NetworkInterfaceId Filter", interfaces::describe)
        .paged(pages("networkInterfaceSet", 1_000)),
    // All regions here are enabled, so `AllRegions` adds none.
    Operation::read("DescribeRegions", "RegionName Filter AllRegions", |_, params| zones::describe_regions(params)),
    Operation::read("DescribeRouteTables", "RouteTableId Filter", route_tables::describe)
        .paged(pages("routeTableSet", 100)),
    Operation::read("DescribeSecurityGroupRules", "SecurityGroupRuleId Filter", rules::describe)
        .paged(pages("securityGroupRuleSet", 1_000)),
    Operation::read("DescribeSecurityGroups", "GroupId GroupName Filter", security_groups::describe)
        .paged(pages("securityGroupInfo", 1_000)),
    Operation::read("DescribeSubnets", "SubnetId Filter", subnets::describe).paged(pages("subnetSet", 1_000)),
    Operation::read("DescribeTags", "Filter", tags::describe).paged(pages("tagSet", 1_000)),
    Operation::read("DescribeVpcAttribute", "Attribute VpcId", vpcs::describe_attribute),
    Operation::read("DescribeVpcs", "VpcId Filter", vpcs::describe).paged(pages("vpcSet", 1_000)),
    Operation::change("DetachInternetGateway", "InternetGatewayId VpcId", gateways::detach),
    Operation::change("DisassociateRouteTable", "AssociationId", route_tables::disassociate),
    // To repeat it changes nothing, with `ClientToken` or without.
    Operation::change(
        "ModifyLaunchTemplate",
        "ClientToken LaunchTemplateId LaunchTemplateName SetDefaultVersion",
        launch_templates::modify,
    ),
    Operation::change("ModifySubnetAttribute", "MapPublicIpOnLaunch SubnetId", subnets::modify_attribute)
        .without_common_parameters(),
    Operation::change("ReplaceRoute", "RouteTableId DestinationCidrBlock GatewayId", route_tables::replace_route),
    Operation::change("RevokeSecurityGroupEgress", "GroupId IpPermissions SecurityGroupRuleId", |region, params| {
        rules::revoke(region, Direction::Egress, params)
    }),
    Operation::change(
        "RevokeSecurityGroupIngress",
        "GroupId GroupName IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName \
         SecurityGroupRuleId",
        |region, params| rules::revoke(region, Direction::Ingress, params),
    ),
    Operation::change("TerminateInstances", "InstanceId", instances::terminate_requested),
    Operation::change(
        "UpdateSecurityGroupRuleDescriptionsEgress",
        "GroupId GroupName IpPermissions SecurityGroupRuleDescription",
        |region, params| rules::describe_anew(region, Direction::Egress, params),
    ),
    Operation::change(
        "UpdateSecurityGroupRuleDescriptionsIngress",
        "GroupId GroupName IpPermissions SecurityGroupRuleDescription",
        |region, params| rules::describe_anew(region, Direction::Ingress, params),
    ),
];
