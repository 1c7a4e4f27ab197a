//! Looks, before anything is made, whether all is there that the stages build on, and what would stop them half-way. It goes
//! on after a problem, so that one run tells all that has to be fixed.

use super::finding::{Check, Finding, Level};
use super::identity::{Caller, Identity, find_identity};
use super::image::{Image, find_image};
use super::instance_type::{self, find_instance_type, is_on_free_plan};
use super::network::{Network, find_network};
use super::permissions::MissingPermissions;
use super::quota::{VcpuQuota, find_vcpu_quota};
use super::role_choice::{RoleSources, choose_roles};
use super::task_definitions::task_needs;
use super::{Context, Error, permissions};

/// What `up` builds on: all that stages take and nobody makes.
#[derive(Clone)]
pub(crate) struct Prerequisites {
    pub(crate) identity: Identity,
    pub(crate) role_sources: RoleSources,
    pub(crate) image: Image,
    pub(crate) network: Network,
}

/// What was found, and the prerequisites if all are there. An interruption, or a cloud that does not answer, is an error; a
/// refusal is a finding.
pub(crate) async fn examine(ctx: &Context) -> Result<(Vec<Finding>, Option<Prerequisites>), Error> {
    let mut findings = vec![];
    let Some(identity) = note(Check::Credentials, find_identity(ctx).await, &mut findings, |identity| {
        format!("account {} as {}, {} in {}", identity.account, identity.arn, identity.partition, ctx.clients.region)
    })?
    else {
        return Ok((findings, None));
    };
    let (network, image, role_sources, instance_type, free_plan, quota, missing) = tokio::join!(
        find_network(ctx),
        find_image(ctx),
        choose_roles(ctx, &identity),
        find_instance_type(ctx),
        is_on_free_plan(ctx, &identity),
        find_vcpu_quota(ctx),
        find_missing_permissions(ctx, &identity),
    );
    if let Some(missing) = note_unless_unknown(Check::Permissions, missing, &mut findings)? {
        findings.extend(permissions_findings(missing, ctx.settings.check_permissions));
    }
    let network = note(Check::Network, network, &mut findings, ToString::to_string)?;
    let image = note(Check::Image, image, &mut findings, ToString::to_string)?;
    let needs = task_needs(ctx)?;
    findings.extend(instance_type::problems(&needs, image.as_ref(), instance_type.as_ref().ok(), free_plan?));
    let role_sources = note(Check::Roles, role_sources, &mut findings, ToString::to_string)?;
    let quota = instance_type.and_then(|instance_type| Ok((instance_type, quota?)));
    if let Some((instance_type, quota)) = note_unless_unknown(Check::Quota, quota, &mut findings)? {
        findings.push(quota_finding(&quota, quota.needed(ctx, &instance_type)));
    }
    let prerequisites = match (role_sources, image, network) {
        (Some(role_sources), Some(image), Some(network)) => {
            Some(Prerequisites { identity, role_sources, image, network })
        }
        _ => None,
    };
    Ok((findings, prerequisites))
}

/// Notes what was found, or why it was not.
fn note<T>(
    check: Check,
    found: Result<T, Error>,
    findings: &mut Vec<Finding>,
    what: impl FnOnce(&T) -> String,
) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => {
            findings.push(Finding::new(check, Level::Fine, what(&found)));
            Ok(Some(found))
        }
        Err(error) if is_finding(&error) => {
            findings.push(Finding::new(check, Level::Problem, error.to_string()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The same for what `up` can do without: if the caller may not look at it or an emulator does not have it, nothing stops.
fn note_unless_unknown<T>(
    check: Check,
    found: Result<T, Error>,
    findings: &mut Vec<Finding>,
) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_finding(&error) => {
            findings.push(Finding::new(check, Level::Unknown, format!("cannot be known: {error}")));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the cloud answered, and its answer tells something about the account.
fn is_finding(error: &Error) -> bool {
    use crate::aws::ErrorClass::{Absent, Other, Refused, Unsupported};
    match error {
        Error::Prerequisite(_) => true,
        Error::Cloud(error) if error.class == Unsupported => true,
        Error::Cloud(error) => error.code.is_some() && matches!(error.class, Absent | Other | Refused),
        _ => false,
    }
}

/// The permissions that the caller lacks; none if AWS cannot be asked about this kind of caller.
async fn find_missing_permissions(ctx: &Context, identity: &Identity) -> Result<Option<MissingPermissions>, Error> {
    match identity.caller() {
        Caller::Root => Ok(Some(MissingPermissions::default())),
        Caller::Other => Ok(None),
        Caller::User(arn) => permissions::find_missing_of_policy(ctx, identity, &arn).await.map(Some),
        Caller::Role(name) => {
            let request = ctx.clients.iam.get_role().role_name(name);
            let arn = ctx.look("iam:GetRole", request.send()).await?.role.map(|role| role.arn).unwrap_or_default();
            permissions::find_missing_of_policy(ctx, identity, &arn).await.map(Some)
        }
    }
}

fn permissions_findings(missing: Option<MissingPermissions>, believed: bool) -> Vec<Finding> {
    let finding = |level, what: String| Finding::new(Check::Permissions, level, what);
    let Some(MissingPermissions { denied, undetermined, missing_context_keys }) = missing else {
        return vec![finding(Level::Unknown, "cannot be known of a federated user".to_owned())];
    };
    let mut findings = vec![];
    if !denied.is_empty() {
        let denied = denied.join(", ");
        findings.push(if believed {
            let what = format!(
                "not allowed: {denied}; `zonewalk up` would stop half-way; attach the policy that `zonewalk policy` prints, or \
                 add --no-check-permissions if it is allowed on single resources or with MFA, of which IAM's simulation \
                 knows nothing"
            );
            finding(Level::Problem, what)
        } else {
            finding(Level::Unknown, format!("not allowed if IAM's simulation is right, which is not heeded: {denied}"))
        });
    }
    if !undetermined.is_empty() {
        let missing_context_keys = Vec::from_iter(missing_context_keys).join(", ");
        let what = format!(
            "not known to be allowed: {}: policies depend on {missing_context_keys}, of which IAM's simulation knows nothing",
            undetermined.join(", ")
        );
        findings.push(finding(Level::Unknown, what));
    }
    if findings.is_empty() {
        findings.push(finding(Level::Fine, "every action this tool takes is allowed".to_owned()));
    }
    findings
}

fn quota_finding(quota: &VcpuQuota, needed: u64) -> Finding {
    let VcpuQuota { limit, in_use, .. } = quota;
    let numbers = format!("{needed} vCPU more, {in_use} of {limit} on-demand standard vCPU in use");
    if in_use + needed <= *limit {
        Finding::new(Check::Quota, Level::Fine, numbers)
    } else {
        Finding::new(
            Check::Quota,
            Level::Problem,
            format!(
                "{numbers}: the instances would not launch (VcpuLimitExceeded); ask for more with `aws service-quotas \
                 request-service-quota-increase --service-code ec2 --quota-code {} --desired-value {}`, or ask for fewer \
                 with --task-count",
                super::quota::QUOTA_CODE,
                in_use + needed
            ),
        )
    }
}
