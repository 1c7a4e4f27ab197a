//! IPv4 address blocks, as EC2 takes and uses them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The block that a text like `172.31.0.0/16` means; bits beyond the prefix are cleared, as AWS does.
pub(super) fn parse(text: &str) -> Option<Ipv4Net> {
    text.parse().ok().map(|block: Ipv4Net| block.trunc())
}

pub(super) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// The addresses of a subnet that its hosts get: all but the first four and the last, which AWS keeps.
pub(super) fn hosts(block: Ipv4Net) -> impl Iterator<Item = Ipv4Addr> {
    let (first, last) = (block.network().to_bits(), block.broadcast().to_bits());
    (first.saturating_add(4)..last).map(Ipv4Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_overlap_and_keep_some_addresses_back() {
        let [vpc, subnet] = ["172.31.0.0/16", "172.31.16.0/20"].map(|text| parse(text).unwrap());
        assert!(overlap(vpc, subnet) && overlap(subnet, vpc));
        assert!(!overlap(subnet, parse("172.31.32.0/20").unwrap()));
        assert_eq!(hosts(subnet).next(), Some(Ipv4Addr::new(172, 31, 16, 4)));
        assert_eq!(hosts(subnet).count(), 4091);
        assert_eq!(parse("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8"] {
            assert_eq!(parse(bad), None);
        }
    }
}
