//! Before anything is made: is all there that the stages build on, and what would stop them later, half-way? Everything
//! is looked at, so that one run tells all that is to be mended.

use std::fmt;

use super::finding::{Check, Finding, Level};
use super::identity::{Caller, Identity, find_identity};
use super::image::{Image, find_image};
use super::network::{Network, find_network};
use super::permissions::Lacking;
use super::quota::{Machine, Room, find_machine, find_room};
use super::roles::{Choice, Choices, choose_roles};
use super::{Context, Error, permissions};

/// All that is only looked up, and that stages take.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) identity: Identity,
    pub(crate) choices: Choices,
    pub(crate) image: Image,
    pub(crate) network: Network,
}

/// What was found, and the ground to build on if there is one. An interruption, or a cloud that does not answer, is an
/// error; that it refuses is a finding.
pub(crate) async fn examine(ctx: &Context) -> Result<(Vec<Finding>, Option<Ground>), Error> {
    let mut findings = vec![];
    let Some(identity) = note(Check::Credentials, find_identity(ctx).await, &mut findings, |identity| {
        format!("account {} as {}, {} in {}", identity.account, identity.arn, identity.partition, ctx.clients.region)
    })?
    else {
        return Ok((findings, None));
    };
    let (network, image, choices, machine, room, lacking) = tokio::join!(
        find_network(ctx),
        find_image(ctx),
        choose_roles(ctx, &identity),
        find_machine(ctx),
        find_room(ctx),
        find_lacking_permissions(ctx, &identity),
    );
    if let Some(lacking) = note_unless_unknown(Check::Permissions, lacking, &mut findings)? {
        findings.extend(permissions_findings(lacking, ctx.settings.check_permissions));
    }
    let network = note(Check::Network, network, &mut findings, ToString::to_string)?;
    let image = note(Check::Image, image, &mut findings, ToString::to_string)?;
    if let (Some(image), Ok(machine)) = (&image, &machine) {
        findings.extend(architecture_problem(ctx, image, machine));
    }
    let choices = note(Check::Roles, choices, &mut findings, ToString::to_string)?;
    let room = machine.and_then(|machine| Ok((machine, room?)));
    if let Some((machine, room)) = note_unless_unknown(Check::Quota, room, &mut findings)? {
        findings.push(quota_finding(&room, room.needed(ctx, &machine)));
    }
    let ground = match (choices, image, network) {
        (Some(choices), Some(image), Some(network)) => Some(Ground { identity, choices, image, network }),
        _ => None,
    };
    Ok((findings, ground))
}

/// A finding of what was found or of why it was not.
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

/// The same for what is not needed: that one may not look at it, or that an emulator does not have it, stops nothing.
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

/// The cloud answered, and its answer tells something about the account.
fn is_finding(error: &Error) -> bool {
    use crate::aws::ErrorClass::{Absent, Other, Refused, Unsupported};
    match error {
        Error::Prerequisite(_) => true,
        Error::Cloud(error) if error.class == Unsupported => true,
        Error::Cloud(error) => error.code.is_some() && matches!(error.class, Absent | Other | Refused),
        _ => false,
    }
}

/// The caller's: None if AWS cannot be asked about this kind of caller.
async fn find_lacking_permissions(ctx: &Context, identity: &Identity) -> Result<Option<Lacking>, Error> {
    match identity.caller() {
        Caller::Root => Ok(Some(Lacking::default())),
        Caller::Other => Ok(None),
        Caller::User(arn) => permissions::find_lacking_of_policy(ctx, identity, &arn).await.map(Some),
        Caller::Role(name) => {
            let request = ctx.clients.iam.get_role().role_name(name);
            let arn = ctx.look("iam:GetRole", request.send()).await?.role.map(|role| role.arn).unwrap_or_default();
            permissions::find_lacking_of_policy(ctx, identity, &arn).await.map(Some)
        }
    }
}

fn permissions_findings(lacking: Option<Lacking>, believed: bool) -> Vec<Finding> {
    let finding = |level, what: String| Finding::new(Check::Permissions, level, what);
    let Some(Lacking { denied, unsure, untold }) = lacking else {
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
    if !unsure.is_empty() {
        let untold = Vec::from_iter(untold).join(", ");
        let what = format!(
            "not known to be allowed: {}: policies depend on {untold}, of which IAM's simulation knows nothing",
            unsure.join(", ")
        );
        findings.push(finding(Level::Unknown, what));
    }
    if findings.is_empty() {
        findings.push(finding(Level::Fine, "every action this tool takes is allowed".to_owned()));
    }
    findings
}

/// EC2 would tell it when the group is made.
fn architecture_problem(ctx: &Context, image: &Image, machine: &Machine) -> Option<Finding> {
    let wanted = image.architecture()?;
    let has = &machine.architectures;
    if has.is_empty() || has.iter().any(|has| has == wanted) {
        return None;
    }
    let example = if wanted == "arm64" { "t4g.medium" } else { "t3.medium" };
    let what = format!(
        "the image is for {wanted}, and {} is {}: no instance would launch; ask for a type that is {wanted}, for example \
         with --instance-type {example}",
        ctx.settings.instance_type,
        has.join(", ")
    );
    Some(Finding::new(Check::Image, Level::Problem, what))
}

fn quota_finding(room: &Room, needed: u64) -> Finding {
    let Room { quota, in_use, .. } = room;
    let numbers = format!("{needed} vCPU more, {in_use} of {quota} on-demand standard vCPU in use");
    if in_use + needed <= *quota {
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

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subnets: Vec<_> = self.subnets.iter().map(|subnet| format!("{} in {}", subnet.id, subnet.zone)).collect();
        write!(f, "{}: {}", self.vpc_id, subnets.join(", "))
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |choice: &Choice, own: &str| match choice {
            Choice::Existing(arn) => arn.clone(),
            Choice::Own => own.to_owned(),
        };
        let instances = text(&self.instance_profile, "one of this tool's own for the instances");
        write!(f, "{instances}; {}", text(&self.execution_role, "one of this tool's own for the tasks"))
    }
}
