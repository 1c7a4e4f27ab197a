//! The operations of AWS IAM.

use serde_json::json;

use super::{instance_profiles, policies, roles, simulation};
use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

/// A list that is answered page by page (API Reference, "MaxItems").
const fn pages(list: &'static str) -> Pages {
    Pages {
        token: "Marker",
        limit: "MaxItems",
        list,
        next: "Marker",
        more: Some("IsTruncated"),
        min: 1,
        max: 1_000,
        default: 100,
        refusal: Pages::violates_constraint,
    }
}

/// The structures of requests.
/// The type of a context key is that of the operators that look at it: all values are texts here.
pub(super) const STRUCTURES: &[(&str, &str)] =
    &[("ContextEntries", "ContextKeyName ContextKeyType ContextKeyValues"), ("Tags", "Key Value")];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("AddRoleToInstanceProfile", "InstanceProfileName RoleName", instance_profiles::add_role),
    Operation::change("AttachRolePolicy", "RoleName PolicyArn", policies::attach),
    Operation::change("CreateInstanceProfile", "InstanceProfileName Path Tags", instance_profiles::create),
    Operation::change(
        "CreateRole",
        "Path RoleName AssumeRolePolicyDocument Description MaxSessionDuration Tags",
        roles::create,
    ),
    Operation::change("DeleteInstanceProfile", "InstanceProfileName", instance_profiles::delete),
    Operation::change("DeleteRole", "RoleName", roles::delete),
    Operation::change("DeleteRolePolicy", "RoleName PolicyName", policies::delete_inline),
    Operation::change("DetachRolePolicy", "RoleName PolicyArn", policies::detach),
    Operation::read("GetInstanceProfile", "InstanceProfileName", instance_profiles::get),
    Operation::read("GetRole", "RoleName", roles::get),
    Operation::read("GetRolePolicy", "RoleName PolicyName", policies::get_inline),
    // The account has no alias.
    Operation::read("ListAccountAliases", "", |_, _| Ok(json!({ "AccountAliases": [] })))
        .paged(pages("AccountAliases")),
    Operation::read("ListAttachedRolePolicies", "RoleName PathPrefix", policies::list_attached)
        .paged(pages("AttachedPolicies")),
    Operation::read("ListInstanceProfileTags", "InstanceProfileName", instance_profiles::list_tags)
        .paged(pages("Tags")),
    Operation::read("ListInstanceProfiles", "PathPrefix", instance_profiles::list).paged(pages("InstanceProfiles")),
    Operation::read("ListInstanceProfilesForRole", "RoleName", instance_profiles::list_for_role)
        .paged(pages("InstanceProfiles")),
    Operation::read("ListRolePolicies", "RoleName", policies::list_inline).paged(pages("PolicyNames")),
    Operation::read("ListRoleTags", "RoleName", roles::list_tags).paged(pages("Tags")),
    Operation::read("ListRoles", "PathPrefix", roles::list).paged(pages("Roles")),
    Operation::change("PutRolePolicy", "RoleName PolicyName PolicyDocument", policies::put_inline),
    Operation::change("RemoveRoleFromInstanceProfile", "InstanceProfileName RoleName", instance_profiles::remove_role),
    Operation::read(
        "SimulatePrincipalPolicy",
        "PolicySourceArn ActionNames ResourceArns ContextEntries",
        simulation::simulate,
    )
    .paged(pages("EvaluationResults")),
    Operation::change("TagInstanceProfile", "InstanceProfileName Tags", instance_profiles::tag),
    Operation::change("TagRole", "RoleName Tags", roles::tag),
    Operation::change("UntagInstanceProfile", "InstanceProfileName TagKeys", instance_profiles::untag),
    Operation::change("UntagRole", "RoleName TagKeys", roles::untag),
    Operation::change("UpdateRole", "RoleName Description MaxSessionDuration", roles::update),
];
