//! Which fault meets which call, and which cases go together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use zonewalk::cloud::{Fault, FaultKind};

use crate::support;

/// The operations that are called, `service:Operation`, in their order.
pub(super) struct Calls {
    /// By each phase of an undisturbed journey.
    pub(super) phases: [Vec<String>; 3],
    /// By an `up` that has to wait, see [`shortages`].
    pub(super) waiting: Vec<String>,
}

/// A fault in a phase.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) phase: usize,
    pub(super) fault: Fault,
    /// Whether it meets a run that has to wait, see [`shortages`].
    pub(super) waiting: bool,
}

/// After which the SDK gives up.
const ATTEMPTS: u64 = 5;
pub(super) const TOO_OFTEN: u64 = ATTEMPTS + 1;

/// Launches, one in half a second, for longer than a run waits for them.
const FOR_GOOD: u64 = 30;

/// Cases that go together in a phase.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Company {
    /// The run gets over them.
    Passes,
    EndsRuns,
    LosesInstances,
    Alone,
}

impl Case {
    /// The kind and, with it, whether the SDK's own attempts get over it.
    pub(super) fn kind(&self) -> &'static str {
        match (self.fault.kind, self.fault.first) {
            (FaultKind::Throttle, Some(TOO_OFTEN)) => "throttled to the end",
            (FaultKind::Throttle, _) => "throttled",
            (FaultKind::ServerError, Some(TOO_OFTEN)) => "failed to the end",
            (FaultKind::ServerError, _) => "failed",
            (FaultKind::Delay, _) => "late",
            (FaultKind::DropAnswer, _) => "answer lost",
            (FaultKind::DropRequest, _) => "request lost",
            (FaultKind::Hide, _) => "hidden",
            (FaultKind::RefuseRole, _) => "role refused",
            (FaultKind::NoCapacity, Some(FOR_GOOD)) => "no capacity for good",
            (FaultKind::EmptyProfile, _) => "role not in its profile",
            (FaultKind::ServiceLinkedRole, _) => "service-linked role refused",
            (FaultKind::NoCapacity, _) => "no capacity",
            (FaultKind::VcpuLimit, _) => "over the quota",
            (FaultKind::FreePlan, _) => "on the Free plan",
            (FaultKind::SharedNamespace, _) => "namespace of others",
            (FaultKind::LoseInstance, _) => "instance lost",
            (FaultKind::DisconnectAgent, _) => "agent disconnected",
            (FaultKind::HoldDeployment, _) => "deployment held",
            (FaultKind::Refuse, _) => "refused",
        }
    }

    /// Whether a run may fail of it: the SDK gives up, or neither quota nor plan is waited for. It gets over everything else, or the
    /// run waits it out.
    pub(super) fn ends_a_run(&self) -> bool {
        [Some(TOO_OFTEN), Some(FOR_GOOD)].contains(&self.fault.first)
            || matches!(self.fault.kind, FaultKind::VcpuLimit | FaultKind::FreePlan)
    }

    /// Whether instances may come to be elsewhere because of it.
    pub(super) fn moves_instances(&self) -> bool {
        self.waiting || self.company() == Company::Alone
    }

    /// What happens to which operation in which phase, whichever of its calls it is.
    pub(super) fn what(&self) -> String {
        let fault = Fault { after: 0, ..self.fault.clone() };
        Self { fault, ..*self }.to_string()
    }

    /// How often an operation looks again differs from run to run, and so does when instances come and go. Every change,
    /// and every first look, is made.
    pub(super) fn may_be_unmet(&self) -> bool {
        matches!(self.fault.kind, FaultKind::LoseInstance | FaultKind::DisconnectAgent)
            || is_look(self.operation()) && self.fault.after > 0
    }

    fn operation(&self) -> &str {
        self.fault.operation.as_deref().unwrap_or_default()
    }

    fn service(&self) -> &str {
        self.operation().split(':').next().unwrap_or_default()
    }

    /// How many calls of the operation come on top, since the SDK repeats them.
    fn repeats(&self) -> u64 {
        match (self.fault.kind, self.fault.first) {
            (FaultKind::Throttle | FaultKind::ServerError, Some(times)) if times < TOO_OFTEN => times,
            (FaultKind::DropAnswer | FaultKind::DropRequest, Some(times)) => times,
            _ => 0,
        }
    }

    fn company(&self) -> Company {
        match self.fault.kind {
            FaultKind::LoseInstance => Company::LosesInstances,
            FaultKind::NoCapacity | FaultKind::VcpuLimit | FaultKind::FreePlan => Company::Alone,
            _ if self.ends_a_run() => Company::EndsRuns,
            _ => Company::Passes,
        }
    }

    /// What it has to itself, or nearly so: a service whose reads answer as before, or an operation.
    fn realm(&self) -> String {
        let hides = self.fault.kind == FaultKind::Hide;
        if hides { self.service() } else { self.operation() }.to_owned()
    }

    /// Whether it goes together with these of its company, in one phase of a journey: one call meets one fault.
    fn goes_with(&self, others: &[Self]) -> bool {
        let number = |is_one: &dyn Fn(&Self) -> bool| others.iter().filter(|other| is_one(other)).count();
        let same_kind = |other: &Self| other.fault.kind == self.fault.kind;
        let of_roles = |other: &Self| other.fault.kind.is_of_roles();
        let same_service = |other: &Self| same_kind(other) && other.service() == self.service();
        let mut here = others.iter().filter(|other| other.operation() == self.operation());
        match (self.company(), self.fault.kind) {
            (Company::Alone, _) => others.is_empty(),
            (Company::LosesInstances, _) => others.len() < 3 && here.next().is_none(),
            (Company::EndsRuns, _) => others.len() < 12 && here.next().is_none(),
            (_, FaultKind::Hide) => number(&same_kind) < 6 && number(&same_service) == 0 && here.next().is_none(),
            (_, kind) if kind.is_of_roles() => number(&of_roles) < 4 && here.next().is_none(),
            (_, FaultKind::HoldDeployment) => number(&same_kind) < 4 && here.next().is_none(),
            _ => {
                let apart = |other: &Self| {
                    let alone =
                        matches!(other.fault.kind, FaultKind::Hide | FaultKind::HoldDeployment) || of_roles(other);
                    !alone && other.fault.after != self.fault.after
                };
                // Calls of one operation that are under way together must not meet faults more often than the SDK tries.
                let repeats: u64 = here.clone().map(Self::repeats).sum();
                others.len() < 40 && here.all(apart) && repeats + self.repeats() < ATTEMPTS
            }
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { after, first, calls, milliseconds, zone, .. } = &self.fault;
        let phase = if self.waiting { "up that waits" } else { ["up", "mend", "down"][self.phase] };
        write!(f, "{phase}, {} call {} of {}", self.kind(), after + 1, self.operation())?;
        write!(f, " (first {first:?}, calls {calls:?}, ms {milliseconds:?}, zone {zone:?})")
    }
}

pub(super) fn is_look(operation: &str) -> bool {
    ["Describe", "Get", "List", "Simulate"]
        .iter()
        .any(|look| operation.split(':').nth(1).is_some_and(|name| name.starts_with(look)))
}

/// How many of the cases are gone through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that can happen to the first call by each operation in a phase. Later calls go through the same code: changes
    /// are hidden in one way and meet all else, looks meet one kind, in turn.
    Kinds,
    Everything,
}

impl Extent {
    /// Which of these, that can happen to the n-th call by an operation.
    fn of(self, mut faults: Vec<Fault>, operation: &str, n: u64) -> Vec<Fault> {
        if self == Self::Everything || n == 1 {
            return faults;
        }
        let mut others = vec![];
        if !is_look(operation) {
            (faults, others) = faults.into_iter().partition(|fault| fault.kind == FaultKind::Hide);
        }
        others.push(faults.swap_remove(usize::try_from(n).unwrap() % faults.len()));
        others
    }
}

/// What can happen to any call. Looks, of which most calls are, meet each kind, and after the first fail to the end in one
/// way: who looks cannot tell a lost request from a lost answer.
fn at_any_call(operation: &str, n: u64) -> Vec<Fault> {
    let at = |kind, times| Fault::at(kind, operation, n, times);
    let throttled_to_the_end = at(FaultKind::Throttle, TOO_OFTEN);
    let failed_to_the_end = Fault { status: Some(503), ..at(FaultKind::ServerError, TOO_OFTEN) };
    let mut faults = vec![
        at(FaultKind::Throttle, 1),
        at(FaultKind::ServerError, 3),
        at(FaultKind::DropAnswer, 1),
        at(FaultKind::DropRequest, 3),
        Fault { milliseconds: Some(30), ..at(FaultKind::Delay, 1) },
    ];
    if is_look(operation) {
        match n {
            1 => faults.extend([throttled_to_the_end, failed_to_the_end]),
            _ => faults.push(if n.is_multiple_of(2) { throttled_to_the_end } else { failed_to_the_end }),
        }
    } else {
        faults.extend([throttled_to_the_end, failed_to_the_end]);
        faults.push(at(FaultKind::Throttle, 3));
        faults.push(Fault { status: Some(503), ..at(FaultKind::ServerError, 1) });
        faults.push(at(FaultKind::DropAnswer, 3));
        faults.push(at(FaultKind::DropRequest, 1));
    }
    faults
}

pub(super) fn all(calls: &Calls, extent: Extent) -> Vec<Case> {
    let mut cases = vec![];
    for (phase, calls) in calls.phases.iter().enumerate() {
        let mut counts = BTreeMap::<&str, u64>::new();
        for (place, operation) in calls.iter().enumerate() {
            let n = counts.entry(operation).or_default();
            *n += 1;
            let mut faults = at_any_call(operation, *n);
            if !is_look(operation) {
                let hidden = |calls| Fault { calls: Some(calls), ..Fault::at(FaultKind::Hide, operation, *n, 1) };
                faults.extend([1, 3, 8].map(hidden));
                let time = Fault { milliseconds: Some(120), ..Fault::at(FaultKind::Hide, operation, *n, 1) };
                faults.push(time);
                if instances_run(phase, calls, place) {
                    let zone = Some(OUR_ZONE.to_owned());
                    faults.push(Fault { zone, ..Fault::at(FaultKind::LoseInstance, operation, *n, 1) });
                    let disconnected = Fault::at(FaultKind::DisconnectAgent, operation, *n, 1);
                    faults.push(Fault { milliseconds: Some(120), ..disconnected });
                }
            }
            if operation == "ecs:DeleteService" {
                faults.extend([1, 3].map(|times| Fault::at(FaultKind::HoldDeployment, operation, *n, times)));
            }
            for (kind, _) in ROLES.iter().filter(|(_, operations)| operations.contains(&operation.as_str())) {
                faults.extend([1, 3].map(|times| Fault::at(*kind, operation, *n, times)));
            }
            let faults = extent.of(faults, operation, *n);
            cases.extend(faults.into_iter().map(|fault| Case { phase, fault, waiting: false }));
        }
    }
    for (phase, zone) in [(0, "a"), (0, "b"), (1, "a"), (1, "b"), (1, "c")] {
        let zone = Some(zone.to_owned());
        let fault = Fault { zone, first: Some(1), ..Fault::new(FaultKind::NoCapacity) };
        cases.push(Case { phase, fault, waiting: false });
    }
    for phase in [0, 1] {
        let at_launch = |kind| Fault::at(kind, "ec2:RunInstances", 1, 2);
        cases.extend(ROLES.map(|(kind, _)| Case { phase, fault: at_launch(kind), waiting: false }));
    }
    // Two instances are launched, then two more, and one in place of each of the first two.
    for (phase, launches) in [(0, 2), (1, 4)] {
        cases.extend((0..launches).map(|after| {
            let fault = Fault { after, first: Some(1), vcpus: Some(0), ..Fault::new(FaultKind::VcpuLimit) };
            Case { phase, fault, waiting: false }
        }));
    }
    // The plan is asked for, and then met by each launch.
    for (phase, occasions) in [(0, 3), (1, 2)] {
        cases.extend((0..occasions).map(|after| {
            let fault = Fault { after, first: Some(1), ..Fault::new(FaultKind::FreePlan) };
            Case { phase, fault, waiting: false }
        }));
    }
    // With four instances a zone that has no machines for good leaves the others uneven, which ends a run.
    let fault = Fault { zone: Some("c".to_owned()), first: Some(FOR_GOOD), ..Fault::new(FaultKind::NoCapacity) };
    cases.push(Case { phase: 1, fault, waiting: false });
    for phase in 0..3 {
        let name = Some(support::settings().name.resources().namespace);
        let fault = Fault { name, ..Fault::new(FaultKind::SharedNamespace) };
        cases.push(Case { phase, fault, waiting: false });
    }
    let met = |operation: &&String| calls.phases.iter().any(|calls| calls.contains(operation));
    let looks: BTreeSet<&String> = calls.waiting.iter().filter(|operation| !met(operation)).collect();
    for (operation, n) in looks.into_iter().flat_map(|operation| [(operation, 1), (operation, 4)]) {
        let faults = extent.of(at_any_call(operation, n), operation, n);
        cases.extend(faults.into_iter().map(|fault| Case { phase: 0, fault, waiting: true }));
    }
    cases
}

/// What makes an `up` wait for instances, and for tasks, which at this pace are there at once otherwise. No zone has a
/// machine at first. Both services are asked for twice, and each time the instance in our zone is lost in between: under
/// the backend's task, which goes to the other one, and, after it was replaced, under the frontend's. No zone has one then.
pub(super) fn shortages(region: &str) -> Vec<Fault> {
    let none = |after| Fault { after, first: Some(3), ..Fault::new(FaultKind::NoCapacity) };
    let at = |kind, n| Fault::at(kind, "ecs:CreateService", n, 1);
    let lost = |n| Fault { zone: Some(format!("{region}{OUR_ZONE}")), ..at(FaultKind::LoseInstance, n) };
    let asked_twice = |n| [at(FaultKind::DropAnswer, n), lost(n + 1)];
    // Three launches are refused; two are for the group, one is for the first instance that is lost.
    [[none(0), none(6)], asked_twice(1), asked_twice(3)].concat()
}

/// In which the neighbours have no instance.
const OUR_ZONE: &str = "a";

/// Whether an instance of ours runs when the call at this place is made.
fn instances_run(phase: usize, calls: &[String], place: usize) -> bool {
    let is_after = |operation: &str| calls[..place].iter().any(|call| call == operation);
    match phase {
        0 => is_after("autoscaling:CreateAutoScalingGroup"),
        1 => true,
        _ => !is_after("autoscaling:DeleteAutoScalingGroup"),
    }
}

/// Where roles are handed over or acted in, by the fault that strikes there; and each strikes launches.
const ROLES: [(FaultKind, &[&str]); 3] = [
    (
        FaultKind::RefuseRole,
        &[
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "ec2:CreateLaunchTemplate",
            "ecs:CreateService",
            "ecs:RegisterTaskDefinition",
        ],
    ),
    (FaultKind::EmptyProfile, &["autoscaling:CreateAutoScalingGroup", "autoscaling:UpdateAutoScalingGroup"]),
    (FaultKind::ServiceLinkedRole, &["ecs:CreateCluster", "ecs:CreateService"]),
];

/// The cases in journeys: in each phase a few of one company.
pub(super) fn packed(cases: &[Case]) -> Vec<Vec<Case>> {
    let mut journeys = vec![];
    for phase in 0..3 {
        let mut companies = BTreeMap::<(Company, bool), Vec<Case>>::new();
        for case in cases.iter().filter(|case| case.phase == phase) {
            companies.entry((case.company(), case.waiting)).or_default().push(case.clone());
        }
        let packed = companies.into_values().flat_map(in_companies);
        for (place, company) in packed.enumerate() {
            if place == journeys.len() {
                journeys.push(vec![]);
            }
            journeys[place].extend(company);
        }
    }
    journeys
}

/// Those that keep most others out come first, or they would be left over, a journey each.
fn in_companies(mut left: Vec<Case>) -> Vec<Vec<Case>> {
    let mut rivals = BTreeMap::<String, usize>::new();
    left.iter().for_each(|case| *rivals.entry(case.realm()).or_default() += 1);
    left.sort_by_key(|case| std::cmp::Reverse(rivals[&case.realm()]));
    let mut companies = vec![];
    while !left.is_empty() {
        let mut company = vec![];
        for case in std::mem::take(&mut left) {
            if case.goes_with(&company) { &mut company } else { &mut left }.push(case);
        }
        companies.push(company);
    }
    companies
}

/// The faults of one phase's cases, theirs first. What the SDK repeats because of one fault moves the next one of that operation on.
pub(super) fn armed(cases: &[&Case], region: &str) -> Vec<Fault> {
    let moved = |case: &Case| {
        let before = |other: &&&Case| other.operation() == case.operation() && other.fault.after < case.fault.after;
        let repeats: u64 = cases.iter().filter(before).map(|other| other.repeats()).sum();
        let zone = case.fault.zone.as_ref().map(|letter| format!("{region}{letter}"));
        Fault { after: case.fault.after + repeats, zone, ..case.fault.clone() }
    };
    let mut faults: Vec<_> = cases.iter().map(|case| moved(case)).collect();
    if cases.iter().any(|case| case.waiting) {
        faults.extend(shortages(region));
    }
    faults
}
