//! Counts the calls and says what each of them meets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::plan::{FaultReport, FaultsReport, RoleRefusal, matches};
use super::{Fault, FaultKind, Faults};
use crate::cloud::error::{AwsError, Words};
use crate::cloud::states::Extent;

/// One for the whole cloud; regions ask it when they launch instances.
pub(crate) type SharedInjector = Arc<Mutex<Injector>>;

#[derive(Default)]
pub(crate) struct Injector {
    seed: u64,
    rules: Vec<Rule>,
}

struct Rule {
    fault: Fault,
    /// Calls, or launches, that it is about.
    matched: u64,
    /// Those that met it.
    struck: Arc<AtomicU64>,
    rng: StdRng,
}

/// A call has been counted as one that met a fault; if the fault has no effect, that is taken back.
pub(crate) struct Confirmation(Option<Arc<AtomicU64>>);

impl Confirmation {
    /// The fault had its effect.
    pub(crate) fn confirm(mut self) {
        self.0 = None;
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        if let Some(struck) = &self.0 {
            struck.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A call that has come in.
#[derive(Clone, Copy)]
pub(crate) struct Call<'c> {
    /// As IAM spells it, e.g. `ecs:CreateService`.
    pub(crate) action: &'c str,
    pub(crate) words: &'c Words,
    /// How the operation refuses roles that have not spread yet. Empty: it takes no role and acts in none.
    pub(crate) role_refusals: &'static [RoleRefusal],
}

/// ECS's words, which Terraform's provider waits out (hashicorp/terraform-provider-aws, `internal/service/ecs/service.go`).
pub(crate) const DEPLOYMENT_IS_ACTIVE: &str = "The service cannot be stopped while deployments are active.";

/// What is done to a call.
#[derive(Default)]
pub(crate) struct Injected {
    pub(crate) answering: Answering,
    pub(crate) delay: Duration,
    pub(crate) hide: Option<(Extent, Confirmation)>,
    /// An instance is lost before the call is carried out: in this zone, or anywhere.
    pub(crate) lose_instance: Option<(Option<String>, Confirmation)>,
    /// The same of an agent's connection, and for how long.
    pub(crate) disconnect_agent: Option<(Option<String>, Duration, Confirmation)>,
}

#[derive(Default)]
pub(crate) enum Answering {
    #[default]
    AsEver,
    /// Not carried out.
    Refuse(AwsError),
    /// Not carried out, and not answered.
    DropRequest,
    /// Carried out, and not answered.
    DropAnswer,
}

/// An instance that is about to be launched.
pub(crate) struct Launch<'a> {
    pub(crate) zone: &'a str,
    /// Whether it is given an instance profile.
    pub(crate) takes_profile: bool,
    /// What it takes of the quota, and what is taken already.
    pub(crate) vcpus: u32,
    pub(crate) vcpus_in_use: u32,
    pub(crate) is_free_tier_eligible: bool,
}

/// Why an instance cannot be launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoCapacity,
    VcpuLimit(u32),
    FreePlan,
    /// Its instance profile is not known yet.
    UnknownProfile,
    /// Its instance profile has no role yet.
    EmptyProfile,
    /// Auto Scaling cannot act in its service-linked role yet.
    ServiceLinkedRole,
}

impl Call<'_> {
    fn role_refusal(&self, kind: FaultKind) -> Option<&'static RoleRefusal> {
        self.role_refusals.iter().find(|refusal| refusal.kind == kind)
    }
}

/// The operation that a launch counts as, whoever's it is.
const LAUNCHING: &str = "ec2:RunInstances";

impl Rule {
    /// Whether this call, one that the rule is about, meets it.
    fn strikes(&mut self) -> bool {
        self.matched += 1;
        let struck = self.struck.load(Ordering::Relaxed);
        let due = self.matched > self.fault.after && self.fault.first.is_none_or(|first| struck < first);
        let strikes = due && self.fault.rate.is_none_or(|rate| self.rng.random_bool(rate));
        self.struck.fetch_add(u64::from(strikes), Ordering::Relaxed);
        strikes
    }

    fn confirmation(&self) -> Confirmation {
        Confirmation(Some(Arc::clone(&self.struck)))
    }

    fn is_about(&self, call: &Call<'_>) -> bool {
        match self.fault.kind {
            // These are asked for where they matter.
            FaultKind::NoCapacity | FaultKind::VcpuLimit | FaultKind::FreePlan | FaultKind::SharedNamespace => false,
            kind if kind.is_of_roles() && call.role_refusal(kind).is_none() => false,
            FaultKind::HoldDeployment if call.action != "ecs:DeleteService" => false,
            _ => self.is_of(call.action),
        }
    }

    fn is_of(&self, action: &str) -> bool {
        self.fault.operation.as_deref().is_none_or(|pattern| matches(pattern, action))
    }

    /// Why this launch is refused, if it is.
    fn refusal_of(&mut self, launch: &Launch<'_>) -> Option<Refusal> {
        let Fault { zone, vcpus, .. } = &self.fault;
        let (of_launches, limit) = (self.is_of(LAUNCHING), vcpus.unwrap_or_default());
        let (applies, refusal) = match self.fault.kind {
            FaultKind::NoCapacity => (zone.as_deref().is_none_or(|zone| zone == launch.zone), Refusal::NoCapacity),
            FaultKind::VcpuLimit => (launch.vcpus_in_use + launch.vcpus > limit, Refusal::VcpuLimit(limit)),
            FaultKind::FreePlan => (!launch.is_free_tier_eligible, Refusal::FreePlan),
            FaultKind::RefuseRole => (of_launches && launch.takes_profile, Refusal::UnknownProfile),
            FaultKind::EmptyProfile => (of_launches && launch.takes_profile, Refusal::EmptyProfile),
            FaultKind::ServiceLinkedRole => (of_launches, Refusal::ServiceLinkedRole),
            _ => return None,
        };
        (applies && self.strikes()).then_some(refusal)
    }
}

impl Injector {
    pub(crate) fn new(faults: Faults) -> Self {
        let seed = faults.seed;
        let rule = |(n, fault): (u64, Fault)| Rule {
            fault,
            matched: 0,
            struck: Arc::default(),
            rng: StdRng::seed_from_u64(seed ^ (n << 32)),
        };
        Self { seed, rules: (0..).zip(faults.faults).map(rule).collect() }
    }

    /// What is done to a call that has come in.
    pub(crate) fn inject(&mut self, call: Call<'_>) -> Injected {
        let mut injected = Injected::default();
        for rule in self.rules.iter_mut().filter(|rule| rule.is_about(&call)) {
            if !rule.strikes() {
                continue;
            }
            let fault = &rule.fault;
            let answering = match fault.kind {
                FaultKind::Throttle => Answering::Refuse(call.words.throttled(fault.code.as_deref())),
                FaultKind::ServerError => {
                    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
                    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    Answering::Refuse(call.words.failure(status, fault.code.as_deref()))
                }
                FaultKind::RefuseRole | FaultKind::EmptyProfile | FaultKind::ServiceLinkedRole => {
                    let Some(refusal) = call.role_refusal(fault.kind) else { continue };
                    Answering::Refuse(AwsError::new(refusal.code, refusal.message))
                }
                FaultKind::HoldDeployment => {
                    Answering::Refuse(AwsError::new("InvalidParameterException", DEPLOYMENT_IS_ACTIVE))
                }
                FaultKind::Refuse => {
                    let message = fault.message.as_deref().unwrap_or_default();
                    Answering::Refuse(AwsError::new(fault.code.as_deref().unwrap_or_default(), message))
                }
                FaultKind::DropRequest => Answering::DropRequest,
                FaultKind::DropAnswer => Answering::DropAnswer,
                FaultKind::Delay => {
                    injected.delay += Duration::from_millis(fault.milliseconds.unwrap_or_default());
                    continue;
                }
                FaultKind::Hide => {
                    let time = || Extent::Time(Duration::from_millis(fault.milliseconds.unwrap_or_default()));
                    injected.hide = Some((fault.calls.map_or_else(time, Extent::Calls), rule.confirmation()));
                    continue;
                }
                FaultKind::LoseInstance => {
                    injected.lose_instance = Some((fault.zone.clone(), rule.confirmation()));
                    continue;
                }
                FaultKind::DisconnectAgent => {
                    let time = Duration::from_millis(fault.milliseconds.unwrap_or_default());
                    injected.disconnect_agent = Some((fault.zone.clone(), time, rule.confirmation()));
                    continue;
                }
                FaultKind::NoCapacity | FaultKind::VcpuLimit => continue,
                FaultKind::FreePlan | FaultKind::SharedNamespace => continue,
            };
            if matches!(injected.answering, Answering::AsEver) {
                injected.answering = answering;
            } else {
                drop(rule.confirmation()); // another fault has ended the call already
            }
        }
        injected
    }

    /// Why an instance cannot be launched now, if it cannot.
    pub(crate) fn refuse_launch(&mut self, launch: &Launch<'_>) -> Option<Refusal> {
        let mut refusal = None;
        for rule in &mut self.rules {
            let refused = rule.refusal_of(launch);
            refusal = refusal.or(refused);
        }
        refusal
    }

    /// Whether the account is on the Free plan, for one who asks: that counts as a launch does.
    pub(crate) fn has_free_plan(&mut self) -> bool {
        let mut rules = self.rules.iter_mut().filter(|rule| rule.fault.kind == FaultKind::FreePlan);
        rules.any(Rule::strikes)
    }

    /// The names of the namespaces that another account shares, for one who lists them.
    pub(crate) fn shared_namespaces(&mut self) -> Vec<String> {
        let rules = self.rules.iter_mut().filter(|rule| rule.fault.kind == FaultKind::SharedNamespace);
        rules.filter_map(|rule| rule.fault.name.clone().filter(|_| rule.strikes())).collect()
    }

    /// The faults as they were asked for, and how often each has been met.
    pub(crate) fn report(&self) -> Value {
        let report = |rule: &Rule| FaultReport {
            fault: rule.fault.clone(),
            matched: rule.matched,
            struck: rule.struck.load(Ordering::Relaxed),
        };
        json!(FaultsReport { seed: self.seed, faults: self.rules.iter().map(report).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(action: &str) -> Call<'_> {
        Call { action, words: &Words::JSON, role_refusals: &[] }
    }

    fn struck(fault: Fault, calls: usize) -> Vec<bool> {
        let mut injector = Injector::new(Faults { seed: 3, faults: vec![fault] });
        let mut next = || injector.inject(call("ecs:CreateService"));
        (0..calls).map(|_| !matches!(next().answering, Answering::AsEver)).collect()
    }

    #[test]
    fn faults_strike_by_count() {
        let fault = Fault::at(FaultKind::Throttle, "ecs:Create*", 3, 2);
        assert_eq!(struck(fault, 6), [false, false, true, true, false, false]);
        assert_eq!(struck(Fault::at(FaultKind::Throttle, "ec2:*", 1, 2), 2), [false, false]);
    }

    #[test]
    fn faults_strike_by_rate_and_the_same_seed_strikes_the_same() {
        let fault = Fault { rate: Some(0.3), ..Fault::new(FaultKind::DropAnswer) };
        let strikes = struck(fault.clone(), 1_000);
        assert_eq!(strikes, struck(fault, 1_000));
        let share = strikes.iter().filter(|struck| **struck).count();
        assert!((250..350).contains(&share), "{share} of 1000");
    }

    #[test]
    fn of_two_faults_that_end_a_call_only_the_first_counts() {
        let faults = [FaultKind::DropRequest, FaultKind::Throttle].map(Fault::new).to_vec();
        let mut injector = Injector::new(Faults { seed: 0, faults });
        assert!(matches!(injector.inject(call("ec2:CreateTags")).answering, Answering::DropRequest));
        let report = injector.report();
        assert_eq!((&report["fault"][0]["struck"], &report["fault"][1]["struck"]), (&json!(1), &json!(0)));
    }

    #[test]
    fn delays_add_up() {
        let late = |milliseconds| Fault { milliseconds: Some(milliseconds), ..Fault::new(FaultKind::Delay) };
        let once = Fault { first: Some(1), ..late(7) };
        let mut injector = Injector::new(Faults { seed: 0, faults: vec![late(30), once] });
        let mut delay = || injector.inject(call("ecs:ListClusters")).delay.as_millis();
        assert_eq!([delay(), delay()], [37, 30]);
    }

    #[test]
    fn what_nothing_came_of_was_not_met() {
        let faults = [FaultKind::Hide, FaultKind::LoseInstance].map(|kind| Fault {
            milliseconds: (kind == FaultKind::Hide).then_some(5),
            first: Some(1),
            ..Fault::new(kind)
        });
        let mut injector = Injector::new(Faults { seed: 0, faults: faults.to_vec() });
        for struck in [0, 1] {
            let Injected { hide, lose_instance, .. } = injector.inject(call("ecs:CreateCluster"));
            if struck == 1 {
                hide.into_iter().for_each(|(_, confirmation)| confirmation.confirm());
                lose_instance.into_iter().for_each(|(_, confirmation)| confirmation.confirm());
            } else {
                assert_eq!(hide.unwrap().0, Extent::Time(Duration::from_millis(5)));
                assert!(lose_instance.unwrap().0.is_none());
            }
            let report = injector.report();
            assert_eq!([&report["fault"][0]["struck"], &report["fault"][1]["struck"]], [&json!(struck); 2]);
        }
    }

    #[test]
    fn the_quota_counts_what_is_in_use() {
        let faults = vec![Fault { vcpus: Some(4), ..Fault::new(FaultKind::VcpuLimit) }];
        let mut injector = Injector::new(Faults { seed: 0, faults });
        let mut launch = |vcpus_in_use| {
            injector.refuse_launch(&Launch {
                zone: "us-east-1a",
                takes_profile: true,
                vcpus: 2,
                vcpus_in_use,
                is_free_tier_eligible: false,
            })
        };
        assert_eq!([launch(0), launch(2), launch(4)], [None, None, Some(Refusal::VcpuLimit(4))]);
    }

    #[test]
    fn faults_of_profiles_strike_launches_that_are_given_one() {
        let at = |operation| Fault::at(FaultKind::EmptyProfile, operation, 1, 1);
        let faults = vec![at("autoscaling:CreateAutoScalingGroup"), at("ec2:RunInstances")];
        let mut injector = Injector::new(Faults { seed: 0, faults });
        let mut launch = |takes_profile| {
            injector.refuse_launch(&Launch {
                zone: "us-east-1a",
                takes_profile,
                vcpus: 2,
                vcpus_in_use: 0,
                is_free_tier_eligible: true,
            })
        };
        assert_eq!([launch(false), launch(true), launch(true)], [None, Some(Refusal::EmptyProfile), None]);
        let report = injector.report();
        assert_eq!((&report["fault"][0]["struck"], &report["fault"][1]["struck"]), (&json!(0), &json!(1)));
    }
}
