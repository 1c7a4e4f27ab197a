//! VPC flow logs to CloudWatch Logs, of what the sidecars carry: both directions, as each end's network interface sees it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described};
use super::{tags, vpcs};
use crate::cloud::carried::{Exchange, Party};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::services::logs;
use crate::cloud::wire::tags::LOWER;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone)]
pub(super) struct FlowLog {
    id: String,
    /// A VPC's, a subnet's or a network interface's.
    resource_id: String,
    traffic_type: String,
    group: String,
    /// `${version} ${account-id} …`
    format: String,
    role: String,
    /// How long records gather, in seconds.
    interval: i64,
    created_at: Timestamp,
    /// What has been seen since the last records were written.
    flows: BTreeMap<Flow, Amount>,
}

/// What one record is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flow {
    /// The fields by their names, without those that are counted.
    fields: Vec<(&'static str, String)>,
    interface_id: String,
}

#[derive(Clone, Copy, Default)]
struct Amount {
    bytes: u64,
    packets: u64,
    start: i64,
    end: i64,
}

/// VPC User Guide, "Flow log records", "Default format".
const DEFAULT_FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

/// The fields that there are; those that are not known here are `-`, as AWS writes what does not apply.
const FIELDS: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
    log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type \
    sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path ecs-cluster-arn ecs-cluster-name \
    ecs-container-instance-arn ecs-container-instance-id ecs-container-id ecs-second-container-id ecs-service-name \
    ecs-task-definition-arn ecs-task-arn ecs-task-id reject-reason next-hop-az-id";

impl Resource for FlowLog {
    const KIND: Kind = Kind {
        prefix: "fl",
        resource_type: "vpc-flow-log",
        malformed: "InvalidFlowLogId.Malformed",
        not_found: "InvalidFlowLogId.NotFound",
        words: ("The flow log ID '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[
        ("flow-log-id log-destination-type resource-id traffic-type", NAMESAKE),
        ("log-group-name deliver-log-status", LACKING),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        json!({
            "creationTime": timestamp(self.created_at),
            "deliverLogsPermissionArn": self.role,
            "deliverLogsStatus": "SUCCESS",
            "flowLogId": self.id,
            "flowLogStatus": "ACTIVE",
            "logGroupName": self.group,
            "resourceId": self.resource_id,
            "trafficType": self.traffic_type,
            "logDestinationType": "cloud-watch-logs",
            "logFormat": self.format,
            "maxAggregationInterval": self.interval,
            "tagSet": region.ec2().tags.of(&self.id).to_list(LOWER),
        })
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let flow_logs = described(region, &region.ec2().flow_logs, &params.strings("FlowLogId"), params)?;
    Ok(json!({ "flowLogSet": flow_logs }))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    if let Some(other) = params.opt_str("LogDestinationType").filter(|kind| *kind != "cloud-watch-logs") {
        return Err(AwsError::unsupported(format_args!("flow logs to {other}, only cloud-watch-logs")));
    }
    let group = params.opt_str("LogGroupName").ok_or_else(|| AwsError::missing_parameter("LogGroupName"))?;
    let role = params.str("DeliverLogsPermissionArn")?;
    let format = params.opt_str("LogFormat").unwrap_or(DEFAULT_FORMAT);
    if let Some(unknown) = fields(format).find(|field| !FIELDS.split_ascii_whitespace().any(|known| known == *field)) {
        return Err(AwsError::invalid_parameter(format!("Unknown field {unknown} in the log format.")));
    }
    let interval = params.opt_int("MaxAggregationInterval")?.unwrap_or(600);
    if ![60, 600].contains(&interval) {
        return Err(AwsError::invalid_parameter("MaxAggregationInterval must be 60 or 600."));
    }
    let kind = params.str("ResourceType")?;
    let resources = params.strings("ResourceId");
    for id in &resources {
        let is_there = match kind {
            "VPC" => super::resources::find(&region.ec2().vpcs, id).map(|_: &vpcs::Vpc| ()),
            "Subnet" => super::resources::find(&region.ec2().subnets, id).map(|_| ()),
            "NetworkInterface" => super::resources::find(&region.ec2().interfaces, id).map(|_| ()),
            other => Err(AwsError::unsupported(format_args!("flow logs of {other}"))),
        };
        is_there?;
    }
    let of_request = tags::of_specifications(params, &FlowLog::KIND)?;
    let mut ids = Vec::new();
    for resource_id in resources {
        let id = region.ids.ec2("fl");
        region.ec2_mut().tags.add(&id, of_request.clone());
        region.ec2_mut().flow_logs.push(FlowLog {
            id: id.clone(),
            resource_id: resource_id.to_owned(),
            traffic_type: params.opt_str("TrafficType").unwrap_or("ALL").to_owned(),
            group: group.to_owned(),
            format: format.to_owned(),
            role: role.to_owned(),
            interval,
            created_at: Timestamp::now(),
            flows: BTreeMap::new(),
        });
        ids.push(id);
    }
    // Made with its first record otherwise (API Reference, "CreateFlowLogs", "LogGroupName").
    logs::create_group(region, group);
    Ok(json!({ "clientToken": params.opt_str("ClientToken"), "flowLogIdSet": ids, "unsuccessful": [] }))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let ids = params.strings("FlowLogId");
    for id in &ids {
        super::resources::find(&region.ec2().flow_logs, id)?;
    }
    region.ec2_mut().flow_logs.retain(|flow_log| !ids.contains(&flow_log.id.as_str()));
    Ok(json!({ "unsuccessful": [] }))
}

fn fields(format: &str) -> impl Iterator<Item = &str> {
    format.split_whitespace().map(|field| field.trim_start_matches("${").trim_end_matches('}'))
}

/// What a packet has beside its data, of IPv4 and TCP, and the most data.
const HEADERS: u64 = 40;
const SEGMENT: u64 = 1_448;
/// A caller's port, which is not known here.
const EPHEMERAL: u16 = 49_152;

/// Notes what went between tasks. Load balancers and hosts are not seen.
pub(crate) fn record_flows(region: &mut Region, exchanges: &[Exchange]) {
    if region.ec2().flow_logs.is_empty() {
        return;
    }
    for exchange in exchanges {
        let Some((callee, port)) = exchange.target.as_ref().and_then(|it| Some((it.party.as_deref()?, it.port))) else {
            continue;
        };
        let caller = &*exchange.proxy;
        // With network mode bridge, what stays on an instance passes no network interface.
        if caller.interface_id == callee.interface_id {
            continue;
        }
        let (there, back) = ((caller.ip, EPHEMERAL, callee.ip, port), (callee.ip, port, caller.ip, EPHEMERAL));
        let (request, response) = (exchange.request.whole(), exchange.response.whole());
        let at = exchange.began.as_second();
        note(region, caller, callee, "egress", there, request, at);
        note(region, callee, caller, "ingress", there, request, at);
        note(region, callee, caller, "egress", back, response, at);
        note(region, caller, callee, "ingress", back, response, at);
    }
}

type Way = (Ipv4Addr, u16, Ipv4Addr, u16);

fn note(region: &mut Region, own: &Party, other: &Party, direction: &'static str, way: Way, bytes: u64, at: i64) {
    let (source, source_port, destination, port) = way;
    let vpc_id = region.ec2().subnets.iter().find(|subnet| subnet.id == own.subnet_id).map(|it| it.vpc_id.clone());
    let vpc_id = vpc_id.unwrap_or_default();
    let cluster_arn = region.arn("ecs", &format!("cluster/{}", own.cluster));
    let service = own.service.as_ref().map_or_else(|| "-".to_owned(), |service| service.service.clone());
    // The zone that what goes out goes to.
    let next_hop = if direction == "egress" { other.az_id.clone() } else { "-".to_owned() };
    let fields = vec![
        ("version", "11".to_owned()),
        ("account-id", crate::cloud::ACCOUNT_ID.to_owned()),
        ("interface-id", own.interface_id.clone()),
        ("srcaddr", source.to_string()),
        ("dstaddr", destination.to_string()),
        ("srcport", source_port.to_string()),
        ("dstport", port.to_string()),
        ("protocol", "6".to_owned()),
        ("action", "ACCEPT".to_owned()),
        ("log-status", "OK".to_owned()),
        ("vpc-id", vpc_id.clone()),
        ("subnet-id", own.subnet_id.clone()),
        ("type", "IPv4".to_owned()),
        ("pkt-srcaddr", source.to_string()),
        ("pkt-dstaddr", destination.to_string()),
        ("region", region.name.clone()),
        ("az-id", own.az_id.clone()),
        ("flow-direction", direction.to_owned()),
        ("ecs-cluster-arn", cluster_arn),
        ("ecs-cluster-name", own.cluster.clone()),
        ("ecs-service-name", service),
        ("ecs-task-arn", own.task_arn.clone()),
        ("ecs-task-id", own.task_id.clone()),
        ("next-hop-az-id", next_hop),
    ];
    let flow = Flow { fields, interface_id: own.interface_id.clone() };
    let packets = bytes.div_ceil(SEGMENT).max(1) + 1;
    let mut begun = Vec::new();
    for flow_log in &mut region.ec2_mut().flow_logs {
        let of = [&own.interface_id, &own.subnet_id, &vpc_id];
        if !of.contains(&&flow_log.resource_id) || flow_log.traffic_type == "REJECT" {
            continue;
        }
        if flow_log.flows.is_empty() {
            begun.push((flow_log.id.clone(), flow_log.interval));
        }
        let amount = flow_log.flows.entry(flow.clone()).or_insert(Amount { start: at, ..Amount::default() });
        amount.bytes += bytes + HEADERS * packets;
        amount.packets += packets;
        amount.end = amount.end.max(at);
    }
    for (id, interval) in begun {
        region.after_aws_time(Duration::from_secs(interval.unsigned_abs()), move |region| write(region, &id));
    }
}

/// The interval is over: a record for each flow, in its interface's stream.
fn write(region: &mut Region, id: &str) {
    let Some(flow_log) = region.ec2_mut().flow_logs.iter_mut().find(|flow_log| flow_log.id == id) else { return };
    let (flows, format, group) = (std::mem::take(&mut flow_log.flows), flow_log.format.clone(), flow_log.group.clone());
    let traffic = flow_log.traffic_type.to_lowercase();
    for (flow, Amount { bytes, packets, start, end }) in flows {
        let counted = |field: &str| match field {
            "bytes" => Some(bytes.to_string()),
            "packets" => Some(packets.to_string()),
            "start" => Some(start.to_string()),
            "end" => Some(end.to_string()),
            _ => None,
        };
        let known = |field: &str| flow.fields.iter().find(|(name, _)| *name == field).map(|(_, value)| value.clone());
        let record =
            fields(&format).map(|field| counted(field).or_else(|| known(field)).unwrap_or_else(|| "-".to_owned()));
        let record = record.collect::<Vec<_>>().join(" ");
        logs::write(region, &group, &format!("{}-{traffic}", flow.interface_id), Timestamp::now(), record);
    }
}
