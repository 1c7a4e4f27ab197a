//! What `RegisterTaskDefinition` refuses (ECS API Reference, "RegisterTaskDefinition" and the types it takes; ECS Developer
//! Guide, "Task definition parameters", and "… for Fargate"), of a document that has AWS's defaults filled in.

use super::client_error;
use super::container_rules as containers;
use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;

/// The service quota "Containers in a task definition", and the size of a task definition.
const MAX_CONTAINERS: usize = 10;
const MAX_BYTES: usize = 64 * 1024;

/// CPU units of a task on an instance.
const TASK_CPU: std::ops::RangeInclusive<u32> = 128..=196_608;

pub(super) fn check(document: Params<'_>) -> Result<(), AwsError> {
    let list = document.objects("containerDefinitions");
    if list.is_empty() {
        return Err(client_error("Container list cannot be empty."));
    }
    if list.len() > MAX_CONTAINERS {
        return Err(client_error(format!("A task definition can have at most {MAX_CONTAINERS} containers.")));
    }
    let length = serde_json::to_string(document.map()).map_or(0, |text| text.len());
    if length > MAX_BYTES {
        return Err(client_error(format!("Actual length: '{length}'. Max allowed length is '{MAX_BYTES}' bytes.")));
    }
    for (member, allowed) in [
        ("networkMode", &["bridge", "host", "awsvpc", "none"][..]),
        ("pidMode", &["host", "task"]),
        ("ipcMode", &["host", "task", "none"]),
    ] {
        if let Some(other) = document.opt_str(member).filter(|given| !allowed.contains(given)) {
            return Err(client_error(format!("Invalid '{member}' setting for task. ('{other}')")));
        }
    }
    if let Some(platform) = document.object("runtimePlatform") {
        let heeded = [("cpuArchitecture", &["X86_64", "ARM64"][..]), ("operatingSystemFamily", &["LINUX"])];
        for (member, only) in heeded {
            if let Some(other) = platform.opt_str(member).filter(|given| !only.contains(given)) {
                return Err(AwsError::unsupported(format_args!("{member} {other}, only {}", only.join(" and "))));
            }
        }
    }
    if let Some(cpu) = size(document, "cpu").filter(|cpu| !TASK_CPU.contains(cpu)) {
        return Err(client_error(format!("Invalid 'cpu' setting for task. ('{cpu}')")));
    }
    check_volumes(document)?;
    for (index, container) in list.iter().enumerate() {
        containers::check(document, *container, &list[..index])?;
    }
    containers::check_dependencies(&list)?;
    check_sums(document, &list)?;
    if !list.iter().any(|container| container.opt_bool("essential") == Some(true)) {
        return Err(client_error("Task definition does not have any essential containers"));
    }
    check_compatibilities(document)
}

fn check_volumes(document: Params<'_>) -> Result<(), AwsError> {
    let volumes = document.objects("volumes");
    for (index, volume) in volumes.iter().enumerate() {
        let name = volume.opt_str("name").ok_or_else(|| client_error("Volume.name should not be null or empty."))?;
        containers::check_name("volume", name)?;
        if volumes[..index].iter().any(|other| other.opt_str("name") == Some(name)) {
            return Err(client_error(format!("Volume name {name} is used more than once in the task definition.")));
        }
        let kinds = ["host", "dockerVolumeConfiguration", "efsVolumeConfiguration"];
        if kinds.iter().filter(|kind| volume.object(kind).is_some_and(|given| !given.map().is_empty())).count() > 1 {
            return Err(client_error(format!("The volume {name} can have only one configuration.")));
        }
        let Some(efs) = volume.object("efsVolumeConfiguration") else { continue };
        if efs.opt_str("fileSystemId").is_none() {
            return Err(client_error(format!("The volume {name} must name its EFS file system.")));
        }
        let Some(authorization) = efs.object("authorizationConfig") else { continue };
        let is_in_root = efs.opt_str("rootDirectory").is_none_or(|directory| directory == "/");
        if authorization.get("accessPointId").is_some() && !is_in_root {
            return Err(client_error(format!("The volume {name} can have no rootDirectory beside an access point.")));
        }
        let is_encrypted = efs.opt_str("transitEncryption") == Some("ENABLED");
        let needs_it = authorization.get("accessPointId").is_some() || authorization.opt_str("iam") == Some("ENABLED");
        if needs_it && !is_encrypted {
            return Err(client_error(format!("The volume {name} needs transitEncryption for its authorization.")));
        }
    }
    Ok(())
}

/// Containers together can be promised no more than the task has.
fn check_sums(document: Params<'_>, list: &[Params<'_>]) -> Result<(), AwsError> {
    let memory = |c: &Params<'_>| Ok(c.opt_int("memoryReservation")?.or(c.opt_int("memory")?));
    let cpu = |c: &Params<'_>| c.opt_int("cpu");
    type Size<'f> = &'f dyn Fn(&Params<'_>) -> Result<Option<i64>, AwsError>;
    for (name, unit, of) in [("cpu", "CPU units", &cpu as Size<'_>), ("memory", "MiB", &memory)] {
        let Some(most) = size(document, name) else { continue };
        let mut sum = 0_i64;
        for container in list {
            sum = sum.saturating_add(of(container)?.unwrap_or(0));
        }
        if sum > i64::from(most) {
            return Err(client_error(format!(
                "Invalid '{name}' setting for task. The containers' {sum} {unit} together are more than the task's {most}."
            )));
        }
    }
    Ok(())
}

fn check_compatibilities(document: Params<'_>) -> Result<(), AwsError> {
    for required in document.strings("requiresCompatibilities") {
        match required {
            "EC2" => {}
            "FARGATE" => {
                if let Some(problem) = fargate_problem(document) {
                    return Err(client_error(problem));
                }
            }
            "EXTERNAL" if is_external(document) => {}
            "EXTERNAL" => return Err(client_error("EXTERNAL does not support network mode 'awsvpc'.")),
            "MANAGED_INSTANCES" => return Err(AwsError::unsupported("the compatibility MANAGED_INSTANCES")),
            other => return Err(client_error(format!("Invalid 'requiresCompatibilities' setting. ('{other}')"))),
        }
    }
    Ok(())
}

/// EC2 always; the others unless something speaks against them.
pub(super) fn compatibilities(document: Params<'_>) -> Vec<&'static str> {
    let is_fit = [is_external(document), true, fargate_problem(document).is_none()];
    ["EXTERNAL", "EC2", "FARGATE"].into_iter().zip(is_fit).filter(|(_, is_fit)| *is_fit).map(|(name, _)| name).collect()
}

fn is_external(document: Params<'_>) -> bool {
    document.opt_str("networkMode") != Some("awsvpc")
}

/// Why Fargate would not run it.
fn fargate_problem(document: Params<'_>) -> Option<String> {
    if document.opt_str("networkMode") != Some("awsvpc") {
        return Some("Fargate only supports network mode ‘awsvpc’.".to_owned());
    }
    let (Some(cpu), Some(memory)) = (size(document, "cpu"), size(document, "memory")) else {
        let missing = if document.get("cpu").is_none() { "cpu" } else { "memory" };
        return Some(format!("Fargate requires that '{missing}' be defined at the task level."));
    };
    if !is_fargate_size(cpu, memory) {
        return Some(format!("No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."));
    }
    let unsupported = |what: &str| Some(format!("Fargate does not support {what}."));
    if document.opt_str("pidMode") == Some("host") {
        return unsupported("pidMode 'host'");
    }
    if document.get("ipcMode").is_some() {
        return unsupported("'ipcMode'");
    }
    for volume in document.objects("volumes") {
        if volume.get("dockerVolumeConfiguration").is_some() {
            return unsupported("'dockerVolumeConfiguration'");
        }
        if volume.object("host").is_some_and(|host| host.get("sourcePath").is_some()) {
            return unsupported("'host.sourcePath' for volumes");
        }
    }
    let has_role = document.get("executionRoleArn").is_some();
    document.objects("containerDefinitions").into_iter().find_map(|c| containers::fargate_problem(c, has_role))
}

/// ECS Developer Guide, "Task size" for Fargate: CPU units, and MiB from, to and in steps of.
fn is_fargate_size(cpu: u32, memory: u32) -> bool {
    let (from, to, step) = match cpu {
        256 => return [512, 1024, 2048].contains(&memory),
        512 => (1024, 4096, 1024),
        1024 => (2048, 8192, 1024),
        2048 => (4096, 16_384, 1024),
        4096 => (8192, 30_720, 1024),
        8192 => (16_384, 61_440, 4096),
        16_384 => (32_768, 122_880, 8192),
        _ => return false,
    };
    (from..=to).contains(&memory) && memory.is_multiple_of(step)
}

/// Of the task, in CPU units or MiB.
pub(super) fn size(document: Params<'_>, name: &str) -> Option<u32> {
    document.opt_str(name)?.parse().ok()
}
