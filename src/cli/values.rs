//! How the values of options are read. What an option takes is said in its error.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::SignedDuration;

/// A whole number.
pub(super) fn whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a whole number is needed, 0 or more".to_owned())
}

/// A share of a hundred, which need not be whole.
pub(super) fn percentage(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "a percentage from 0 to 100 is needed, such as 0.5".to_owned())
}

/// How long something may take: seconds, or with units.
pub(super) fn wait(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let with_units = || text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let wait = seconds.or_else(with_units).filter(|wait| *wait >= Duration::from_secs(1));
    wait.ok_or_else(|| "a time of a second or more is needed: 900 (seconds), 90s, 15m or 1h30m".to_owned())
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
    fn waits_are_seconds_or_have_units() {
        for (text, seconds) in [("900", 900), ("15m", 900), ("1h30m", 5400), ("90s", 90), ("2 minutes", 120)] {
            assert_eq!(wait(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "-5", "-5m", "0s", "soon", "15 m 3", "1.5.2"] {
            assert!(wait(text).unwrap_err().contains("15m"), "{text}");
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
