//! Why a group's launches fail, and whether it is worth waiting for the next: the group tries again by itself, elsewhere or
//! later, so that only what is known to be final, or stays the same for long, ends a wait.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_autoscaling::types::{Activity, ScalingActivityStatusCode};
use tokio::time::Instant;

use super::{Context, Error};

/// Parts of AWS's reasons that no later launch gets past ("Troubleshoot Amazon EC2 Auto Scaling", and EC2's "Error codes").
/// A reason is a sentence; some have the code beside it, and some have nothing else.
const FINAL: &[&str] = &[
    // The quota of vCPU.
    "VcpuLimitExceeded",
    "current vCPU limit",
    // What the account may launch.
    "not eligible for Free Tier",
    "OptInRequired",
    "PendingVerification",
    "is being validated, and you will not be able to launch",
    "This account is currently blocked",
    // What its roles may.
    "UnauthorizedOperation",
    "not authorized",
    // What is to be launched.
    "Client.InternalError",
    "Client.InvalidKMSKey",
    "InvalidAMIID",
    "is not supported in your requested Availability Zone",
    "of the specified instance type does not match the architecture",
    "The image id '",
];

/// What a later launch may get past however long it takes: machines that others give back, and calls of others.
const PASSING: &[&str] = &["do not have sufficient", "InsufficientInstanceCapacity", "RequestLimitExceeded"];

/// How long a reason may stay the same that is neither: as long as a role may take to spread.
const LONGEST_THE_SAME: Duration = Duration::from_secs(120);

/// How many attempts are looked at: each zone's instances are one of their own, so the newest may hide another's failure.
const ATTEMPTS_LOOKED_AT: i32 = 10;

/// What the newest failure in this run comes to.
pub(super) enum Failure {
    /// The group goes on trying.
    MayPass(String),
    /// AWS's reason, which will stay.
    Final(String),
}

/// The failures met while waiting: when each reason was first seen, and which attempt had it.
#[derive(Default)]
pub(super) struct LaunchFailures(BTreeMap<String, (Instant, String)>);

impl LaunchFailures {
    /// Looks for the newest attempt in this run that failed.
    pub(super) async fn look(&mut self, ctx: &Context, group: &str) -> Result<Option<Failure>, Error> {
        let request = ctx.clients.autoscaling.describe_scaling_activities().auto_scaling_group_name(group);
        let request = request.max_records(ATTEMPTS_LOOKED_AT);
        let answer = ctx.look("autoscaling:DescribeScalingActivities", request.send()).await;
        let Some(answer) = ctx.unless_refused(answer, "why launches fail, if they do, is not known")? else {
            return Ok(None);
        };
        // One that failed before this run may be fixed by now, and the group has not tried again yet.
        let failed = |(_, activity): &(usize, &Activity)| {
            activity.status_code() == Some(&ScalingActivityStatusCode::Failed)
                && activity.start_time().is_some_and(|time| ctx.is_of_this_run(time))
        };
        Ok(answer.activities().iter().enumerate().find(failed).map(|(place, activity)| {
            let reason = activity.status_message().unwrap_or("AWS gives no reason");
            self.judge(reason, activity.activity_id().unwrap_or_default(), place == 0)
        }))
    }

    /// Nothing is final that was tried again since.
    fn judge(&mut self, reason: &str, attempt: &str, is_newest: bool) -> Failure {
        let is_one_of = |parts: &[&str]| parts.iter().any(|part| reason.contains(part));
        let now = Instant::now();
        let (since, first) = self.0.entry(reason.to_owned()).or_insert_with(|| (now, attempt.to_owned()));
        let stays = now.duration_since(*since) > LONGEST_THE_SAME && first != attempt && !is_one_of(PASSING);
        if is_newest && (is_one_of(FINAL) || stays) {
            Failure::Final(format!("{reason}{}", advice(reason)))
        } else {
            Failure::MayPass(reason.to_owned())
        }
    }
}

/// What to do about it, where AWS's words do not say so.
fn advice(reason: &str) -> &'static str {
    if reason.contains("not eligible for Free Tier") {
        " The account is on AWS's Free plan: upgrade it to the paid plan, or use --instance-type c7i-flex.large"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_ROLE: &str = "Access denied when attempting to assume role r. Launching EC2 instance failed.";
    const NO_CAPACITY: &str = "We currently do not have sufficient t3.medium capacity. Launching EC2 instance failed.";

    fn is_final(failures: &mut LaunchFailures, reason: &str, attempt: &str) -> bool {
        matches!(failures.judge(reason, attempt, true), Failure::Final(_))
    }

    #[test]
    fn only_what_is_known_to_be_final_is_final_at_once() {
        let mut failures = LaunchFailures::default();
        for (reason, known) in [
            ("You have requested more vCPU capacity than your current vCPU limit of 16 allows.", true),
            ("The specified instance type is not eligible for Free Tier.", true),
            ("You are not authorized to perform this operation. Launching EC2 instance failed.", true),
            ("Your requested instance type (t3.x) is not supported in your requested Availability Zone (a).", true),
            ("The image id '[ami-1]' does not exist. Launching EC2 instance failed.", true),
            ("Client.InternalError: Client error on launch", true),
            (NO_ROLE, false),
            (NO_CAPACITY, false),
            ("Value (p) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name.", false),
            ("IAM Instance Profile \"p\" has no associated IAM Roles. Launching EC2 instance failed.", false),
            ("something that nobody has seen", false),
        ] {
            assert_eq!(is_final(&mut failures, reason, "1"), known, "{reason}");
            assert!(matches!(failures.judge(reason, "1", false), Failure::MayPass(_)), "{reason} was tried again");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_reason_for_over_two_minutes_is_final_unless_it_is_capacity() {
        let mut failures = LaunchFailures::default();
        assert!(!is_final(&mut failures, NO_ROLE, "1") && !is_final(&mut failures, NO_CAPACITY, "2"));
        tokio::time::advance(Duration::from_secs(119)).await;
        assert!(!is_final(&mut failures, NO_ROLE, "3"));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!is_final(&mut failures, NO_ROLE, "1"), "the group has not tried again");
        assert!(!is_final(&mut failures, "another reason", "4"));
        assert!(is_final(&mut failures, NO_ROLE, "4"));
        assert!(!is_final(&mut failures, NO_CAPACITY, "5"));
    }
}
