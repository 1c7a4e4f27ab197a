//! `RunTask`: tasks that belong to no service.

use std::sync::Arc;

use serde_json::{Value, json};

use super::capacity::Capacity;
use super::lifecycle::{self, Launch};
use super::placement::{self, NoPlace, QUOTA_IS_USED_UP, Request};
use super::service_changes::network;
use super::{check_client_token, client_error, invalid, scheduler, tasks};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{LOWER, Tags};

pub(super) fn run(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = region.ecs().cluster(params)?.name.clone();
    let count = params.opt_int("count")?.unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(invalid("count must be between 1 and 10."));
    }
    check_client_token(params, 64)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-/_".contains(c);
    if params.opt_str("startedBy").is_some_and(|by| by.len() > 128 || !by.chars().all(is_name)) {
        return Err(invalid("startedBy must have at most 128 letters, digits, hyphens, slashes and underscores."));
    }
    // The same token is the same request, sent again: its tasks are there.
    let token = params.opt_str("clientToken");
    let before: Value = (region.ecs().tasks.iter())
        .filter(|task| token.is_some() && task.client_token.as_deref() == token)
        .map(|task| tasks::wire(region, task, true))
        .collect();
    if before.as_array().is_some_and(|tasks| !tasks.is_empty()) {
        return Ok(json!({ "tasks": before, "failures": [] }));
    }
    let definition = region.ecs().task_definitions.runnable(params.str("taskDefinition")?)?;
    let capacity = Capacity::read(&region.ecs().cluster(params)?.providers, &definition, params, None)?;
    let network = network(region, &definition, &capacity, params.object("networkConfiguration"), None)?;
    scheduler::check_execution_role(region, &definition).map_err(|problem| client_error(format!("{problem}.")))?;
    let tags = Tags::from_list(&params.objects("tags"), LOWER)?;
    let (mut started, mut failures) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let request = Request {
            cluster: &cluster,
            definition: &definition,
            capacity: &capacity,
            subnets: &network.subnets,
            service_arn: None,
            deployment_id: None,
        };
        let place = match placement::place(region, &request) {
            Ok(place) => place,
            Err(NoPlace::NoInstances) => {
                return Err(invalid("No Container Instances were found in your cluster."));
            }
            Err(NoPlace::Quota) => return Err(client_error(format!("{QUOTA_IS_USED_UP}."))),
            Err(NoPlace::Lacking { instance_arn, lack }) => {
                failures.push(json!({ "arn": instance_arn, "reason": lack.reason() }));
                continue;
            }
        };
        let id = lifecycle::start(
            region,
            Launch {
                cluster: cluster.clone(),
                definition: Arc::clone(&definition),
                membership: None,
                group: params.opt_str("group").map_or_else(|| format!("family:{}", definition.family), str::to_owned),
                started_by: params.opt_str("startedBy").map(str::to_owned),
                container_instance: place.container_instance,
                provider: place.provider,
                public_ip: network.public_ip,
                subnet_id: place.subnet_id,
                security_groups: network.security_groups.clone(),
                targets: Vec::new(),
                service_connect: None,
                tags: tags.clone(),
                client_token: token.map(str::to_owned),
            },
        )?;
        started.push(id);
    }
    let started: Value = (region.ecs().tasks.iter())
        .filter(|task| started.contains(&task.id))
        .map(|task| tasks::wire(region, task, true))
        .collect();
    Ok(json!({ "tasks": started, "failures": failures }))
}
