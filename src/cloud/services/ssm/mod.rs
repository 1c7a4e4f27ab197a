//! AWS Systems Manager: the public parameters of the ECS-optimized AMIs, and commands on instances.

mod api;
mod commands;
mod parameters;
mod sending;

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{ec2, ecs};
use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::{Answer, Service};
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Default)]
pub(crate) struct State {
    /// The commands that were sent, the latest last.
    commands: VecDeque<commands::Command>,
}

/// AWS keeps commands for 30 days; here, the latest: whoever sends one waits for what becomes of it.
const KEPT_COMMANDS: usize = 1000;

impl State {
    fn keep(&mut self, command: commands::Command) {
        self.commands.push_back(command);
        if self.commands.len() > KEPT_COMMANDS {
            self.commands.pop_front();
        }
    }
}

impl Region {
    fn ssm(&self) -> &State {
        self.states.get()
    }

    fn ssm_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "ssm",
    target_prefix: Some("AmazonSSM"),
    words: Words {
        failure: ("InternalServerError", "ServiceUnavailable"),
        invalid_parameter: Some("ValidationException"),
        ..Words::JSON
    },
    operations: api::OPERATIONS,
    structures: api::STRUCTURES,
    new_state: |_| Some(Box::new(State::default())),
    ..Service::PLAIN
};

fn refuse_session(_: &mut Region, _: Params<'_>) -> Answer {
    Err(AwsError::unsupported(
        "sessions, since no command of a client is ever run: `zonewalk stats` asks the proxies over SendCommand",
    ))
}

/// The SSM agent comes with the AMI and is up when the ECS agent is.
fn is_online(region: &Region, instance_id: &str) -> bool {
    ecs::has_joined(region, instance_id)
}

fn describe_instances(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut filters = Vec::new();
    for (list, key, values) in [("Filters", "Key", "Values"), ("InstanceInformationFilterList", "key", "valueSet")] {
        for filter in params.objects(list) {
            filters.push((filter.str(key)?, filter.strings(values)));
        }
    }
    let mut instances = Vec::new();
    for id in ecs::joined_instances(region) {
        let Some(instance) = ec2::instance(region, &id) else { continue };
        let mut is_wanted = true;
        for (key, values) in &filters {
            let actual = match *key {
                "InstanceIds" => id.as_str(),
                "PingStatus" => "Online",
                "PlatformTypes" => "Linux",
                "ResourceType" => "EC2Instance",
                other => {
                    return Err(AwsError::new(
                        "InvalidFilterKey",
                        format!("The filter key {other} is not valid here."),
                    ));
                }
            };
            is_wanted &= values.contains(&actual);
        }
        if is_wanted {
            instances.push(json!({
                "InstanceId": id,
                "PingStatus": "Online",
                "LastPingDateTime": timestamp(jiff::Timestamp::now()),
                "AgentVersion": "3.3.3050.0",
                "IsLatestVersion": true,
                "PlatformType": "Linux",
                "PlatformName": "Amazon Linux",
                "ResourceType": "EC2Instance",
                "IPAddress": instance.interface.private_ip.to_string(),
                "SourceId": id,
                "SourceType": "AWS::EC2::Instance",
            }));
        }
    }
    Ok(json!({ "InstanceInformationList": instances }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_commands_are_kept() {
        let mut state = State::default();
        for n in 0..=KEPT_COMMANDS {
            state.keep(commands::Command {
                id: n.to_string(),
                comment: String::new(),
                parameters: Value::Null,
                timeout_seconds: 3600,
                targets: None,
                requested_at: jiff::Timestamp::UNIX_EPOCH,
                invocations: vec![],
            });
        }
        let ends = [state.commands.front(), state.commands.back()].map(|command| command.unwrap().id.clone());
        assert_eq!((state.commands.len(), ends), (KEPT_COMMANDS, ["1".to_owned(), KEPT_COMMANDS.to_string()]));
    }
}
