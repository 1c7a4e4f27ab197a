//! Which endpoints are AWS's own, so that what is made there is real, and costs.

use super::Clients;

impl Clients {
    /// Whether calls reach AWS itself, also by an endpoint that was named.
    pub fn is_aws(&self) -> bool {
        self.emulator_url().is_none()
    }

    /// The endpoint, if it is not AWS's.
    pub fn emulator_url(&self) -> Option<&str> {
        self.endpoint_url.as_deref().filter(|url| !is_of_aws(url))
    }
}

/// Whether an endpoint is AWS's own.
fn is_of_aws(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    ["amazonaws.com", "amazonaws.com.cn", "api.aws"].iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awss_own_endpoints_are_no_emulators() {
        for url in ["https://ecs.us-east-1.amazonaws.com", "https://vpce-1.ecs.cn-north-1.vpce.amazonaws.com.cn:443/"] {
            assert!(is_of_aws(url), "{url}");
        }
        for url in ["http://127.0.0.1:4566", "http://localhost.localstack.cloud:4566", "http://amazonaws.com.test"] {
            assert!(!is_of_aws(url), "{url}");
        }
    }
}
