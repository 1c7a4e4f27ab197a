//! How what comes to a port is carried: the protocol, the time limits, the switches of protocol that are let through.

use std::time::Duration;

use hyper::header::HeaderValue;
use serde::Deserialize;

use crate::http::HttpVersion;

/// Service Connect's defaults (`ServiceConnectService.timeout`, ECS API Reference).
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const TCP_IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// What is spoken on a port: ECS's `appProtocol`, where a port without one is TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppProtocol {
    #[default]
    Http,
    Http2,
    /// HTTP/2; what a proxy answers itself is in gRPC's form, whatever the port is said to speak, if the request is gRPC's.
    Grpc,
    Tcp,
}

/// How what comes to a port is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    pub app_protocol: AppProtocol,
    /// For all attempts of a request together; `None`: as long as it takes. ECS's `perRequestTimeoutSeconds`.
    pub per_request_timeout: Option<Duration>,
    /// For a connection that nothing comes or goes on; `None`: for ever. ECS's `idleTimeoutSeconds`.
    pub idle_timeout: Option<Duration>,
    /// The protocols that a client may switch to, Envoy's `upgrade_type`: `websocket`.
    pub upgrades: Vec<String>,
}

impl Transport {
    /// Service Connect's defaults (`ServiceConnectService.timeout`, ECS API Reference).
    pub fn of(app_protocol: AppProtocol) -> Self {
        let (per_request_timeout, idle_timeout) = match app_protocol {
            AppProtocol::Tcp => (None, TCP_IDLE_TIMEOUT),
            AppProtocol::Http | AppProtocol::Http2 | AppProtocol::Grpc => (Some(REQUEST_TIMEOUT), IDLE_TIMEOUT),
        };
        Self { app_protocol, per_request_timeout, idle_timeout: Some(idle_timeout), upgrades: Vec::new() }
    }

    /// With other time limits, in seconds as ECS has them; what is left out stays.
    pub(crate) fn limited(mut self, per_request: Option<u32>, idle: Option<u32>) -> Self {
        self.per_request_timeout = per_request.map_or(self.per_request_timeout, limit);
        self.idle_timeout = idle.map_or(self.idle_timeout, limit);
        self
    }

    pub(super) fn http_version(&self) -> HttpVersion {
        match self.app_protocol {
            AppProtocol::Http2 | AppProtocol::Grpc => HttpVersion::Http2,
            AppProtocol::Http | AppProtocol::Tcp => HttpVersion::Http1,
        }
    }

    /// Whether a request that asks for it may switch to a protocol.
    pub(super) fn lets_switch(&self, protocol: &HeaderValue) -> bool {
        self.upgrades.iter().any(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()))
    }
}

/// A time limit as ECS has it: 0 seconds are none.
pub(super) fn limit(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
}

impl Default for Transport {
    fn default() -> Self {
        Self::of(AppProtocol::Http)
    }
}
