//! Step 11: a read-only script on the instances, over SSM; the article opens a session and types.

use std::time::Duration;

use aws_sdk_ssm::types::{CommandInvocationStatus, InstanceInformationStringFilter, PingStatus};
use futures_util::future::try_join_all;

use super::wait::{Poll, wait_at_most};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::plan::Step;

/// SSM takes at most 50 instance IDs a command.
const INSTANCES_A_COMMAND: usize = 50;

/// `GetCommandInvocation` gives no more of an output than this (SSM API reference); a longer one is cut there.
const OUTPUT_LIMIT: usize = 24_000;

/// Runs `script` on each instance and gives each one's output. Agents, and then the script, may take as long as `patience`.
pub async fn run_script(
    ctx: &Context,
    instances: &[String],
    script: &str,
    patience: Duration,
) -> Result<Vec<String>, Error> {
    wait_until_online(ctx, instances, patience).await?;
    let mut outputs = vec![];
    for batch in instances.chunks(INSTANCES_A_COMMAND) {
        let request = ctx
            .clients
            .ssm
            .send_command()
            .document_name("AWS-RunShellScript")
            .comment("zonewalk stats: Envoy's zone counters, read-only")
            .set_instance_ids(Some(batch.to_vec()))
            .parameters("commands", script.lines().map(str::to_owned).collect());
        let answer = ctx.change_with_answer("ssm:SendCommand", request.send()).await?;
        let command = answer.command.and_then(|command| command.command_id).unwrap_or_default();
        outputs.extend(try_join_all(batch.iter().map(|instance| output(ctx, &command, instance, patience))).await?);
    }
    Ok(outputs)
}

/// An instance whose agent has not called in yet cannot be sent a command.
async fn wait_until_online(ctx: &Context, instances: &[String], patience: Duration) -> Result<(), Error> {
    wait_at_most(ctx, Step::Services, "SSM agents", patience, async || {
        let mut offline: Vec<&str> = instances.iter().map(String::as_str).collect();
        for batch in instances.chunks(INSTANCES_A_COMMAND) {
            let filter = InstanceInformationStringFilter::builder().key("InstanceIds").set_values(Some(batch.to_vec()));
            let filter = filter.build().map_err(|error| Error::Prerequisite(error.to_string()))?;
            let request = ctx.clients.ssm.describe_instance_information().filters(filter).max_results(50);
            let answer = ctx.look("ssm:DescribeInstanceInformation", request.send()).await?;
            for online in
                answer.instance_information_list().iter().filter(|i| i.ping_status() == Some(&PingStatus::Online))
            {
                offline.retain(|instance| Some(*instance) != online.instance_id());
            }
        }
        Ok(if offline.is_empty() {
            Poll::Done(())
        } else {
            Poll::Pending {
                state: format!("{} of {} are not online", offline.len(), instances.len()),
                detail: "; the instances' role needs AmazonSSMManagedInstanceCore".to_owned(),
            }
        })
    })
    .await
}

async fn output(ctx: &Context, command: &str, instance: &str, patience: Duration) -> Result<String, Error> {
    wait_at_most(ctx, Step::Services, &format!("the script on {instance}"), patience, async || {
        let request = ctx.clients.ssm.get_command_invocation().command_id(command).instance_id(instance);
        // The invocation is not known for a moment after the command is sent.
        let Some(invocation) = optional(ctx.look("ssm:GetCommandInvocation", request.send()).await)? else {
            return Ok(Poll::pending("not known yet"));
        };
        let status = invocation.status().cloned().unwrap_or(CommandInvocationStatus::Pending);
        Ok(match status {
            CommandInvocationStatus::Success => {
                let output = invocation.standard_output_content().unwrap_or_default();
                if output.len() < OUTPUT_LIMIT {
                    Poll::Done(output.to_owned())
                } else {
                    Poll::failed("cut off", format!("it printed over {OUTPUT_LIMIT} characters"))
                }
            }
            CommandInvocationStatus::Pending
            | CommandInvocationStatus::InProgress
            | CommandInvocationStatus::Delayed => Poll::pending(status.as_str()),
            failed => Poll::failed(failed, invocation.standard_error_content().unwrap_or_default().trim()),
        })
    })
    .await
}
