//! Looks, before anything is made, whether all is there that the stages build on, and what would stop them half-way. It goes
//! on after a problem, so that one run tells all that has to be fixed.

use super::finding::{Check, Finding, Level};
use super::identity::{Identity, find_identity};
use super::image::{Image, find_image};
use super::instance_type::{self, InstanceTypeInfo, find_instance_type, is_on_free_plan};
use super::namespace::find_sharing_account;
use super::needed_permissions::{NeededPermissions, find_missing};
use super::network::{Network, find_network};
use super::permissions::MissingPermissions;
use super::quota::{VcpuQuota, find_fargate_quota, find_rules_problem, find_vcpu_quota};
use super::role_choice::{RoleSources, choose_roles};
use super::task_definitions::task_needs;
use super::{Context, Error, launch_type, network_mode};
use crate::routing::Config;
use crate::settings::Cidr;

/// What `up` builds on: all that stages take and nobody makes.
#[derive(Clone)]
pub(crate) struct Prerequisites {
    pub(crate) identity: Identity,
    pub(crate) role_sources: RoleSources,
    /// The machine image of the instances. None: there are to be none.
    pub(crate) image: Option<Image>,
    pub(crate) network: Network,
}

/// What was found, and the prerequisites if all are there. An interruption, or a cloud that does not answer, is an error; a
/// refusal is a finding.
pub(crate) async fn examine(ctx: &Context) -> Result<(Vec<Finding>, Option<Prerequisites>), Error> {
    let mut findings = vec![];
    let Some(identity) = note(Check::Credentials, find_identity(ctx).await, &mut findings, |identity| {
        format!(
            "account {}, {}, partition {}, region {}",
            identity.account, identity.arn, identity.partition, ctx.clients.region
        )
    })?
    else {
        return Ok((findings, None));
    };
    let problem = launch_type::find_problem(ctx).await;
    let problem = note_unless_unknown(Check::LaunchType, problem, &mut findings)?;
    findings.extend(problem.flatten());
    let problem = network_mode::find_problem(ctx).await;
    let problem = note_unless_unknown(Check::NetworkMode, problem, &mut findings)?;
    findings.extend(problem.flatten());
    // Which permissions the caller needs depends on the roles that are used.
    let roles = async {
        let role_sources = choose_roles(ctx, &identity).await;
        let missing = find_missing(ctx, &identity, role_sources.as_ref().ok()).await;
        (role_sources, missing)
    };
    let (network, instances, (role_sources, missing), too_many_ranges, sharing) = tokio::join!(
        find_network(ctx),
        Instances::find(ctx, &identity),
        roles,
        find_rules_problem(ctx),
        find_sharing_account(ctx, &identity.account),
    );
    if let Some(missing) = note_unless_unknown(Check::Permissions, missing, &mut findings)? {
        findings.extend(permissions_findings(missing, ctx.settings.check_permissions));
    }
    let network = note(Check::Network, network, &mut findings, |network| network.text(&ctx.zones()))?;
    let (image, of_quota) = match instances {
        Some(instances) => instances.judge(ctx, &mut findings)?,
        None => (None, find_fargate_quota(ctx).await),
    };
    let role_sources = note(Check::Roles, role_sources, &mut findings, ToString::to_string)?;
    if let Some(of_quota) = note_unless_unknown(Check::Quota, of_quota, &mut findings)? {
        findings.extend(of_quota);
    }
    findings.extend(too_many_ranges?);
    findings.extend(unreachable_ranges(ctx));
    findings.extend(too_few_tasks(ctx));
    if let Some(owner) = sharing? {
        let what = format!(
            "account {owner} shares a namespace named {} with this one, which is left alone: `zonewalk up` creates one of \
             its own; for a name of its own, too, use --name",
            ctx.names.namespace
        );
        findings.push(Finding::new(Check::Names, Level::Fine, what));
    }
    let prerequisites = match (role_sources, image, network) {
        (Some(role_sources), image, Some(network)) if image.is_some() || ctx.is_on_fargate() => {
            Some(Prerequisites { identity, role_sources, image, network })
        }
        _ => None,
    };
    Ok((findings, prerequisites))
}

/// What is to be said of a quota, if that can be known.
type OfQuota = Result<Option<Finding>, Error>;

/// What is to be known of the instances. None of it matters on Fargate.
struct Instances {
    image: Result<Image, Error>,
    instance_type: Result<InstanceTypeInfo, Error>,
    free_plan: Result<Option<bool>, Error>,
    quota: Result<VcpuQuota, Error>,
}

impl Instances {
    async fn find(ctx: &Context, identity: &Identity) -> Option<Self> {
        if ctx.is_on_fargate() {
            return None;
        }
        let (image, instance_type, free_plan, quota) = tokio::join!(
            find_image(ctx),
            find_instance_type(ctx),
            is_on_free_plan(ctx, identity),
            find_vcpu_quota(ctx),
        );
        Some(Self { image, instance_type, free_plan, quota })
    }

    /// The image, if there is one, and what is to be said of the quota.
    fn judge(self, ctx: &Context, findings: &mut Vec<Finding>) -> Result<(Option<Image>, OfQuota), Error> {
        let Self { image, instance_type, free_plan, quota } = self;
        let image = note(Check::Image, image, findings, ToString::to_string)?;
        let needs = task_needs(ctx)?;
        findings.extend(instance_type::problems(&needs, image.as_ref(), instance_type.as_ref().ok(), free_plan?));
        let of_quota = match instance_type {
            Err(Error::Prerequisite(what)) => {
                findings.push(Finding::new(Check::InstanceType, Level::Problem, what));
                Ok(None)
            }
            instance_type => instance_type.and_then(|it| Ok(Some(quota?.finding(ctx, &it)))),
        };
        Ok((image, of_quota))
    }
}

/// The healthy backends without which zone-aware routing is off: Envoy's minimum cluster size.
pub fn backends_needed() -> u32 {
    u32::try_from(Config::default().min_cluster_size).unwrap_or(u32::MAX)
}

/// Fewer tasks than zone-aware routing needs can be run, but prove nothing.
fn too_few_tasks(ctx: &Context) -> Option<Finding> {
    let (tasks, needed) = (ctx.settings.task_count.get(), backends_needed());
    let what = format!(
        "zone-aware routing stays off with {tasks} tasks a service, since Envoy needs {needed} backends: --task-count {needed} \
         or more turns it on"
    );
    (tasks < needed).then(|| Finding::new(Check::TaskCount, Level::Note, what))
}

/// The load balancer has IPv4 addresses alone, as in the article: no one comes to it from an IPv6 one.
fn unreachable_ranges(ctx: &Context) -> Option<Finding> {
    let (of_ipv6, others): (Vec<Cidr>, _) = ctx.settings.distinct_cidrs().into_iter().partition(Cidr::is_ipv6);
    let of_ipv6 = of_ipv6.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let what = format!("{of_ipv6} cannot reach the load balancer: it has IPv4 addresses only");
    match (of_ipv6.is_empty(), others.is_empty()) {
        (true, _) => None,
        (false, false) => Some(Finding::new(Check::Network, Level::Unknown, what)),
        (false, true) => {
            let what = format!(
                "{what}; give the IPv4 address that AWS sees, for example what `curl https://checkip.amazonaws.com` prints, \
                 as --allow-cidr 192.0.2.7/32"
            );
            Some(Finding::new(Check::Network, Level::Problem, what))
        }
    }
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
            findings.push(Finding::new(check, Level::Unknown, format!("not known: {error}")));
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
        // Without a code: there are no credentials.
        Error::Cloud(error) if matches!(error.class, Refused | Unsupported) => true,
        Error::Cloud(error) => error.code.is_some() && matches!(error.class, Absent | Other),
        _ => false,
    }
}

fn permissions_findings(missing: Option<NeededPermissions>, believed: bool) -> Vec<Finding> {
    let finding = |level, what: String| Finding::new(Check::Permissions, level, what);
    let Some(NeededPermissions { now: MissingPermissions { denied, undetermined, missing_context_keys }, later }) =
        missing
    else {
        return vec![finding(Level::Unknown, "not known: IAM cannot be asked about a federated user".to_owned())];
    };
    let mut findings = vec![];
    let purposes = later.iter().map(|(purpose, actions)| format!("{purpose}: {}", actions.join(", ")));
    let purposes = purposes.collect::<Vec<_>>().join("; ");
    if !denied.is_empty() {
        let mut denied = denied.join(", ");
        if !purposes.is_empty() {
            denied.push_str(&format!(" (and later, {purposes})"));
        }
        findings.push(if believed {
            let what = format!(
                "not allowed: {denied}; `zonewalk up` would stop halfway; attach the policy that `zonewalk policy` prints, or \
                 add --no-check-permissions if they are allowed on single resources or with MFA, which IAM's simulation \
                 does not take into account"
            );
            finding(Level::Problem, what)
        } else {
            finding(Level::Unknown, format!("not allowed, by IAM's simulation, which --no-check-permissions ignores: {denied}"))
        });
    }
    if findings.is_empty() && !purposes.is_empty() {
        findings.push(finding(Level::Note, format!("not allowed, but not needed by `zonewalk up`: {purposes}")));
    }
    if !undetermined.is_empty() {
        let missing_context_keys = Vec::from_iter(missing_context_keys).join(", ");
        let what = format!(
            "perhaps not allowed, which depends on {missing_context_keys}, unknown to IAM's simulation: {}",
            undetermined.join(", ")
        );
        findings.push(finding(Level::Unknown, what));
    }
    if findings.is_empty() {
        findings.push(finding(Level::Fine, "every action that zonewalk takes is allowed".to_owned()));
    }
    findings
}
