//! The operations of AWS IAM.

use serde_json::Value;

use super::{Account, in_path, requested_tags, tags_answer, untag};
use super::{instance_profiles, policies, roles, simulation};
use crate::cloud::service::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("AddRoleToInstanceProfile", "InstanceProfileName RoleName", |region, params| {
        instance_profiles::add_role(&mut region.iam(), params)
    }),
    Operation::change("AttachRolePolicy", "RoleName PolicyArn", |region, params| {
        policies::attach(&mut region.iam(), params)
    }),
    Operation::change("CreateInstanceProfile", "InstanceProfileName Path Tags", |region, params| {
        let (account, ids) = region.state_and_ids::<Account>();
        instance_profiles::create(&mut account.lock(), ids, params)
    }),
    Operation::change(
        "CreateRole",
        "Path RoleName AssumeRolePolicyDocument Description MaxSessionDuration Tags",
        |region, params| {
            let (account, ids) = region.state_and_ids::<Account>();
            roles::create(&mut account.lock(), ids, params)
        },
    ),
    Operation::change("DeleteInstanceProfile", "InstanceProfileName", |region, params| {
        instance_profiles::delete(&mut region.iam(), params)
    }),
    Operation::change("DeleteRole", "RoleName", |region, params| roles::delete(&mut region.iam(), params)),
    Operation::change("DeleteRolePolicy", "RoleName PolicyName", |region, params| {
        policies::delete_inline(&mut region.iam(), params)
    }),
    Operation::change("DetachRolePolicy", "RoleName PolicyArn", |region, params| {
        policies::detach(&mut region.iam(), params)
    }),
    Operation::read("GetInstanceProfile", "InstanceProfileName", |region, params| {
        instance_profiles::get(&region.iam(), params)
    }),
    Operation::read("GetRole", "RoleName", |region, params| roles::get(&region.iam(), params)),
    Operation::read("GetRolePolicy", "RoleName PolicyName", |region, params| {
        policies::get_inline(&region.iam(), params)
    }),
    Operation::read("ListAttachedRolePolicies", "RoleName PathPrefix", |region, params| {
        policies::list_attached(&region.iam(), params)
    }),
    Operation::read("ListInstanceProfileTags", "InstanceProfileName", |region, params| {
        Ok(tags_answer(&region.iam().instance_profile(params)?.tags))
    }),
    Operation::read("ListInstanceProfiles", "PathPrefix", |region, params| {
        Ok(instance_profiles::list(&region.iam(), |profile| in_path(&profile.path, params)))
    }),
    Operation::read("ListInstanceProfilesForRole", "RoleName", |region, params| {
        instance_profiles::list_for_role(&region.iam(), params)
    }),
    Operation::read("ListRolePolicies", "RoleName", |region, params| policies::list_inline(&region.iam(), params)),
    Operation::read("ListRoleTags", "RoleName", |region, params| Ok(tags_answer(&region.iam().role(params)?.tags))),
    Operation::read("ListRoles", "PathPrefix", |region, params| Ok(roles::list(&region.iam(), params))),
    Operation::change("PutRolePolicy", "RoleName PolicyName PolicyDocument", |region, params| {
        policies::put_inline(&mut region.iam(), params)
    }),
    Operation::change("RemoveRoleFromInstanceProfile", "InstanceProfileName RoleName", |region, params| {
        instance_profiles::remove_role(&mut region.iam(), params)
    }),
    Operation::read(
        "SimulatePrincipalPolicy",
        "PolicySourceArn ActionNames ResourceArns ContextEntries MaxItems Marker",
        |region, params| simulation::simulate(&region.iam(), params),
    ),
    Operation::change("TagInstanceProfile", "InstanceProfileName Tags", |region, params| {
        region.iam().instance_profile_mut(params)?.tags.extend(requested_tags(params)?);
        Ok(Value::Null)
    }),
    Operation::change("TagRole", "RoleName Tags", |region, params| {
        region.iam().role_mut(params)?.tags.extend(requested_tags(params)?);
        Ok(Value::Null)
    }),
    Operation::change("UntagInstanceProfile", "InstanceProfileName TagKeys", |region, params| {
        untag(&mut region.iam().instance_profile_mut(params)?.tags, params);
        Ok(Value::Null)
    }),
    Operation::change("UntagRole", "RoleName TagKeys", |region, params| {
        untag(&mut region.iam().role_mut(params)?.tags, params);
        Ok(Value::Null)
    }),
];
