//! Roles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::policies::{check_document, encoded};
use super::{Account, conflict, in_path, limits, no_such_entity, tags_answer};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::tags::{Tags, UPPER};
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: String,
    id: String,
    path: String,
    created: jiff::Timestamp,
    /// Who may act in the role.
    trust_policy: String,
    description: Option<String>,
    /// How many seconds a session in the role may last.
    max_session_duration: i64,
    /// The ARNs of the managed policies that are attached to the role.
    pub(super) attached: BTreeSet<String>,
    /// Documents of its own policies, by name.
    pub(super) inline: BTreeMap<String, String>,
    pub(super) tags: Tags,
}

impl Role {
    pub(super) fn new(ids: &mut Ids, name: &str, trust_policy: String) -> Self {
        Self {
            name: name.to_owned(),
            id: format!("AROA{}", ids.hex(17).to_uppercase()),
            path: "/".to_owned(),
            created: jiff::Timestamp::now(),
            trust_policy,
            description: None,
            max_session_duration: DEFAULT_SESSION_DURATION,
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            tags: Tags::default(),
        }
    }

    /// Attaches one of AWS's policies, given without the part that all have in common.
    pub(super) fn attach(&mut self, policy: &str) {
        self.attached.insert(super::policies::arn(policy));
    }

    pub(super) fn put_inline(&mut self, name: &str, document: String) {
        self.inline.insert(name.to_owned(), document);
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT_ID}:role{}{}", self.path, self.name)
    }

    /// As AWS answers (localstack/localstack, `test_iam.snapshot.json`, recorded on AWS). Nobody has acted in the role yet.
    pub(super) fn wire(&self, form: Form) -> Value {
        let has_tags = form != Form::Listed && self.tags.len() > 0;
        json!({
            "Path": self.path,
            "RoleName": self.name,
            "RoleId": self.id,
            "Arn": self.arn(),
            "CreateDate": timestamp(self.created),
            "AssumeRolePolicyDocument": encoded(&self.trust_policy),
            "Description": self.description,
            "MaxSessionDuration": (form != Form::Created).then_some(self.max_session_duration),
            "RoleLastUsed": if form == Form::Whole { json!({}) } else { Value::Null },
            "Tags": if has_tags { self.tags.to_list(UPPER) } else { Value::Null },
        })
    }
}

/// In seconds (API Reference, "CreateRole").
const DEFAULT_SESSION_DURATION: i64 = 3_600;

/// In which answer a role is told of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Created,
    Whole,
    Listed,
}

/// A trust policy for one of AWS's services.
pub(super) fn trusting(service: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }],
    })
    .to_string()
}

pub(super) fn not_found(name: &str) -> AwsError {
    no_such_entity(format!("The role with name {name} cannot be found."))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let name = params.str("RoleName")?;
    let trust_policy = params.str("AssumeRolePolicyDocument")?;
    check_document(trust_policy)?;
    let (iam, ids) = region.state_and_ids::<Account>();
    let mut iam = iam.lock();
    if iam.has_role(name) {
        return Err(conflict("EntityAlreadyExists", format!("Role with name {name} already exists.")));
    }
    let mut role = Role::new(ids, name, trust_policy.to_owned());
    role.path = params.opt_str("Path").unwrap_or("/").to_owned();
    role.description = params.opt_str("Description").map(str::to_owned);
    role.max_session_duration = params.opt_int("MaxSessionDuration")?.unwrap_or(role.max_session_duration);
    role.tags = limits::tags(params)?;
    let answer = role.wire(Form::Created);
    iam.roles.insert(name.to_owned(), role);
    Ok(json!({ "Role": answer }))
}

pub(super) fn get(region: &Region, params: Params<'_>) -> Answer {
    Ok(json!({ "Role": region.iam().role(params)?.wire(Form::Whole) }))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Answer {
    let iam = region.iam();
    let roles = iam.roles.values().filter(|role| in_path(&role.path, params));
    Ok(json!({ "Roles": roles.map(|role| role.wire(Form::Listed)).collect::<Value>() }))
}

/// A duration that is not given becomes the default again (API Reference, "UpdateRole"); a description stays.
pub(super) fn update(region: &mut Region, params: Params<'_>) -> Answer {
    let duration = params.opt_int("MaxSessionDuration")?.unwrap_or(DEFAULT_SESSION_DURATION);
    let mut iam = region.iam();
    let role = iam.role_mut(params)?;
    role.max_session_duration = duration;
    if let Some(description) = params.map().get("Description").and_then(Value::as_str) {
        role.description = Some(description.to_owned()).filter(|text| !text.is_empty());
    }
    Ok(json!({}))
}

pub(super) fn tag(region: &mut Region, params: Params<'_>) -> Answer {
    super::tag(&mut region.iam().role_mut(params)?.tags, params)
}

pub(super) fn untag(region: &mut Region, params: Params<'_>) -> Answer {
    super::untag(&mut region.iam().role_mut(params)?.tags, params)
}

pub(super) fn list_tags(region: &Region, params: Params<'_>) -> Answer {
    Ok(tags_answer(&region.iam().role(params)?.tags))
}

/// A role goes only when it is nobody's and has no policies any more.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let role = iam.role(params)?;
    let held = iam.instance_profiles.values().any(|profile| profile.role.as_ref() == Some(&role.name));
    let first = if held {
        "remove roles from instance profile"
    } else if !role.attached.is_empty() {
        "detach all policies"
    } else if !role.inline.is_empty() {
        "delete policies"
    } else {
        let name = role.name.clone();
        iam.roles.remove(&name);
        return Ok(Value::Null);
    };
    Err(conflict("DeleteConflict", format!("Cannot delete entity, must {first} first.")))
}
