//! Commands that were sent, and what became of them on each instance.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone)]
pub(super) struct Command {
    pub(super) id: String,
    pub(super) comment: String,
    /// `Parameters` and `Targets` as they were sent.
    pub(super) parameters: Value,
    pub(super) targets: Option<Value>,
    /// How long an instance may take to begin.
    pub(super) timeout_seconds: i64,
    pub(super) requested_at: Timestamp,
    pub(super) invocations: Vec<Invocation>,
}

#[derive(Clone)]
pub(super) struct Invocation {
    pub(super) instance_id: String,
    pub(super) outcome: Outcome,
    pub(super) ended_at: Option<Timestamp>,
}

impl Invocation {
    pub(super) fn new(instance_id: String) -> Self {
        Self { instance_id, outcome: Outcome::Pending, ended_at: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Pending,
    Success {
        output: String,
    },
    /// The instance went before the command reached it.
    Undeliverable,
    Cancelled,
}

impl Outcome {
    /// Status, its details, the exit code (-1 where there is none) and the output.
    fn told(&self) -> (&'static str, &'static str, i32, &str) {
        match self {
            Self::Pending => ("Pending", "Pending", -1, ""),
            Self::Success { output } => ("Success", "Success", 0, output),
            Self::Undeliverable => ("Failed", "Undeliverable", -1, ""),
            Self::Cancelled => ("Cancelled", "Cancelled", -1, ""),
        }
    }
}

/// What `GetCommandInvocation` and `ListCommandInvocations` give of an output (API Reference).
const OUTPUT_LIMIT: usize = 24_000;
const LISTED_OUTPUT_LIMIT: usize = 2_500;

const PLUGIN: &str = "aws:runShellScript";

pub(super) fn get_invocation(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (id, instance_id) = (params.str("CommandId")?, params.str("InstanceId")?);
    let command = region.ssm().commands.iter().find(|command| command.id == id);
    let invocation = command.and_then(|command| command.invocations.iter().find(|i| i.instance_id == instance_id));
    let (Some(command), Some(invocation)) = (command, invocation) else {
        return Err(AwsError::new(
            "InvocationDoesNotExist",
            "The command ID and managed node ID you specified did not match any invocations. Verify the command ID and the managed node ID and try again.",
        ));
    };
    if params.opt_str("PluginName").is_some_and(|plugin| plugin != PLUGIN) {
        return Err(AwsError::new("InvalidPluginName", "The plugin name isn't valid."));
    }
    let (status, status_details, response_code, output) = invocation.outcome.told();
    let started = invocation.ended_at.map(|_| iso(command.requested_at));
    Ok(json!({
        "CommandId": command.id,
        "InstanceId": invocation.instance_id,
        "Comment": command.comment,
        "DocumentName": "AWS-RunShellScript",
        "DocumentVersion": "$DEFAULT",
        "PluginName": PLUGIN,
        "ResponseCode": response_code,
        "ExecutionStartDateTime": started.unwrap_or_default(),
        "ExecutionElapsedTime": invocation.ended_at.map_or("", |_| "PT1S"),
        "ExecutionEndDateTime": invocation.ended_at.map(iso).unwrap_or_default(),
        "Status": status,
        "StatusDetails": status_details,
        "StandardOutputContent": cut(output, OUTPUT_LIMIT),
        "StandardOutputUrl": "",
        "StandardErrorContent": "",
        "StandardErrorUrl": "",
        "CloudWatchOutputConfig": { "CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false },
    }))
}

/// A moment as this one answer has it: text, to the millisecond.
fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn cut(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

pub(super) fn list_invocations(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (id, instance_id) = (params.opt_str("CommandId"), params.opt_str("InstanceId"));
    let with_details = params.opt_bool("Details") == Some(true);
    let commands = region.ssm().commands.iter().filter(|command| id.is_none_or(|id| command.id == id));
    let invocations = commands
        .flat_map(|command| command.invocations.iter().map(move |invocation| (command, invocation)))
        .filter(|(_, invocation)| instance_id.is_none_or(|id| invocation.instance_id == id))
        .map(|(command, invocation)| wire_invocation(command, invocation, with_details));
    Ok(json!({ "CommandInvocations": invocations.collect::<Value>() }))
}

fn wire_invocation(command: &Command, invocation: &Invocation, with_details: bool) -> Value {
    let (status, status_details, response_code, output) = invocation.outcome.told();
    let plugin = json!({
        "Name": PLUGIN,
        "Status": status,
        "StatusDetails": status_details,
        "ResponseCode": response_code,
        "ResponseStartDateTime": timestamp(command.requested_at),
        "ResponseFinishDateTime": invocation.ended_at.map(timestamp),
        "Output": cut(output, LISTED_OUTPUT_LIMIT),
    });
    json!({
        "CommandId": command.id,
        "InstanceId": invocation.instance_id,
        "InstanceName": "",
        "Comment": command.comment,
        "DocumentName": "AWS-RunShellScript",
        "DocumentVersion": "$DEFAULT",
        "RequestedDateTime": timestamp(command.requested_at),
        "Status": status,
        "StatusDetails": status_details,
        "CommandPlugins": if with_details { json!([plugin]) } else { json!([]) },
    })
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (id, instance_id) = (params.opt_str("CommandId"), params.opt_str("InstanceId"));
    let commands = (region.ssm().commands.iter())
        .filter(|command| id.is_none_or(|id| command.id == id))
        .filter(|command| instance_id.is_none_or(|id| command.invocations.iter().any(|i| i.instance_id == id)))
        .map(wire);
    Ok(json!({ "Commands": commands.collect::<Value>() }))
}

pub(super) fn cancel(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (id, only) = (params.str("CommandId")?, params.strings("InstanceIds"));
    let command = (region.ssm_mut().commands.iter_mut())
        .find(|command| command.id == id)
        .ok_or_else(|| AwsError::new("InvalidCommandId", "The specified command ID isn't valid."))?;
    for invocation in &mut command.invocations {
        let is_meant = only.is_empty() || only.contains(&invocation.instance_id.as_str());
        if is_meant && invocation.outcome == Outcome::Pending {
            invocation.outcome = Outcome::Cancelled;
            invocation.ended_at = Some(Timestamp::now());
        }
    }
    Ok(json!({}))
}

pub(super) fn wire(command: &Command) -> Value {
    let ended = |is: fn(&Outcome) -> bool| command.invocations.iter().filter(|i| is(&i.outcome)).count();
    let pending = ended(|outcome| *outcome == Outcome::Pending);
    let failed = ended(|outcome| *outcome == Outcome::Undeliverable);
    let status = match () {
        () if pending > 0 => "Pending",
        () if failed > 0 => "Failed",
        () if ended(|outcome| *outcome == Outcome::Cancelled) > 0 => "Cancelled",
        () => "Success",
    };
    let instances: Vec<_> = command.invocations.iter().map(|invocation| &invocation.instance_id).collect();
    let expires = command.requested_at.checked_add(jiff::SignedDuration::from_secs(command.timeout_seconds));
    json!({
        "CommandId": command.id,
        "DocumentName": "AWS-RunShellScript",
        "DocumentVersion": "$DEFAULT",
        "Comment": command.comment,
        "ExpiresAfter": expires.ok().map(timestamp),
        "Parameters": command.parameters,
        "InstanceIds": instances,
        "Targets": command.targets.clone().unwrap_or_else(|| json!([])),
        "RequestedDateTime": timestamp(command.requested_at),
        "Status": status,
        "StatusDetails": status,
        "MaxConcurrency": "50",
        "MaxErrors": "0",
        "TargetCount": instances.len(),
        "CompletedCount": instances.len() - pending,
        "ErrorCount": failed,
        "DeliveryTimedOutCount": 0,
        "TimeoutSeconds": command.timeout_seconds,
    })
}
