//! States that pass, looked at on AWS's times: the test moves the clock.

use std::collections::HashMap;

use aws_sdk_ssm::types::CommandStatus;
use zonewalk::cloud::{Fault, FaultKind, Faults, Pace};

use super::{CLUSTER, LOG_GROUP, Stand, assert_refused};
use crate::support::skip;

/// Whether the only container instance is heard of, if there is one, and the state of a task.
async fn seen(stand: &Stand, task: &str) -> (Option<bool>, String, String) {
    let ecs = &stand.clients.ecs;
    let mut connected = None;
    if let Some(instance) = stand.instances(super::CLUSTER).await.pop() {
        let described = ecs.describe_container_instances().cluster(CLUSTER).container_instances(instance);
        connected = Some(described.send().await.unwrap().container_instances()[0].agent_connected());
    }
    let described = ecs.describe_tasks().cluster(CLUSTER).tasks(task).send().await.unwrap();
    let task = &described.tasks()[0];
    let connectivity = task.connectivity().map(ToString::to_string).unwrap_or_default();
    (connected, task.last_status().unwrap().to_owned(), connectivity)
}

fn state(connected: Option<bool>, status: &str, connectivity: &str) -> (Option<bool>, String, String) {
    (connected, status.to_owned(), connectivity.to_owned())
}

#[tokio::test]
async fn a_failed_machine_is_not_heard_of_and_takes_its_containers_along() {
    let stand = Stand::with_instances(Pace::Aws, 1).await;
    stand.define("backend", LOG_GROUP, false).await;
    let run = stand.clients.ecs.run_task().cluster(CLUSTER).task_definition("backend");
    let ran = run.network_configuration(stand.network()).send().await.unwrap();
    let task = ran.tasks()[0].task_arn().unwrap();
    let running = state(Some(true), "RUNNING", "CONNECTED");
    stand.until("the task runs", async || seen(&stand, task).await == running).await;

    // How many instances of a zone are lost with the next change: one, or none if none is there.
    let lose = async |zone: Option<&str>| {
        let zone = zone.map(str::to_owned);
        let fault = Fault { zone, ..Fault::at(FaultKind::LoseInstance, "logs:PutRetentionPolicy", 1, 1) };
        stand.cloud.set_faults(Faults { seed: 1, faults: vec![fault] });
        let change = stand.clients.logs.put_retention_policy().log_group_name(LOG_GROUP).retention_in_days(7);
        change.send().await.unwrap();
        stand.cloud.faults()["fault"][0]["struck"].as_u64().unwrap()
    };
    assert_eq!(lose(Some("us-east-1z")).await, 0, "none is there");
    assert_eq!(seen(&stand, task).await, running);
    assert_eq!(lose(None).await, 1);
    assert_eq!(seen(&stand, task).await, state(Some(false), "RUNNING", "DISCONNECTED"));
    // EC2 has seen to the end of it; the group's next instance has not joined yet.
    skip(61).await;
    assert_eq!(seen(&stand, task).await, state(None, "STOPPED", "CONNECTED"));
    stand.end().await;
}

#[tokio::test]
async fn a_command_that_is_on_its_way_can_be_cancelled() {
    let stand = Stand::with_instances(Pace::Aws, 1).await;
    let ssm = &stand.clients.ssm;
    let online = ssm.describe_instance_information().send().await.unwrap().instance_information_list.unwrap();
    let script = zonewalk::envoy::script::Script { family: "backend".to_owned() }.render();
    let script = HashMap::from([("commands".to_owned(), script.lines().map(str::to_owned).collect())]);
    let send = ssm.send_command().document_name("AWS-RunShellScript").set_parameters(Some(script));
    let sent = send.instance_ids(online[0].instance_id().unwrap()).send().await.unwrap().command.unwrap();
    let status = async || {
        let listed = ssm.list_commands().command_id(sent.command_id().unwrap()).send().await.unwrap();
        listed.commands()[0].status().unwrap().clone()
    };
    assert_eq!(status().await, CommandStatus::Pending);
    ssm.cancel_command().command_id(sent.command_id().unwrap()).send().await.unwrap();
    assert_eq!(status().await, CommandStatus::Cancelled);
    skip(10).await;
    assert_eq!(status().await, CommandStatus::Cancelled, "it does not come to its end after all");
    let unknown = ssm.cancel_command().command_id("01234567-89ab-cdef-0123-456789abcdef").send().await;
    assert_refused(unknown, "InvalidCommandId", "");
    stand.end().await;
}
