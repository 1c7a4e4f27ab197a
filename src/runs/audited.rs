//! What an audit found: the `result` of `audit`, as far as it is shown later.

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Audited {
    pub pairs: Vec<Pair>,
    pub advice: Vec<Advice>,
    pub unknown: Vec<String>,
    /// The share that was asked for.
    pub min_same_zone: Option<f64>,
}

/// What one service sends to another.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pair {
    pub client: ServiceId,
    pub server: String,
    pub state: String,
    pub reasons: Vec<Reason>,
    pub idle: bool,
    pub endpoints: Endpoints,
    pub same_zone: SameZone,
    pub traffic: Option<Traffic>,
    pub usd_per_month: Option<Dollars>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceId {
    pub cluster: String,
    pub service: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reason {
    pub text: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    pub healthy: u32,
    pub needed: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SameZone {
    pub share: Option<f64>,
}

/// Of a month.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Traffic {
    pub bytes: f64,
}

/// Of a month, in USD.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dollars {
    pub crossing: f64,
    pub could_save: f64,
}

/// What is to be done.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Advice {
    pub text: String,
    /// In back quotes.
    pub command: Option<String>,
}

impl Audited {
    /// The pairs that talk; all that could, if none does.
    pub fn shown(&self) -> Vec<&Pair> {
        let talking: Vec<&Pair> = self.pairs.iter().filter(|pair| !pair.idle).collect();
        if talking.is_empty() { self.pairs.iter().collect() } else { talking }
    }

    /// Whether a pair keeps as much in its zone as was asked for, as far as is known.
    pub fn keeps_enough(&self, pair: &Pair) -> bool {
        let share = pair.same_zone.share;
        share.zip(self.min_same_zone).is_none_or(|(share, least)| share >= least - ROUNDING)
    }
}

/// Shares are sums of fractions.
const ROUNDING: f64 = 1e-9;
