//! Instance profiles: what an instance is given, with at most one role in it.

use serde_json::{Value, json};

use super::roles::{self, Form};
use super::{Account, State, conflict, in_path, limits, no_such_entity, tags_answer};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::tags::{Tags, UPPER};
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Debug)]
pub(super) struct InstanceProfile {
    pub(super) name: String,
    id: String,
    pub(super) path: String,
    created: jiff::Timestamp,
    pub(super) role: Option<String>,
    pub(super) tags: Tags,
}

impl InstanceProfile {
    pub(super) fn new(ids: &mut Ids, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: format!("AIPA{}", ids.hex(17).to_uppercase()),
            path: "/".to_owned(),
            created: jiff::Timestamp::now(),
            role: None,
            tags: Tags::default(),
        }
    }

    fn wire(&self, iam: &State) -> Value {
        let role = self.role.as_ref().and_then(|name| iam.roles.get(name));
        json!({
            "Path": self.path,
            "InstanceProfileName": self.name,
            "InstanceProfileId": self.id,
            "Arn": format!("arn:aws:iam::{ACCOUNT_ID}:instance-profile{}{}", self.path, self.name),
            "CreateDate": timestamp(self.created),
            "Roles": role.into_iter().map(|role| role.wire(Form::Listed)).collect::<Value>(),
            "Tags": self.tags.to_list(UPPER),
        })
    }
}

pub(super) fn not_found(name: &str) -> AwsError {
    no_such_entity(format!("Instance Profile {name} cannot be found."))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let name = params.str("InstanceProfileName")?;
    let (iam, ids) = region.state_and_ids::<Account>();
    let mut iam = iam.lock();
    if iam.has_instance_profile(name) {
        return Err(conflict("EntityAlreadyExists", format!("Instance Profile {name} already exists.")));
    }
    let mut profile = InstanceProfile::new(ids, name);
    profile.path = params.opt_str("Path").unwrap_or("/").to_owned();
    profile.tags = limits::tags(params)?;
    let answer = profile.wire(&iam);
    iam.instance_profiles.insert(name.to_owned(), profile);
    Ok(json!({ "InstanceProfile": answer }))
}

pub(super) fn get(region: &Region, params: Params<'_>) -> Answer {
    let iam = region.iam();
    Ok(json!({ "InstanceProfile": iam.instance_profile(params)?.wire(&iam) }))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Answer {
    Ok(those(&region.iam(), |profile| in_path(&profile.path, params)))
}

pub(super) fn list_for_role(region: &Region, params: Params<'_>) -> Answer {
    let iam = region.iam();
    let role = iam.role(params)?;
    Ok(those(&iam, |profile| profile.role.as_ref() == Some(&role.name)))
}

fn those(iam: &State, are_wanted: impl Fn(&InstanceProfile) -> bool) -> Value {
    let profiles = iam.instance_profiles.values().filter(|profile| are_wanted(profile));
    json!({ "InstanceProfiles": profiles.map(|profile| profile.wire(iam)).collect::<Value>() })
}

pub(super) fn tag(region: &mut Region, params: Params<'_>) -> Answer {
    super::tag(&mut region.iam().instance_profile_mut(params)?.tags, params)
}

pub(super) fn untag(region: &mut Region, params: Params<'_>) -> Answer {
    super::untag(&mut region.iam().instance_profile_mut(params)?.tags, params)
}

pub(super) fn list_tags(region: &Region, params: Params<'_>) -> Answer {
    Ok(tags_answer(&region.iam().instance_profile(params)?.tags))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let profile = iam.instance_profile(params)?;
    if profile.role.is_some() {
        let message = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(conflict("DeleteConflict", message));
    }
    let name = profile.name.clone();
    iam.instance_profiles.remove(&name);
    Ok(Value::Null)
}

pub(super) fn add_role(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let role = iam.role(params)?.name.clone();
    let profile = iam.instance_profile_mut(params)?;
    if profile.role.is_some() {
        let message = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1";
        return Err(conflict("LimitExceeded", message));
    }
    profile.role = Some(role);
    Ok(Value::Null)
}

pub(super) fn remove_role(region: &mut Region, params: Params<'_>) -> Answer {
    let mut iam = region.iam();
    let role = params.str("RoleName")?;
    let profile = iam.instance_profile_mut(params)?;
    if profile.role.as_deref() != Some(role) {
        return Err(roles::not_found(role));
    }
    profile.role = None;
    Ok(Value::Null)
}
