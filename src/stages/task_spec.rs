//! A task definition as a template gives it and as AWS gives it back, in one type, so that the two can be compared. It
//! has the members that the walkthrough sets, spelled as AWS spells them; what AWS adds (host ports, revisions) is left out,
//! and so is what a user's own template has besides, for which its digest stands.

use std::collections::BTreeMap;

use aws_sdk_ecs::types;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TaskSpec {
    pub(super) family: String,
    requires_compatibilities: Vec<String>,
    pub(super) network_mode: String,
    cpu: String,
    memory: String,
    execution_role_arn: String,
    runtime_platform: RuntimePlatform,
    container_definitions: Vec<Container>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct RuntimePlatform {
    cpu_architecture: String,
    operating_system_family: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    image: String,
    cpu: i32,
    memory: i32,
    essential: bool,
    port_mappings: Vec<PortMapping>,
    command: Vec<String>,
    log_configuration: LogConfiguration,
}

impl Default for Container {
    fn default() -> Self {
        Self::from(&types::ContainerDefinition::builder().build())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct PortMapping {
    name: String,
    container_port: i32,
    protocol: String,
    app_protocol: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct LogConfiguration {
    log_driver: String,
    options: BTreeMap<String, String>,
}

impl TaskSpec {
    /// The values by their paths, for naming what differs: `containerDefinitions.0.image`.
    pub(super) fn fields(&self) -> BTreeMap<String, String> {
        fields(&serde_json::to_value(self).unwrap_or_default())
    }
}

/// The values of a document by their paths.
pub(super) fn fields(document: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    flatten("", document, &mut fields);
    fields
}

fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| flatten(&below(key), value, fields)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(&below(&i.to_string()), value, fields));
        }
        Value::String(text) => drop(fields.insert(path.to_owned(), text.clone())),
        value => drop(fields.insert(path.to_owned(), value.to_string())),
    }
}

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

impl From<&types::TaskDefinition> for TaskSpec {
    fn from(definition: &types::TaskDefinition) -> Self {
        let platform = definition.runtime_platform();
        Self {
            family: text(definition.family()),
            requires_compatibilities: definition.requires_compatibilities().iter().map(ToString::to_string).collect(),
            network_mode: text(definition.network_mode().map(|mode| mode.as_str())),
            cpu: text(definition.cpu()),
            memory: text(definition.memory()),
            execution_role_arn: text(definition.execution_role_arn()),
            runtime_platform: RuntimePlatform {
                cpu_architecture: text(platform.and_then(|p| p.cpu_architecture()).map(|a| a.as_str())),
                operating_system_family: text(platform.and_then(|p| p.operating_system_family()).map(|f| f.as_str())),
            },
            container_definitions: definition.container_definitions().iter().map(Container::from).collect(),
        }
    }
}

impl From<&types::ContainerDefinition> for Container {
    fn from(definition: &types::ContainerDefinition) -> Self {
        let ports = definition.port_mappings().iter().map(|port| PortMapping {
            name: text(port.name()),
            container_port: port.container_port().unwrap_or_default(),
            protocol: text(port.protocol().map(|protocol| protocol.as_str())),
            app_protocol: text(port.app_protocol().map(|protocol| protocol.as_str())),
        });
        let log = definition.log_configuration().map(|log| LogConfiguration {
            log_driver: log.log_driver().as_str().to_owned(),
            options: log.options().cloned().unwrap_or_default().into_iter().collect(),
        });
        Self {
            name: text(definition.name()),
            image: text(definition.image()),
            cpu: definition.cpu(),
            memory: definition.memory().unwrap_or_default(),
            essential: definition.essential().unwrap_or(true), // AWS's default
            port_mappings: ports.collect(),
            command: definition.command().to_vec(),
            log_configuration: log.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::templates;
    use super::*;

    fn spec(template: &'static str) -> TaskSpec {
        let names = crate::settings::Name::default().resources();
        let service = if template == templates::BACKEND_TASK { &names.backend } else { &names.frontend };
        let values = minijinja::context! {
            region => "eu-central-1",
            image => "a \"quoted\" image",
            execution_role_arn => "arn:aws:iam::000000000000:role/ecsTaskExecutionRole",
            task => minijinja::context! {
                network_mode => "awsvpc", launch_type => "EC2", cpu => "1024", memory => "2048", container_cpu => 512, container_memory => 1024,
            },
            service => minijinja::context! {
                name => service.service.as_str(), container => service.container.as_str(), port => service.port,
                log_group => service.log_group.as_str(), command => None::<Vec<String>>,
            },
            backend => minijinja::context! { dns_name => names.backend.dns_name.as_str(), port => names.backend.port },
        };
        serde_json::from_str(&templates::render(None, template, values).unwrap()).unwrap()
    }

    #[test]
    fn the_frontend_routes_to_the_backends_alias_as_in_the_article() {
        let container = &spec(templates::FRONTEND_TASK).container_definitions[0];
        assert_eq!(
            container.command,
            [
                "server",
                "-port=8080",
                "-protocol=http",
                "-name=fe",
                r#"-routes=[{"match":"product", "destination": "http://sc.test.az.aware.backend:8090","method":"Egress"}]"#
            ]
        );
        assert_eq!(container.log_configuration.options["awslogs-region"], "eu-central-1");
    }

    #[test]
    fn values_are_quoted_whatever_they_hold() {
        assert_eq!(spec(templates::BACKEND_TASK).container_definitions[0].image, "a \"quoted\" image");
    }

    #[test]
    fn what_aws_gives_back_equals_what_it_was_given() {
        let spec = spec(templates::BACKEND_TASK);
        let wanted = &spec.container_definitions[0];
        let (port, log) = (&wanted.port_mappings[0], &wanted.log_configuration);
        let port = types::PortMapping::builder()
            .name(&port.name)
            .container_port(port.container_port)
            .host_port(port.container_port)
            .protocol("tcp".into())
            .app_protocol("http".into());
        let log = types::LogConfiguration::builder()
            .log_driver("awslogs".into())
            .set_options(Some(log.options.clone().into_iter().collect()));
        let container = types::ContainerDefinition::builder()
            .name(&wanted.name)
            .image(&wanted.image)
            .cpu(512)
            .memory(1024)
            .port_mappings(port.build())
            .set_command(Some(wanted.command.clone()))
            .log_configuration(log.build().unwrap())
            .build();
        let definition = types::TaskDefinition::builder()
            .family(&spec.family)
            .requires_compatibilities("EC2".into())
            .network_mode("awsvpc".into())
            .cpu("1024")
            .memory("2048")
            .execution_role_arn(&spec.execution_role_arn)
            .runtime_platform(
                types::RuntimePlatform::builder()
                    .cpu_architecture("X86_64".into())
                    .operating_system_family("LINUX".into())
                    .build(),
            )
            .container_definitions(container)
            .revision(7)
            .build();
        assert_eq!(TaskSpec::from(&definition), spec);
    }
}
