//! What `RegisterTaskDefinition` refuses in a container's definition (ECS API Reference, "ContainerDefinition").

use std::collections::BTreeSet;

use super::{client_error, is_named};
use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;

/// As ECS has them on Linux instances.
const LOG_DRIVERS: &[&str] =
    &["awsfirelens", "awslogs", "fluentd", "gelf", "journald", "json-file", "splunk", "syslog"];
const FARGATE_LOG_DRIVERS: &[&str] = &["awsfirelens", "awslogs", "splunk"];

/// One of a task definition; `others` come before it there.
pub(super) fn check(document: Params<'_>, container: Params<'_>, others: &[Params<'_>]) -> Result<(), AwsError> {
    let name = container.opt_str("name").ok_or_else(|| client_error("Container.name should not be null or empty."))?;
    check_name("container", name)?;
    if container.opt_str("image").is_none() {
        return Err(client_error("Container.image should not be null or empty."));
    }
    if others.iter().any(|other| other.opt_str("name") == Some(name)) {
        return Err(client_error(format!("Container name {name} is used more than once in the task definition.")));
    }
    check_sizes(document, container, name)?;
    for mapping in container.objects("portMappings") {
        check_port(document, mapping)?;
    }
    check_port_names(container, others)?;
    check_mounts(document, container, name)?;
    check_network_members(document, container)?;
    check_limits(container)?;
    check_log(container.object("logConfiguration"), client_error)
}

pub(super) fn check_name(of: &str, name: &str) -> Result<(), AwsError> {
    if name.len() <= 255 && is_named(name) {
        Ok(())
    } else {
        Err(client_error(format!(
            "Invalid {of} name '{name}'. Up to 255 letters, numbers, underscores and hyphens are allowed."
        )))
    }
}

fn check_sizes(document: Params<'_>, container: Params<'_>, name: &str) -> Result<(), AwsError> {
    let (limit, reservation) = (container.opt_int("memory")?, container.opt_int("memoryReservation")?);
    if limit.or(reservation).is_none() && document.get("memory").is_none() {
        return Err(client_error(format!(
            "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
        )));
    }
    for (size, given, least) in
        [("memory", limit, 1), ("memoryReservation", reservation, 1), ("cpu", container.opt_int("cpu")?, 0)]
    {
        if given.is_some_and(|given| given < least) {
            return Err(client_error(format!(
                "Invalid setting for container '{name}'. '{size}' must be at least {least}."
            )));
        }
    }
    if let (Some(limit), Some(reservation)) = (limit, reservation)
        && limit < reservation
    {
        return Err(client_error(format!(
            "Invalid setting for container '{name}'. 'memory' must not be less than 'memoryReservation'."
        )));
    }
    let task = document.opt_str("memory").and_then(|size| size.parse::<i64>().ok());
    match (limit, task) {
        (Some(limit), Some(task)) if limit > task => Err(client_error(format!(
            "Invalid setting for container '{name}'. The 'memory' of {limit} MiB is more than the task's {task} MiB."
        ))),
        _ => Ok(()),
    }
}

fn check_port(document: Params<'_>, mapping: Params<'_>) -> Result<(), AwsError> {
    let mode = document.opt_str("networkMode").unwrap_or_default();
    if mode == "none" {
        return Err(client_error("When networkMode=none, port mappings are not supported."));
    }
    let (container, host) = (mapping.opt_int("containerPort")?, mapping.opt_int("hostPort")?);
    if !container.is_some_and(|port| (1..=65535).contains(&port)) {
        return Err(client_error("Invalid 'containerPort' setting for container."));
    }
    if host.is_some_and(|port| !(0..=65535).contains(&port)) {
        return Err(client_error("Invalid 'hostPort' setting for container."));
    }
    if matches!(mode, "awsvpc" | "host") && host != container {
        return Err(client_error(format!(
            "When networkMode={mode}, the host ports and container ports in port mappings must match."
        )));
    }
    for (member, allowed) in [("protocol", &["tcp", "udp"][..]), ("appProtocol", &["http", "http2", "grpc"])] {
        if let Some(other) = mapping.opt_str(member).filter(|given| !allowed.contains(given)) {
            return Err(client_error(format!("Invalid '{member}' setting for container. ('{other}')")));
        }
    }
    match mapping.opt_str("name") {
        Some(name) if !is_port_name(name) => Err(client_error(format!(
            "Invalid port mapping name '{name}'. Up to 64 lowercase letters, numbers, underscores and hyphens are \
             allowed, and no hyphen at the beginning."
        ))),
        _ => Ok(()),
    }
}

/// Of a port mapping, and of what it is discovered by.
pub(super) fn is_port_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=64).contains(&name.len()) && name.chars().all(is_allowed) && !name.starts_with('-')
}

fn check_port_names(container: Params<'_>, others: &[Params<'_>]) -> Result<(), AwsError> {
    let mappings = others.iter().chain([&container]).flat_map(|container| container.objects("portMappings"));
    let mut names = BTreeSet::new();
    match mappings.filter_map(|mapping| mapping.opt_str("name")).find(|name| !names.insert(*name)) {
        Some(name) => {
            Err(client_error(format!("Port mapping name {name} is used more than once in the task definition.")))
        }
        None => Ok(()),
    }
}

fn check_mounts(document: Params<'_>, container: Params<'_>, name: &str) -> Result<(), AwsError> {
    for mount in container.objects("mountPoints") {
        let volume = mount.opt_str("sourceVolume").unwrap_or_default();
        if !document.objects("volumes").iter().any(|declared| declared.opt_str("name") == Some(volume)) {
            return Err(client_error(format!("Unknown volume '{volume}'.")));
        }
        if mount.opt_str("containerPath").is_none() {
            return Err(client_error("MountPoint.containerPath should not be null or empty."));
        }
    }
    for from in container.objects("volumesFrom") {
        let source = from.opt_str("sourceContainer").unwrap_or_default();
        let is_there = document.objects("containerDefinitions").iter().any(|c| c.opt_str("name") == Some(source));
        if !is_there || source == name {
            return Err(client_error(format!("Invalid 'volumesFrom' setting for container. ('{source}')")));
        }
    }
    Ok(())
}

fn check_network_members(document: Params<'_>, container: Params<'_>) -> Result<(), AwsError> {
    let mode = document.opt_str("networkMode").unwrap_or_default();
    if mode == "awsvpc" {
        for member in ["hostname", "extraHosts"] {
            let is_given = container.get(member).is_some_and(|value| value.as_array().is_none_or(|a| !a.is_empty()));
            if is_given {
                return Err(client_error(format!("'{member}' is not supported when networkMode=awsvpc.")));
            }
        }
    }
    for control in container.objects("systemControls") {
        let namespace = control.opt_str("namespace").unwrap_or_default();
        let shares_ipc = document.opt_str("ipcMode") == Some("host");
        let of_ipc = ["fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm"];
        let of_host = if mode == "host" && namespace.starts_with("net.") {
            "networkMode=host"
        } else if shares_ipc && of_ipc.iter().any(|prefix| namespace.starts_with(prefix)) {
            "ipcMode=host"
        } else {
            continue;
        };
        return Err(client_error(format!("The system control {namespace} is not supported when {of_host}.")));
    }
    Ok(())
}

fn check_limits(container: Params<'_>) -> Result<(), AwsError> {
    for variable in container.objects("environment") {
        if variable.opt_str("name").is_none() {
            return Err(client_error("Environment variable names must not be null or empty."));
        }
    }
    for limit in container.objects("ulimits") {
        if limit.int("softLimit")? > limit.int("hardLimit")? {
            let name = limit.opt_str("name").unwrap_or_default();
            return Err(client_error(format!("The soft limit of the ulimit {name} is more than its hard limit.")));
        }
    }
    Ok(())
}

/// A container's or a proxy's; `error` says in whose words it is refused.
pub(super) fn check_log(log: Option<Params<'_>>, error: fn(String) -> AwsError) -> Result<(), AwsError> {
    let Some(log) = log else { return Ok(()) };
    let driver = log.opt_str("logDriver").unwrap_or_default();
    if !LOG_DRIVERS.contains(&driver) {
        return Err(error(format!("Log driver '{driver}' is not one of {}.", LOG_DRIVERS.join(", "))));
    }
    let has = |option: &str| log.object("options").is_some_and(|options| options.opt_str(option).is_some());
    let missing: Vec<_> = ["awslogs-group", "awslogs-region"].into_iter().filter(|option| !has(option)).collect();
    if driver == "awslogs" && !missing.is_empty() {
        return Err(error(format!("Log driver awslogs requires options: {}", missing.join(", "))));
    }
    Ok(())
}

/// A container may wait for others, if in the end some waits for none. All start at once here, so that only START, which
/// nobody can tell from that, can be waited for.
pub(super) fn check_dependencies(list: &[Params<'_>]) -> Result<(), AwsError> {
    let mut waiting = Vec::new();
    for container in list {
        let name = container.opt_str("name").unwrap_or_default();
        let mut others = Vec::new();
        for dependency in container.objects("dependsOn") {
            let other = dependency.opt_str("containerName").unwrap_or_default();
            if !list.iter().any(|container| container.opt_str("name") == Some(other)) {
                return Err(client_error(format!("The container {name} depends on the unknown container '{other}'.")));
            }
            match dependency.opt_str("condition").unwrap_or_default() {
                "START" => others.push(other),
                condition @ ("COMPLETE" | "HEALTHY" | "SUCCESS") => {
                    return Err(AwsError::unsupported(format_args!(
                        "waiting until a container is {condition}, only START"
                    )));
                }
                condition => return Err(client_error(format!("Invalid 'dependsOn' condition. ('{condition}')"))),
            }
        }
        waiting.push((name, others));
    }
    while !waiting.is_empty() {
        let names: Vec<_> = waiting.iter().map(|(name, _)| *name).collect();
        waiting.retain(|(_, others)| others.iter().any(|other| names.contains(other)));
        if waiting.len() == names.len() {
            let names = names.join(", ");
            return Err(client_error(format!("There is a cycle in what the containers depend on: {names}.")));
        }
    }
    Ok(())
}

/// Why Fargate would not run a container of a task with an execution role or without.
pub(super) fn fargate_problem(container: Params<'_>, has_role: bool) -> Option<String> {
    let driver = container.object("logConfiguration").and_then(|log| log.opt_str("logDriver"));
    if driver == Some("awslogs") && !has_role {
        let why = "Fargate requires task definition to have execution role ARN to support log driver awslogs.";
        return Some(why.to_owned());
    }
    let linux = container.object("linuxParameters");
    let of_linux = ["devices", "maxSwap", "sharedMemorySize", "swappiness", "tmpfs"];
    let what = if driver.is_some_and(|driver| !FARGATE_LOG_DRIVERS.contains(&driver)) {
        format!("log driver '{}'", driver.unwrap_or_default())
    } else if container.opt_bool("privileged") == Some(true) {
        "'privileged'".to_owned()
    } else if !container.strings("dockerSecurityOptions").is_empty() {
        "'dockerSecurityOptions'".to_owned()
    } else {
        format!("'{}'", of_linux.into_iter().find(|member| linux.is_some_and(|linux| linux.get(member).is_some()))?)
    };
    Some(format!("Fargate does not support {what}."))
}
