//! Step 11: a read-only script on the instances, over SSM; the article opens a session and types.

use std::time::Duration;

use aws_sdk_ssm::types::{CommandInvocationStatus, InstanceInformationStringFilter, PingStatus};
use futures_util::future::try_join_all;

use super::wait::{Poll, in_words, wait_at_most};
use super::{Context, Error};
use crate::aws::ErrorClass;
use crate::aws::error::optional;

/// SSM takes at most 50 instance IDs a command.
const INSTANCES_A_COMMAND: usize = 50;

/// `GetCommandInvocation` gives no more of an output than this (SSM API reference); a longer one is cut there.
const OUTPUT_LIMIT: usize = 24_000;

/// What the script did on one instance.
#[derive(Clone, Debug)]
pub struct ScriptRun {
    pub instance: String,
    pub output: String,
    /// What it wrote to standard error, or why it did not run to its end; mostly empty.
    pub complaint: String,
}

/// Runs `script` on the instances that `find` gives, which is asked again while their agents are waited for: one that goes
/// meanwhile is not waited for. Agents, and then the script, may take as long as `patience`.
pub async fn run_script(
    ctx: &Context,
    find: impl AsyncFn() -> Result<Vec<String>, Error>,
    script: &str,
    patience: Duration,
) -> Result<Vec<ScriptRun>, Error> {
    let commands = wait_at_most(ctx, "the instances' SSM agents", patience, async || {
        let instances = find().await?;
        if let Some(pending) = find_offline(ctx, &instances).await? {
            return Ok(pending);
        }
        match send(ctx, &instances, script).await {
            // An agent that has just signed off; those that have been sent the script only read.
            Err(Error::Cloud(error)) if error.class == ErrorClass::NotReady => {
                Ok(Poll::pending_since("an agent has just signed off", &error.message))
            }
            sent => sent.map(Poll::Done),
        }
    })
    .await?;
    let mut runs: Vec<Option<ScriptRun>> = vec![None; commands.len()];
    wait_at_most(ctx, "the counters of Envoy, read on the instances through SSM", patience, async || {
        let looks = commands.iter().zip(&runs).filter(|(_, run)| run.is_none());
        let looks = looks.map(|((command, instance), _)| look(ctx, command, instance));
        let mut looks = try_join_all(looks).await?.into_iter();
        let mut pending = None;
        for run in runs.iter_mut().filter(|run| run.is_none()) {
            match looks.next() {
                Some(Poll::Done(done)) => *run = Some(done),
                Some(Poll::Pending { state, .. }) => pending = Some(state),
                Some(Poll::Failed { state, reason }) => return Ok(Poll::Failed { state, reason }),
                None => {}
            }
        }
        let done = runs.iter().flatten();
        Ok(match pending {
            None => Poll::Done(done.cloned().collect()),
            Some(state) => Poll::pending(format!("{} of {} have answered; {state}", done.count(), runs.len())),
        })
    })
    .await
}

/// Sends the script, and gives each instance's command.
async fn send(ctx: &Context, instances: &[String], script: &str) -> Result<Vec<(String, String)>, Error> {
    let mut commands = vec![];
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
        commands.extend(batch.iter().map(|instance| (command.clone(), instance.clone())));
    }
    Ok(commands)
}

/// An instance whose agent has not called in yet, or does not any more, cannot be sent a command.
async fn find_offline<T>(ctx: &Context, instances: &[String]) -> Result<Option<Poll<T>>, Error> {
    let mut online = 0;
    let mut silent = 0;
    for batch in instances.chunks(INSTANCES_A_COMMAND) {
        let filter = InstanceInformationStringFilter::builder().key("InstanceIds").set_values(Some(batch.to_vec()));
        let filter = filter.build().map_err(|error| Error::Prerequisite(error.to_string()))?;
        let request = ctx.clients.ssm.describe_instance_information().filters(filter).max_results(50);
        let answer = ctx.look("ssm:DescribeInstanceInformation", request.send()).await?;
        for agent in answer.instance_information_list() {
            *(if agent.ping_status() == Some(&PingStatus::Online) { &mut online } else { &mut silent }) += 1;
        }
    }
    if online >= instances.len() {
        return Ok(None);
    }
    let detail = match silent {
        0 => "They have not called in: their role needs AmazonSSMManagedInstanceCore.".to_owned(),
        _ => format!("The agents of {silent} have called in before and do not now."),
    };
    let state = format!("{online} of {} online", instances.len());
    Ok(Some(Poll::Pending { state, detail }))
}

/// What became of the script on one instance so far.
async fn look(ctx: &Context, command: &str, instance: &str) -> Result<Poll<ScriptRun>, Error> {
    let request = ctx.clients.ssm.get_command_invocation().command_id(command).instance_id(instance);
    // The invocation is not known for a moment after the command is sent.
    let Some(invocation) = optional(ctx.look("ssm:GetCommandInvocation", request.send()).await)? else {
        return Ok(Poll::pending_in(None));
    };
    let status = invocation.status().cloned().unwrap_or(CommandInvocationStatus::Pending);
    let errors = invocation.standard_error_content().unwrap_or_default().trim();
    let ran = |output: &str, complaint: String| {
        Poll::Done(ScriptRun { instance: instance.to_owned(), output: output.to_owned(), complaint })
    };
    Ok(match status {
        CommandInvocationStatus::Success => {
            let output = invocation.standard_output_content().unwrap_or_default();
            if output.len() < OUTPUT_LIMIT {
                ran(output, errors.to_owned())
            } else {
                Poll::failed("cut off", format!("the script on {instance} printed over {OUTPUT_LIMIT} characters"))
            }
        }
        CommandInvocationStatus::Pending | CommandInvocationStatus::InProgress | CommandInvocationStatus::Delayed => {
            Poll::pending_in(Some(status.as_str()))
        }
        // One host of many; whether its answer is needed is for whoever asked.
        failed => ran("", format!("the script ended as {} {errors}", in_words(failed.as_str())).trim_end().to_owned()),
    })
}
