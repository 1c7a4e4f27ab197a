//! What stands in a cluster, as the API tells it: services, tasks, zones, the load balancer.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::cloud::Operator;
use crate::mesh::topology::Topology;

/// The most services or tasks that one request describes, of all of them the least: `DescribeServices`'.
const AT_ONCE: usize = 10;

/// A cluster in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) region: String,
    pub(super) cluster: String,
}

impl Place {
    /// What a query string asks for.
    pub(super) fn asked(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "region" => asked.region = value.into_owned(),
                "cluster" => asked.cluster = value.into_owned(),
                _ => {}
            }
        }
        asked
    }

    /// Every cluster that there is.
    pub(super) fn all(operator: &Operator) -> Result<Vec<Self>, String> {
        let mut places = vec![];
        for region in operator.regions() {
            let clusters = operator.call(&region, ("ecs", "ListClusters"), json!({}))?;
            let names = texts(&clusters["clusterArns"]).into_iter().map(|arn| last_part(&arn).to_owned());
            places.extend(names.map(|cluster| Self { region: region.clone(), cluster }));
        }
        Ok(places)
    }

    /// Its load balancer's address, if a service is behind one.
    pub(super) fn traffic_url(&self, operator: &Operator) -> Result<Option<String>, String> {
        Ok(Scene::read(operator, self)?.load_balancer.map(|load_balancer| load_balancer.url))
    }
}

/// A service's part in the walkthrough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// The load balancer sends requests to it.
    Frontend,
    Backend,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) desired: u64,
    pub(super) running: u64,
    pub(super) pending: u64,
    /// What has happened to it, newest first: seconds since the epoch, and words.
    #[serde(skip)]
    pub(super) events: Vec<(f64, String)>,
    #[serde(skip)]
    arn: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Task {
    pub(super) arn: String,
    pub(super) id: String,
    pub(super) service: String,
    pub(super) role: Role,
    /// Its zone, by its ID.
    pub(super) zone: String,
    /// The API's `lastStatus`.
    pub(super) status: String,
    /// What the load balancer's checks found: `healthy`. Null: it is behind none.
    pub(super) health: Option<String>,
    /// Whether proxies may send it requests.
    pub(super) is_discovered: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct LoadBalancer {
    pub(super) name: String,
    pub(super) url: String,
    /// The zones that it serves, by their IDs.
    pub(super) zones: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    /// The names of the zones that something of it is in, by their IDs.
    pub(super) zones: BTreeMap<String, String>,
    pub(super) services: Vec<Service>,
    pub(super) tasks: Vec<Task>,
    pub(super) load_balancer: Option<LoadBalancer>,
}

impl Scene {
    pub(super) fn read(operator: &Operator, place: &Place) -> Result<Self, String> {
        let reading = Reading { operator, place };
        let zone_ids = reading.zone_ids()?;
        let mut services = reading.services()?;
        services.sort_by(|a, b| (a.0.role, &a.0.name).cmp(&(b.0.role, &b.0.name)));
        let group = services.iter().find_map(|(_, group)| group.clone());
        let (load_balancer, health) = match &group {
            Some(group) => (reading.load_balancer(group, &zone_ids)?, reading.health(group)?),
            None => (None, BTreeMap::new()),
        };
        let services: Vec<_> = services.into_iter().map(|(service, _)| service).collect();
        let tasks = reading.tasks(&services, &zone_ids, &health)?;
        let in_use = tasks.iter().map(|task| &task.zone).chain(load_balancer.iter().flat_map(|it| &it.zones));
        let in_use: BTreeSet<&String> = in_use.collect();
        let named = zone_ids.into_iter().map(|(name, id)| (id, name));
        let zones = named.filter(|(id, _)| in_use.contains(id)).collect();
        Ok(Self { zones, services, tasks, load_balancer })
    }
}

struct Reading<'a> {
    operator: &'a Operator,
    place: &'a Place,
}

impl Reading<'_> {
    fn ask(&self, action: (&str, &str), params: Value) -> Result<Value, String> {
        self.operator.call(&self.place.region, action, params)
    }

    /// The IDs of the region's zones by their names.
    fn zone_ids(&self) -> Result<BTreeMap<String, String>, String> {
        let zones = self.ask(("ec2", "DescribeAvailabilityZones"), json!({}))?;
        let zones = zones["availabilityZoneInfo"].as_array().into_iter().flatten();
        Ok(zones.map(|zone| (text(&zone["zoneName"]), text(&zone["zoneId"]))).collect())
    }

    /// The services, each with its target group if it has one.
    fn services(&self) -> Result<Vec<(Service, Option<String>)>, String> {
        let cluster = &self.place.cluster;
        let listed = self.ask(("ecs", "ListServices"), json!({ "cluster": cluster, "maxResults": 100 }))?;
        let mut services = vec![];
        for arns in texts(&listed["serviceArns"]).chunks(AT_ONCE) {
            let described = self.ask(("ecs", "DescribeServices"), json!({ "cluster": cluster, "services": arns }))?;
            for service in described["services"].as_array().into_iter().flatten() {
                let group = service["loadBalancers"][0]["targetGroupArn"].as_str().map(str::to_owned);
                let events = service["events"].as_array().into_iter().flatten();
                let events = events.filter_map(|event| Some((event["createdAt"].as_f64()?, text(&event["message"]))));
                let number = |name: &str| service[name].as_u64().unwrap_or_default();
                let service = Service {
                    name: text(&service["serviceName"]),
                    role: if group.is_some() { Role::Frontend } else { Role::Backend },
                    desired: number("desiredCount"),
                    running: number("runningCount"),
                    pending: number("pendingCount"),
                    events: events.collect(),
                    arn: text(&service["serviceArn"]),
                };
                services.push((service, group));
            }
        }
        Ok(services)
    }

    /// The tasks of services: those that are wanted, and those that the mesh still has.
    fn tasks(
        &self,
        services: &[Service],
        zone_ids: &BTreeMap<String, String>,
        health: &BTreeMap<String, String>,
    ) -> Result<Vec<Task>, String> {
        let Place { region, cluster } = self.place;
        let Topology { tasks: carried, .. } = self.operator.mesh(region)?.topology();
        let listed = self.ask(("ecs", "ListTasks"), json!({ "cluster": cluster }))?;
        let mut arns: BTreeSet<String> = texts(&listed["taskArns"]).into_iter().collect();
        let is_ours = |service: &Option<String>| services.iter().any(|ours| Some(&ours.arn) == service.as_ref());
        arns.extend(carried.iter().filter(|task| is_ours(&task.service)).map(|task| task.arn.clone()));
        let mut tasks = vec![];
        for arns in arns.into_iter().collect::<Vec<_>>().chunks(AT_ONCE) {
            let described = self.ask(("ecs", "DescribeTasks"), json!({ "cluster": cluster, "tasks": arns }))?;
            for task in described["tasks"].as_array().into_iter().flatten() {
                let group = text(&task["group"]);
                let name = group.strip_prefix("service:").unwrap_or_default();
                let Some(service) = services.iter().find(|service| service.name == name) else { continue };
                let details = task["attachments"][0]["details"].as_array().into_iter().flatten();
                let ip = details.filter(|detail| detail["name"] == "privateIPv4Address").map(|it| text(&it["value"]));
                let arn = text(&task["taskArn"]);
                tasks.push(Task {
                    id: last_part(&arn).to_owned(),
                    service: service.name.clone(),
                    role: service.role,
                    zone: zone_ids.get(&text(&task["availabilityZone"])).cloned().unwrap_or_default(),
                    status: text(&task["lastStatus"]),
                    health: { ip }.next().and_then(|ip| health.get(&ip).cloned()),
                    is_discovered: carried.iter().any(|it| it.arn == arn && !it.draining),
                    arn,
                });
            }
        }
        tasks.sort_by(|a, b| (&a.zone, a.role, &a.service, &a.id).cmp(&(&b.zone, b.role, &b.service, &b.id)));
        Ok(tasks)
    }

    fn load_balancer(&self, group: &str, zone_ids: &BTreeMap<String, String>) -> Result<Option<LoadBalancer>, String> {
        let elb = |operation, params| self.ask(("elasticloadbalancing", operation), params);
        let groups = elb("DescribeTargetGroups", json!({ "TargetGroupArns": [group] }))?;
        let Some(arn) = groups["TargetGroups"][0]["LoadBalancerArns"][0].as_str() else { return Ok(None) };
        let described = elb("DescribeLoadBalancers", json!({ "LoadBalancerArns": [arn] }))?;
        let load_balancer = &described["LoadBalancers"][0];
        let zones = load_balancer["AvailabilityZones"].as_array().into_iter().flatten();
        let zones = zones.filter_map(|zone| zone_ids.get(zone["ZoneName"].as_str()?).cloned());
        Ok(Some(LoadBalancer {
            name: text(&load_balancer["LoadBalancerName"]),
            url: format!("http://{}/", text(&load_balancer["DNSName"])),
            zones: zones.collect(),
        }))
    }

    /// The health of a group's targets by their addresses.
    fn health(&self, group: &str) -> Result<BTreeMap<String, String>, String> {
        let health = self.ask(("elasticloadbalancing", "DescribeTargetHealth"), json!({ "TargetGroupArn": group }))?;
        let targets = health["TargetHealthDescriptions"].as_array().into_iter().flatten();
        Ok(targets.map(|it| (text(&it["Target"]["Id"]), text(&it["TargetHealth"]["State"]))).collect())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
