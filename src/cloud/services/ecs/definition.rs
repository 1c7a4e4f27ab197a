//! What a revision of a task definition says: checked, with AWS's defaults filled in, and read by the parts of ECS that
//! place and start tasks. The document is kept whole, so that all that was registered is given back.

use serde_json::{Map, Value, json};

use super::{client_error, definition_rules};
use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;

/// One revision's content, which never changes.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) arn: String,
    pub(super) family: String,
    pub(super) revision: u32,
    /// `RegisterTaskDefinition`'s parameters, without the tags.
    document: Map<String, Value>,
}

/// A port of a container, and the one of the instance that it is published at with network mode bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortMapping {
    pub(super) container_port: u16,
    /// None: any that is free.
    pub(super) host_port: Option<u16>,
    pub(super) is_udp: bool,
}

/// Where a container's log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogGroup {
    pub(super) name: String,
    /// `awslogs-create-group`
    pub(super) create: bool,
    /// `awslogs-stream-prefix`
    pub(super) stream_prefix: Option<String>,
}

impl LogGroup {
    /// From a `logConfiguration`; other drivers than awslogs need no group.
    pub(super) fn of(log_configuration: Option<Params<'_>>) -> Option<Self> {
        let log = log_configuration.filter(|log| log.opt_str("logDriver") == Some("awslogs"))?;
        let options = log.object("options")?;
        Some(Self {
            name: options.opt_str("awslogs-group")?.to_owned(),
            create: options.opt_bool("awslogs-create-group") == Some(true),
            stream_prefix: options.opt_str("awslogs-stream-prefix").map(str::to_owned),
        })
    }
}

impl Definition {
    /// Checks what was sent as AWS does.
    pub(super) fn new(arn: String, family: &str, revision: u32, sent: &Map<String, Value>) -> Result<Self, AwsError> {
        let mut document = sent.clone();
        document.remove("tags");
        document.remove("family");
        for (size, units) in [("cpu", CPU_UNITS), ("memory", MEMORY_UNITS)] {
            if let Some(given) = Params::new(sent).get(size) {
                let text = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
                let n = parse_size(&text, units)
                    .ok_or_else(|| client_error(format!("Invalid '{size}' setting for task. ('{text}')")))?;
                document.insert(size.to_owned(), Value::String(n.to_string()));
            }
        }
        document.entry("networkMode").or_insert_with(|| json!("bridge"));
        document.entry("volumes").or_insert_with(|| json!([]));
        document.entry("placementConstraints").or_insert_with(|| json!([]));
        let maps_to_itself = ["awsvpc", "host"].iter().any(|mode| document["networkMode"] == *mode);
        if let Some(containers) = document.get_mut("containerDefinitions").and_then(Value::as_array_mut) {
            containers.iter_mut().filter_map(Value::as_object_mut).for_each(|c| fill_container(c, maps_to_itself));
        }
        let definition = Self { arn, family: family.to_owned(), revision, document };
        definition_rules::check(definition.params())?;
        Ok(definition)
    }

    fn params(&self) -> Params<'_> {
        Params::new(&self.document)
    }

    pub(super) fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    pub(super) fn containers(&self) -> Vec<Params<'_>> {
        self.params().objects("containerDefinitions")
    }

    pub(super) fn container(&self, name: &str) -> Option<Params<'_>> {
        self.containers().into_iter().find(|container| container.opt_str("name") == Some(name))
    }

    pub(super) fn network_mode(&self) -> &str {
        self.params().opt_str("networkMode").unwrap_or("bridge")
    }

    /// Whether its tasks are reached at ports of their instances, and have no network interfaces.
    pub(super) fn is_bridged(&self) -> bool {
        self.network_mode() == "bridge"
    }

    /// The port mappings, with the names of their containers.
    pub(super) fn port_mappings(&self) -> Vec<(&str, PortMapping)> {
        let mut mappings = Vec::new();
        for container in self.containers() {
            let port = |mapping: &Params<'_>, name| u16::try_from(mapping.opt_int(name).ok()??).ok();
            for mapping in container.objects("portMappings") {
                let Some(container_port) = port(&mapping, "containerPort") else { continue };
                mappings.push((
                    container.opt_str("name").unwrap_or_default(),
                    PortMapping {
                        container_port,
                        host_port: port(&mapping, "hostPort").filter(|port| *port > 0),
                        is_udp: mapping.opt_str("protocol") == Some("udp"),
                    },
                ));
            }
        }
        mappings
    }

    /// The ports that a task of it takes of its instance, whichever others are free.
    pub(super) fn static_ports(&self) -> Vec<u16> {
        let mappings = if self.is_bridged() { self.port_mappings() } else { vec![] };
        mappings.into_iter().filter_map(|(_, mapping)| mapping.host_port).collect()
    }

    /// The execution role, by its name or ARN.
    pub(super) fn execution_role(&self) -> Option<&str> {
        self.params().opt_str("executionRoleArn")
    }

    /// CPU units that a task of it takes of its instance: the task's, or its containers' together.
    pub(super) fn cpu(&self) -> u32 {
        self.task_size("cpu").unwrap_or_else(|| self.sum(|container| container.opt_int("cpu").ok().flatten()))
    }

    /// MiB that a task of it takes of its instance.
    pub(super) fn memory(&self) -> u32 {
        self.task_size("memory").unwrap_or_else(|| {
            self.sum(|c| c.opt_int("memoryReservation").ok().flatten().or(c.opt_int("memory").ok().flatten()))
        })
    }

    fn sum(&self, size: impl Fn(&Params<'_>) -> Option<i64>) -> u32 {
        let sizes = self.containers().into_iter().filter_map(|container| size(&container));
        sizes.filter_map(|n| u32::try_from(n).ok()).fold(0, u32::saturating_add)
    }

    fn task_size(&self, name: &str) -> Option<u32> {
        definition_rules::size(self.params(), name)
    }

    /// Whether memory is limited, as Service Connect asks: for the task, or for each container.
    pub(super) fn limits_memory(&self) -> bool {
        self.task_size("memory").is_some() || self.containers().iter().all(|c| c.get("memory").is_some())
    }

    fn port_mapping(&self, name: &str) -> Option<Params<'_>> {
        let mappings = self.containers().into_iter().flat_map(|container| container.objects("portMappings"));
        mappings.into_iter().find(|mapping| mapping.opt_str("name") == Some(name))
    }

    /// `http`, `http2` or `grpc`, as the port mapping of this name says. None: TCP.
    pub(super) fn app_protocol(&self, port_name: &str) -> Option<&str> {
        self.port_mapping(port_name)?.opt_str("appProtocol")
    }

    /// The container port behind the name of a port mapping.
    pub(super) fn named_port(&self, name: &str) -> Option<u16> {
        let mapping = self.port_mapping(name)?;
        mapping.opt_int("containerPort").ok().flatten().and_then(|port| u16::try_from(port).ok())
    }

    /// The architecture that it asks of an instance, as `ecs.cpu-architecture` has it.
    pub(super) fn architecture(&self) -> Option<String> {
        let platform = self.params().object("runtimePlatform")?;
        platform.opt_str("cpuArchitecture").map(str::to_ascii_lowercase)
    }

    /// The log groups that its containers need, in their order.
    pub(super) fn log_groups(&self) -> Vec<LogGroup> {
        self.containers().iter().filter_map(|container| LogGroup::of(container.object("logConfiguration"))).collect()
    }

    /// The container that the task lives and dies with.
    pub(super) fn app(&self) -> Option<Params<'_>> {
        self.containers().into_iter().find(|container| container.opt_bool("essential") == Some(true))
    }

    /// The launch types that could run it.
    pub(super) fn compatibilities(&self) -> Vec<&'static str> {
        definition_rules::compatibilities(self.params())
    }

    /// What an instance's agent must be able to do.
    pub(super) fn required_attributes(&self) -> Vec<&'static str> {
        let mut attributes = Vec::new();
        if !self.log_groups().is_empty() {
            attributes.push("com.amazonaws.ecs.capability.logging-driver.awslogs");
            if self.execution_role().is_some() {
                attributes.push("ecs.capability.execution-role-awslogs");
            }
            attributes.push("com.amazonaws.ecs.capability.docker-remote-api.1.19");
        }
        if self.params().get("taskRoleArn").is_some() {
            attributes.push("com.amazonaws.ecs.capability.task-iam-role");
        }
        attributes.push("com.amazonaws.ecs.capability.docker-remote-api.1.18");
        if self.network_mode() == "awsvpc" {
            attributes.push("ecs.capability.task-eni");
        }
        attributes
    }
}

/// What AWS adds to a container's definition when it gives it back.
fn fill_container(container: &mut Map<String, Value>, maps_to_itself: bool) {
    let mut default = |name: &str, value: Value| {
        container.entry(name).or_insert(value);
    };
    default("cpu", json!(0));
    default("essential", json!(true));
    for list in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
        default(list, json!([]));
    }
    let mappings = container.get_mut("portMappings").and_then(Value::as_array_mut).into_iter().flatten();
    for mapping in mappings.filter_map(Value::as_object_mut) {
        mapping.entry("protocol").or_insert_with(|| json!("tcp"));
        let host_port = if maps_to_itself { mapping.get("containerPort").cloned() } else { None };
        mapping.entry("hostPort").or_insert_with(|| host_port.unwrap_or_else(|| json!(0)));
    }
}

type Units = &'static [(&'static str, f64)];
/// "Task size" in the ECS Developer Guide: `1024`, `1 vCPU`, `.5 vcpu`.
const CPU_UNITS: Units = &[("vcpu", 1024.0), ("", 1.0)];
/// `2048`, `2 GB`.
const MEMORY_UNITS: Units = &[("gb", 1024.0), ("", 1.0)];

fn parse_size(text: &str, units: Units) -> Option<u32> {
    let text = text.to_ascii_lowercase();
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim(), factor)))?;
    let size = number.parse::<f64>().ok()? * factor;
    (size >= 1.0 && size <= f64::from(u32::MAX)).then_some(size.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(sent: Value) -> Result<Definition, AwsError> {
        let sent = sent.as_object().unwrap().clone();
        Definition::new("arn".to_owned(), "family", 1, &sent)
    }

    #[test]
    fn sizes_may_have_units() {
        assert_eq!(parse_size("1024", CPU_UNITS), Some(1024));
        assert_eq!(parse_size(".5 vCPU", CPU_UNITS), Some(512));
        assert_eq!(parse_size("2GB", MEMORY_UNITS), Some(2048));
        assert_eq!(parse_size("much", MEMORY_UNITS), None);
    }

    #[test]
    fn a_container_needs_a_memory_limit_unless_the_task_has_one() {
        let container = json!([{ "name": "app", "image": "app" }]);
        assert!(definition(json!({ "containerDefinitions": container })).is_err());
        let limited = definition(json!({ "containerDefinitions": container, "memory": "512" })).unwrap();
        assert_eq!((limited.memory(), limited.limits_memory()), (512, true));
    }

    #[test]
    fn containers_together_want_no_more_than_there_can_be() {
        let container = |name: &str| json!({ "name": name, "image": "app", "memory": u32::MAX, "cpu": u32::MAX });
        let sum = definition(json!({ "containerDefinitions": [container("a"), container("b")] })).unwrap();
        assert_eq!((sum.cpu(), sum.memory()), (u32::MAX, u32::MAX));
    }

    #[test]
    fn awsvpc_gives_a_port_the_same_number_outside() {
        let with = |mapping: Value| {
            let container = json!([{ "name": "app", "image": "app", "memory": 64, "portMappings": [mapping] }]);
            definition(json!({ "networkMode": "awsvpc", "containerDefinitions": container }))
        };
        let filled = with(json!({ "name": "http", "containerPort": 8090 })).unwrap();
        assert_eq!(filled.containers()[0].objects("portMappings")[0].opt_int("hostPort").unwrap(), Some(8090));
        assert_eq!(filled.named_port("http"), Some(8090));
        assert!(with(json!({ "containerPort": 8090, "hostPort": 80 })).is_err());
    }
}
