//! Network interfaces: of instances, of tasks with a network of their own (awsvpc), of load balancers. Each holds an
//! address of its subnet and keeps its security groups from being deleted.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::State;
use super::cidr;
use super::default_security_group;
use super::lacking_filters;
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, find};
use super::subnets::Subnet;
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::tags::LOWER;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) mac: String,
    /// As it was when the interface was made.
    pub(crate) subnet: Subnet,
    pub(super) security_groups: Vec<String>,
    description: String,
    attachment_id: String,
    attached_at: jiff::Timestamp,
    /// The public address of a task's; of an instance's, the instance knows it.
    public_ip: Option<Ipv4Addr>,
    /// The instance whose own interface it is; tasks' and load balancers' belong to AWS's services.
    pub(super) instance_id: Option<String>,
}

impl Interface {
    /// Of the kind that default VPCs give (VPC User Guide, "DNS attributes").
    pub(super) fn private_dns_name(&self, region: &str) -> String {
        let host = self.private_ip.to_string().replace('.', "-");
        let domain = if region == "us-east-1" { "ec2".to_owned() } else { format!("{region}.compute") };
        format!("ip-{host}.{domain}.internal")
    }

    /// Its own, or that of the instance whose interface it is.
    pub(super) fn public_address(&self, state: &State) -> Option<Ipv4Addr> {
        let instance = state.instances.iter().find(|instance| Some(&instance.id) == self.instance_id.as_ref());
        self.public_ip.or_else(|| instance.and_then(|instance| instance.public_ip))
    }

    fn association(&self, state: &State) -> Value {
        let public_ip = self.public_address(state);
        public_ip.map_or(Value::Null, |ip| json!({ "publicIp": ip.to_string(), "ipOwnerId": "amazon" }))
    }
}

impl Resource for Interface {
    const KIND: Kind = Kind {
        prefix: "eni",
        resource_type: "network-interface",
        malformed: "InvalidNetworkInterfaceId.Malformed",
        not_found: "InvalidNetworkInterfaceID.NotFound",
        words: ("The networkInterface ID '", "' does not exist"),
        unpaged_set: Some("networkInterfaceIdSet"),
    };

    const FILTERS: &'static [Filter] = &[
        (lacking_filters::NETWORK_INTERFACES, LACKING),
        ("availability-zone description interface-type mac-address network-interface-id owner-id", NAMESAKE),
        ("private-ip-address requester-managed status subnet-id vpc-id", NAMESAKE),
        ("attachment.instance-id", "attachment.instanceId"),
        ("group-id", "groupSet.groupId"),
        ("addresses.private-ip-address", "privateIpAddressesSet.privateIpAddress"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        let state = region.ec2();
        let instance_id = self.instance_id.as_deref();
        let service_managed = instance_id.is_none();
        let (association, dns_name) = (self.association(state), self.private_dns_name(&region.name));
        json!({
            "networkInterfaceId": self.id,
            "subnetId": self.subnet.id,
            "vpcId": self.subnet.vpc_id,
            "availabilityZone": self.subnet.az_name,
            "availabilityZoneId": self.subnet.az_id,
            "description": self.description,
            "ownerId": ACCOUNT_ID,
            "requesterId": service_managed.then_some("amazon-aws"),
            "requesterManaged": service_managed,
            "status": "in-use",
            "macAddress": self.mac,
            "association": association,
            "privateDnsName": dns_name,
            "privateIpAddress": self.private_ip.to_string(),
            "privateIpAddressesSet": [{
                "association": association,
                "primary": true,
                "privateDnsName": dns_name,
                "privateIpAddress": self.private_ip.to_string(),
            }],
            "ipv6AddressesSet": [],
            "sourceDestCheck": true,
            "interfaceType": "interface",
            "groupSet": group_set(state, &self.security_groups),
            "attachment": {
                "attachmentId": self.attachment_id,
                "attachTime": timestamp(self.attached_at),
                "deleteOnTermination": !service_managed,
                "deviceIndex": u8::from(service_managed),
                "instanceId": instance_id,
                "instanceOwnerId": if service_managed { "amazon-aws" } else { ACCOUNT_ID },
                "status": "attached",
            },
            "tagSet": state.tags.of(&self.id).to_list(LOWER),
        })
    }
}

/// An interface in a subnet, attached to what asked for it.
pub(crate) fn create_interface(
    region: &mut Region,
    subnet_id: &str,
    security_groups: &[String],
    description: &str,
) -> Result<Interface, AwsError> {
    let subnet = find(&region.ec2().subnets, subnet_id)?.clone();
    for id in security_groups {
        let group = find(&region.ec2().security_groups, id)?;
        if group.vpc_id != subnet.vpc_id {
            let message = format!("The security group '{id}' does not exist in VPC '{}'", subnet.vpc_id);
            return Err(AwsError::new("InvalidGroup.NotFound", message));
        }
    }
    let security_groups = match security_groups {
        [] => default_security_group(region, &subnet.vpc_id).into_iter().collect(),
        given => given.to_vec(),
    };
    let private_ip = free_address(region.ec2(), &subnet)?;
    let mac = region.ids.hex(10);
    let interface = Interface {
        id: region.ids.ec2("eni"),
        private_ip,
        // The second hexadecimal digit says that the address is local, as EC2's are.
        mac: format!("0a:{}:{}:{}:{}:{}", &mac[..2], &mac[2..4], &mac[4..6], &mac[6..8], &mac[8..]),
        subnet,
        security_groups,
        description: description.to_owned(),
        attachment_id: region.ids.ec2("eni-attach"),
        attached_at: jiff::Timestamp::now(),
        public_ip: None,
        instance_id: None,
    };
    region.ec2_mut().interfaces.push(interface.clone());
    Ok(interface)
}

/// Gives an interface of a task's a public address.
pub(crate) fn give_public_address(region: &mut Region, id: &str) {
    let address = public_address(region);
    if let Some(interface) = region.ec2_mut().interfaces.iter_mut().find(|interface| interface.id == id) {
        interface.public_ip = Some(address);
    }
}

/// A public address that nobody has now, from the block set aside for examples (RFC 5737): nobody's in earnest.
pub(super) fn public_address(region: &Region) -> Ipv4Addr {
    let state = region.ec2();
    let of_instances = state.instances.iter().filter_map(|instance| instance.public_ip);
    let taken: Vec<_> =
        of_instances.chain(state.interfaces.iter().filter_map(|interface| interface.public_ip)).collect();
    let mut block = (1..=254).map(|host| Ipv4Addr::new(203, 0, 113, host));
    block.find(|ip| !taken.contains(ip)).unwrap_or(Ipv4Addr::new(203, 0, 113, 255))
}

/// Takes the addresses of a subnet in turn, so that one given back rests for long before somebody else has it.
fn free_address(state: &State, subnet: &Subnet) -> Result<Ipv4Addr, AwsError> {
    let taken = |ip: &Ipv4Addr| state.interfaces.iter().any(|interface| interface.private_ip == *ip);
    let last = state.interfaces.iter().rev().find(|interface| interface.subnet.id == subnet.id);
    let after_last = cidr::hosts(subnet.cidr).filter(|ip| last.is_none_or(|last| *ip > last.private_ip));
    after_last.chain(cidr::hosts(subnet.cidr)).find(|ip| !taken(ip)).ok_or_else(|| {
        let message =
            format!("The specified subnet does not have enough free addresses to satisfy the request: {}", subnet.id);
        AwsError::new("InsufficientFreeAddressesInSubnet", message)
    })
}

/// Gives an interface other security groups.
pub(crate) fn set_security_groups(region: &mut Region, id: &str, groups: Vec<String>) {
    for interface in region.ec2_mut().interfaces.iter_mut().filter(|interface| interface.id == id) {
        interface.security_groups.clone_from(&groups);
    }
}

/// Deletes an interface; one that is gone already is fine.
pub(crate) fn delete_interface(region: &mut Region, id: &str) {
    region.ec2_mut().interfaces.retain(|interface| interface.id != id);
    region.ec2_mut().tags.forget(id);
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let interfaces = described(region, &region.ec2().interfaces, &params.strings("NetworkInterfaceId"), params)?;
    Ok(json!({ "networkInterfaceSet": interfaces }))
}

/// Groups as instances and interfaces list them.
pub(super) fn group_set(state: &State, ids: &[String]) -> Value {
    let groups = state.security_groups.iter().filter(|group| ids.contains(&group.id));
    groups.map(|group| json!({ "groupId": group.id, "groupName": group.name })).collect()
}
