//! Which TCP connections security groups let through: what the mesh is told of them.
//!
//! Who opens a connection needs an outbound rule and who accepts it an inbound one, each in any of an interface's groups; a
//! direction without rules lets nothing through (VPC User Guide, "Security group rules"). Groups are stateful: answers need no
//! rule, and a connection that stands outlives its rule (EC2 User Guide, "Amazon EC2 security group connection tracking"), so
//! this is asked of new connections only. A task with awsvpc networking, whose proxy listens at the container port, has an
//! interface of its own, to which the groups of its service apply, and not those of its instance (ECS Developer Guide, "Allocate a
//! network interface for an Amazon ECS task"). A load balancer needs to reach its targets at the port that it forwards to and at
//! that of the health checks, which is the same here (Elastic Load Balancing User Guide, "Security groups for your Application
//! Load Balancer").

use std::collections::HashMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::cidr;
use super::interfaces::Interface;
use super::permissions::{Direction, Peer, Permission};
use super::security_groups::SecurityGroup;
use crate::cloud::region::Region;

/// The network interfaces and security groups of a region, ready to be asked about many connections.
pub(crate) struct Reach<'r> {
    groups: HashMap<&'r str, &'r SecurityGroup>,
    interfaces: HashMap<&'r str, &'r Interface>,
    by_address: HashMap<(&'r str, Ipv4Addr), &'r str>,
    /// The ranges that rules name, by their texts.
    ranges: HashMap<&'r str, Ipv4Net>,
}

impl<'r> Reach<'r> {
    pub(crate) fn of(region: &'r Region) -> Self {
        let state = region.ec2();
        let address = |interface: &'r Interface| (interface.subnet.vpc_id.as_str(), interface.private_ip);
        let rules = state.security_groups.iter().flat_map(|group| &group.rules);
        let ranges = rules.filter_map(|rule| match &rule.permission.peer {
            Peer::Ipv4(range) => Some((range.as_str(), cidr::parse(range)?)),
            Peer::Group(_) | Peer::Ipv6(_) | Peer::PrefixList(_) => None,
        });
        Self {
            groups: state.security_groups.iter().map(|group| (group.id.as_str(), group)).collect(),
            interfaces: state.interfaces.iter().map(|interface| (interface.id.as_str(), interface)).collect(),
            by_address: state.interfaces.iter().map(|it| (address(it), it.id.as_str())).collect(),
            ranges: ranges.collect(),
        }
    }

    /// The interface at an address of a VPC.
    pub(crate) fn interface_at(&self, vpc_id: &str, address: Ipv4Addr) -> Option<&'r str> {
        self.by_address.get(&(vpc_id, address)).copied()
    }

    /// Whether one interface may open a connection to a port of another. What an interface sends to itself meets no group, and
    /// of one that is gone none is known.
    pub(crate) fn connects(&self, from: &str, to: &str, port: u16) -> bool {
        let (Some(from), Some(to)) = (self.interfaces.get(from), self.interfaces.get(to)) else { return true };
        from.id == to.id
            || self.lets(Direction::Egress, from, port, |peer| self.is_peer(peer, to))
                && self.lets(Direction::Ingress, to, port, |peer| self.is_peer(peer, from))
    }

    /// Whether a caller on this machine may open a connection to a port of an interface. It stands for whoever is to be let in:
    /// at which address AWS would see it cannot be known here, so a rule for any range of IPv4 addresses lets it in.
    pub(crate) fn lets_callers_in(&self, to: &str, port: u16) -> bool {
        let is_range = |peer: &Peer| matches!(peer, Peer::Ipv4(_));
        self.interfaces.get(to).is_none_or(|to| self.lets(Direction::Ingress, to, port, is_range))
    }

    fn lets(&self, direction: Direction, own: &Interface, port: u16, is_peer: impl Fn(&Peer) -> bool) -> bool {
        let groups = own.security_groups.iter().filter_map(|id| self.groups.get(id.as_str()));
        let mut permissions = groups.flat_map(|group| &group.rules).map(|rule| &rule.permission);
        permissions.any(|it| it.direction == direction && is_for(it, port) && is_peer(&it.peer))
    }

    /// Whether a rule's other side is an interface. All addresses are IPv4 here; which ones a prefix list has is not known.
    fn is_peer(&self, peer: &Peer, interface: &Interface) -> bool {
        match peer {
            Peer::Ipv4(range) => self.ranges.get(&**range).is_some_and(|range| range.contains(&interface.private_ip)),
            Peer::Group(id) => interface.security_groups.contains(id),
            Peer::Ipv6(_) | Peer::PrefixList(_) => false,
        }
    }
}

fn is_for(permission: &Permission, port: u16) -> bool {
    match (permission.protocol.as_str(), permission.from_port, permission.to_port) {
        ("-1", ..) => true,
        ("tcp", Some(from), Some(to)) => (from..=to).contains(&port.into()),
        _ => false,
    }
}
