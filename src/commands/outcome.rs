//! The outcome of any command, as one type: so there is one way to print it, to serialize it and to exit.

use serde::Serialize;
use strum::IntoStaticStr;

use super::doctor::Doctor;
use super::failover::Failover;
use super::redeploy::Redeployment;
use super::stats::Stats;
use super::status::Status;
use super::up::DryRun;
use super::walkthrough::Walkthrough;
use crate::traffic::Verification;
use crate::walkthrough::{Down, Up};

#[derive(Clone, Debug, Serialize, IntoStaticStr)]
#[serde(untagged)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    Doctor(Doctor),
    #[strum(serialize = "plan")]
    DryRun(DryRun),
    Up(Up),
    Status(Status),
    Redeploy(Redeployment),
    Verify(Verification),
    Failover(Failover),
    Stats(Stats),
    Down(Down),
    Walkthrough(Box<Walkthrough>),
}

impl Outcome {
    /// Whether every check held; if not, the exit code is 1.
    pub fn holds(&self) -> bool {
        match self {
            Self::Up(_) | Self::Status(_) | Self::Redeploy(_) => true,
            Self::Doctor(doctor) => doctor.passed(),
            Self::DryRun(plan) => plan.passed(),
            Self::Verify(verification) => verification.verdict.passed(),
            Self::Failover(failover) => failover.verdict.passed(),
            Self::Stats(stats) => stats.verdict.passed(),
            Self::Down(down) => down.leftovers.is_empty(),
            Self::Walkthrough(all) => {
                all.verify.verdict.passed()
                    && all.failover.verdict.passed()
                    && all.stats.verdict.passed()
                    && all.down.leftovers.is_empty()
            }
        }
    }

    /// Whether this was a removal, and left nothing behind.
    pub fn left_nothing(&self) -> bool {
        match self {
            Self::Down(down) => down.leftovers.is_empty(),
            Self::Walkthrough(all) => all.down.leftovers.is_empty(),
            _ => false,
        }
    }

    pub fn title(&self) -> &'static str {
        self.into()
    }
}
