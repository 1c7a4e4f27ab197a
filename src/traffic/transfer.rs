//! What crosses zones, in bytes and dollars.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::expectation::Expectation;
use super::latency::is_same_zone;
use super::observation::Observation;

/// What a GB that crosses zones costs at list price: 0.01 USD out of one and 0.01 USD into the other (Amazon EC2 on-demand
/// pricing, "Data transfer within the same AWS Region", 2026-11).
pub const USD_PER_GB: f64 = 2.0 * 0.01;

/// A GB, as AWS's prices are told.
const GB: f64 = 1e9;

/// What requests and answers between frontends and backends cost where these are in different zones. Counted are the bytes that
/// the driver sent and got: first lines, headers and bodies. What the frontend asks of the backend is not seen from here and is
/// taken to be as much; TCP, TLS, retries and health checks come on top.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Transfer {
    /// The bytes of all answered requests and their answers.
    pub bytes: u64,
    /// Those of them that crossed zones.
    pub cross_zone_bytes: u64,
    /// The share of the bytes that crossed zones.
    pub cross_zone_share: f64,
    /// The share that would cross them if zones played no part, from where the backends run. Null: that is not known.
    pub cross_zone_share_without_zones: Option<f64>,
    /// The price of a GB that crosses zones, out of one and into the other: list price, in USD.
    pub usd_per_gb: f64,
    /// What the bytes that crossed zones cost, in USD.
    pub usd: f64,
    /// What they would if zones played no part, in USD. Null: that is not known.
    pub usd_without_zones: Option<f64>,
    /// The same for the traffic of a month. Null: none was named.
    pub per_month: Option<PerMonth>,
}

/// The cost of a month's traffic with the measured mix of zones.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct PerMonth {
    /// The traffic between the services in a month, in GB of 10⁹ bytes.
    pub gb: f64,
    /// What it costs with the measured mix, in USD.
    pub usd: f64,
    /// What it would if zones played no part, in USD. Null: that is not known.
    pub usd_without_zones: Option<f64>,
}

impl Transfer {
    /// None: no bytes were counted.
    pub(super) fn of(observed: &Observation, expectation: &Expectation) -> Option<Self> {
        let sum = |is_meant: &dyn Fn(&(String, String)) -> bool| -> u64 {
            observed.exchanges.iter().filter(|(pair, _)| is_meant(pair)).map(|(_, exchanges)| exchanges.bytes).sum()
        };
        let (bytes, cross_zone_bytes) = (sum(&|_| true), sum(&|pair| !is_same_zone(pair)));
        let all = bytes as f64;
        let crossing =
            |zone: &String| Some(sum(&|pair| pair.0 == *zone) as f64 * expectation.crossing_without_zones(zone)?);
        let zones = observed.exchanges.keys().map(|(frontend, _)| frontend);
        let zones: std::collections::BTreeSet<&String> = zones.collect();
        let without_zones: Option<f64> = zones.into_iter().map(crossing).sum();
        let usd = |bytes: f64| bytes / GB * USD_PER_GB;
        (bytes > 0).then(|| Self {
            bytes,
            cross_zone_bytes,
            cross_zone_share: cross_zone_bytes as f64 / all,
            cross_zone_share_without_zones: without_zones.map(|crossing| crossing / all),
            usd_per_gb: USD_PER_GB,
            usd: usd(cross_zone_bytes as f64),
            usd_without_zones: without_zones.map(usd),
            per_month: None,
        })
    }

    /// The same with what a month's traffic would cost.
    pub fn in_a_month(self, volume: Volume) -> Self {
        let usd = |share: f64| volume.gb * share * USD_PER_GB;
        let per_month = PerMonth {
            gb: volume.gb,
            usd: usd(self.cross_zone_share),
            usd_without_zones: self.cross_zone_share_without_zones.map(usd),
        };
        Self { per_month: Some(per_month), ..self }
    }
}

/// The traffic of a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Volume {
    /// In GB of 10⁹ bytes.
    gb: f64,
}

impl Volume {
    /// In GB of 10⁹ bytes.
    pub fn gb(self) -> f64 {
        self.gb
    }
}

/// The units that a volume may have, in GB.
const UNITS: [(&str, f64); 7] = [
    ("MB", 1e-3),
    ("GB", 1.0),
    ("TB", 1e3),
    ("PB", 1e6),
    ("MiB", 1.048_576e-3),
    ("GiB", 1.073_741_824),
    ("TiB", 1_099.511_627_776),
];

impl FromStr for Volume {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let amount = text.trim().strip_suffix("/month").unwrap_or(text).trim();
            let (number, unit) = amount.split_at(amount.find(|c: char| c.is_alphabetic())?);
            let (_, in_gb) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
            let number: f64 = number.trim().parse().ok()?;
            (number.is_finite() && number > 0.0).then_some(Self { gb: number * in_gb })
        };
        parse().ok_or_else(|| "an amount for a month is needed, such as 500GB/month or 1.5TB/month".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::observation::Exchanges;
    use super::*;

    #[test]
    fn volumes_have_units() {
        for (text, gb) in [("500GB/month", 500.0), ("1.5 TB", 1_500.0), ("250mb/month", 0.25), ("1GiB", 1.073_741_824)]
        {
            assert_eq!(text.parse::<Volume>().unwrap().gb, gb, "{text}");
        }
        for text in ["", "500", "GB", "-1GB", "0GB", "5GB/day", "1e999GB"] {
            assert!(text.parse::<Volume>().unwrap_err().contains("500GB/month"), "{text}");
        }
    }

    #[test]
    fn what_crosses_zones_is_paid_for_in_both() {
        let tasks = |zones: [&str; 3]| zones.map(|zone| (zone.to_owned(), 2)).into_iter().collect();
        let expectation = Expectation::of(&tasks(["a", "b", "c"]), &tasks(["a", "b", "c"]));
        let exchanges = |bytes| Exchanges { bytes, ..Exchanges::default() };
        let pair = |from: &str, to: &str, bytes| ((from.to_owned(), to.to_owned()), exchanges(bytes));
        let exchanges = [pair("a", "a", 600), pair("a", "b", 100), pair("b", "b", 300)].into();
        let observed = Observation { exchanges, ..Observation::default() };
        let transfer = Transfer::of(&observed, &expectation).unwrap().in_a_month("500GB/month".parse().unwrap());
        assert_eq!((transfer.bytes, transfer.cross_zone_bytes, transfer.cross_zone_share), (1_000, 100, 0.1));
        let month = transfer.per_month.unwrap();
        assert!((month.usd - 1.0).abs() < 1e-9, "a tenth of 500 GB at 0.02 USD: {month:?}");
        assert!((month.usd_without_zones.unwrap() - 500.0 * 2.0 / 3.0 * 0.02).abs() < 1e-9, "{month:?}");
        assert_eq!(Transfer::of(&Observation::default(), &expectation), None);
    }
}
