//! What a security group's rule allows, and how requests spell it.

use ipnet::Ipv6Net;

use super::State;
use super::cidr;
use super::resources::find;
use super::security_groups;
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Ipv4(String),
    Ipv6(String),
    PrefixList(String),
    Group(String),
}

/// What a rule allows; two rules of a group that allow the same cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission {
    pub(super) direction: Direction,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol's number, or `-1` for all.
    pub(super) protocol: String,
    /// `None` for both where protocols have no ports.
    pub(super) from_port: Option<i64>,
    pub(super) to_port: Option<i64>,
    pub(super) peer: Peer,
}

impl Permission {
    pub(super) fn everything(direction: Direction, peer: Peer) -> Self {
        Self { direction, protocol: "-1".to_owned(), from_port: None, to_port: None, peer }
    }

    /// As AWS words a rule that is there already.
    pub(super) fn words(&self) -> String {
        let peer = match &self.peer {
            Peer::Ipv4(name) | Peer::Ipv6(name) | Peer::PrefixList(name) | Peer::Group(name) => name,
        };
        let protocol = if self.protocol == "-1" { "ALL".to_owned() } else { self.protocol.to_uppercase() };
        match (self.from_port, self.to_port) {
            (Some(from), Some(to)) => format!("peer: {peer}, {protocol}, from port: {from}, to port: {to}, ALLOW"),
            _ => format!("peer: {peer}, {protocol}, ALLOW"),
        }
    }
}

/// A permission of a request, and its description.
type Requested = (Permission, Option<String>);

/// The permissions that a request names: a list `IpPermissions`, or one spelled out by members of its own.
pub(super) fn requested(state: &State, direction: Direction, params: Params<'_>) -> Result<Vec<Requested>, AwsError> {
    let mut requested = Vec::new();
    let listed = params.objects("IpPermissions");
    for entry in &listed {
        let (protocol, from_port, to_port) = protocol_and_ports(*entry)?;
        for (peer, description) in peers(state, *entry)? {
            let protocol = protocol.clone();
            requested.push((Permission { direction, protocol, from_port, to_port, peer }, description));
        }
    }
    if listed.is_empty() && params.get("IpProtocol").is_some() {
        let (protocol, from_port, to_port) = protocol_and_ports(params)?;
        let peer = match (params.opt_str("CidrIp"), params.opt_str("SourceSecurityGroupName")) {
            (Some(cidr), None) => Peer::Ipv4(checked_ipv4(cidr)?),
            (None, Some(name)) => Peer::Group(security_groups::by_name(state, name)?.id.clone()),
            _ => return Err(AwsError::missing_parameter("cidrIp")),
        };
        requested.push((Permission { direction, protocol, from_port, to_port, peer }, None));
    }
    if requested.is_empty() {
        return Err(AwsError::missing_parameter("ipPermissions"));
    }
    // hashicorp/terraform-provider-aws#2587
    let twice = (0..requested.len()).any(|n| requested[..n].iter().any(|(other, _)| *other == requested[n].0));
    if twice {
        return Err(AwsError::invalid_parameter("The same permission must not appear multiple times"));
    }
    Ok(requested)
}

type ProtocolAndPorts = (String, Option<i64>, Option<i64>);

fn protocol_and_ports(params: Params<'_>) -> Result<ProtocolAndPorts, AwsError> {
    let given = params.str("IpProtocol")?;
    let protocol = match given.to_lowercase().as_str() {
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        "all" | "-1" => "-1",
        number if number.parse::<u8>().is_ok() => given,
        _ => {
            return Err(AwsError::invalid_parameter(format!(
                "Invalid value '{given}' for IP protocol. Unknown protocol."
            )));
        }
    };
    let (from, to) = (params.opt_int("FromPort")?, params.opt_int("ToPort")?);
    let ports = match protocol {
        "tcp" | "udp" => {
            let (Some(from), Some(to)) = (from, to) else {
                return Err(AwsError::invalid_parameter(
                    "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
                ));
            };
            if let Some(bad) = [from, to].into_iter().find(|port| !(0..=65535).contains(port)) {
                return Err(AwsError::invalid_parameter(format!("TCP/UDP port ({bad}) out of range")));
            }
            if from > to {
                return Err(AwsError::invalid_parameter(format!("Invalid TCP/UDP port range ({from}:{to})")));
            }
            (Some(from), Some(to))
        }
        // Here they are the ICMP type and code.
        "icmp" | "icmpv6" => (Some(from.unwrap_or(-1)), Some(to.unwrap_or(-1))),
        _ => (None, None),
    };
    Ok((protocol.to_owned(), ports.0, ports.1))
}

fn peers(state: &State, entry: Params<'_>) -> Result<Vec<(Peer, Option<String>)>, AwsError> {
    let description = checked_description;
    let mut peers = Vec::new();
    for range in entry.objects("IpRanges") {
        peers.push((Peer::Ipv4(checked_ipv4(range.str("CidrIp")?)?), description(range)?));
    }
    for range in entry.objects("Ipv6Ranges") {
        peers.push((Peer::Ipv6(checked_ipv6(range.str("CidrIpv6")?)?), description(range)?));
    }
    for list in entry.objects("PrefixListIds") {
        peers.push((Peer::PrefixList(checked_prefix_list(list.str("PrefixListId")?)?), description(list)?));
    }
    for pair in entry.objects("Groups") {
        if pair.opt_str("UserId").is_some_and(|owner| owner != ACCOUNT_ID) {
            return Err(AwsError::unsupported("security groups of other accounts"));
        }
        let group = match pair.opt_str("GroupId") {
            Some(id) => find(&state.security_groups, id)?,
            None => security_groups::by_name(state, pair.str("GroupName")?)?,
        };
        peers.push((Peer::Group(group.id.clone()), description(pair)?));
    }
    Ok(peers)
}

/// "Up to 255 characters in length", of which kinds the message says (API Reference, "IpRange").
pub(super) fn checked_description(peer: Params<'_>) -> Result<Option<String>, AwsError> {
    let Some(description) = peer.opt_str("Description") else { return Ok(None) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if description.len() > 255 || !description.chars().all(allowed) {
        return Err(AwsError::invalid_parameter(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        ));
    }
    Ok(Some(description.to_owned()))
}

/// In canonical form, as AWS keeps it (hashicorp/terraform-provider-aws#15982).
fn checked_ipv6(cidr: &str) -> Result<String, AwsError> {
    let block = cidr.parse().ok().map(|block: Ipv6Net| block.trunc().to_string());
    block.ok_or_else(|| AwsError::invalid_parameter(format!("CIDR block {cidr} is malformed")))
}

fn checked_prefix_list(id: &str) -> Result<String, AwsError> {
    let digits = id.strip_prefix("pl-").unwrap_or_default();
    if matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(id.to_owned());
    }
    let message = format!("Invalid id: \"{id}\" (expecting \"pl-...\")");
    Err(AwsError::new("InvalidPrefixListID.Malformed", message))
}

fn checked_ipv4(cidr: &str) -> Result<String, AwsError> {
    cidr::parse(cidr)
        .map(|block| block.to_string())
        .ok_or_else(|| AwsError::invalid_parameter(format!("CIDR block {cidr} is malformed")))
}
