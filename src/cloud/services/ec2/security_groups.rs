//! Security groups. Who may reach them is in [`super::rules`].

use serde_json::{Value, json};

use super::lacking_filters;
use super::permissions::{Direction, Peer, Permission};
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, find, invalid_value};
use super::rules::{self, Rule};
use super::{State, tags};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::LOWER;

#[derive(Clone, Debug)]
pub(super) struct SecurityGroup {
    pub(super) id: String,
    pub(super) name: String,
    description: String,
    pub(super) vpc_id: String,
    pub(super) rules: Vec<Rule>,
}

impl SecurityGroup {
    /// A new group lets everything out and nothing in.
    fn new(ids: &mut Ids, name: &str, description: &str, vpc_id: &str) -> Self {
        let mut group = Self {
            id: ids.ec2("sg"),
            name: name.to_owned(),
            description: description.to_owned(),
            vpc_id: vpc_id.to_owned(),
            rules: Vec::new(),
        };
        group.allow(ids, Permission::everything(Direction::Egress, Peer::Ipv4("0.0.0.0/0".to_owned())));
        group
    }

    /// The group that every VPC has: its members reach each other.
    pub(super) fn default_of_vpc(ids: &mut Ids, vpc_id: &str) -> Self {
        let mut group = Self::new(ids, "default", "default VPC security group", vpc_id);
        group.allow(ids, Permission::everything(Direction::Ingress, Peer::Group(group.id.clone())));
        group
    }

    fn allow(&mut self, ids: &mut Ids, permission: Permission) {
        self.rules.push(Rule { id: ids.ec2("sgr"), group_id: self.id.clone(), permission, description: None });
    }

    pub(super) fn is_default(&self) -> bool {
        self.name == "default"
    }
}

impl Resource for SecurityGroup {
    const KIND: Kind = Kind {
        prefix: "sg",
        resource_type: "security-group",
        malformed: "InvalidGroupId.Malformed",
        not_found: "InvalidGroup.NotFound",
        words: ("The security group '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[
        (lacking_filters::SECURITY_GROUPS, LACKING),
        ("group-id group-name owner-id vpc-id", NAMESAKE),
        ("description", "groupDescription"),
        ("egress.ip-permission.cidr", "ipPermissionsEgress.ipRanges.cidrIp"),
        ("egress.ip-permission.from-port", "ipPermissionsEgress.fromPort"),
        ("egress.ip-permission.group-id", "ipPermissionsEgress.groups.groupId"),
        ("egress.ip-permission.protocol", "ipPermissionsEgress.ipProtocol"),
        ("egress.ip-permission.to-port", "ipPermissionsEgress.toPort"),
        ("ip-permission.cidr", "ipPermissions.ipRanges.cidrIp"),
        ("ip-permission.from-port", "ipPermissions.fromPort"),
        ("ip-permission.group-id", "ipPermissions.groups.groupId"),
        ("ip-permission.protocol", "ipPermissions.ipProtocol"),
        ("ip-permission.to-port", "ipPermissions.toPort"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        json!({
            "groupId": self.id,
            "groupName": self.name,
            "groupDescription": self.description,
            "ownerId": ACCOUNT_ID,
            "vpcId": self.vpc_id,
            "securityGroupArn": arn(region, self),
            "ipPermissions": rules::ip_permissions(self, Direction::Ingress),
            "ipPermissionsEgress": rules::ip_permissions(self, Direction::Egress),
            "tagSet": region.ec2().tags.of(&self.id).to_list(LOWER),
        })
    }
}

/// A group of the default VPC by its name.
pub(super) fn by_name<'s>(state: &'s State, name: &str) -> Result<&'s SecurityGroup, AwsError> {
    let vpc_id = state.default_vpc()?.id.as_str();
    state.security_groups.iter().find(|group| group.vpc_id == vpc_id && group.name == name).ok_or_else(|| {
        AwsError::new(
            SecurityGroup::KIND.not_found,
            format!("The security group '{name}' does not exist in default VPC '{vpc_id}'"),
        )
    })
}

/// The group that a request names by ID, or by name in the default VPC.
pub(super) fn named<'s>(state: &'s State, params: Params<'_>) -> Result<&'s SecurityGroup, AwsError> {
    match (params.opt_str("GroupId"), params.opt_str("GroupName")) {
        (Some(id), _) => find(&state.security_groups, id),
        (None, Some(name)) => by_name(state, name),
        (None, None) => {
            Err(AwsError::new("MissingParameter", "The request must contain the parameter groupName or groupId"))
        }
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let state = region.ec2();
    let mut ids = params.strings("GroupId");
    for name in params.strings("GroupName") {
        ids.push(&by_name(state, name)?.id);
    }
    Ok(json!({ "securityGroupInfo": described(region, &state.security_groups, &ids, params)? }))
}

fn arn(region: &Region, group: &SecurityGroup) -> String {
    region.arn("ec2", &format!("security-group/{}", group.id))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::of_specifications(params, &SecurityGroup::KIND)?;
    let name = params.str("GroupName")?;
    let description = params.str("GroupDescription")?;
    check_text("GroupName", name)?;
    check_text("GroupDescription", description)?;
    if name.starts_with("sg-") {
        return Err(invalid_value("GroupName", name, "Group names may not be in the format sg-*."));
    }
    let vpc_id = match params.opt_str("VpcId") {
        Some(id) => find(&region.ec2().vpcs, id)?.id.clone(),
        None => region.ec2().default_vpc()?.id.clone(),
    };
    if name == "default" {
        return Err(invalid_value("GroupName", name, "Cannot use reserved security group name: default."));
    }
    if region.ec2().security_groups.iter().any(|group| group.vpc_id == vpc_id && group.name == name) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc_id}'");
        return Err(AwsError::new("InvalidGroup.Duplicate", message));
    }
    let group = SecurityGroup::new(&mut region.ids, name, description, &vpc_id);
    region.ec2_mut().tags.add(&group.id, tags);
    let answer = json!({
        "groupId": group.id,
        "tagSet": region.ec2().tags.of(&group.id).to_list(LOWER),
        "securityGroupArn": arn(region, &group),
    });
    region.ec2_mut().security_groups.push(group);
    Ok(answer)
}

/// Up to 255 characters of ASCII, of which not all.
fn check_text(parameter: &str, text: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if !text.is_ascii() {
        Err(invalid_value(parameter, text, "Character sets beyond ASCII are not supported."))
    } else if text.len() > 255 || !text.chars().all(allowed) {
        Err(AwsError::invalid_parameter(format!(
            "Invalid security group {parameter}. Valid values are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
        )))
    } else {
        Ok(())
    }
}

/// A group stays while interfaces hold it, or rules of other groups name it.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let state = region.ec2_mut();
    let group = named(state, params)?.clone();
    if group.is_default() {
        let message = format!("the specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.id);
        return Err(AwsError::new("CannotDelete", message));
    }
    let named_by_others = state
        .security_groups
        .iter()
        .filter(|other| other.id != group.id)
        .any(|other| other.rules.iter().any(|rule| rule.group_peer() == Some(&group.id)));
    let held = state.interfaces.iter().any(|interface| interface.security_groups.contains(&group.id));
    if named_by_others || held {
        return Err(AwsError::new("DependencyViolation", format!("resource {} has a dependent object", group.id)));
    }
    for rule in &group.rules {
        state.tags.forget(&rule.id);
    }
    state.tags.forget(&group.id);
    state.security_groups.retain(|other| other.id != group.id);
    Ok(json!({ "return": true, "groupId": group.id }))
}
