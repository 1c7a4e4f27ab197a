//! Whose task has an ID or an address, and in which zone it is.

use std::collections::{BTreeMap, BTreeSet};

use super::services::Draft;
use super::{Reader, batches, last, tasks};
use crate::audit::facts::{Offer, ServiceId};
use crate::aws::{AzId, AzName};
use crate::stages::Error;

/// A task's service, and its zone.
pub(super) type End = (ServiceId, AzId);

/// The running tasks, and those that were looked up.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    by_id: BTreeMap<String, End>,
    by_address: BTreeMap<String, End>,
}

impl Whereabouts {
    pub(super) fn of(drafts: &[Draft]) -> Self {
        let mut found = Self::default();
        for draft in drafts {
            for task in draft.service.tasks.iter().flatten() {
                let end = (draft.service.id.clone(), task.zone.clone());
                found.by_id.insert(task.id.clone(), end.clone());
                found.by_address.extend(task.address.clone().map(|address| (address, end)));
            }
        }
        found
    }

    pub(super) fn task(&self, id: &str) -> Option<&End> {
        self.by_id.get(id)
    }

    pub(super) fn address(&self, address: &str) -> Option<&End> {
        self.by_address.get(address)
    }

    /// Looks up those of these tasks that are not known: ECS tells of a stopped one for an hour (ECS API Reference,
    /// "DescribeTasks").
    pub(super) async fn look_up(
        &mut self,
        reader: &Reader<'_>,
        clusters: &BTreeSet<String>,
        zones: &BTreeMap<AzName, AzId>,
        ids: impl IntoIterator<Item = String>,
    ) -> Result<(), Error> {
        let unknown = batches(ids.into_iter().filter(|id| !self.by_id.contains_key(id)), tasks::TASKS_A_CALL);
        let asked = clusters.iter().flat_map(|cluster| unknown.iter().map(|batch| (cluster.clone(), batch.clone())));
        for (cluster, found) in reader.each(asked, |(cluster, ids)| tasks::describe(reader, cluster, ids)).await? {
            for task in found.unwrap_or_default() {
                let Some(service) = task.group().and_then(|group| group.strip_prefix("service:")) else { continue };
                let zone = tasks::zone(&task, zones);
                let id = last(task.task_arn().unwrap_or_default()).to_owned();
                self.by_id.insert(id, (ServiceId::new(&cluster, service), zone));
            }
        }
        Ok(())
    }
}

/// The names that a service offers where another looks for them.
pub(super) fn offers<'d>(drafts: &'d [Draft], client: &ServiceId, server: &ServiceId) -> Vec<&'d Offer> {
    let find = |id: &ServiceId| drafts.iter().find(|draft| draft.service.id == *id);
    match (find(client), find(server)) {
        (Some(client), Some(server)) if client.service.namespace == server.service.namespace => {
            server.service.offers.iter().collect()
        }
        _ => vec![],
    }
}
