//! A load balancer's health checks: what a target's answers make of it.

use std::sync::Arc;

use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};

use super::Place;
use crate::http::{Body, Pool};
use crate::mesh::topology::HealthCheck;

/// What a load balancer's health checks say of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHealth {
    Healthy,
    Unhealthy { reason: UnhealthyReason },
}

/// Why a target is unhealthy; [`UnhealthyReason::code`] and its `Display` are AWS's `Reason` and `Description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnhealthyReason {
    #[error("Health checks failed with these codes: [{0}]")]
    ResponseCodeMismatch(u16),
    #[error("Request timed out")]
    Timeout,
    #[error("Health checks failed")]
    FailedHealthChecks,
}

impl UnhealthyReason {
    /// The `Reason` of `DescribeTargetHealth`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ResponseCodeMismatch(_) => "Target.ResponseCodeMismatch",
            Self::Timeout => "Target.Timeout",
            Self::FailedHealthChecks => "Target.FailedHealthChecks",
        }
    }
}

/// The results of a target's health checks so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The target's health; `None` while it is not decided (`initial`).
    pub(super) health: Option<TargetHealth>,
    /// How many checks in a row have had the result of the last one.
    streak: u32,
    last_passed: bool,
}

impl Record {
    /// Adds a check's outcome; returns whether the target's health has changed.
    ///
    /// A new target is healthy after one passed check; only a target that was unhealthy has to pass `healthy_threshold`
    /// ("Health checks for your target groups", Elastic Load Balancing User Guide).
    pub(super) fn add(&mut self, outcome: Result<(), UnhealthyReason>, check: &HealthCheck) -> bool {
        let passed = outcome.is_ok();
        self.streak = if passed == self.last_passed { self.streak.saturating_add(1) } else { 1 };
        self.last_passed = passed;
        let needed = match (self.health, passed) {
            (None, true) => 1,
            (Some(_), true) => check.healthy_threshold,
            (_, false) => check.unhealthy_threshold,
        };
        let before = self.health;
        match (outcome, before) {
            (Ok(()), _) if self.streak >= needed => self.health = Some(TargetHealth::Healthy),
            (Err(reason), _) if self.streak >= needed => self.health = Some(TargetHealth::Unhealthy { reason }),
            _ => {}
        }
        self.health != before
    }

    /// Whether the last check found what is known.
    pub(super) fn is_steady(&self) -> bool {
        self.health.is_some_and(|health| (health == TargetHealth::Healthy) == self.last_passed)
    }
}

/// Checks a target once, on a connection of its own.
pub(super) async fn probe(place: Place, host: &HeaderValue, check: &HealthCheck) -> Result<(), UnhealthyReason> {
    let address = match place {
        Place::Listening(address) => address,
        Place::Refusing => return Err(UnhealthyReason::FailedHealthChecks),
        Place::Nowhere => return Err(UnhealthyReason::Timeout),
    };
    let path: Uri = check.path.parse().map_err(|_| UnhealthyReason::FailedHealthChecks)?;
    let mut request = Request::new(Body::Whole(bytes::Bytes::new()));
    *request.uri_mut() = path;
    let headers = request.headers_mut();
    headers.insert(HOST, host.clone());
    headers.insert(USER_AGENT, HeaderValue::from_static("ELB-HealthChecker/2.0"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));

    let connection = Pool::new(address, check.timeout, Arc::default());
    match tokio::time::timeout(check.timeout, connection.send(request)).await {
        Ok(Ok(response)) if check.matcher.matches(response.status()) => Ok(()),
        Ok(Ok(response)) => Err(UnhealthyReason::ResponseCodeMismatch(response.status().as_u16())),
        Ok(Err(_)) => Err(UnhealthyReason::FailedHealthChecks),
        Err(_) => Err(UnhealthyReason::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Result<(), UnhealthyReason> = Err(UnhealthyReason::FailedHealthChecks);

    fn healths(outcomes: &[Result<(), UnhealthyReason>]) -> Vec<Option<bool>> {
        let (check, mut record) = (HealthCheck::default(), Record::default());
        let mut after = |&outcome| {
            record.add(outcome, &check);
            record.health.map(|health| health == TargetHealth::Healthy)
        };
        outcomes.iter().map(&mut after).collect()
    }

    #[test]
    fn a_new_target_is_healthy_after_one_passed_check() {
        assert_eq!(healths(&[FAILED, Ok(())]), [None, Some(true)]);
    }

    #[test]
    fn two_failures_in_a_row_make_it_unhealthy_and_five_passes_healthy_again() {
        assert_eq!(healths(&[Ok(()), FAILED, Ok(()), FAILED, FAILED])[2..], [Some(true), Some(true), Some(false)]);
        let passes = [FAILED, FAILED, Ok(()), Ok(()), Ok(()), Ok(()), Ok(())];
        assert_eq!(
            healths(&passes)[1..],
            [Some(false), Some(false), Some(false), Some(false), Some(false), Some(true)]
        );
    }
}
