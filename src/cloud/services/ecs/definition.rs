//! What a revision of a task definition says: checked, with AWS's defaults filled in, and read by the parts of ECS that
//! place and start tasks. The document is kept whole, so that all that was registered is given back.

use serde_json::{Map, Value, json};

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

/// Where a container's log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogGroup {
    pub(super) name: String,
    /// `awslogs-create-group`
    pub(super) create: bool,
}

impl LogGroup {
    /// From a `logConfiguration`; other drivers than awslogs need no group.
    pub(super) fn of(log_configuration: Option<Params<'_>>) -> Option<Self> {
        let log = log_configuration.filter(|log| log.opt_str("logDriver") == Some("awslogs"))?;
        let options = log.object("options")?;
        Some(Self {
            name: options.opt_str("awslogs-group")?.to_owned(),
            create: options.opt_bool("awslogs-create-group") == Some(true),
        })
    }
}

/// What a container's definition may say. No process is run, so what only it would see is kept and given back. What ECS's
/// agent would do (check its health, restart it, fetch secrets for it, start it after others) is not done, and refused.
const CONTAINER: &str = "command cpu disableNetworking dnsSearchDomains dnsServers dockerLabels dockerSecurityOptions \
                         entryPoint environment essential extraHosts hostname image interactive linuxParameters \
                         logConfiguration memory memoryReservation mountPoints name portMappings privileged \
                         pseudoTerminal readonlyRootFilesystem systemControls ulimits user volumesFrom \
                         workingDirectory";

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
        let is_awsvpc = document["networkMode"] == "awsvpc";
        if let Some(containers) = document.get_mut("containerDefinitions").and_then(Value::as_array_mut) {
            containers.iter_mut().filter_map(Value::as_object_mut).for_each(|c| fill_container(c, is_awsvpc));
        }
        let definition = Self { arn, family: family.to_owned(), revision, document };
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<(), AwsError> {
        let containers = self.containers();
        if containers.is_empty() {
            return Err(client_error("Container list cannot be empty."));
        }
        if let Some(platform) = self.params().object("runtimePlatform") {
            let heeded = [("cpuArchitecture", &["X86_64", "ARM64"][..]), ("operatingSystemFamily", &["LINUX"])];
            for (member, only) in heeded {
                if let Some(other) = platform.opt_str(member).filter(|given| !only.contains(given)) {
                    return Err(AwsError::unsupported(format_args!("{member} {other}, only {}", only.join(" and "))));
                }
            }
        }
        let compatibilities = self.compatibilities();
        // "For tasks hosted on Fargate … the only supported value is task", and an IPC mode "is not supported" there (API
        // Reference, "RegisterTaskDefinition").
        if self.params().strings("requiresCompatibilities").contains(&"FARGATE") && !self.namespaces_fit_fargate() {
            return Err(client_error("Fargate supports no 'ipcMode', and no other 'pidMode' than 'task'."));
        }
        if let Some(other) = (self.params().strings("requiresCompatibilities").into_iter())
            .find(|required| !compatibilities.contains(required))
        {
            return Err(client_error(format!(
                "Task definition does not have the network mode, 'cpu' and 'memory' that {other} requires."
            )));
        }
        let task_memory = self.task_size("memory");
        let mut port_names = Vec::new();
        for (index, container) in containers.iter().enumerate() {
            container.only_those(|name| CONTAINER.split_ascii_whitespace().any(|heeded| heeded == name))?;
            let name =
                container.opt_str("name").ok_or_else(|| client_error("Container.name should not be null or empty."))?;
            if container.opt_str("image").is_none() {
                return Err(client_error("Container.image should not be null or empty."));
            }
            if containers[..index].iter().any(|other| other.opt_str("name") == Some(name)) {
                return Err(client_error(format!(
                    "Container name {name} is used more than once in the task definition."
                )));
            }
            let (limit, reservation) = (container.opt_int("memory")?, container.opt_int("memoryReservation")?);
            if limit.or(reservation).is_none() && task_memory.is_none() {
                return Err(client_error(format!(
                    "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
                )));
            }
            if let (Some(limit), Some(task)) = (limit, task_memory)
                && limit > i64::from(task)
            {
                return Err(client_error(format!(
                    "Invalid setting for container '{name}'. The 'memory' of {limit} MiB is more than the task's {task} MiB."
                )));
            }
            for mapping in container.objects("portMappings") {
                self.check_port(mapping)?;
                if let Some(port_name) = mapping.opt_str("name") {
                    if port_names.contains(&port_name) {
                        return Err(client_error(format!(
                            "Port mapping name {port_name} is used more than once in the task definition."
                        )));
                    }
                    port_names.push(port_name);
                }
            }
        }
        if !containers.iter().any(|container| container.opt_bool("essential") == Some(true)) {
            return Err(client_error("Task definition does not have any essential containers"));
        }
        Ok(())
    }

    fn check_port(&self, mapping: Params<'_>) -> Result<(), AwsError> {
        let (container, host) = (mapping.opt_int("containerPort")?, mapping.opt_int("hostPort")?);
        if container.is_some_and(|port| !(1..=65535).contains(&port)) {
            return Err(client_error("Invalid 'containerPort' setting for container."));
        }
        if self.network_mode() == "awsvpc" && host != container {
            return Err(client_error(
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
            ));
        }
        Ok(())
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
        self.params().opt_str(name)?.parse().ok()
    }

    /// Whether memory is limited, as Service Connect asks: for the task, or for each container.
    pub(super) fn limits_memory(&self) -> bool {
        self.task_size("memory").is_some() || self.containers().iter().all(|c| c.get("memory").is_some())
    }

    /// The container port behind the name of a port mapping.
    pub(super) fn named_port(&self, name: &str) -> Option<u16> {
        let mappings = self.containers().into_iter().flat_map(|container| container.objects("portMappings"));
        let mapping = mappings.into_iter().find(|mapping| mapping.opt_str("name") == Some(name))?;
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

    /// EC2 always; Fargate needs the task's network mode and sizes.
    pub(super) fn compatibilities(&self) -> Vec<&'static str> {
        let sizes = self.task_size("cpu").is_some() && self.task_size("memory").is_some();
        let fits_fargate = self.network_mode() == "awsvpc" && sizes && self.namespaces_fit_fargate();
        if fits_fargate { vec!["EC2", "FARGATE"] } else { vec!["EXTERNAL", "EC2"] }
    }

    fn namespaces_fit_fargate(&self) -> bool {
        self.params().opt_str("ipcMode").is_none() && self.params().opt_str("pidMode").is_none_or(|mode| mode == "task")
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
fn fill_container(container: &mut Map<String, Value>, is_awsvpc: bool) {
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
        let host_port = if is_awsvpc { mapping.get("containerPort").cloned() } else { None };
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

pub(super) fn client_error(message: impl Into<String>) -> AwsError {
    AwsError::new("ClientException", message)
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
