//! Where Service Connect's proxies log accesses: part of a service's configuration (ECS Developer Guide, "Amazon ECS Service Connect
//! Envoy access logs").

use aws_sdk_ecs::types::{
    ServiceConnectAccessLogConfiguration, ServiceConnectAccessLoggingFormat, ServiceConnectConfiguration,
};
use schemars::JsonSchema;
use serde::Serialize;

/// The access logs of a service's proxies.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct AccessLogs {
    /// The log group that they go to.
    pub group: String,
    /// Whether each line is JSON, and not text.
    pub is_json: bool,
}

impl AccessLogs {
    /// None: there are none, or they go elsewhere than to CloudWatch Logs.
    pub(crate) fn of(connect: &ServiceConnectConfiguration) -> Option<Self> {
        let access = connect.access_log_configuration()?;
        let options = connect.log_configuration().and_then(|log| log.options())?;
        let group = options.get("awslogs-group")?.clone();
        Some(Self { group, is_json: *access.format() == ServiceConnectAccessLoggingFormat::Json })
    }
}

/// What a service is given to have its proxies log accesses.
pub(super) fn in_json() -> ServiceConnectAccessLogConfiguration {
    ServiceConnectAccessLogConfiguration::builder()
        .format(ServiceConnectAccessLoggingFormat::Json)
        .build()
        .expect("its only required member, the format, is set")
}

/// The format as ECS names it, or `off`.
pub(super) fn format(connect: &ServiceConnectConfiguration) -> &str {
    connect.access_log_configuration().map_or(OFF, |access| access.format().as_str())
}

/// What there is without access logs.
pub(super) const OFF: &str = "off";
