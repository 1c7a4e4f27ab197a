//! One pair: what its facts say of zone-aware routing. Of the states, the first that holds is given, with all its reasons.

use std::collections::BTreeMap;

use super::age::{Age, HostAge, LAUNCH};
use super::shares::{self, Matrix};
use crate::audit::facts::{ByZone, OtherName, Service, Task, by_zone};
use crate::audit::verdict::{Code, Endpoints, Reason, State};
use crate::aws::AzId;

/// Envoy's default of `min_cluster_size`.
const ENVOYS_MINIMUM: u32 = 6;

/// Zone-aware routing keeps at least this share where it keeps all: a task more or less in a zone comes to more.
const ALL: f64 = 0.995;

/// Who is called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Server<'f> {
    Ours(&'f Service),
    Other(&'f OtherName),
}

impl Server<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Ours(service) => &service.id.service,
            Self::Other(name) => &name.discovery_name,
        }
    }
}

/// What the facts say of a pair, before anything measured is looked at.
#[derive(Clone, Debug)]
pub(super) struct Prediction {
    pub(super) state: State,
    pub(super) reasons: Vec<Reason>,
    pub(super) callers: ByZone,
    pub(super) endpoints: Endpoints,
    /// None: it is not known where requests go.
    pub(super) now: Option<Matrix>,
    /// None: no task runs, of the one or the other.
    pub(super) possible: Option<Possible>,
    /// Whether some callers' proxies are older than zone-aware routing: they count no zones, so that the counters of the others are of a
    /// part only.
    pub(super) has_old_callers: bool,
}

/// What the spread of the tasks allows.
#[derive(Clone, Debug)]
pub(super) struct Possible {
    pub(super) routed: Matrix,
    pub(super) without: Matrix,
    pub(super) best: f64,
}

pub(super) fn reason(code: Code, text: impl Into<String>) -> Reason {
    Reason { code, text: text.into() }
}

/// How many endpoints there are for sure too few, and from how many on there are for sure enough. AWS: "at least 2 × the number
/// of AZs as available endpoints in the destination service; for a 3-AZ Region, at least 6" (ECS Developer Guide, "Service Connect
/// zone-aware routing"). Whose zones those are it does not tell, nor whether Envoy's default of 6 holds with two zones.
fn thresholds(callers: &ByZone, endpoints: &ByZone) -> (u32, u32) {
    let both: std::collections::BTreeSet<&AzId> =
        shares::present(callers).chain(shares::present(endpoints)).map(|(zone, _)| zone).collect();
    let count = |zones: usize| u32::try_from(zones).unwrap_or(u32::MAX).saturating_mul(2);
    // In a single zone there is nothing to route by.
    let least = count(shares::present(endpoints).count().max(2));
    (least, count(both.len()).max(ENVOYS_MINIMUM))
}

pub(super) fn predict(client: &Service, server: Server<'_>) -> Prediction {
    let callers = client.tasks.as_deref().map(|tasks| by_zone(tasks.iter()));
    let healthy = match server {
        Server::Ours(server) => server.tasks.as_deref().map(|t| by_zone(t.iter().filter(|task| task.is_healthy))),
        Server::Other(name) => name.endpoints.clone(),
    };
    let mut found = Prediction {
        state: State::Unclear,
        reasons: vec![],
        callers: callers.clone().unwrap_or_default(),
        endpoints: Endpoints::default(),
        now: None,
        possible: None,
        has_old_callers: false,
    };
    let Some(callers) = callers else {
        found.reasons = vec![not_known(&client.id.service, "where its tasks run")];
        return found;
    };
    let Some(healthy) = healthy else {
        found.reasons = vec![match server {
            Server::Ours(server) => not_known(&server.id.service, "where its tasks run"),
            Server::Other(name) => other_account(name),
        }];
        return found;
    };
    let (least, needed) = thresholds(&callers, &healthy);
    let count: u32 = healthy.values().sum();
    found.endpoints = Endpoints { healthy: count, needed, by_zone: healthy.clone() };
    let idle = [(callers.values().sum::<u32>(), &*client.id.service, "task"), (count, server.name(), "healthy task")];
    if let Some((_, name, what)) = idle.into_iter().find(|(count, ..)| *count == 0) {
        found.state = State::NotRunning;
        found.reasons = vec![reason(Code::NoTasks, format!("no {what} of {name} runs"))];
        return found;
    }
    let zones = |zones: &ByZone| shares::present(zones).map(|(zone, _)| zone.clone()).collect::<Vec<_>>();
    let without = shares::without(&callers, &healthy);
    if let ([zone], true) = (&*zones(&callers), zones(&callers) == zones(&healthy)) {
        found.state = State::OneZone;
        let name = server.name();
        let all = format!("all tasks of {} and {name} are in {zone}: nothing can cross", client.id.service);
        found.reasons = vec![reason(Code::OneZone, all)];
        found.now = Some(without.clone());
        found.possible = Some(Possible { routed: without.clone(), without, best: 1.0 });
        return found;
    }
    let routed = shares::routed(&callers, &healthy);
    let best = shares::best(&callers, count.max(needed));

    let old = Old::of(client, server);
    found.has_old_callers = old.has_old_callers();
    let mut off = old.off();
    if count < least {
        off.push(reason(Code::TooFewEndpoints, too_few(server.name(), count, needed)));
    }
    let mut unclear = old.unclear();
    if count >= least && count < needed {
        let (name, has) = (server.name(), endpoints_in(&healthy));
        let both = format!("{name} has {has}: AWS's formula says on, Envoy's default of {needed} says off");
        unclear.push(reason(Code::Threshold, both));
    }
    let partly: Vec<Reason> =
        old.partly().into_iter().chain(spread(client, server, &callers, &healthy, &routed)).collect();
    (found.state, found.reasons, found.now) = if !off.is_empty() {
        (State::Off, off, Some(without.clone()))
    } else if !unclear.is_empty() {
        (State::Unclear, unclear, None)
    } else {
        let now = (!old.is_server_mixed()).then(|| shares::mixed(&routed, &without, |zone| old.aware_in(zone)));
        (if partly.is_empty() { State::On } else { State::Partly }, partly, now)
    };
    found.possible = Some(Possible { routed, without, best });
    found
}

fn not_known(service: &str, what: &str) -> Reason {
    reason(Code::NotKnown, format!("{service}: {what} is not known"))
}

fn other_account(name: &OtherName) -> Reason {
    let of = name.account.as_ref().map_or("another account".to_owned(), |account| format!("account {account}"));
    let text = format!("{} is a service of {of}: when it was deployed is not for us to see", name.discovery_name);
    reason(Code::OtherAccount, text)
}

fn too_few(name: &str, count: u32, needed: u32) -> String {
    format!("{name} has {count} healthy endpoint{}, {needed} needed", if count == 1 { "" } else { "s" })
}

fn endpoints_in(endpoints: &ByZone) -> String {
    let zones = shares::present(endpoints).count();
    let count = endpoints.values().sum::<u32>();
    format!("{count} endpoints in {zones} zone{}", if zones == 1 { "" } else { "s" })
}

/// How the tasks' spread over the zones keeps zone-aware routing from keeping all.
fn spread(
    client: &Service,
    server: Server<'_>,
    callers: &ByZone,
    endpoints: &ByZone,
    routed: &Matrix,
) -> Option<Reason> {
    let share = shares::same_zone(routed, callers);
    if share >= ALL {
        return None;
    }
    let has_none = |zone: &&AzId| endpoints.get(zone).copied().unwrap_or(0) == 0;
    let lonely: Vec<&str> = shares::present(callers).map(|(zone, _)| zone).filter(has_none).map(AzId::as_str).collect();
    Some(if lonely.is_empty() {
        let zones: std::collections::BTreeSet<&AzId> = callers.keys().chain(endpoints.keys()).collect();
        let counts = |counts: &ByZone| {
            let counts = zones.iter().map(|zone| counts.get(zone).copied().unwrap_or(0).to_string());
            counts.collect::<Vec<_>>().join(", ")
        };
        let zones = zones.iter().map(|zone| zone.as_str()).collect::<Vec<_>>().join(", ");
        let (endpoints, callers) = (counts(endpoints), counts(callers));
        let share = crate::audit::percent(share);
        let (name, client) = (server.name(), &client.id.service);
        let text =
            format!("{endpoints} endpoints of {name} for {callers} callers of {client} in {zones}: {share} can stay");
        reason(Code::Uneven, text)
    } else {
        let (zones, name) = (lonely.join(" and "), server.name());
        let client = &client.id.service;
        reason(Code::NoLocalEndpoint, format!("callers of {client} in {zones} have no endpoint of {name} there"))
    })
}

/// What of the tasks is older than zone-aware routing.
struct Old<'f> {
    client: Sample<'f>,
    /// None: nothing is known of another account's.
    server: Option<Sample<'f>>,
    other: Option<&'f OtherName>,
    hosts: Vec<(&'f Task, HostAge)>,
}

/// The tasks of a service by the age of their deployments.
struct Sample<'f> {
    service: &'f Service,
    ages: Vec<(&'f AzId, Age)>,
}

impl<'f> Sample<'f> {
    fn of(service: &'f Service, is_meant: impl Fn(&Task) -> bool) -> Self {
        let newest = service.deployment.as_ref().and_then(|deployment| deployment.created_at);
        let tasks = service.tasks.iter().flatten().filter(|task| is_meant(task));
        let age = |task: &'f Task| (&task.zone, Age::of(task.deployed_at.or(newest)));
        Self { service, ages: tasks.map(age).collect() }
    }

    fn count(&self, age: Age) -> usize {
        self.ages.iter().filter(|(_, other)| *other == age).count()
    }

    fn is_all(&self, age: Age) -> bool {
        self.count(age) == self.ages.len()
    }

    fn old(&self, code: Code) -> Reason {
        let name = &self.service.id.service;
        let time = self.service.deployment.as_ref().and_then(|deployment| deployment.created_at);
        let day = time.map(|time| format!(" on {}", time.strftime("%F"))).unwrap_or_default();
        reason(code, format!("{name} was last deployed{day}, before zone-aware routing ({LAUNCH})"))
    }
}

impl<'f> Old<'f> {
    fn of(client: &'f Service, server: Server<'f>) -> Self {
        let (server, other) = match server {
            Server::Ours(server) => (Some(Sample::of(server, |task| task.is_healthy)), None),
            Server::Other(name) => (None, Some(name)),
        };
        let tasks = client.tasks.iter().flatten();
        let hosts = tasks.filter_map(|task| Some((task, HostAge::of(task.host.as_ref()?)))).collect();
        Self { client: Sample::of(client, |_| true), server, other, hosts }
    }

    fn off(&self) -> Vec<Reason> {
        let server = self.server.as_ref().filter(|server| server.is_all(Age::Before));
        let server = server.map(|server| server.old(Code::ServerDeploymentOld));
        let client = self.client.is_all(Age::Before).then(|| self.client.old(Code::ClientDeploymentOld));
        let hosts = self.old_hosts().filter(|_| self.is_every_host_old());
        server.into_iter().chain(client).chain(hosts).collect()
    }

    fn is_every_host_old(&self) -> bool {
        let callers = self.client.ages.len();
        self.hosts.iter().filter(|(_, age)| matches!(age, HostAge::TooOld(_))).count() == callers
    }

    /// How many callers run on what is too old, if any do.
    fn old_hosts(&self) -> Option<Reason> {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, age) in &self.hosts {
            if let HostAge::TooOld(what) = age {
                *kinds.entry(what).or_default() += 1;
            }
        }
        let (count, all) = (kinds.values().sum::<usize>(), self.client.ages.len());
        let kinds = kinds.keys().copied().collect::<Vec<_>>().join(" or ");
        let name = &self.client.service.id.service;
        (count > 0).then(|| reason(Code::HostTooOld, format!("{count} of {all} tasks of {name} run on {kinds}")))
    }

    fn unclear(&self) -> Vec<Reason> {
        let mut unclear = vec![];
        for sample in self.server.iter().chain([&self.client]) {
            let name = &sample.service.id.service;
            if sample.count(Age::Unknown) > 0 {
                unclear.push(not_known(name, "when it was last deployed"));
            } else if sample.count(Age::Around) > 0 && sample.count(Age::Before) == 0 {
                let text = format!(
                    "{name} was last deployed in the days when zone-aware routing came ({LAUNCH}): one deployment more settles it"
                );
                unclear.push(reason(Code::LaunchDay, text));
            }
        }
        unclear.extend(self.other.map(other_account));
        let count = |is: fn(&HostAge) -> bool| self.hosts.iter().filter(|(_, age)| is(age)).count();
        let (all, name) = (self.client.ages.len(), &self.client.service.id.service);
        let custom = count(|age| *age == HostAge::CustomImage);
        if custom > 0 {
            let text = format!(
                "{custom} of {all} tasks of {name} run on an image that is no ECS-optimized AMI: which proxy it has is not known"
            );
            unclear.push(reason(Code::CustomImage, text));
        }
        let unknown = count(|age| *age == HostAge::Unknown);
        if unknown > 0 {
            let what = format!("the ECS agent and the image of {unknown} of {all} tasks' instances");
            unclear.push(not_known(name, &what));
        }
        unclear
    }

    fn partly(&self) -> Vec<Reason> {
        let mixed = |sample: &Sample<'_>, what: &str| {
            let (old, all) = (sample.count(Age::Before), sample.ages.len());
            let name = &sample.service.id.service;
            let text = format!("{old} of {all} {what} of {name} are of a deployment from before zone-aware routing");
            (old > 0 && old < all).then(|| reason(Code::Mixed, text))
        };
        let server = self.server.as_ref().and_then(|server| mixed(server, "endpoints"));
        server.into_iter().chain(mixed(&self.client, "callers")).chain(self.old_hosts()).collect()
    }

    fn has_old_callers(&self) -> bool {
        self.client.count(Age::Before) > 0 || self.old_hosts().is_some()
    }

    fn is_server_mixed(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.count(Age::Before) > 0)
    }

    /// The share of the callers in a zone whose proxies route by zone.
    fn aware_in(&self, zone: &AzId) -> f64 {
        let is_old = |task: &Task| {
            let age = self.hosts.iter().find(|(other, _)| other.id == task.id);
            age.is_some_and(|(_, age)| matches!(age, HostAge::TooOld(_)))
        };
        let newest = self.client.service.deployment.as_ref().and_then(|deployment| deployment.created_at);
        let here: Vec<&Task> = self.client.service.tasks.iter().flatten().filter(|task| task.zone == *zone).collect();
        let aware = here.iter().filter(|task| Age::of(task.deployed_at.or(newest)) == Age::Since && !is_old(task));
        aware.count() as f64 / here.len() as f64
    }
}
