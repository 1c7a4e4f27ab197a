//! Instances: launched from launch templates, booting, terminating.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use super::images::ROOT_DEVICE;
use super::instance_types::InstanceType;
use super::interfaces::{Interface, delete_interface, group_set};
use super::lacking_filters;
use super::launch_data::LaunchData;
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, find, find_mut, select};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::service::Answer;
use crate::cloud::wire::tags::LOWER;
use crate::cloud::wire::{Params, timestamp};

/// How long a terminated instance can still be described: "about an hour", says AWS.
const TERMINATED_VISIBLE: Duration = Duration::from_secs(60 * 60);

/// EC2's code of an instance that ended by its own doing.
const HARDWARE_FAILURE: &str = "Server.InternalError";

/// With the low byte of AWS's state codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum InstanceState {
    Pending = 0,
    Running = 16,
    ShuttingDown = 32,
    Terminated = 48,
}

impl InstanceState {
    fn wire(self) -> Value {
        json!({ "code": self as u8, "name": <&str>::from(self) })
    }

    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) instance_type: String,
    pub(crate) image_id: String,
    /// Its own one, which is there no longer when it has ended.
    pub(crate) interface: Interface,
    pub(crate) state: InstanceState,
    /// Decoded.
    pub(crate) user_data: Option<Vec<u8>>,
    /// Name of the instance profile that its agents act as.
    pub(crate) instance_profile: Option<String>,
    pub(super) public_ip: Option<Ipv4Addr>,
    pub(super) reservation_id: String,
    /// Its root volume.
    pub(super) volume_id: String,
    pub(super) launched: jiff::Timestamp,
    /// Why it is going, in AWS's words; empty before.
    pub(super) transition_reason: String,
    /// What the launch template says beyond what has a member here.
    pub(super) data: LaunchData,
}

impl Instance {
    /// Of both its status checks.
    fn status(&self) -> &'static str {
        if self.state == InstanceState::Running { "ok" } else { "not-applicable" }
    }

    /// Whether it ends because its hardware failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.transition_reason.starts_with(HARDWARE_FAILURE)
    }

    /// Its own interface, as far as an instance's description tells of it; none when it has ended.
    fn interfaces(&self, region: &Region) -> Vec<Value> {
        const TOLD: &[&str] = &[
            "association",
            "attachment",
            "description",
            "groupSet",
            "interfaceType",
            "ipv6AddressesSet",
            "macAddress",
            "networkInterfaceId",
            "ownerId",
            "privateDnsName",
            "privateIpAddress",
            "privateIpAddressesSet",
            "sourceDestCheck",
            "status",
            "subnetId",
            "vpcId",
        ];
        let there = region.ec2().interfaces.iter().filter(|interface| interface.id == self.interface.id);
        there
            .map(|interface| {
                let mut wire = interface.wire(region);
                if let Some(members) = wire.as_object_mut() {
                    members.retain(|name, _| TOLD.contains(&name.as_str()));
                }
                // Whose the instance is, an instance's description does not repeat.
                for ours in ["instanceId", "instanceOwnerId"] {
                    wire["attachment"][ours] = Value::Null;
                }
                wire
            })
            .collect()
    }

    /// The root volume, which comes and goes with the instance.
    fn devices(&self) -> Value {
        if self.state == InstanceState::Terminated {
            return json!([]);
        }
        json!([{
            "deviceName": ROOT_DEVICE,
            "ebs": {
                "volumeId": self.volume_id,
                "status": "attached",
                "attachTime": timestamp(self.launched),
                "deleteOnTermination": true,
            },
        }])
    }

    fn profile_arn(&self) -> Option<String> {
        self.instance_profile.as_ref().map(|name| format!("arn:aws:iam::{ACCOUNT_ID}:instance-profile/{name}"))
    }
}

impl Resource for Instance {
    const KIND: Kind = Kind {
        prefix: "i",
        resource_type: "instance",
        malformed: "InvalidInstanceID.Malformed",
        not_found: "InvalidInstanceID.NotFound",
        words: ("The instance ID '", "' does not exist"),
        unpaged_set: Some("instancesSet"),
    };

    const FILTERS: &'static [Filter] = &[
        (lacking_filters::INSTANCES, LACKING),
        (lacking_filters::INSTANCE_STATUS, LACKING),
        ("image-id instance-id instance-type", NAMESAKE),
        ("availability-zone", "placement.availabilityZone"),
        ("availability-zone-id", "placement.availabilityZoneId"),
        ("iam-instance-profile.arn", "iamInstanceProfile.arn"),
        ("iam-instance-profile.name", "facts.profileName"),
        ("instance-state-code", "instanceState.code"),
        ("instance-state-name", "instanceState.name"),
        ("instance-status.status system-status.status", "facts.status"),
        ("instance.group-id", "facts.groupIds"),
        ("network-interface.network-interface-id", "facts.interfaceId"),
        ("owner-id", "facts.ownerId"),
        ("private-ip-address", "facts.privateIp"),
        ("reservation-id", "facts.reservationId"),
        ("subnet-id", "facts.subnetId"),
        ("vpc-id", "facts.vpcId"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        let state = region.ec2();
        let data = Params::new(&self.data);
        let metadata = data.object("MetadataOptions");
        let metadata = |name: &str, default: &str| -> String {
            metadata.and_then(|options| options.opt_str(name)).unwrap_or(default).to_owned()
        };
        let mut wire = json!({
            "instanceId": self.id,
            "imageId": self.image_id,
            "instanceState": self.state.wire(),
            "amiLaunchIndex": 0,
            "productCodes": [],
            "instanceType": self.instance_type,
            "cpuOptions": InstanceType::find(&self.instance_type).map(InstanceType::cpu_options),
            "keyName": data.opt_str("KeyName"),
            "instanceLifecycle": data.object("InstanceMarketOptions").and_then(|options| options.opt_str("MarketType")),
            "launchTime": timestamp(self.launched),
            "placement": {
                "availabilityZone": self.interface.subnet.az_name,
                "availabilityZoneId": self.interface.subnet.az_id,
                "groupName": "",
                "tenancy": "default",
            },
            "monitoring": { "state": "disabled" },
            "reason": self.transition_reason,
            "architecture": InstanceType::find(&self.instance_type).map(|found| found.architecture),
            "blockDeviceMapping": self.devices(),
            "networkInterfaceSet": self.interfaces(region),
            "ebsOptimized": false,
            "enaSupport": true,
            "hypervisor": "xen",
            "iamInstanceProfile": self.profile_arn().map(|arn| json!({ "arn": arn })),
            "rootDeviceName": ROOT_DEVICE,
            "rootDeviceType": "ebs",
            "virtualizationType": "hvm",
            "metadataOptions": {
                "state": "applied",
                "httpTokens": metadata("HttpTokens", "optional"),
                "httpPutResponseHopLimit": metadata("HttpPutResponseHopLimit", "1"),
                "httpEndpoint": metadata("HttpEndpoint", "enabled"),
                "httpProtocolIpv6": metadata("HttpProtocolIpv6", "disabled"),
                "instanceMetadataTags": metadata("InstanceMetadataTags", "disabled"),
            },
            "tagSet": state.tags.of(&self.id).to_list(LOWER),
        });
        if self.state == InstanceState::Terminated {
            let (code, message) = if self.has_failed() {
                (HARDWARE_FAILURE, "Internal error")
            } else {
                ("Client.UserInitiatedShutdown", "User initiated shutdown")
            };
            wire["stateReason"] = json!({ "code": code, "message": format!("{code}: {message}") });
        } else {
            wire["subnetId"] = json!(self.interface.subnet.id);
            wire["vpcId"] = json!(self.interface.subnet.vpc_id);
            wire["privateIpAddress"] = json!(self.interface.private_ip.to_string());
            wire["privateDnsName"] = json!(self.interface.private_dns_name(&region.name));
            wire["ipAddress"] = json!(self.public_ip.map(|ip| ip.to_string()));
            wire["sourceDestCheck"] = json!(true);
            wire["groupSet"] = group_set(state, &self.interface.security_groups);
        }
        wire
    }

    /// Filters find a terminated instance by what answers no longer say of it, too.
    fn facts(&self, region: &Region) -> Value {
        let mut facts = self.wire(region);
        facts["facts"] = json!({
            "groupIds": self.interface.security_groups,
            "interfaceId": self.interface.id,
            "ownerId": ACCOUNT_ID,
            "privateIp": self.interface.private_ip.to_string(),
            "profileName": self.instance_profile,
            "reservationId": self.reservation_id,
            "status": self.status(),
            "subnetId": self.interface.subnet.id,
            "vpcId": self.interface.subnet.vpc_id,
        });
        facts
    }
}

pub(crate) fn instance<'r>(region: &'r Region, id: &str) -> Option<&'r Instance> {
    region.ec2().instances.iter().find(|instance| instance.id == id)
}

pub(crate) fn instances(region: &Region) -> &[Instance] {
    &region.ec2().instances
}

/// A launched instance boots.
pub(super) fn boot(region: &mut Region, instance: Instance) {
    let id = instance.id.clone();
    region.ec2_mut().instances.push(instance);
    region.after(Transition::InstanceBoot, move |region| {
        advance(region, &id, InstanceState::Pending, InstanceState::Running);
    });
}

/// Moves an instance on, unless it went another way meanwhile.
fn advance(region: &mut Region, id: &str, from: InstanceState, to: InstanceState) {
    let mut instances = region.ec2_mut().instances.iter_mut();
    if let Some(instance) = instances.find(|instance| instance.id == id && instance.state == from) {
        instance.state = to;
    }
}

/// Begins an instance's end. One that is ending or has ended is left alone.
pub(crate) fn terminate(region: &mut Region, id: &str, reason: &str) {
    let Some(instance) = region.ec2_mut().instances.iter_mut().find(|instance| instance.id == id) else { return };
    if instance.state.is_ending() {
        return;
    }
    instance.state = InstanceState::ShuttingDown;
    instance.transition_reason = format!("{reason} ({} GMT)", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S"));
    let id = id.to_owned();
    region.after(Transition::InstanceShutdown, move |region| finish_termination(region, id));
}

/// The hardware under a running instance fails, without anybody's doing, and what runs on it is gone at once. Of several in
/// the zone, the one that was launched first. Whether there was one.
pub(crate) fn lose(region: &mut Region, zone: Option<&str>) -> bool {
    let here = |instance: &&Instance| {
        instance.state == InstanceState::Running && zone.is_none_or(|zone| zone == instance.interface.subnet.az_name)
    };
    let Some(id) = region.ec2().instances.iter().find(here).map(|instance| instance.id.clone()) else { return false };
    terminate(region, &id, HARDWARE_FAILURE);
    true
}

fn finish_termination(region: &mut Region, id: String) {
    advance(region, &id, InstanceState::ShuttingDown, InstanceState::Terminated);
    if let Some(interface_id) = instance(region, &id).map(|instance| instance.interface.id.clone()) {
        delete_interface(region, &interface_id);
    }
    region.after_real_time(TERMINATED_VISIBLE, move |region| {
        region.ec2_mut().instances.retain(|instance| instance.id != id);
        region.ec2_mut().tags.forget(&id);
    });
}

pub(super) fn terminate_requested(region: &mut Region, params: Params<'_>) -> Answer {
    let ids = params.strings("InstanceId");
    if ids.is_empty() {
        return Err(AwsError::new("InvalidParameterCombination", "No instances specified"));
    }
    for id in &ids {
        let instance = find(&region.ec2().instances, id)?;
        if Params::new(&instance.data).opt_bool("DisableApiTermination") == Some(true) {
            let message = format!(
                "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
            );
            return Err(AwsError::new("OperationNotPermitted", message));
        }
    }
    let mut answer = Vec::new();
    for id in ids {
        let previous = find_mut(&mut region.ec2_mut().instances, id)?.state;
        terminate(region, id, "User initiated");
        let current = find(&region.ec2().instances, id)?.state;
        answer.push(json!({
            "instanceId": id,
            "currentState": current.wire(),
            "previousState": previous.wire(),
        }));
    }
    Ok(json!({ "instancesSet": answer }))
}

/// Each instance in a reservation of its own.
pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    if params.get("MaxResults").is_some() && !params.strings("InstanceId").is_empty() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(AwsError::new("InvalidParameterCombination", message));
    }
    let reservations: Value = select(region, &region.ec2().instances, &params.strings("InstanceId"), params)?
        .into_iter()
        .map(|instance| {
            json!({
                "reservationId": instance.reservation_id,
                "ownerId": ACCOUNT_ID,
                "groupSet": [],
                "instancesSet": [instance.wire(region)],
            })
        })
        .collect();
    Ok(json!({ "reservationSet": reservations }))
}

/// Running instances only, unless all are asked for.
pub(super) fn describe_status(region: &Region, params: Params<'_>) -> Answer {
    let all = params.opt_bool("IncludeAllInstances") == Some(true);
    let statuses: Value = select(region, &region.ec2().instances, &params.strings("InstanceId"), params)?
        .into_iter()
        .filter(|instance| all || instance.state == InstanceState::Running)
        .map(|instance| {
            let passed = || json!([{ "name": "reachability", "status": "passed" }]);
            let check = json!({
                "status": instance.status(),
                "details": (instance.state == InstanceState::Running).then(passed),
            });
            json!({
                "instanceId": instance.id,
                "availabilityZone": instance.interface.subnet.az_name,
                "availabilityZoneId": instance.interface.subnet.az_id,
                "instanceState": instance.state.wire(),
                "instanceStatus": check,
                "systemStatus": check,
            })
        })
        .collect();
    Ok(json!({ "instanceStatusSet": statuses }))
}
