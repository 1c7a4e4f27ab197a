//! `SendCommand`. Nothing is ever run: one script is known, zonewalk's own question to the proxies, and it is answered
//! from the mesh; whatever else is sent is refused.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::commands::{Command, Invocation, Outcome};
use super::{commands, is_online};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::services::ecs;
use crate::cloud::wire::Params;
use crate::envoy::script::{self, Script};

const DOCUMENT: &str = "AWS-RunShellScript";
const DOCUMENT_VERSIONS: [&str; 3] = ["$DEFAULT", "$LATEST", "1"];

/// How long an instance may be given to begin (API Reference, "SendCommand").
const TIMEOUT_SECONDS: RangeInclusive<i64> = 30..=2_592_000;

pub(super) fn send(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let document = params.str("DocumentName")?;
    if document != DOCUMENT {
        return Err(AwsError::new(
            "InvalidDocument",
            format!("zonewalk's local cloud has no document {document}, only {DOCUMENT}"),
        ));
    }
    if let Some(other) = params.opt_str("DocumentVersion").filter(|version| !DOCUMENT_VERSIONS.contains(version)) {
        return Err(AwsError::new("InvalidDocumentVersion", format!("{DOCUMENT} has no version {other}.")));
    }
    let timeout_seconds = params.opt_int("TimeoutSeconds")?.unwrap_or(3600);
    if !TIMEOUT_SECONDS.contains(&timeout_seconds) {
        let (least, most) = (TIMEOUT_SECONDS.start(), TIMEOUT_SECONDS.end());
        return Err(AwsError::invalid_parameter(format!("TimeoutSeconds must be from {least} to {most}")));
    }
    let instances = instances(region, params)?;
    let given = params.object("Parameters").ok_or_else(|| AwsError::missing_parameter("Parameters"))?;
    let script = script::recognize(&given.strings("commands")).ok_or_else(|| {
        AwsError::unsupported("this command: it runs none, and answers only what `zonewalk stats` sends")
    })?;
    let command = Command {
        id: region.ids.uuid(),
        comment: params.opt_str("Comment").unwrap_or_default().to_owned(),
        parameters: params.get("Parameters").cloned().unwrap_or(Value::Null),
        targets: params.get("Targets").cloned(),
        timeout_seconds,
        requested_at: Timestamp::now(),
        invocations: instances.into_iter().map(Invocation::new).collect(),
    };
    let (id, answer) = (command.id.clone(), commands::wire(&command));
    region.ssm_mut().keep(command);
    region.after(Transition::Command, move |region| complete(region, &id, &script));
    Ok(json!({ "Command": answer }))
}

/// The instances of a request, each of which must be online.
fn instances(region: &Region, params: Params<'_>) -> Result<Vec<String>, AwsError> {
    let mut instances = params.strings("InstanceIds");
    for target in params.objects("Targets") {
        match target.str("Key")? {
            // A target that is not there is no error: the command is then for nobody.
            "InstanceIds" => instances.extend(target.strings("Values").iter().filter(|id| is_online(region, id))),
            key => return Err(AwsError::unsupported(format_args!("the target key {key}, only InstanceIds"))),
        }
    }
    let offline: Vec<_> = instances.iter().copied().filter(|id| !is_online(region, id)).collect();
    if !offline.is_empty() {
        let account = crate::cloud::ACCOUNT_ID;
        return Err(AwsError::new(
            "InvalidInstanceId",
            format!("Instances [[{}]] not in a valid state for account {account}", offline.join(", ")),
        ));
    }
    Ok(instances.into_iter().map(str::to_owned).collect())
}

/// The command has had its time: each instance has answered as the script would have.
fn complete(region: &mut Region, command_id: &str, script: &Script) {
    let Some(command) = region.ssm().commands.iter().find(|command| command.id == command_id) else { return };
    let mut invocations = command.invocations.clone();
    for invocation in invocations.iter_mut().filter(|invocation| invocation.outcome == Outcome::Pending) {
        invocation.outcome = run(region, &invocation.instance_id, script);
        invocation.ended_at = Some(Timestamp::now());
    }
    if let Some(command) = region.ssm_mut().commands.iter_mut().find(|command| command.id == command_id) {
        command.invocations = invocations;
    }
}

/// What the script prints on an instance.
fn run(region: &Region, instance_id: &str, script: &Script) -> Outcome {
    if !is_online(region, instance_id) {
        return Outcome::Undeliverable;
    }
    let of_family =
        ecs::running_tasks_on(region, instance_id).into_iter().filter(|(_, family)| *family == script.family);
    let proxies: Vec<_> = of_family
        .filter_map(|(task, _)| {
            let stats = region.mesh.envoy_stats(&task)?;
            let times = region.mesh.envoy_times(&task).unwrap_or_default();
            Some(script::Proxy { task, stats, times })
        })
        .collect();
    Outcome::Success { output: script::answer(&proxies) }
}
