//! The account: the regions, which come into being with their first request, and what they share.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::AwsError;
use super::faults::{Faults, Injector, SharedInjector};
use super::ids::Ids;
use super::options::Options;
use super::partition;
use super::region::Region;
use super::schedule::{Pace, Schedule};
use super::service::Founding;
use super::services::{self, iam};
use super::settle::SharedRegion;
use super::states::States;
use super::trouble::Trouble;
use crate::mesh::{Conditions, Entrances, Mesh, Proxies};
use crate::settings::OWNER_TAG;

pub(super) struct Account {
    pace: Pace,
    vcpu_quota: u32,
    proxies: Proxies,
    entrances: Entrances,
    conditions: Mutex<Conditions>,
    pub(super) faults: SharedInjector,
    /// The states that all regions share: IAM's.
    states: States,
    regions: Mutex<HashMap<String, Arc<SharedRegion>>>,
}

impl Account {
    /// Fails if the policy that every call is to be checked against is no IAM policy.
    pub(super) fn new(options: &Options) -> Result<Self, AwsError> {
        let mut states = States::default();
        let iam = iam::Account::new(options.bare_account, options.policy.as_deref())?;
        states.insert(iam::SERVICE.signing_name, Box::new(iam));
        Ok(Self {
            pace: options.pace,
            vcpu_quota: options.vcpu_quota,
            proxies: options.proxies.clone(),
            entrances: options.entrances.clone(),
            conditions: Mutex::new(options.conditions),
            faults: Arc::new(Mutex::new(Injector::new(options.faults.clone()))),
            states,
            regions: Mutex::default(),
        })
    }

    /// A region comes into being with its first request, and from then on moves by itself until `stop`.
    pub(super) fn region(
        &self,
        name: &str,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Arc<SharedRegion>, AwsError> {
        if !partition::is_region(name) {
            return Err(AwsError::new(
                "UnrecognizedClientException",
                format!("zonewalk's local cloud has no region {name}; it has {}", partition::REGIONS.join(", ")),
            ));
        }
        let mut regions = self.regions.lock();
        if let Some(region) = regions.get(name) {
            return Ok(Arc::clone(region));
        }
        let region = SharedRegion::new(self.new_region(name));
        regions.insert(name.to_owned(), Arc::clone(&region));
        let (running, stop) = (Arc::clone(&region), stop.clone());
        tracker.spawn(async move {
            tokio::select! {
                () = running.run() => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(region)
    }

    /// The regions that have come into being, in the order of their names.
    pub(super) fn regions(&self) -> BTreeMap<String, Arc<SharedRegion>> {
        self.regions.lock().iter().map(|(name, region)| (name.clone(), Arc::clone(region))).collect()
    }

    fn new_region(&self, name: &str) -> Region {
        let mut ids = Ids::from_entropy();
        let mut states = States::default();
        for service in services::ALL {
            let founding = Founding { region: name, ids: &mut ids, account: &self.states };
            if let Some(state) = (service.new_state)(founding) {
                states.insert(service.signing_name, state);
            }
        }
        let mesh = Mesh::new(tokio::runtime::Handle::current(), self.proxies.clone());
        let mesh = mesh.with_entrances(self.entrances.clone()).keeping_journal();
        mesh.set_conditions(self.conditions());
        Region {
            name: name.to_owned(),
            ids,
            schedule: Schedule::new(self.pace),
            mesh,
            published: None,
            vcpu_quota: self.vcpu_quota,
            faults: self.faults.clone(),
            trouble: Trouble::default(),
            states,
        }
    }

    /// The conditions under which the meshes of all regions carry requests.
    pub(super) fn conditions(&self) -> Conditions {
        *self.conditions.lock()
    }

    pub(super) fn set_conditions(&self, conditions: Conditions) {
        // Locked throughout: a region that comes into being meanwhile gets them too.
        let regions = self.regions.lock();
        *self.conditions.lock() = conditions;
        for region in regions.values() {
            region.with(|region| region.mesh.set_conditions(conditions));
        }
    }

    /// From now on these faults happen. What was hidden comes into sight with the end of the earlier ones, and agents reconnect.
    pub(super) fn set_faults(&self, faults: Faults) {
        *self.faults.lock() = Injector::new(faults);
        for region in self.regions.lock().values() {
            region.with(|region| {
                region.states.reveal();
                services::ecs::reconnect_agents(region);
            });
        }
    }

    /// The walkthroughs of which something stands, by the owner tag that each resource carries: name and region, which is none
    /// where only roles are left, since they are the account's; and how many resources carry it.
    pub(super) fn walkthroughs(&self) -> BTreeMap<(String, Option<String>), u64> {
        let mut found = BTreeMap::new();
        // Every region sees them.
        let mut of_account = BTreeMap::new();
        for (name, region) in self.regions.lock().iter() {
            let mut seen = BTreeMap::new();
            region.with(|region| {
                for service in services::ALL {
                    let is_of_account = service.signing_name == iam::SERVICE.signing_name;
                    for walkthrough in (service.tagged)(region, OWNER_TAG) {
                        if is_of_account {
                            *seen.entry((walkthrough, None)).or_default() += 1;
                        } else {
                            *found.entry((walkthrough, Some(name.clone()))).or_default() += 1;
                        }
                    }
                }
            });
            of_account = seen;
        }
        of_account.retain(|(walkthrough, _), _| !found.keys().any(|(found, _)| found == walkthrough));
        found.extend(of_account);
        found
    }

    pub(super) fn meshes(&self) -> Vec<Mesh> {
        self.regions.lock().values().map(|region| region.with(|region| region.mesh.clone())).collect()
    }
}

#[cfg(test)]
impl Region {
    /// One of its own, for a test that moves the clock itself.
    pub(crate) fn of_a_test(pace: Pace) -> Self {
        let options = Options { pace, ..Options::default() };
        Account::new(&options).unwrap().new_region("us-east-1")
    }
}
