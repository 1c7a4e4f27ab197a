//! Names and addresses that mean this very machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hyper::http::uri::Authority;

/// Whether an authority, `localhost:4566`, names this machine in words that no name server is asked about. A page of another
/// site can have its own name lead here (DNS rebinding), but it cannot have the browser send one of these.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Where this machine reaches what listens at an address: every address of a machine includes loopback's.
pub(crate) fn on_loopback(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, address.port()).into() } else { address }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn no_name_that_a_name_server_knows_is_this_machine() {
        for authority in ["127.0.0.1:4566", "localhost", "LOCALHOST:1", "[::1]:4566", "127.8.8.8"] {
            assert!(is_loopback(authority), "{authority}");
        }
        for authority in [
            "",
            "example.com",
            "localhost.example.com:4566",
            "127.0.0.1.example.com",
            "10.0.0.1",
            "0.0.0.0:4566",
            "a b",
        ] {
            assert!(!is_loopback(authority), "{authority}");
        }
    }
}
