//! The whole package's tests of the sidecar that need no more than it, and Envoy.

#[path = "../../tests/it/envoy_answers.rs"]
mod envoy_answers;
#[path = "../../tests/it/envoy_malformed.rs"]
mod envoy_malformed;
#[path = "../../tests/it/sidecar.rs"]
mod sidecar;
#[path = "../../tests/it/sidecar_malformed.rs"]
mod sidecar_malformed;
#[path = "../../tests/it/stub_host.rs"]
mod stub_host;

mod support {
    use std::time::Duration;

    /// Moves the clock on; what is due then happens. For tests on one thread.
    pub(crate) async fn skip(seconds: u64) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }
}

mod envoy_sidecars {
    use std::path::Path;

    use zonewalk::mesh::{Binary, Proxies};

    /// `ENVOY_BIN`.
    pub(crate) fn envoys() -> Proxies {
        Proxies::Envoy(Binary::at(Path::new(&std::env::var_os("ENVOY_BIN").unwrap())).unwrap())
    }
}
