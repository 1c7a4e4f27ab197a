//! The plan: which zones requests shall go to. It is made at every update of either cluster, never per request.
//!
//! Zone-aware routing wants every zone's callers to use the hosts of their own zone, without any host getting more load
//! than another. Both clusters are therefore compared by percentages: let `U` be the own zone's share of the upstream
//! hosts and `L` its share of the callers. Each caller sends the same, so the own zone's callers send a part `L` of all
//! requests, and the own zone's hosts should get a part `U`.
//!
//! * `U >= L`: the zone can take all that its callers send: *direct*.
//! * `U < L`: it can take `U / L` of it ([`Plan::local_percent_to_route`]). The rest goes to zones that have more hosts than
//!   their own callers need, in proportion to what they have to spare, `U - L` of theirs: *residual*.
//!
//! Envoy computes with integers of a hundredth of a percent and rounds down.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::config::{Config, LocalityBasis};
use super::hosts::{Locality, Split, Tally};

/// A whole, in Envoy's percentages of zones.
pub const BASIS: u64 = 10_000;

/// Envoy's `LocalityRoutingState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalityRoutingState {
    /// Zones don't matter: all hosts are taken.
    #[default]
    NoLocalityRouting,
    /// Every request stays in the own zone.
    LocalityDirect,
    /// Requests leave the own zone as far as it is short of hosts.
    LocalityResidual,
}

/// What a rebuild decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub state: LocalityRoutingState,
    pub reason: Reason,
    /// Of [`BASIS`], how many requests stay in the own zone. Only with [`LocalityRoutingState::LocalityResidual`].
    pub local_percent_to_route: u64,
    /// The upstream's localities, the own one first if it is one of them, then in their order. Empty without zone routing.
    pub localities: Vec<PlannedLocality>,
}

/// An upstream locality in a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLocality {
    pub locality: Locality,
    /// This locality's share of the healthy upstream hosts, of [`BASIS`].
    pub upstream_percentage: u64,
    /// This locality's share of the healthy local hosts, of [`BASIS`].
    pub local_percentage: u64,
    /// Capacity to spare here and in all localities before.
    pub residual_capacity: u64,
}

/// Why a plan is as it is. Displayed, it is a sentence without its full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    NoLocalCluster,
    TooFewUpstreamLocalities { localities: usize },
    TooFewLocalLocalities { localities: usize },
    NodeHasNoLocality,
    NoLocalHostInOwnLocality { own: Locality },
    ClusterTooSmall { healthy: u64, min_cluster_size: u64 },
    OwnLocalitySuffices { own: Locality, upstream: u64, local: u64 },
    ForceLocalZone { own: Locality, healthy: u64, min_size: u64 },
    OwnLocalityIsShort { own: Locality, upstream: u64, local: u64 },
    OwnLocalityIsNotUpstream { own: Locality },
}

impl Plan {
    /// `local` is `None` without `cluster_manager.local_cluster_name`.
    pub(super) fn new(config: &Config, own: Option<&Locality>, local: Option<&Split>, upstream: &Split) -> Self {
        let (local, own) = match may_route_by_locality(config, own, local, upstream) {
            Ok(clusters) => clusters,
            Err(reason) => {
                return Self {
                    state: LocalityRoutingState::NoLocalityRouting,
                    reason,
                    local_percent_to_route: 0,
                    localities: Vec::new(),
                };
            }
        };
        let own = own.clone();
        let mut localities = percentages(config.locality_basis, local, upstream);
        if upstream.has_own {
            let PlannedLocality { upstream_percentage, local_percentage, .. } = localities[0];
            let healthy = upstream.localities[0].tally.healthy;
            let forced = config.force_local_zone().filter(|&min_size| healthy >= min_size);
            let direct = if upstream_percentage > 0 && upstream_percentage >= local_percentage {
                Some(Reason::OwnLocalitySuffices {
                    own: own.clone(),
                    upstream: upstream_percentage,
                    local: local_percentage,
                })
            } else {
                forced.map(|min_size| Reason::ForceLocalZone { own: own.clone(), healthy, min_size })
            };
            if let Some(reason) = direct {
                let state = LocalityRoutingState::LocalityDirect;
                return Self { state, reason, local_percent_to_route: 0, localities };
            }
        }

        // The own locality has nothing to spare, or the plan were direct.
        let mut residual_capacity = 0;
        for locality in &mut localities {
            residual_capacity += locality.upstream_percentage.saturating_sub(locality.local_percentage);
            locality.residual_capacity = residual_capacity;
        }
        let (reason, local_percent_to_route) = match localities.first() {
            Some(&PlannedLocality { upstream_percentage, local_percentage, .. }) if upstream.has_own => (
                Reason::OwnLocalityIsShort { own, upstream: upstream_percentage, local: local_percentage },
                (upstream_percentage * BASIS).checked_div(local_percentage).unwrap_or(0),
            ),
            _ => (Reason::OwnLocalityIsNotUpstream { own }, 0),
        };
        Self { state: LocalityRoutingState::LocalityResidual, reason, local_percent_to_route, localities }
    }
}

/// The conditions that must hold, in Envoy's order. Localities count with whatever health; hosts must be healthy.
fn may_route_by_locality<'a, 'b>(
    config: &Config,
    own: Option<&'a Locality>,
    local: Option<&'a Split<'b>>,
    upstream: &Split,
) -> Result<(&'a Split<'b>, &'a Locality), Reason> {
    let local = local.ok_or(Reason::NoLocalCluster)?;
    if upstream.localities.len() < 2 {
        return Err(Reason::TooFewUpstreamLocalities { localities: upstream.localities.len() });
    }
    if local.localities.len() < 2 && config.force_local_zone().is_none() {
        return Err(Reason::TooFewLocalLocalities { localities: local.localities.len() });
    }
    let own = own.ok_or(Reason::NodeHasNoLocality)?;
    if !local.has_own {
        return Err(Reason::NoLocalHostInOwnLocality { own: own.clone() });
    }
    let (healthy, min_cluster_size) = (upstream.tally.healthy, config.min_cluster_size());
    if healthy < min_cluster_size {
        return Err(Reason::ClusterTooSmall { healthy, min_cluster_size });
    }
    Ok((local, own))
}

/// Both clusters' shares by upstream locality. (Envoy takes the local one for 0 where there is no healthy upstream host.
/// Nothing comes of that: such a locality has nothing to spare either way, and the own one no part of requests to keep.)
fn percentages(basis: LocalityBasis, local: &Split, upstream: &Split) -> Vec<PlannedLocality> {
    let capacity = |tally: Tally| match basis {
        LocalityBasis::HealthyHostsNum => tally.healthy,
        LocalityBasis::HealthyHostsWeight => tally.healthy_weight,
    };
    // Sums of weights may be too large for their product with the basis.
    let share = |part: Tally, whole: Tally| {
        let part = u128::from(BASIS) * u128::from(capacity(part));
        part.checked_div(capacity(whole).into()).unwrap_or(0) as u64
    };
    let planned = upstream.localities.iter().map(|there| {
        let here = local.localities.iter().find(|here| here.locality == there.locality);
        PlannedLocality {
            locality: there.locality.clone(),
            upstream_percentage: share(there.tally, upstream.tally),
            local_percentage: here.map_or(0, |here| share(here.tally, local.tally)),
            residual_capacity: 0,
        }
    });
    planned.collect()
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OFF: &str = "zone-aware routing is off";
        let share = |part: &u64| Percent(*part as f64 / BASIS as f64);
        match self {
            Self::NoLocalCluster => write!(f, "the proxy does not know its own cluster (local_cluster_name): {OFF}"),
            Self::TooFewUpstreamLocalities { localities } => {
                write!(f, "the backends are in {}, Envoy needs 2: {OFF}", Count(*localities as u64, "zone"))
            }
            Self::TooFewLocalLocalities { localities } => {
                write!(f, "the frontends are in {}, Envoy needs 2: {OFF}", Count(*localities as u64, "zone"))
            }
            Self::NodeHasNoLocality => write!(f, "the proxy does not know its own zone: {OFF}"),
            Self::NoLocalHostInOwnLocality { own } => write!(f, "no frontend is in the proxy's own zone {own}: {OFF}"),
            Self::ClusterTooSmall { healthy, min_cluster_size } => {
                write!(f, "{}, Envoy needs {min_cluster_size}: {OFF}", Count(*healthy, "healthy backend"))
            }
            Self::OwnLocalitySuffices { own, upstream, local } => write!(
                f,
                "{own}: {} of the backends for {} of the frontends, so all requests stay in the zone",
                share(upstream),
                share(local)
            ),
            Self::ForceLocalZone { own, healthy, min_size } => write!(
                f,
                "{own}: {}, at least the {min_size} of force_local_zone, so all requests stay in the zone",
                Count(*healthy, "healthy backend")
            ),
            Self::OwnLocalityIsShort { own, upstream, local } => write!(
                f,
                "{own}: {} of the backends for {} of the frontends, so {} of the requests stay in the zone",
                share(upstream),
                share(local),
                share(&(upstream * BASIS).checked_div(*local).unwrap_or(0))
            ),
            Self::OwnLocalityIsNotUpstream { own } => {
                write!(f, "{own}: no backends, so no request can stay in the zone")
            }
        }
    }
}

impl fmt::Display for Locality {
    /// The zone, and the sub-zone if there is one: regions are the same all over a mesh.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.zone)?;
        if self.sub_zone.is_empty() { Ok(()) } else { write!(f, "/{}", self.sub_zone) }
    }
}

/// A share as people read it: `33.3%`, or `100%`. Only the whole is 100%, and only nothing is 0%.
#[derive(Clone, Copy, Debug)]
pub struct Percent(pub f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Shares are sums of fractions: one within a rounding error of 0 or 1 is meant to be 0 or 1.
        let is_part = (1e-9..1.0 - 1e-9).contains(&self.0);
        let share = if is_part { self.0.clamp(0.001, 0.999) } else { self.0 };
        let text = format!("{:.1}", share * 100.0);
        write!(f, "{}%", text.strip_suffix(".0").unwrap_or(&text))
    }
}

/// A number of things whose plural has an `s`.
struct Count(u64, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}
