//! What of a Service Connect configuration is kept and given back: checked here by AWS's rules. Proxies heed of it whether they
//! log accesses, and the timeouts; they have no TLS.

use super::definition::Definition;
use super::invalid;
use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;

/// In which form a service's proxies log accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessLog {
    Text,
    Json,
}

/// API Reference, "ServiceConnectAccessLogConfiguration": it has to be said where the proxy logs to.
pub(super) fn access_log(configuration: Params<'_>) -> Result<Option<AccessLog>, AwsError> {
    let Some(access_log) = configuration.object("accessLogConfiguration") else { return Ok(None) };
    let format = match access_log.opt_str("format") {
        Some("TEXT") => AccessLog::Text,
        Some("JSON") => AccessLog::Json,
        Some(other) => return Err(invalid(format!("accessLogConfiguration format {other} must be TEXT or JSON."))),
        None => return Err(invalid("accessLogConfiguration must have a format.")),
    };
    one_of(access_log, "includeQueryParameters", &["ENABLED", "DISABLED"])?;
    if configuration.object("logConfiguration").is_none() {
        return Err(invalid(
            "To enable access logs, you must also specify a logConfiguration in the serviceConnectConfiguration.",
        ));
    }
    Ok(Some(format))
}

/// Whether access logs have the part of a path after its question mark.
pub(super) fn includes_query_parameters(configuration: Params<'_>) -> bool {
    let access_log = configuration.object("accessLogConfiguration");
    access_log.and_then(|it| it.opt_str("includeQueryParameters")) == Some("ENABLED")
}

/// API Reference, "ServiceConnectConfiguration", "containerConfigurations".
pub(super) fn check_containers(configuration: Params<'_>) -> Result<(), AwsError> {
    let settings = configuration.objects("containerConfigurations");
    for setting in &settings {
        if setting.map().len() != 1 {
            return Err(invalid("Each object in containerConfigurations must set exactly one setting."));
        }
        one_of(*setting, "logLevel", &["debug", "info"])?;
    }
    // There is one setting.
    if settings.len() > 1 {
        return Err(invalid("Each setting can appear only once in containerConfigurations."));
    }
    Ok(())
}

/// What a task with network mode bridge may not have beside a proxy: a hostname (ECS Developer Guide, "Amazon ECS Service Connect":
/// considerations), and host ports of its own choice ("for SC bridge mode we do not allow customer to specify a host port for their
/// containers": aws/amazon-ecs-agent, `agent/api/task/task.go`).
pub(super) fn check_definition(definition: &Definition) -> Result<(), AwsError> {
    if !definition.is_bridged() {
        return Ok(());
    }
    if !definition.static_ports().is_empty() {
        return Err(invalid("Service Connect requires host ports to be 0 or left out with network mode bridge."));
    }
    if definition.containers().iter().any(|container| container.get("hostname").is_some()) {
        return Err(invalid("Service Connect does not support hostname with network mode bridge."));
    }
    Ok(())
}

/// The members of a `services` item that are about its port (API Reference, "ServiceConnectService").
pub(super) fn check_service(service: Params<'_>, definition: &Definition) -> Result<(), AwsError> {
    port(service, "ingressPortOverride")?;
    if definition.is_bridged() && service.get("ingressPortOverride").is_some() {
        return Err(AwsError::unsupported("ingressPortOverride with network mode bridge"));
    }
    if let Some(tls) = service.object("tls") {
        let authority = tls.object("issuerCertificateAuthority");
        authority.ok_or_else(|| invalid("tls must have an issuerCertificateAuthority."))?.str("awsPcaAuthorityArn")?;
        // ECS Developer Guide, "Encrypt Amazon ECS Service Connect traffic".
        if definition.is_bridged() {
            return Err(invalid("Service Connect TLS is not supported for tasks with network mode bridge."));
        }
    }
    for rules in service.objects("clientAliases").iter().filter_map(|alias| alias.object("testTrafficRules")) {
        let header = rules.object("header").ok_or_else(|| invalid("testTrafficRules must have a header."))?;
        header.str("name")?;
        if let Some(value) = header.object("value") {
            value.str("exact")?;
        }
    }
    Ok(())
}

/// The `timeout` of a `services` item: for a request, and for a connection that is idle (API Reference, "TimeoutConfiguration").
pub(super) fn timeouts(service: Params<'_>, app_protocol: Option<&str>) -> Result<[Option<u32>; 2], AwsError> {
    let Some(timeout) = service.object("timeout") else { return Ok([None, None]) };
    let limit = |name: &str| {
        let seconds = timeout.opt_int(name)?.map(u32::try_from).transpose();
        let seconds = seconds.ok().filter(|seconds| seconds.is_none_or(|seconds| i32::try_from(seconds).is_ok()));
        seconds.ok_or_else(|| invalid(format!("{name} must be from 0 to 2147483647.")))
    };
    let (idle, per_request) = (limit("idleTimeoutSeconds")?, limit("perRequestTimeoutSeconds")?);
    if per_request.is_some() && app_protocol.is_none() {
        return Err(invalid("perRequestTimeout can only be set if Service Connect appProtocol isn't TCP."));
    }
    Ok([per_request, idle])
}

fn port(of: Params<'_>, name: &str) -> Result<(), AwsError> {
    match of.opt_int(name)? {
        Some(port) if !(1..=65_535).contains(&port) => Err(invalid(format!("{name} must be from 1 to 65535."))),
        _ => Ok(()),
    }
}

fn one_of(of: Params<'_>, name: &str, values: &[&str]) -> Result<(), AwsError> {
    match of.opt_str(name) {
        Some(other) if !values.contains(&other) => {
            Err(invalid(format!("{name} {other} must be {}.", values.join(" or "))))
        }
        _ => Ok(()),
    }
}
