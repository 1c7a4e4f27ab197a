//! Why a stage could not do its work. Texts are fragments that fit "failed to …", and end with what to type next.

use std::time::Duration;

use super::finding::Finding;
use crate::aws::error::Classified;
use crate::aws::{CloudError, ErrorClass};
use crate::plan::Kind;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cloud(#[from] CloudError),

    /// The account lacks something the walkthrough builds on.
    #[error("{0}")]
    Prerequisite(String),

    #[error(
        "{kind} {name} exists already and is not this walkthrough's (it lacks the owner tag); take it over with `zonewalk up --adopt`, or choose other names with --name"
    )]
    NotOurs { kind: Kind, name: String },

    /// Problems were found before anything was made.
    #[error("nothing was created, since this would stop it:{}", problems(.0))]
    Preflight(Vec<Finding>),

    /// AWS has given up on it, so waiting on would be in vain.
    #[error(
        "{what} failed ({state}): {}. Fix that and repeat the command; `zonewalk down` removes what `up` has created",
        .reason.trim_end_matches('.')
    )]
    Failed { what: String, state: String, reason: String },

    #[error("timed out after {} s waiting for {what}. {}Repeat the command to keep waiting, longer with --timeout", .limit.as_secs(), last_seen(.state, .detail))]
    TimedOut { what: String, limit: Duration, state: String, detail: String },

    /// ECS goes on with it, whoever waits.
    #[error("timed out after {} s waiting for the deployment of {service}, which goes on. {}`aws ecs wait services-stable --cluster {cluster} --services {service}` waits for it; so does the same command with a --timeout longer than the deployment has taken, and otherwise it starts another one", .limit.as_secs(), last_seen(.state, .detail))]
    DeploymentGoesOn { cluster: String, service: String, limit: Duration, state: String, detail: String },

    #[error("{kind} {id} was not deleted: {reason}; repeat `zonewalk down`")]
    NotDeleted { kind: Kind, id: String, reason: String },

    #[error("interrupted")]
    Interrupted,

    /// A template does not render, or not to what it should.
    #[error("template {name}: {reason}")]
    Template { name: &'static str, reason: String },
}

impl Error {
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

impl Classified for Error {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Cloud(error) => Some(error.class),
            _ => None,
        }
    }
}

/// The state, and what else there is to tell, as sentences before the next one.
fn last_seen(state: &str, detail: &str) -> String {
    let sentences = [format!("Last seen: {state}."), detail.to_owned()];
    sentences.iter().filter(|sentence| !sentence.is_empty()).map(|sentence| format!("{sentence} ")).collect()
}

/// The problems among the findings, a line for each.
fn problems(findings: &[Finding]) -> String {
    let problems = findings.iter().filter(|finding| finding.blocks());
    problems.map(|finding| format!("\n  {}: {}", finding.check, finding.what)).collect()
}

/// Makes a missing prerequisite an answer instead of an error.
pub(super) fn missing_is_none<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Prerequisite(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
