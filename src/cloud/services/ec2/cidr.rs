//! IPv4 address blocks.

use std::fmt;
use std::net::Ipv4Addr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    base: Ipv4Addr,
    prefix_len: u32,
}

impl Cidr {
    /// The block around `base`.
    pub(crate) fn new(base: Ipv4Addr, prefix_len: u32) -> Self {
        Self { base: Ipv4Addr::from_bits(base.to_bits() & mask(prefix_len)), prefix_len }
    }

    /// `172.31.0.0/16`; bits beyond the prefix are cleared, as AWS does.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (base, prefix_len) = text.split_once('/')?;
        let prefix_len = prefix_len.parse().ok().filter(|len| *len <= 32)?;
        Some(Self::new(base.parse().ok()?, prefix_len))
    }

    pub(crate) fn prefix_len(self) -> u32 {
        self.prefix_len
    }

    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix_len) == self.base.to_bits()
    }

    pub(crate) fn covers(self, other: Self) -> bool {
        self.prefix_len <= other.prefix_len && self.contains(other.base)
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The addresses that hosts get: all but the first four and the last, which AWS keeps.
    pub(crate) fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let first = self.base.to_bits();
        let last = first | !mask(self.prefix_len);
        (first.saturating_add(4)..last).map(Ipv4Addr::from_bits)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_len)
    }
}

fn mask(prefix_len: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix_len).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_and_overlap() {
        let vpc = Cidr::parse("172.31.0.0/16").unwrap();
        let subnet = Cidr::parse("172.31.16.0/20").unwrap();
        assert!(vpc.covers(subnet) && !subnet.covers(vpc) && subnet.overlaps(vpc));
        assert!(!subnet.overlaps(Cidr::parse("172.31.32.0/20").unwrap()));
        assert!(Cidr::parse("0.0.0.0/0").unwrap().contains(Ipv4Addr::new(203, 0, 113, 9)));
        assert_eq!(subnet.hosts().next(), Some(Ipv4Addr::new(172, 31, 16, 4)));
        assert_eq!(subnet.hosts().count(), 4091);
        assert_eq!(Cidr::parse("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8"] {
            assert_eq!(Cidr::parse(bad), None);
        }
    }
}
