//! The operations of AWS IAM.

use super::{Account, in_path, tag, tags_answer, untag};
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
    })
    .paged(pages("AttachedPolicies")),
    Operation::read("ListInstanceProfileTags", "InstanceProfileName", |region, params| {
        Ok(tags_answer(&region.iam().instance_profile(params)?.tags))
    })
    .paged(pages("Tags")),
    Operation::read("ListInstanceProfiles", "PathPrefix", |region, params| {
        Ok(instance_profiles::list(&region.iam(), |profile| in_path(&profile.path, params)))
    })
    .paged(pages("InstanceProfiles")),
    Operation::read("ListInstanceProfilesForRole", "RoleName", |region, params| {
        instance_profiles::list_for_role(&region.iam(), params)
    })
    .paged(pages("InstanceProfiles")),
    Operation::read("ListRolePolicies", "RoleName", |region, params| policies::list_inline(&region.iam(), params))
        .paged(pages("PolicyNames")),
    Operation::read("ListRoleTags", "RoleName", |region, params| Ok(tags_answer(&region.iam().role(params)?.tags)))
        .paged(pages("Tags")),
    Operation::read("ListRoles", "PathPrefix", |region, params| Ok(roles::list(&region.iam(), params)))
        .paged(pages("Roles")),
    Operation::change("PutRolePolicy", "RoleName PolicyName PolicyDocument", |region, params| {
        policies::put_inline(&mut region.iam(), params)
    }),
    Operation::change("RemoveRoleFromInstanceProfile", "InstanceProfileName RoleName", |region, params| {
        instance_profiles::remove_role(&mut region.iam(), params)
    }),
    Operation::read(
        "SimulatePrincipalPolicy",
        "PolicySourceArn ActionNames ResourceArns ContextEntries",
        |region, params| simulation::simulate(&region.iam(), params),
    )
    .paged(pages("EvaluationResults")),
    Operation::change("TagInstanceProfile", "InstanceProfileName Tags", |region, params| {
        tag(&mut region.iam().instance_profile_mut(params)?.tags, params)
    }),
    Operation::change("TagRole", "RoleName Tags", |region, params| {
        tag(&mut region.iam().role_mut(params)?.tags, params)
    }),
    Operation::change("UntagInstanceProfile", "InstanceProfileName TagKeys", |region, params| {
        untag(&mut region.iam().instance_profile_mut(params)?.tags, params)
    }),
    Operation::change("UntagRole", "RoleName TagKeys", |region, params| {
        untag(&mut region.iam().role_mut(params)?.tags, params)
    }),
];
