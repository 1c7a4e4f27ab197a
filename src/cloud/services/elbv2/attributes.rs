//! Attributes of load balancers and target groups: named texts with defaults.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::validation_error;
use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;

#[derive(Clone, Debug)]
pub(super) struct Attributes(BTreeMap<&'static str, String>);

/// An Application Load Balancer's (ELB API Reference, `LoadBalancerAttribute`).
pub(super) const LOAD_BALANCER: &[(&str, &str)] = &[
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.enabled", "false"),
    ("access_logs.s3.prefix", ""),
    ("client_keep_alive.seconds", "3600"),
    ("connection_logs.s3.bucket", ""),
    ("connection_logs.s3.enabled", "false"),
    ("connection_logs.s3.prefix", ""),
    ("deletion_protection.enabled", "false"),
    ("idle_timeout.timeout_seconds", "60"),
    ("load_balancing.cross_zone.enabled", "true"),
    ("routing.http.desync_mitigation_mode", "defensive"),
    ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ("routing.http.preserve_host_header.enabled", "false"),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
    ("routing.http.xff_client_port.enabled", "false"),
    ("routing.http.xff_header_processing.mode", "append"),
    ("routing.http2.enabled", "true"),
    ("waf.fail_open.enabled", "false"),
    ("zonal_shift.config.enabled", "false"),
];

/// A target group's, for HTTP and target type `ip` (ELB API Reference, `TargetGroupAttribute`).
pub(super) const TARGET_GROUP: &[(&str, &str)] = &[
    ("deregistration_delay.timeout_seconds", "300"),
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.app_cookie.cookie_name", ""),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("stickiness.enabled", "false"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.type", "lb_cookie"),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
];

/// The attribute that keeps a load balancer from being deleted.
const DELETION_PROTECTION: &str = "deletion_protection.enabled";

/// The attribute that says how long a deregistered target may finish what is in flight.
const DEREGISTRATION_DELAY: &str = "deregistration_delay.timeout_seconds";

impl Attributes {
    pub(super) fn new(defaults: &[(&'static str, &'static str)]) -> Self {
        Self(defaults.iter().map(|(key, value)| (*key, (*value).to_owned())).collect())
    }

    pub(super) fn deletion_protection(&self) -> bool {
        self.0.get(DELETION_PROTECTION).is_some_and(|value| value == "true")
    }

    /// Seconds.
    pub(super) fn deregistration_delay(&self) -> u64 {
        self.0.get(DEREGISTRATION_DELAY).and_then(|value| value.parse().ok()).unwrap_or(300)
    }

    /// Applies a request's `Attributes`: all of them, or none if one is wrong. `what` begins AWS's message.
    pub(super) fn modify(&mut self, what: &str, params: Params<'_>) -> Result<(), AwsError> {
        let mut changed = self.0.clone();
        for attribute in params.objects("Attributes") {
            let key = attribute.str("Key")?;
            let value = attribute.opt_str("Value").unwrap_or_default();
            let Some(current) = changed.get_mut(key) else {
                return Err(validation_error(format!("{what} attribute key '{key}' is not recognized")));
            };
            if key == DEREGISTRATION_DELAY && !value.parse::<u32>().is_ok_and(|seconds| seconds <= 3600) {
                return Err(validation_error(format!("'{key}' value '{value}' must be between '0-3600' inclusive")));
            }
            if ["true", "false"].contains(&current.as_str()) && !["true", "false"].contains(&value) {
                return Err(validation_error(format!("'{key}' value '{value}' must be one of [true, false]")));
            }
            // What only other protocols than HTTP have (ansible/ansible#67993).
            if key == "stickiness.type" && value.starts_with("source_ip") {
                let message =
                    format!("Stickiness type '{value}' is not supported for target groups with the HTTP protocol");
                return Err(AwsError::new("InvalidConfigurationRequest", message));
            }
            // The mesh heeds no other, which therefore keep their defaults.
            if ![DELETION_PROTECTION, DEREGISTRATION_DELAY].contains(&key) && value != current {
                return Err(AwsError::unsupported(format_args!("the attribute {key} with the value '{value}'")));
            }
            value.clone_into(current);
        }
        self.0 = changed;
        Ok(())
    }

    pub(super) fn wire(&self) -> Value {
        let attributes: Value = self.0.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        json!({ "Attributes": attributes })
    }
}
