//! The file that a sidecar is configured by: TOML, or JSON if its name ends in `.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::http::uri::Authority;
use serde::Deserialize;

use crate::http;
use crate::mesh::endpoints::{self, Address};
use crate::mesh::transport::{AppProtocol, IDLE_TIMEOUT, Transport, limit};
use crate::plain;
use crate::routing::{Health, Host, HostSet, Locality, Runtime};

/// What a sidecar is told. Envoy's names and defaults where it has them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The sidecar's own zone, by the name that endpoints have theirs by: `use1-az1`.
    zone: String,
    /// The region of all zones that do not name another.
    #[serde(default)]
    region: String,
    /// The Unix socket of the admin interface. A relative path is from the file's directory.
    admin: Option<PathBuf>,
    /// Where the application's requests to client aliases come in.
    outbound: Option<SocketAddr>,
    /// For a connection of the application there that nothing comes or goes on.
    outbound_idle_timeout_seconds: Option<u32>,
    /// Listeners in the place of the application's ports.
    #[serde(default)]
    inbound: Vec<Inbound>,
    /// The tasks of the application's own service by zone: Envoy's local cluster. Without it, this is the only one.
    #[serde(default)]
    local: BTreeMap<String, u32>,
    #[serde(default)]
    upstream: Vec<Upstream>,
    /// Envoy's runtime keys.
    #[serde(default)]
    runtime: Runtime,
}

/// More tasks in a zone than this are taken for a mistake.
const MOST_TASKS: u32 = 100_000;

/// A listener in the place of one of the application's ports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    pub listen: SocketAddr,
    pub application: SocketAddr,
    #[serde(default)]
    pub(super) app_protocol: AppProtocol,
    pub(super) per_request_timeout_seconds: Option<u32>,
    pub(super) idle_timeout_seconds: Option<u32>,
    #[serde(default)]
    pub(super) upgrades: Vec<String>,
}

/// A service that the application calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    /// Its name in the counters.
    name: String,
    /// The `Host`s that the application calls it by: a name, with a port if it is not 80.
    #[serde(default)]
    aliases: Vec<String>,
    /// In their place, for TCP: where the application connects to.
    listen: Option<SocketAddr>,
    #[serde(default)]
    app_protocol: AppProtocol,
    per_request_timeout_seconds: Option<u32>,
    idle_timeout_seconds: Option<u32>,
    #[serde(default)]
    upgrades: Vec<String>,
    #[serde(default)]
    endpoint: Vec<Endpoint>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    address: SocketAddr,
    /// If one endpoint of a service has none, none of them is chosen by zone.
    zone: Option<String>,
    region: Option<String>,
    #[serde(default)]
    health: Health,
}

/// What a running sidecar cannot change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fixed {
    pub(super) locality: Locality,
    pub(super) admin: Option<PathBuf>,
    pub(super) outbound: Option<SocketAddr>,
    pub(super) outbound_idle_timeout: Option<Duration>,
    pub(super) inbound: Vec<Inbound>,
    /// The upstreams that have a listener of their own.
    pub(super) tcp: Vec<Tcp>,
}

/// Where the application connects to an upstream whose protocol is TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub listen: SocketAddr,
    pub upstream: String,
    pub idle_timeout: Option<Duration>,
}

/// What is said of how a port's traffic is carried.
struct Said<'a> {
    app_protocol: AppProtocol,
    per_request_timeout_seconds: Option<u32>,
    idle_timeout_seconds: Option<u32>,
    upgrades: &'a [String],
}

impl Said<'_> {
    /// Checks that it goes together.
    fn check(&self) -> Result<(), String> {
        if self.app_protocol == AppProtocol::Tcp && self.per_request_timeout_seconds.is_some() {
            return Err("per_request_timeout_seconds: TCP has no requests".to_owned());
        }
        if self.app_protocol != AppProtocol::Http && !self.upgrades.is_empty() {
            return Err("upgrades: only HTTP/1.1 has them, so that they need app_protocol = \"http\"".to_owned());
        }
        Ok(())
    }

    fn transport(&self) -> Transport {
        let limited =
            Transport::of(self.app_protocol).limited(self.per_request_timeout_seconds, self.idle_timeout_seconds);
        Transport { upgrades: self.upgrades.to_vec(), ..limited }
    }
}

impl Inbound {
    pub(super) fn transport(&self) -> Transport {
        self.said().transport()
    }

    fn said(&self) -> Said<'_> {
        let &Self { app_protocol, per_request_timeout_seconds, idle_timeout_seconds, ref upgrades, .. } = self;
        Said { app_protocol, per_request_timeout_seconds, idle_timeout_seconds, upgrades }
    }
}

impl Config {
    /// Reads the text of a file, and checks what its form does not say.
    pub fn read(text: &str, path: &Path) -> Result<Self, String> {
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let mut config: Self = if is_json { plain::from_json(text) } else { plain::from_toml(text) }?;
        if let (Some(admin), Some(directory)) = (&config.admin, path.parent()) {
            config.admin = Some(directory.join(admin));
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.zone.is_empty() {
            return Err("zone is empty".to_owned());
        }
        if let Some((zone, count)) = self.local.iter().find(|(_, count)| **count > MOST_TASKS) {
            return Err(format!("local: {count} tasks in {zone} are more than the {MOST_TASKS} that there may be"));
        }
        let fixed = self.fixed();
        if fixed.outbound.is_none() && fixed.inbound.is_empty() && fixed.tcp.is_empty() {
            return Err("there is nothing to listen at: give outbound, or an [[inbound]]".to_owned());
        }
        if self.outbound.is_none() && self.outbound_idle_timeout_seconds.is_some() {
            return Err("outbound_idle_timeout_seconds: there is no outbound".to_owned());
        }
        for inbound in &self.inbound {
            inbound.said().check().map_err(|reason| format!("the listener {}: {reason}", inbound.listen))?;
        }
        let mut listeners = BTreeSet::new();
        let inbound = self.inbound.iter().map(|inbound| &inbound.listen);
        let tcp = self.upstream.iter().filter_map(|upstream| upstream.listen.as_ref());
        for listen in self.outbound.iter().chain(inbound).chain(tcp) {
            if listen.port() != 0 && !listeners.insert(listen) {
                return Err(format!("{listen} is listened at twice"));
            }
        }
        let (mut names, mut aliases) = (BTreeSet::new(), BTreeSet::new());
        for upstream in &self.upstream {
            let name = &upstream.name;
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(format!("an upstream's name is in the names of counters: {name:?} cannot be"));
            }
            if !names.insert(name) {
                return Err(format!("there are two upstreams called {name}"));
            }
            upstream.said().check().map_err(|reason| format!("the upstream {name}: {reason}"))?;
            let is_tcp = upstream.app_protocol == AppProtocol::Tcp;
            if is_tcp != upstream.aliases.is_empty() || is_tcp != upstream.listen.is_some() {
                return Err(format!(
                    "the upstream {name}: with app_protocol = \"tcp\" it has listen, where the application connects to, and \
                     otherwise aliases"
                ));
            }
            for alias in &upstream.aliases {
                let authority: Authority =
                    alias.parse().map_err(|_| format!("{alias:?} is no alias: give name:port"))?;
                let key = (authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(http::PORT));
                if !aliases.insert(key) {
                    return Err(format!("the alias {alias} is given twice"));
                }
            }
            let mut addresses = BTreeSet::new();
            if let Some(twice) = upstream.endpoint.iter().find(|endpoint| !addresses.insert(endpoint.address)) {
                return Err(format!("the upstream {name} has the endpoint {} twice", twice.address));
            }
        }
        Ok(())
    }

    pub(super) fn fixed(&self) -> Fixed {
        let Self { admin, outbound, inbound, .. } = self;
        let tcp = |upstream: &Upstream| {
            let idle_timeout = upstream.said().transport().idle_timeout;
            Some(Tcp { listen: upstream.listen?, upstream: upstream.name.clone(), idle_timeout })
        };
        Fixed {
            locality: self.own(),
            admin: admin.clone(),
            outbound: *outbound,
            outbound_idle_timeout: self.outbound_idle_timeout_seconds.map_or(Some(IDLE_TIMEOUT), limit),
            inbound: inbound.clone(),
            tcp: self.upstream.iter().filter_map(tcp).collect(),
        }
    }

    fn own(&self) -> Locality {
        Locality::new(&self.region, &self.zone)
    }

    pub(super) fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// The tasks of the own service.
    pub(super) fn local(&self) -> HostSet {
        let hosts = |count: u32| vec![Host::default(); count as usize];
        match self.local.is_empty() {
            true => [(self.own(), hosts(1))].into_iter().collect(),
            false => {
                self.local.iter().map(|(zone, &count)| (Locality::new(&self.region, zone), hosts(count))).collect()
            }
        }
    }

    /// The upstreams, each with its endpoints, those of one locality next to each other.
    pub(super) fn upstreams(&self) -> Vec<(endpoints::Upstream, Vec<Address>)> {
        self.upstream.iter().map(|upstream| (upstream.called(), upstream.addresses(&self.region))).collect()
    }

    pub(super) fn endpoints(&self) -> usize {
        self.upstream.iter().map(|upstream| upstream.endpoint.len()).sum()
    }
}

impl Upstream {
    fn called(&self) -> endpoints::Upstream {
        let mut authorities = Vec::new();
        for alias in &self.aliases {
            authorities.push(alias.clone());
            // A client may leave the port out or name it if it is HTTP's own.
            match alias.parse::<Authority>() {
                Ok(authority) if authority.port().is_none() => authorities.push(format!("{alias}:{}", http::PORT)),
                Ok(authority) if authority.port_u16() == Some(http::PORT) => {
                    authorities.push(authority.host().to_owned());
                }
                _ => {}
            }
        }
        endpoints::Upstream { name: self.name.clone(), authorities, transport: self.said().transport() }
    }

    fn said(&self) -> Said<'_> {
        let &Self { app_protocol, per_request_timeout_seconds, idle_timeout_seconds, ref upgrades, .. } = self;
        Said { app_protocol, per_request_timeout_seconds, idle_timeout_seconds, upgrades }
    }

    fn addresses(&self, region: &str) -> Vec<Address> {
        let by_zone = self.endpoint.iter().all(|endpoint| endpoint.zone.as_ref().is_some_and(|zone| !zone.is_empty()));
        let address = |endpoint: &Endpoint| {
            let zone = endpoint.zone.as_deref().filter(|_| by_zone).unwrap_or_default();
            let network = match endpoint.address.ip() {
                IpAddr::V4(ip) => ip,
                // Only what records requests shows it, which nothing does here.
                IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
            };
            Address {
                owner: endpoint.address.to_string().into(),
                socket: endpoint.address,
                network: SocketAddrV4::new(network, endpoint.address.port()),
                locality: Locality::new(endpoint.region.as_deref().unwrap_or(region), zone),
                health: endpoint.health,
                blocked: None,
            }
        };
        let mut addresses: Vec<_> = self.endpoint.iter().map(address).collect();
        addresses.sort_by(|a, b| a.locality.cmp(&b.locality));
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        zone = "use1-az1"
        region = "us-east-1"
        admin = "admin.sock"
        outbound = "127.0.0.1:15001"
        inbound = [{ listen = "127.0.0.1:8081", application = "127.0.0.1:8080" }]
        local = { use1-az1 = 2, use1-az2 = 1 }
        runtime = { "upstream.zone_routing.min_cluster_size" = 3 }
        [[upstream]]
        name = "backend.ns"
        aliases = ["backend:80", "other", "third:8090"]
        [[upstream.endpoint]]
        address = "10.0.0.2:8090"
        zone = "use1-az2"
        health = "unhealthy"
        [[upstream.endpoint]]
        address = "10.0.0.1:8090"
        zone = "use1-az1"
    "#;

    fn read(text: &str) -> Result<Config, String> {
        Config::read(text, Path::new("/etc/sidecar.toml"))
    }

    #[test]
    fn a_file_says_all_that_a_sidecar_needs() {
        let config = read(WHOLE).unwrap();
        assert_eq!(config.fixed().admin, Some("/etc/admin.sock".into()));
        assert_eq!((config.local().len(), config.runtime().min_cluster_size), (3, Some(3)));
        let (upstream, endpoints) = config.upstreams().remove(0);
        assert_eq!(upstream.authorities, ["backend:80", "backend", "other", "other:80", "third:8090"]);
        let told: Vec<_> = endpoints.iter().map(|it| (it.locality.zone.as_str(), it.health)).collect();
        assert_eq!(told, [("use1-az1", Health::Healthy), ("use1-az2", Health::Unhealthy)]);
        let alone = read("zone = \"a\"\noutbound = \"127.0.0.1:1\"").unwrap().local();
        assert_eq!((alone.len(), &*alone.localities[0].locality.zone), (1, "a"));
    }

    #[test]
    fn a_port_is_carried_as_service_connect_does_unless_the_file_says_otherwise() {
        let said =
            "app_protocol = \"grpc\"\n        per_request_timeout_seconds = 0\n        idle_timeout_seconds = 7\n";
        let config = read(&WHOLE.replace("aliases = ", &format!("{said}        aliases = "))).unwrap();
        let (upstream, _) = config.upstreams().remove(0);
        let idle_timeout = Some(Duration::from_secs(7));
        let grpc = Transport { per_request_timeout: None, idle_timeout, ..Transport::of(AppProtocol::Grpc) };
        assert_eq!(upstream.transport, grpc);
        assert_eq!(config.fixed().inbound[0].transport(), Transport::default());

        let tcp = "app_protocol = \"tcp\"\n        listen = \"127.0.0.1:6379\"";
        let config = read(&WHOLE.replace("aliases = [\"backend:80\", \"other\", \"third:8090\"]", tcp)).unwrap();
        let listen = "127.0.0.1:6379".parse().unwrap();
        assert_eq!(
            config.fixed().tcp,
            [Tcp { listen, upstream: "backend.ns".to_owned(), idle_timeout: Some(Duration::from_secs(3_600)) }]
        );
    }

    #[test]
    fn the_application_may_be_silent_for_as_long_as_the_file_says() {
        let outbound = "outbound = \"127.0.0.1:15001\"";
        for (said, limit) in [("", Some(300)), ("outbound_idle_timeout_seconds = 0", None)] {
            let config = read(&WHOLE.replace(outbound, &format!("{outbound}\n{said}"))).unwrap();
            assert_eq!(config.fixed().outbound_idle_timeout, limit.map(Duration::from_secs));
        }
    }

    #[test]
    fn what_a_listener_is_carried_by_is_read_at_the_start() {
        let tcp = |seconds: u32| {
            let said = format!(
                "app_protocol = \"tcp\"\n        idle_timeout_seconds = {seconds}\n        listen = \"127.0.0.1:6379\""
            );
            read(&WHOLE.replace("aliases = [\"backend:80\", \"other\", \"third:8090\"]", &said)).unwrap().fixed()
        };
        assert_eq!(tcp(9), tcp(9));
        assert_ne!(tcp(9), tcp(10));
    }

    #[test]
    fn one_endpoint_without_a_zone_leaves_none_with_one() {
        let config = read(&WHOLE.replace("zone = \"use1-az2\"\n        health", "health")).unwrap();
        assert!(config.upstreams()[0].1.iter().all(|endpoint| endpoint.locality.zone.is_empty()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_words() {
        let mut said = String::new();
        for (from, to) in [
            ("zone = \"use1-az1\"\n        region", "zone = \"\"\n        region"),
            ("outbound = ", "outbund = "),
            ("outbound = ", "outbound_idle_timeout_seconds = 9 # "),
            ("8081\"", "15001\""),
            ("\"other\"", "\"backend\""),
            ("\"other\"", "\"two words\""),
            ("10.0.0.2", "10.0.0.1"),
            ("10.0.0.2:8090", "ten"),
            ("unhealthy", "ill"),
            ("backend.ns", "back end"),
            ("use1-az1 = 2", "use1-az1 = 4000000000"),
            ("aliases = ", "app_protocol = \"ftp\"\n        aliases = "),
            ("aliases = ", "app_protocol = \"tcp\"\n        aliases = "),
            ("aliases = ", "listen = \"127.0.0.1:6379\"\n        aliases = "),
            ("aliases = [\"backend:80\", \"other\", \"third:8090\"]", ""),
            ("aliases = ", "app_protocol = \"tcp\"\n        per_request_timeout_seconds = 1\n        aliases = "),
            ("aliases = ", "app_protocol = \"grpc\"\n        upgrades = [\"websocket\"]\n        aliases = "),
            ("\"127.0.0.1:8080\" }", "\"127.0.0.1:8080\", app_protocol = \"tcp\", upgrades = [\"websocket\"] }"),
        ] {
            let text = WHOLE.replacen(from, to, 1);
            assert_ne!(text, WHOLE);
            said += &format!("{}\n", read(&text).unwrap_err());
        }
        said += &read("zone = \"a\"").unwrap_err();
        insta::assert_snapshot!(said);
    }
}
