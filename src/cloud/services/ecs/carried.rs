//! What the mesh's proxies have carried, in ECS's terms: which services, under which name, between which tasks.

use std::collections::HashMap;
use std::sync::Arc;

use super::service_connect_rules::AccessLog;
use super::services::ServiceStatus;
use super::tasks::{LastStatus, Task};
use crate::cloud::carried::{Exchange, Log, Name, Party, ServiceKey, Target};
use crate::cloud::region::Region;
use crate::mesh::journal::{Carried, To};

/// What was carried, as far as its tasks are known. Stopped ones are for an hour.
pub(crate) fn exchanges(region: &Region, carried: Vec<Carried>) -> Vec<Exchange> {
    if carried.is_empty() {
        return Vec::new();
    }
    let tasks: HashMap<&str, &Task> = region.ecs().tasks.iter().map(|task| (task.arn.as_str(), task)).collect();
    let names = names(region);
    let mut parties = HashMap::<String, Arc<Party>>::new();
    let mut party = |task: &Task| {
        let party = parties.entry(task.arn.clone()).or_insert_with(|| Arc::new(party_of(task)));
        Arc::clone(party)
    };
    let exchanges = carried.into_iter().filter_map(|carried| {
        let Carried { task, to, began, took, status, request, response, line } = carried;
        let task = *tasks.get(&*task)?;
        let connect = task.service_connect.as_ref()?;
        let (name, target, own_port) = match to {
            To::Own(port) => {
                let offered = connect.offered.iter().find(|offered| offered.endpoint.container_port == port)?;
                let name = Name {
                    discovery_name: offered.endpoint.discovery_name.clone(),
                    app_protocol: offered.app_protocol.clone(),
                };
                (name, None, port)
            }
            To::Upstream { cluster, endpoint } => {
                let discovery_name = cluster.strip_suffix(&*connect.namespace)?.strip_suffix('.')?.to_owned();
                let known = names.get(&(connect.namespace_arn.as_str(), discovery_name.as_str()));
                let (app_protocol, among) = known.cloned().unwrap_or_default();
                let target = Target {
                    party: endpoint.as_ref().and_then(|(task, _)| Some(party(tasks.get(&**task)?))),
                    port: endpoint.map_or(0, |(_, address)| address.port()),
                    among,
                };
                (Name { discovery_name, app_protocol }, Some(target), 0)
            }
        };
        Some(Exchange { proxy: party(task), name, target, own_port, began, took, status, request, response, line })
    });
    exchanges.collect()
}

/// Protocol and number of endpoints of each name, by its namespace's ARN.
fn names(region: &Region) -> HashMap<(&str, &str), (Option<String>, u32)> {
    let mut names = HashMap::<_, (Option<String>, u32)>::new();
    for task in region.ecs().tasks.iter().filter(|task| task.is_running()) {
        for connect in task.service_connect.iter() {
            for offered in &connect.offered {
                let name = (connect.namespace_arn.as_str(), offered.endpoint.discovery_name.as_str());
                let (app_protocol, among) = names.entry(name).or_default();
                app_protocol.clone_from(&offered.app_protocol);
                *among += 1;
            }
        }
    }
    names
}

fn party_of(task: &Task) -> Party {
    let of_service = task.membership.as_ref();
    Party {
        task_id: task.id.clone(),
        task_arn: task.arn.clone(),
        service: of_service.map(|of| ServiceKey { cluster: task.cluster.clone(), service: of.service_name.clone() }),
        cluster: task.cluster.clone(),
        ip: task.interface.private_ip,
        az_id: task.az_id.clone(),
        subnet_id: task.subnet_id.clone(),
        interface_id: task.interface.id.clone(),
        log: log_of(task),
    }
}

/// Where a task's proxy logs accesses, if it does: `<prefix>/<container>/<task id>`, or without a prefix the container's ID in
/// Docker (ECS Developer Guide, "awslogs-stream-prefix").
fn log_of(task: &Task) -> Option<Log> {
    let connect = task.service_connect.as_ref()?;
    let (format, group, proxy) = (connect.access_log?, connect.log_group.as_ref()?, task.containers.last()?);
    let stream = match &group.stream_prefix {
        Some(prefix) => format!("{prefix}/{}/{}", proxy.name, task.id),
        None => proxy.runtime_id.clone(),
    };
    Some(Log {
        group: group.name.clone(),
        stream,
        is_json: format == AccessLog::Json,
        with_query: connect.logs_query_parameters,
    })
}

/// How many tasks each service has that are not about to end or to begin (ECS Developer Guide, "Available CloudWatch metrics",
/// `LiveTaskCount`), by the names of its cluster and its own.
pub(crate) fn live_task_counts(region: &Region) -> impl Iterator<Item = (&str, &str, u32)> {
    let ecs = region.ecs();
    let live = LastStatus::Running..=LastStatus::Deactivating;
    let mut counts = HashMap::<&str, u32>::new();
    for task in ecs.tasks.iter().filter(|task| live.contains(&task.last_status)) {
        if let Some(of) = &task.membership {
            *counts.entry(&of.service_arn).or_default() += 1;
        }
    }
    let services = ecs.services.iter().filter(|service| service.status != ServiceStatus::Inactive);
    services
        .map(move |service| (&*service.cluster, &*service.name, counts.get(service.arn.as_str()).copied().unwrap_or(0)))
}
