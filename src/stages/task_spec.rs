//! A task definition as a template gives it and as AWS gives it back, in one type, so that the two can be compared. It
//! has the members that the walkthrough sets, spelled as AWS spells them; what AWS adds (host ports, revisions) is left out.

use std::collections::BTreeMap;

use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder;
use aws_sdk_ecs::types;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskSpec {
    pub(super) family: String,
    requires_compatibilities: Vec<String>,
    network_mode: String,
    cpu: String,
    memory: String,
    execution_role_arn: String,
    runtime_platform: RuntimePlatform,
    container_definitions: Vec<Container>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuntimePlatform {
    cpu_architecture: String,
    operating_system_family: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PortMapping {
    name: String,
    container_port: i32,
    protocol: String,
    app_protocol: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogConfiguration {
    log_driver: String,
    options: BTreeMap<String, String>,
}

impl TaskSpec {
    pub(super) fn registration(&self, client: &aws_sdk_ecs::Client) -> RegisterTaskDefinitionFluentBuilder {
        let platform = types::RuntimePlatform::builder()
            .cpu_architecture(self.runtime_platform.cpu_architecture.as_str().into())
            .operating_system_family(self.runtime_platform.operating_system_family.as_str().into());
        client
            .register_task_definition()
            .family(&self.family)
            .set_requires_compatibilities(Some(
                self.requires_compatibilities.iter().map(|c| c.as_str().into()).collect(),
            ))
            .network_mode(self.network_mode.as_str().into())
            .cpu(&self.cpu)
            .memory(&self.memory)
            .execution_role_arn(&self.execution_role_arn)
            .runtime_platform(platform.build())
            .set_container_definitions(Some(self.container_definitions.iter().map(Container::definition).collect()))
    }

    /// The values by their paths, for naming what differs: `containerDefinitions.0.image`.
    pub(super) fn fields(&self) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        flatten("", &serde_json::to_value(self).unwrap_or_default(), &mut fields);
        fields
    }
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

impl Container {
    fn definition(&self) -> types::ContainerDefinition {
        let ports = self.port_mappings.iter().map(|port| {
            types::PortMapping::builder()
                .name(&port.name)
                .container_port(port.container_port)
                .protocol(port.protocol.as_str().into())
                .app_protocol(port.app_protocol.as_str().into())
                .build()
        });
        let log = types::LogConfiguration::builder()
            .log_driver(self.log_configuration.log_driver.as_str().into())
            .set_options(Some(self.log_configuration.options.clone().into_iter().collect()))
            .build()
            .expect("its only required member, the driver, is set");
        types::ContainerDefinition::builder()
            .name(&self.name)
            .image(&self.image)
            .cpu(self.cpu)
            .memory(self.memory)
            .essential(self.essential)
            .set_port_mappings(Some(ports.collect()))
            .set_command(Some(self.command.clone()))
            .log_configuration(log)
            .build()
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
            .container_definitions(spec.container_definitions[0].definition())
            .revision(7)
            .build();
        assert_eq!(TaskSpec::from(&definition), spec);
    }
}
