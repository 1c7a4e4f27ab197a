//! Identifiers in AWS's forms.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The account of the local cloud, the one LocalStack made customary.
pub const ACCOUNT_ID: &str = "000000000000";

/// The source of every identifier of a region.
pub(crate) struct Ids(StdRng);

impl Ids {
    pub(crate) fn from_entropy() -> Self {
        Self(StdRng::from_rng(&mut rand::rng()))
    }

    /// `n` lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b"0123456789abcdef"[self.0.random_range(0..16)])).collect()
    }

    /// `n` decimal digits, none of them leading zeros.
    pub(crate) fn digits(&mut self, n: usize) -> String {
        (0..n).map(|i| char::from(b"1234567890"[self.0.random_range(0..if i == 0 { 9 } else { 10 })])).collect()
    }

    /// An EC2 resource's identifier: `vpc-0…`, `i-0…`, 17 hexadecimal digits.
    pub(crate) fn ec2(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{}", self.hex(16))
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let h = self.hex(32);
        format!("{}-{}-4{}-a{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..32])
    }

    /// A Cloud Map identifier: `ns-…`, `srv-…`, 16 lower-case letters and digits.
    pub(crate) fn cloud_map(&mut self, prefix: &str) -> String {
        let tail: String =
            (0..16).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[self.0.random_range(0..32)])).collect();
        format!("{prefix}-{tail}")
    }
}
