//! Service Connect: what a service offers in a namespace and under which names, checked against its task definition and
//! against what others offer there.

use serde_json::{Map, Value, json};

use super::definition::{Definition, LogGroup};
use super::service_connect_rules::{self, AccessLog};
use super::services::{Service, ServiceStatus};
use super::tasks::Task;
use super::{container_rules, invalid};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::servicediscovery;
use crate::cloud::wire::Params;
use crate::mesh::Proxies;
use crate::mesh::topology::{ClientAlias, Service as Endpoint, Upstream};
use crate::mesh::transport::{AppProtocol, Transport};

/// A `serviceConnectConfiguration` that is enabled, resolved.
#[derive(Clone, Debug)]
pub(super) struct ServiceConnect {
    pub(super) namespace_arn: String,
    pub(super) namespace: String,
    /// What the service offers to others; a client-only service offers nothing.
    pub(super) offered: Vec<Offered>,
    /// Where the proxy's container logs to.
    pub(super) log_group: Option<LogGroup>,
    /// Whether it logs accesses there.
    pub(super) access_log: Option<AccessLog>,
    pub(super) logs_query_parameters: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub(super) endpoint: Endpoint,
    /// Its service in Cloud Map.
    pub(super) discovery_arn: String,
    pub(super) port_name: String,
    /// `http`, `http2` or `grpc`. None: TCP.
    pub(super) app_protocol: Option<String>,
}

/// ECS API Reference, "ServiceConnectClientAlias".
const MAX_DNS_NAME: usize = 127;

pub(super) fn namespace_not_found() -> AwsError {
    AwsError::new("NamespaceNotFoundException", "The specified namespace wasn't found.")
}

/// Checks a configuration for the service with this ARN. `None`: it is switched off. Cloud Map is not touched yet, so
/// `discovery_arn` is empty until [`publish`].
pub(super) fn resolve(
    region: &Region,
    cluster: &str,
    service_arn: &str,
    definition: &Definition,
    configuration: Params<'_>,
) -> Result<Option<ServiceConnect>, AwsError> {
    if configuration.opt_bool("enabled") != Some(true) {
        return Ok(None);
    }
    let default = region.ecs().cluster_by_reference(cluster).and_then(|cluster| cluster.namespace.as_deref());
    let namespace = configuration.opt_str("namespace").or(default).ok_or_else(|| {
        invalid("The namespace is required for Service Connect: the cluster has no default namespace.")
    })?;
    let namespace = servicediscovery::namespace(region, namespace).ok_or_else(namespace_not_found)?;
    if !definition.limits_memory() {
        return Err(invalid("Service Connect requires a memory limit in the task definition."));
    }
    service_connect_rules::check_definition(definition)?;
    container_rules::check_log(configuration.object("logConfiguration"), invalid)?;
    let access_log = service_connect_rules::access_log(configuration)?;
    if access_log.is_some() && matches!(region.mesh.proxies(), Proxies::Envoy(_)) {
        return Err(AwsError::unsupported("access logs of real Envoys, only of its own proxies"));
    }
    service_connect_rules::check_containers(configuration)?;
    let mut offered: Vec<Offered> = Vec::new();
    for service in configuration.objects("services") {
        let endpoint = endpoint(service, definition, &namespace.name)?;
        let others = others(region, service_arn, &namespace.arn);
        let taken = others.into_iter().chain(offered.iter().map(|offered| &offered.endpoint));
        check_unique(&endpoint, taken)?;
        let port_name = service.str("portName")?;
        service_connect_rules::check_service(service, definition)?;
        offered.push(Offered {
            endpoint,
            discovery_arn: String::new(),
            port_name: port_name.to_owned(),
            app_protocol: definition.app_protocol(port_name).map(str::to_owned),
        });
    }
    Ok(Some(ServiceConnect {
        namespace_arn: namespace.arn.clone(),
        namespace: namespace.name.clone(),
        offered,
        log_group: LogGroup::of(configuration.object("logConfiguration")),
        access_log,
        logs_query_parameters: service_connect_rules::includes_query_parameters(configuration),
    }))
}

fn endpoint(service: Params<'_>, definition: &Definition, namespace: &str) -> Result<Endpoint, AwsError> {
    let port_name = service.str("portName")?;
    let container_port = definition.named_port(port_name).ok_or_else(|| {
        invalid(format!("portName({port_name}) does not refer to any named PortMapping in the task definition."))
    })?;
    let discovery_name = service.opt_str("discoveryName").unwrap_or(port_name);
    if !container_rules::is_port_name(discovery_name) {
        return Err(invalid(format!(
            "discoveryName({discovery_name}) must have 1 to 64 lower-case letters, digits, underscores and hyphens, and no hyphen at the beginning."
        )));
    }
    let given = service.objects("clientAliases");
    if given.is_empty() {
        return Err(invalid(format!("The Service Connect service {port_name} must have a clientAlias with a port.")));
    }
    if given.len() > 1 {
        return Err(invalid("A Service Connect service can have only one clientAlias."));
    }
    let mut aliases = Vec::new();
    for alias in given {
        let dns_name = alias.opt_str("dnsName").map_or_else(|| format!("{discovery_name}.{namespace}"), str::to_owned);
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let is_name = dns_name.chars().all(is_allowed) && !dns_name.starts_with('-');
        // What the name is by default depends on the namespace, and is not the request's.
        if dns_name.len() > MAX_DNS_NAME || (alias.get("dnsName").is_some() && !is_name) {
            return Err(invalid(format!(
                "dnsName({dns_name}) must have at most {MAX_DNS_NAME} lower-case letters, digits, underscores, hyphens and periods, and no hyphen at the beginning."
            )));
        }
        let port = alias.int("port")?;
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| invalid("The port of a clientAlias must be from 1 to 65535."))?;
        aliases.push(ClientAlias { dns_name, port });
    }
    let transport = transport(service, definition.app_protocol(port_name))?;
    Ok(Endpoint { discovery_name: discovery_name.to_owned(), container_port, aliases, transport })
}

/// How the port is carried: by the time limits of the service, or of its protocol. What is carried is HTTP, since what runs here
/// speaks nothing else.
fn transport(service: Params<'_>, app_protocol: Option<&str>) -> Result<Transport, AwsError> {
    let [per_request, idle] = service_connect_rules::timeouts(service, app_protocol)?;
    let of_protocol = Transport::of(if app_protocol.is_some() { AppProtocol::Http } else { AppProtocol::Tcp });
    let limited = of_protocol.limited(per_request, idle);
    // A connection whose request takes longer than it may be idle is closed (API Reference, "TimeoutConfiguration").
    let shorter = [limited.per_request_timeout, limited.idle_timeout].into_iter().flatten().min();
    Ok(Transport { app_protocol: AppProtocol::Http, per_request_timeout: shorter, ..limited })
}

fn check_unique<'a>(endpoint: &Endpoint, taken: impl Iterator<Item = &'a Endpoint>) -> Result<(), AwsError> {
    for other in taken {
        if other.discovery_name == endpoint.discovery_name {
            return Err(invalid(format!(
                "discoveryName({}) is already in use in the namespace.",
                endpoint.discovery_name
            )));
        }
        if let Some(alias) = endpoint.aliases.iter().find(|alias| other.aliases.contains(alias)) {
            return Err(invalid(format!(
                "clientAlias({}:{}) is already in use in the namespace.",
                alias.dns_name, alias.port
            )));
        }
    }
    Ok(())
}

/// What other services than this offer in a namespace.
fn others<'r>(region: &'r Region, service_arn: &str, namespace_arn: &str) -> Vec<&'r Endpoint> {
    let others = region.ecs().services.iter().filter(|service| service.arn != service_arn);
    others.flat_map(|service| offered_by(service, namespace_arn)).collect()
}

fn offered_by<'s>(service: &'s Service, namespace_arn: &str) -> impl Iterator<Item = &'s Endpoint> {
    let connect = (service.status != ServiceStatus::Inactive)
        .then(|| service.primary().service_connect.as_ref())
        .flatten()
        .filter(|connect| connect.namespace_arn == namespace_arn);
    connect.into_iter().flat_map(|connect| connect.offered.iter().map(|offered| &offered.endpoint))
}

/// Makes the services in Cloud Map, one for each discovery name, unless they are there from before.
pub(super) fn publish(region: &mut Region, connect: &mut ServiceConnect) {
    for offered in &mut connect.offered {
        let name = &offered.endpoint.discovery_name;
        offered.discovery_arn = servicediscovery::ensure_service(region, &connect.namespace_arn, name);
    }
}

/// Registers a task that has come to run in Cloud Map, under each name that it offers.
pub(super) fn register(region: &mut Region, task_arn: &str) {
    let Some(task) = region.ecs().tasks.iter().find(|task| task.arn == task_arn) else { return };
    let offered = task.service_connect.iter().flat_map(|connect| &connect.offered);
    let instances: Vec<_> = offered
        .map(|offered| {
            (offered.discovery_arn.clone(), attributes(region, task, task.offered_at(offered.endpoint.container_port)))
        })
        .collect();
    let id = task.id.clone();
    for (discovery_arn, attributes) in instances {
        servicediscovery::register_instance(region, &discovery_arn, &id, attributes);
    }
}

/// As ECS registers them (ECS Developer Guide, "Service discovery").
fn attributes(region: &Region, task: &Task, port: u16) -> Map<String, Value> {
    let service = task.membership.as_ref().map(|membership| membership.service_name.clone());
    [
        ("AVAILABILITY_ZONE", task.az_name.clone()),
        ("AWS_INIT_HEALTH_STATUS", "HEALTHY".to_owned()),
        ("AWS_INSTANCE_IPV4", task.interface.private_ip.to_string()),
        ("AWS_INSTANCE_PORT", port.to_string()),
        ("ECS_CLUSTER_NAME", task.cluster.clone()),
        ("ECS_SERVICE_NAME", service.unwrap_or_default()),
        ("ECS_TASK_DEFINITION_FAMILY", task.definition.family.clone()),
        ("REGION", region.name.clone()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::String(value)))
    .collect()
}

/// What a task that starts now can call: every alias of its namespace.
pub(super) fn upstreams(region: &Region, connect: &ServiceConnect) -> Vec<Upstream> {
    let endpoints = region.ecs().services.iter().flat_map(|service| offered_by(service, &connect.namespace_arn));
    endpoints
        .flat_map(|endpoint| {
            let discovery_name = endpoint.discovery_name.clone();
            endpoint.aliases.iter().map(move |alias| Upstream {
                discovery_name: discovery_name.clone(),
                alias: alias.clone(),
                transport: endpoint.transport.clone(),
            })
        })
        .collect()
}

/// The configuration as it is given back: with its namespace, even if the cluster's was taken.
pub(super) fn wire(configuration: &Value, connect: Option<&ServiceConnect>) -> Value {
    let mut answer = configuration.clone();
    if let (Some(connect), Some(members)) = (connect, answer.as_object_mut()) {
        members.entry("namespace").or_insert_with(|| json!(connect.namespace));
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_port_has_the_time_limits_of_its_service_or_of_its_protocol() {
        for (timeout, app_protocol, per_request, idle) in [
            (json!({}), Some("http"), Some(15), Some(300)),
            (json!({}), Some("grpc"), Some(15), Some(300)),
            (json!({ "perRequestTimeoutSeconds": 40 }), Some("http2"), Some(40), Some(300)),
            (json!({ "perRequestTimeoutSeconds": 0, "idleTimeoutSeconds": 0 }), Some("http"), None, None),
            (json!({ "idleTimeoutSeconds": 7 }), Some("http"), Some(7), Some(7)),
            (json!({ "perRequestTimeoutSeconds": 0 }), Some("http"), Some(300), Some(300)),
            (json!({}), None, Some(3_600), Some(3_600)),
            (json!({ "idleTimeoutSeconds": 0 }), None, None, None),
        ] {
            let service = json!({ "timeout": timeout });
            let transport = transport(Params::new(service.as_object().unwrap()), app_protocol).unwrap();
            let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs());
            let limits = (seconds(transport.per_request_timeout), seconds(transport.idle_timeout));
            assert_eq!(limits, (per_request, idle), "{timeout} {app_protocol:?}");
            assert_eq!(transport.app_protocol, AppProtocol::Http);
        }
    }
}
