//! How the values of options are read. What an option takes is said in its error.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::SignedDuration;

use crate::mesh::Links;

/// A whole number.
pub(super) fn whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a whole number is needed, 0 or more".to_owned())
}

/// A share of a hundred, which need not be whole.
pub(super) fn percentage(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "a percentage from 0 to 100 is needed, such as 0.5".to_owned())
}

/// How long a request and its answer are under way, in milliseconds: with units, or milliseconds alone.
pub(super) fn latency(text: &str) -> Result<f64, String> {
    let with_units = || text.parse::<SignedDuration>().ok().map(|duration| duration.as_secs_f64() * 1_000.0);
    let latency = text.parse().ok().or_else(with_units).filter(|latency| (0.0..=Links::LONGEST_MS).contains(latency));
    latency.ok_or_else(|| "a time of up to 10 seconds is needed: 350us, 1.5ms or 1.5 (milliseconds)".to_owned())
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
    fn latencies_are_milliseconds_or_have_units() {
        for (text, milliseconds) in
            [("0", 0.0), ("1.5", 1.5), ("1.5ms", 1.5), ("350us", 0.35), ("350 µs", 0.35), ("2s", 2_000.0)]
        {
            assert_eq!(latency(text), Ok(milliseconds), "{text}");
        }
        for text in ["", "-1", "-1ms", "11s", "NaN", "inf", "soon"] {
            assert!(latency(text).unwrap_err().contains("1.5ms"), "{text}");
        }
    }

    #[test]
    fn percentages_are_of_a_hundred() {
        for (text, percent) in [("0", 0.0), ("1", 1.0), ("0.5", 0.5), ("100%", 100.0)] {
            assert_eq!(percentage(text), Ok(percent), "{text}");
        }
        for text in ["", "-1", "101", "NaN", "inf", "few"] {
            assert!(percentage(text).unwrap_err().contains("0 to 100"), "{text}");
        }
    }

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
