//! The rules of security groups: who may reach, or be reached, and over which ports.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::permissions::{Direction, Peer, Permission, checked_description, requested};
use super::resources::{Filter, Kind, NAMESAKE, Resource, described, find, find_mut};
use super::security_groups::SecurityGroup;
use super::{security_groups, tags};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::LOWER;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) group_id: String,
    pub(super) permission: Permission,
    pub(super) description: Option<String>,
}

impl Rule {
    pub(super) fn group_peer(&self) -> Option<&str> {
        match &self.permission.peer {
            Peer::Group(id) => Some(id),
            _ => None,
        }
    }

    fn is_egress(&self) -> bool {
        self.permission.direction == Direction::Egress
    }
}

impl Resource for Rule {
    const KIND: Kind = Kind {
        prefix: "sgr",
        resource_type: "security-group-rule",
        malformed: "InvalidSecurityGroupRuleId.Malformed",
        not_found: "InvalidSecurityGroupRuleId.NotFound",
        words: ("The security group rule ID '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[("group-id security-group-rule-id", NAMESAKE)];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        let mut wire = revoked_wire(self);
        wire["referencedGroupId"] = Value::Null;
        wire["referencedGroupInfo"] =
            self.group_peer().map_or(Value::Null, |id| json!({ "groupId": id, "userId": ACCOUNT_ID }));
        wire["groupOwnerId"] = json!(ACCOUNT_ID);
        wire["tagSet"] = region.ec2().tags.of(&self.id).to_list(LOWER);
        wire["securityGroupRuleArn"] = json!(region.arn("ec2", &format!("security-group-rule/{}", self.id)));
        wire
    }
}

/// A revoked rule, of which answers say less.
fn revoked_wire(rule: &Rule) -> Value {
    let permission = &rule.permission;
    let mut wire = json!({
        "securityGroupRuleId": rule.id,
        "groupId": rule.group_id,
        "isEgress": rule.is_egress(),
        "ipProtocol": permission.protocol,
        "fromPort": permission.from_port.unwrap_or(-1),
        "toPort": permission.to_port.unwrap_or(-1),
        "description": rule.description,
    });
    let (member, peer) = match &permission.peer {
        Peer::Ipv4(cidr) => ("cidrIpv4", cidr),
        Peer::Ipv6(cidr) => ("cidrIpv6", cidr),
        Peer::PrefixList(id) => ("prefixListId", id),
        Peer::Group(id) => ("referencedGroupId", id),
    };
    wire[member] = json!(peer);
    wire
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    for filter in params.objects("Filter").into_iter().filter(|filter| filter.opt_str("Name") == Some("group-id")) {
        let is_pattern = |id: &&str| id.contains(['*', '?']);
        for id in filter.strings("Value").into_iter().filter(|id| !is_pattern(id)) {
            SecurityGroup::KIND
                .check(id)
                .map_err(|error| AwsError::new(&error.code, format!("The security group ID '{id}' is malformed")))?;
        }
    }
    let rules = described(region, &region.ec2().rules(), &params.strings("SecurityGroupRuleId"), params)?;
    Ok(json!({ "securityGroupRuleSet": rules }))
}

pub(super) fn authorize(region: &mut Region, direction: Direction, params: Params<'_>) -> Answer {
    let tags = tags::of_specifications(params, &Rule::KIND)?;
    let group = security_groups::named(region.ec2(), params)?;
    let wanted = requested(region.ec2(), direction, params)?;
    if let Some((there, _)) =
        wanted.iter().find(|(permission, _)| group.rules.iter().any(|rule| rule.permission == *permission))
    {
        let message = format!("the specified rule \"{}\" already exists", there.words());
        return Err(AwsError::new("InvalidPermission.Duplicate", message));
    }
    check_number(group, direction, &wanted)?;
    let group_id = group.id.clone();
    let rules: Vec<Rule> = wanted
        .into_iter()
        .map(|(permission, description)| Rule {
            id: region.ids.ec2("sgr"),
            group_id: group_id.clone(),
            permission,
            description,
        })
        .collect();
    for rule in &rules {
        region.ec2_mut().tags.add(&rule.id, tags.clone());
    }
    let answer: Value = rules.iter().map(|rule| rule.wire(region)).collect();
    find_mut(&mut region.ec2_mut().security_groups, &group_id)?.rules.extend(rules);
    Ok(json!({ "return": true, "securityGroupRuleSet": answer }))
}

/// Rules of one direction that a group may have, for IPv4 and for IPv6 each; others count for both (VPC User Guide, "Amazon VPC
/// quotas", L-0EA8095F).
const MAX_RULES: usize = 60;

fn check_number(
    group: &SecurityGroup,
    direction: Direction,
    wanted: &[(Permission, Option<String>)],
) -> Result<(), AwsError> {
    let there = group.rules.iter().map(|rule| &rule.permission).filter(|permission| permission.direction == direction);
    let all: Vec<_> = there.chain(wanted.iter().map(|(permission, _)| permission)).collect();
    let count = |other: fn(&Peer) -> bool| all.iter().filter(|permission| !other(&permission.peer)).count();
    if count(|peer| matches!(peer, Peer::Ipv6(_))) > MAX_RULES
        || count(|peer| matches!(peer, Peer::Ipv4(_))) > MAX_RULES
    {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(AwsError::new("RulesPerSecurityGroupLimitExceeded", message));
    }
    Ok(())
}

/// In a default VPC, rules that are not there are passed over, and told (EC2 API Reference, `RevokeSecurityGroupIngress`).
pub(super) fn revoke(region: &mut Region, direction: Direction, params: Params<'_>) -> Answer {
    let group = security_groups::named(region.ec2(), params)?;
    let ids = params.strings("SecurityGroupRuleId");
    let (mut doomed, mut unknown): (Vec<Rule>, Vec<Permission>) = (vec![], vec![]);
    if ids.is_empty() {
        for (permission, _) in requested(region.ec2(), direction, params)? {
            match group.rules.iter().find(|rule| rule.permission == permission) {
                Some(rule) => doomed.push(rule.clone()),
                None => unknown.push(permission),
            }
        }
    } else {
        doomed = ids.into_iter().map(|id| find(&group.rules, id).cloned()).collect::<Result<_, _>>()?;
    }
    let in_default_vpc = region.ec2().vpcs.iter().any(|vpc| vpc.id == group.vpc_id && vpc.is_default);
    if !unknown.is_empty() && !in_default_vpc {
        return Err(no_such_rule());
    }
    let group_id = group.id.clone();
    let state = region.ec2_mut();
    for rule in &doomed {
        state.tags.forget(&rule.id);
    }
    find_mut(&mut state.security_groups, &group_id)?.rules.retain(|rule| !doomed.iter().any(|gone| gone.id == rule.id));
    let unknown = (!unknown.is_empty()).then(|| gathered(unknown.iter().map(|permission| (permission, None))));
    Ok(json!({
        "return": true,
        "unknownIpPermissionSet": unknown,
        "revokedSecurityGroupRuleSet": doomed.iter().map(revoked_wire).collect::<Value>(),
    }))
}

fn no_such_rule() -> AwsError {
    AwsError::new("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

/// Gives rules another description, or none; all that a request names, or none of them.
pub(super) fn describe_anew(region: &mut Region, direction: Direction, params: Params<'_>) -> Answer {
    let group = security_groups::named(region.ec2(), params)?;
    let by_id = params.objects("SecurityGroupRuleDescription");
    if by_id.is_empty() == params.objects("IpPermissions").is_empty() {
        let message = "The request must contain either the parameter ipPermissions or securityGroupRuleDescriptions";
        return Err(AwsError::new("MissingParameter", message));
    }
    let mut described = Vec::new();
    for entry in by_id {
        let rule = find(&group.rules, entry.str("SecurityGroupRuleId")?)?;
        if rule.permission.direction != direction {
            return Err(no_such_rule());
        }
        described.push((rule.id.clone(), checked_description(entry)?));
    }
    if described.is_empty() {
        for (permission, description) in requested(region.ec2(), direction, params)? {
            let rule = group.rules.iter().find(|rule| rule.permission == permission).ok_or_else(no_such_rule)?;
            described.push((rule.id.clone(), description));
        }
    }
    let group_id = group.id.clone();
    let rules = &mut find_mut(&mut region.ec2_mut().security_groups, &group_id)?.rules;
    for (id, description) in described {
        find_mut(rules, &id)?.description = description;
    }
    Ok(json!({ "return": true }))
}

/// The rules of one direction as DescribeSecurityGroups lists them.
pub(super) fn ip_permissions(group: &SecurityGroup, direction: Direction) -> Value {
    let rules = group.rules.iter().filter(|rule| rule.permission.direction == direction);
    gathered(rules.map(|rule| (&rule.permission, rule.description.as_ref())))
}

/// Peers under their protocol and ports.
fn gathered<'p>(permissions: impl Iterator<Item = (&'p Permission, Option<&'p String>)>) -> Value {
    let mut gathered: BTreeMap<_, [Vec<Value>; 4]> = BTreeMap::new();
    for (permission, description) in permissions {
        let [groups, ipv4, ipv6, prefix_lists] =
            gathered.entry((&permission.protocol, permission.from_port, permission.to_port)).or_default();
        match &permission.peer {
            Peer::Group(id) => {
                groups.push(json!({ "groupId": id, "userId": ACCOUNT_ID, "description": description }));
            }
            Peer::Ipv4(cidr) => ipv4.push(json!({ "cidrIp": cidr, "description": description })),
            Peer::Ipv6(cidr) => ipv6.push(json!({ "cidrIpv6": cidr, "description": description })),
            Peer::PrefixList(id) => prefix_lists.push(json!({ "prefixListId": id, "description": description })),
        }
    }
    gathered
        .into_iter()
        .map(|((protocol, from_port, to_port), [groups, ipv4, ipv6, prefix_lists])| {
            json!({
                "ipProtocol": protocol,
                "fromPort": from_port,
                "toPort": to_port,
                "groups": groups,
                "ipRanges": ipv4,
                "ipv6Ranges": ipv6,
                "prefixListIds": prefix_lists,
            })
        })
        .collect()
}
