//! The JSON form of a routing situation: two clusters by zone, and what Envoy is told. One Envoy would be configured by
//! it, and this engine is.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::config::{Config, LbPolicy, LocalityBasis, Runtime};
use super::hosts::{Health, Host, HostSet, Locality, LocalityHosts};

/// Region of every zone that doesn't name its own. Which one it is does not matter, only that it is the same.
const REGION: &str = "r1";

/// A situation. Fields that are absent or `null` take Envoy's defaults; `self_zone`, `local` and `upstream` must be given.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// What kind of situation this is; for people only.
    #[serde(default)]
    pub kind: Option<String>,
    /// The proxy's own zone; `None`: the node has no locality.
    #[serde(deserialize_with = "own_zone")]
    pub self_zone: Option<String>,
    /// The calling service's hosts.
    #[serde(deserialize_with = "zones")]
    pub local: BTreeMap<String, ZoneHosts>,
    /// The called service's hosts.
    #[serde(deserialize_with = "zones")]
    pub upstream: BTreeMap<String, ZoneHosts>,
    /// A second priority of the called service.
    #[serde(default, deserialize_with = "optional_zones")]
    pub upstream_p1: Option<BTreeMap<String, ZoneHosts>>,
    #[serde(default)]
    pub lb_policy: Option<LbPolicy>,
    /// Which of Envoy's two forms of configuration: they do the same.
    #[serde(default)]
    pub api: Option<Api>,
    /// `false`: `local_cluster_name` is not set, and nothing is zone-aware.
    #[serde(default)]
    pub local_cluster_name: Option<bool>,
    /// `false`: no `zone_aware_lb_config` is given, its fields here are ignored. It is on all the same.
    #[serde(default)]
    pub zone_aware: Option<bool>,
    /// `locality_weighted_lb_config` in place of `zone_aware_lb_config`, whose fields here are ignored.
    #[serde(default)]
    pub locality_weighted: Option<bool>,
    #[serde(default)]
    pub min_cluster_size: Option<u64>,
    #[serde(default)]
    pub routing_enabled: Option<Percent>,
    #[serde(default)]
    pub fail_traffic_on_panic: Option<bool>,
    #[serde(default)]
    pub force_local_zone: Option<ForceLocalZone>,
    #[serde(default)]
    pub force_locality_direct_routing: Option<bool>,
    #[serde(default)]
    pub locality_basis: Option<LocalityBasis>,
    #[serde(default)]
    pub panic_threshold: Option<Percent>,
    #[serde(default)]
    pub overprovisioning_factor: Option<NonZeroU32>,
    #[serde(default)]
    pub runtime: Option<Runtime>,
}

/// Envoy's legacy fields of a cluster, or its `load_balancing_policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    #[default]
    Legacy,
    Policy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForceLocalZone {
    #[serde(default)]
    pub min_size: Option<u32>,
}

/// 0 to 100: Envoy refuses anything else.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Percent(f64);

impl TryFrom<f64> for Percent {
    type Error = String;

    fn try_from(percent: f64) -> Result<Self, String> {
        if (0.0..=100.0).contains(&percent) {
            Ok(Self(percent))
        } else {
            Err(format!("{percent} is no percentage that Envoy takes, give one from 0 to 100"))
        }
    }
}

/// The hosts of one zone: in JSON an object, or just the number of healthy ones. None at all is a locality with an
/// empty list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneHosts {
    pub hosts: Vec<Host>,
    /// The locality's own weight.
    pub locality_weight: u32,
    /// In place of a locality that is named like the zone.
    pub region: Option<String>,
    pub zone: Option<String>,
    pub sub_zone: Option<String>,
}

/// [`ZoneHosts`] as an object.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ZoneHostsObject {
    healthy: u32,
    unhealthy: u32,
    degraded: u32,
    /// Of every host.
    weight: Option<NonZeroU32>,
    /// One by one: healthy hosts first, then unhealthy ones, then degraded ones.
    weights: Option<Vec<NonZeroU32>>,
    locality_weight: Option<u32>,
    region: Option<String>,
    zone: Option<String>,
    sub_zone: Option<String>,
}

/// More hosts in one zone than this are taken for a mistake.
const MAX_HOSTS: u32 = 1_000_000;

impl ZoneHosts {
    pub fn healthy(hosts: u32) -> Self {
        Self { hosts: vec![Host::default(); hosts as usize], ..Self::default() }
    }
}

impl TryFrom<ZoneHostsObject> for ZoneHosts {
    type Error = String;

    fn try_from(zone: ZoneHostsObject) -> Result<Self, String> {
        let counts =
            [(Health::Healthy, zone.healthy), (Health::Unhealthy, zone.unhealthy), (Health::Degraded, zone.degraded)];
        if let Some((_, count)) = counts.iter().find(|(_, count)| *count > MAX_HOSTS) {
            return Err(format!("{count} hosts are more than the {MAX_HOSTS} a zone may have"));
        }
        let weight = zone.weight.map_or(1, NonZeroU32::get);
        let healths = counts.iter().flat_map(|&(health, count)| std::iter::repeat_n(health, count as usize));
        let mut hosts: Vec<Host> = healths.map(|health| Host { health, weight }).collect();
        if let Some(weights) = zone.weights {
            if zone.weight.is_some() {
                return Err("give either `weight` or `weights`".to_owned());
            }
            if weights.len() != hosts.len() {
                return Err(format!(
                    "`weights` has {} entries for {} hosts, give one each",
                    weights.len(),
                    hosts.len()
                ));
            }
            for (host, weight) in hosts.iter_mut().zip(weights) {
                host.weight = weight.get();
            }
        }
        let ZoneHostsObject { region, zone: name, sub_zone, .. } = zone;
        Ok(Self { hosts, locality_weight: zone.locality_weight.unwrap_or(0), region, zone: name, sub_zone })
    }
}

impl<'de> Deserialize<'de> for ZoneHosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrObject;

        impl<'de> Visitor<'de> for NumberOrObject {
            type Value = ZoneHosts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of healthy hosts, or an object {healthy, unhealthy, degraded, …}")
            }

            fn visit_u64<E: de::Error>(self, healthy: u64) -> Result<ZoneHosts, E> {
                let healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
                ZoneHostsObject { healthy, ..Default::default() }.try_into().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ZoneHosts, A::Error> {
                let object = ZoneHostsObject::deserialize(de::value::MapAccessDeserializer::new(map))?;
                object.try_into().map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(NumberOrObject)
    }
}

fn own_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let zone = Option::<String>::deserialize(deserializer)?;
    match zone.as_deref() {
        Some("") => Err(de::Error::custom("`self_zone` is empty, give the zone's name, or null if the node has none")),
        _ => Ok(zone),
    }
}

fn optional_zones<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, ZoneHosts>>, D::Error> {
    struct Zones(BTreeMap<String, ZoneHosts>);

    impl<'de> Deserialize<'de> for Zones {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            zones(deserializer).map(Self)
        }
    }

    Ok(Option::<Zones>::deserialize(deserializer)?.map(|zones| zones.0))
}

/// An object by zone; unlike serde's own, it refuses a zone that comes twice, and one without a name.
fn zones<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, ZoneHosts>, D::Error> {
    struct ByZone(PhantomData<ZoneHosts>);

    impl<'de> Visitor<'de> for ByZone {
        type Value = BTreeMap<String, ZoneHosts>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object {zone: hosts}")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut zones = BTreeMap::new();
            while let Some((zone, hosts)) = map.next_entry::<String, ZoneHosts>()? {
                if zone.is_empty() {
                    return Err(de::Error::custom("a zone has no name, give it one"));
                }
                if zones.contains_key(&zone) {
                    return Err(de::Error::custom(format!("zone `{zone}` is given twice, merge the two")));
                }
                zones.insert(zone, hosts);
            }
            Ok(zones)
        }
    }

    deserializer.deserialize_map(ByZone(PhantomData))
}

impl Topology {
    /// All hosts healthy, everything else Envoy's default: what Service Connect does.
    pub fn healthy(own_zone: &str, local: &BTreeMap<String, u32>, upstream: &BTreeMap<String, u32>) -> Self {
        let zones = |hosts: &BTreeMap<String, u32>| {
            hosts.iter().map(|(zone, &hosts)| (zone.clone(), ZoneHosts::healthy(hosts))).collect()
        };
        Self { self_zone: Some(own_zone.to_owned()), local: zones(local), upstream: zones(upstream), ..Self::default() }
    }

    /// The node's locality.
    pub fn own(&self) -> Option<Locality> {
        self.self_zone.as_ref().map(|zone| Locality::new(REGION, zone))
    }

    /// The local cluster, if the proxy knows it.
    pub fn local_hosts(&self) -> Option<HostSet> {
        self.local_cluster_name.unwrap_or(true).then(|| host_set(&self.local))
    }

    /// The upstream cluster by priority.
    pub fn upstream_hosts(&self) -> Vec<HostSet> {
        std::iter::once(&self.upstream).chain(&self.upstream_p1).map(host_set).collect()
    }

    /// Names of the zones of one priority's hosts, in the order of their indexes.
    pub(super) fn zone_names(&self, priority: usize) -> impl Iterator<Item = &str> {
        let zones = if priority == 0 { Some(&self.upstream) } else { self.upstream_p1.as_ref() };
        zones.into_iter().flatten().flat_map(|(zone, hosts)| std::iter::repeat_n(zone.as_str(), hosts.hosts.len()))
    }

    pub fn config(&self) -> Config {
        let locality_weighted = self.locality_weighted.unwrap_or(false);
        let mut config = Config { locality_weighted, ..Config::default() };
        if self.zone_aware.unwrap_or(true) && !locality_weighted {
            let Percent(routing_enabled) = self.routing_enabled.unwrap_or(Percent(config.routing_enabled));
            config.routing_enabled = routing_enabled;
            config.min_cluster_size = self.min_cluster_size.unwrap_or(config.min_cluster_size);
            config.fail_traffic_on_panic = self.fail_traffic_on_panic.unwrap_or(false);
            config.locality_basis = self.locality_basis.unwrap_or_default();
            let older = self.force_locality_direct_routing.unwrap_or(false).then_some(1);
            config.force_local_zone = self.force_local_zone.map(|force| force.min_size.unwrap_or(1)).or(older);
        }
        let Percent(panic_threshold) = self.panic_threshold.unwrap_or(Percent(config.panic_threshold));
        Config {
            lb_policy: self.lb_policy.unwrap_or_default(),
            panic_threshold,
            overprovisioning_factor: self
                .overprovisioning_factor
                .map_or(config.overprovisioning_factor, NonZeroU32::get),
            runtime: self.runtime.unwrap_or_default(),
            ..config
        }
    }
}

fn host_set(zones: &BTreeMap<String, ZoneHosts>) -> HostSet {
    let localities = zones.iter().map(|(name, zone)| LocalityHosts {
        locality: Locality {
            region: zone.region.clone().unwrap_or_else(|| REGION.to_owned()),
            zone: zone.zone.clone().unwrap_or_else(|| name.clone()),
            sub_zone: zone.sub_zone.clone().unwrap_or_default(),
        },
        weight: zone.locality_weight,
        hosts: zone.hosts.clone(),
    });
    HostSet { localities: localities.collect() }
}
