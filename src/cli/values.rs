//! How the values of options are read. What an option takes is said in its error.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A whole number.
pub(super) fn whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a whole number is needed, 0 or more".to_owned())
}

/// Where to listen on this machine: an address with a port, or a port alone.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let on_loopback = |port: &str| {
        let port = port.parse().ok()?;
        Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    };
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    text.parse().ok().or_else(|| on_loopback(port)).ok_or_else(|| {
        "an address of this machine and a port are needed: 127.0.0.1:4566, localhost:4566, 4566, or 0 for a free port"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_needs_no_address() {
        for text in ["127.0.0.1:4599", "localhost:4599", "4599"] {
            assert_eq!(listen_address(text), Ok("127.0.0.1:4599".parse().unwrap()), "{text}");
        }
        assert_eq!(listen_address("[::1]:0"), Ok("[::1]:0".parse().unwrap()));
        for text in ["", "localhost", "127.0.0.1", "example.com:80", "70000"] {
            assert!(listen_address(text).unwrap_err().contains("localhost:4566"), "{text}");
        }
    }
}
