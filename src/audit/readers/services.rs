//! The services with Service Connect, and what their deployments and task definitions say.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::{
    AvailabilityZoneRebalancing, ContainerDefinition, DeploymentRolloutState, LaunchType, PlacementConstraintType,
    PlacementStrategyType, SchedulingStrategy, Service as Described, ServiceConnectConfiguration,
    ServiceDeploymentStatus, ServiceRevisionSummary, TaskDefinition,
};
use jiff::Timestamp;

use super::{Reader, Scope, batches, last, timestamp};
use crate::audit::facts::{Deployment, Launch, Offer, Rebalancing, Service, ServiceId};
use crate::prices;
use crate::stages::Error;
use crate::stages::access_logs::AccessLogs;

/// `DescribeServices` takes as many (API Reference).
const SERVICES_A_CALL: usize = 10;

/// And `DescribeServiceDeployments` so many.
const DEPLOYMENTS_A_CALL: usize = 20;

/// A service that is being read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) service: Service,
    /// The time of each deployment by its ID.
    pub(super) deployments: BTreeMap<String, Timestamp>,
    pub(super) running: u32,
    task_definition: Option<String>,
    arn: Option<String>,
    /// The revision that has the traffic, if ECS does not roll.
    revision: Option<String>,
    /// Whether a task's health is checked. None: that is not known.
    pub(super) checks_health: Option<bool>,
    /// The names of its ports by discovery name.
    ports: BTreeMap<String, String>,
}

impl Draft {
    /// The ID of the deployment that has the traffic, where another is there without, as with blue/green: the one that was made with
    /// the revision.
    pub(super) fn with_traffic(&self) -> Option<&str> {
        let made = self.service.deployment.as_ref()?.created_at.filter(|_| self.revision.is_some())?;
        let nearest = self.deployments.iter().min_by_key(|(_, time)| time.duration_since(made).abs());
        nearest.map(|(id, _)| id.as_str())
    }

    /// The family of its task definition.
    pub(super) fn family(&self) -> Option<&str> {
        let name = last(self.task_definition.as_deref()?);
        Some(name.split_once(':').map_or(name, |(family, _)| family))
    }
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) services: Vec<Draft>,
    pub(super) without_service_connect: usize,
}

pub(super) async fn read(reader: &Reader<'_>, scope: &Scope) -> Result<Found, Error> {
    let ctx = reader.ctx;
    let mut arns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for namespace in &scope.namespaces {
        add(&mut arns, in_namespace(reader, namespace).await?);
    }
    let clusters = match (&*scope.clusters, &*scope.namespaces) {
        ([], [_, ..]) => vec![],
        ([], []) => {
            let mut pages = ctx.clients.ecs.list_clusters().into_paginator().send();
            let pages = ctx.pages("ecs:ListClusters", async || pages.next().await).await;
            let pages = reader.gaps.unless_refused(pages, "which clusters there are")?.unwrap_or_default();
            pages.into_iter().flat_map(|page| page.cluster_arns.unwrap_or_default()).collect()
        }
        (clusters, _) => clusters.to_vec(),
    };
    for found in reader.each(&clusters, |cluster| in_cluster(reader, cluster)).await? {
        add(&mut arns, found);
    }
    let mut described = describe(reader, &arns).await?;
    // Others in the same namespaces, wherever they run: they may be called from here, or call.
    if !scope.clusters.is_empty() {
        let namespaces: BTreeSet<String> = described.iter().filter_map(connect).map(|it| it.0).collect();
        let mut elsewhere: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for found in reader.each(&namespaces, |namespace| in_namespace(reader, namespace)).await? {
            add(&mut elsewhere, found);
        }
        for (cluster, services) in &mut elsewhere {
            services.retain(|arn| !arns.get(cluster).is_some_and(|known| known.contains(arn)));
        }
        described.extend(describe(reader, &elsewhere).await?);
    }
    let all = described.len();
    let mut services: Vec<Draft> = described.iter().filter_map(draft).collect();
    services.sort_by(|a, b| a.service.id.cmp(&b.service.id));
    Ok(Found { without_service_connect: all - services.len(), services })
}

fn add(arns: &mut BTreeMap<String, BTreeSet<String>>, found: Vec<String>) {
    for arn in found {
        // `arn:…:service/CLUSTER/NAME`
        let cluster = arn.rsplit('/').nth(1).unwrap_or_default().to_owned();
        arns.entry(cluster).or_default().insert(arn);
    }
}

async fn in_cluster(reader: &Reader<'_>, cluster: &str) -> Result<Vec<String>, Error> {
    let request = reader.ctx.clients.ecs.list_services().cluster(cluster).max_results(100);
    let mut pages = request.into_paginator().send();
    let pages = reader.ctx.pages("ecs:ListServices", async || pages.next().await).await;
    let what = format!("the services of cluster {}", last(cluster));
    let pages = reader.gaps.unless_refused(pages, &what)?.unwrap_or_default();
    Ok(pages.into_iter().flat_map(|page| page.service_arns.unwrap_or_default()).collect())
}

async fn in_namespace(reader: &Reader<'_>, namespace: &str) -> Result<Vec<String>, Error> {
    let request = reader.ctx.clients.ecs.list_services_by_namespace().namespace(namespace).max_results(100);
    let mut pages = request.into_paginator().send();
    let pages = reader.ctx.pages("ecs:ListServicesByNamespace", async || pages.next().await).await;
    let what = format!("services of other clusters in namespace {}", last(namespace));
    let pages = reader.gaps.unless_refused(pages, &what)?.unwrap_or_default();
    Ok(pages.into_iter().flat_map(|page| page.service_arns.unwrap_or_default()).collect())
}

async fn describe(reader: &Reader<'_>, arns: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<Described>, Error> {
    let batch = |(cluster, arns): (&String, &BTreeSet<String>)| {
        let batches = batches(arns.iter().cloned(), SERVICES_A_CALL);
        batches.into_iter().map(|batch| (cluster.clone(), batch)).collect::<Vec<_>>()
    };
    let work = |(cluster, services): (String, Vec<String>)| async move {
        let request = reader.ctx.clients.ecs.describe_services().cluster(&cluster).set_services(Some(services));
        let answer = reader.ctx.look("ecs:DescribeServices", request.send()).await;
        let answer = reader.gaps.unless_refused(answer, "what services are like")?;
        Ok(answer.and_then(|answer| answer.services).unwrap_or_default())
    };
    let mut found = reader.each(arns.iter().flat_map(batch), work).await?.concat();
    found.retain(|service| service.status() == Some("ACTIVE"));
    Ok(found)
}

/// The namespace and the configuration of a service's newest deployment, if it has Service Connect on.
fn connect(service: &Described) -> Option<(String, &ServiceConnectConfiguration, &aws_sdk_ecs::types::Deployment)> {
    let newest = service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))?;
    let connect = newest.service_connect_configuration().filter(|connect| connect.enabled())?;
    Some((connect.namespace()?.to_owned(), connect, newest))
}

fn draft(service: &Described) -> Option<Draft> {
    let (namespace, connect, newest) = connect(service)?;
    let created_at = service.created_at().and_then(timestamp);
    let name = last(&namespace).to_owned();
    let discovery_name = |offer: &aws_sdk_ecs::types::ServiceConnectService| {
        offer.discovery_name().unwrap_or(offer.port_name()).to_owned()
    };
    let offer = |offer: &aws_sdk_ecs::types::ServiceConnectService| {
        let discovery_name = discovery_name(offer);
        let alias = offer.client_aliases().first().map(|alias| {
            let default = format!("{discovery_name}.{name}");
            format!("{}:{}", alias.dns_name().unwrap_or(&default), alias.port())
        });
        Offer { alias: alias.unwrap_or_default(), app_protocol: None, made_at: created_at, discovery_name }
    };
    let configuration = service.deployment_configuration();
    let strategy = configuration.and_then(|configuration| configuration.strategy());
    let strategy = strategy.map_or("ROLLING", |strategy| strategy.as_str()).to_owned();
    let revisions = service.current_service_revisions().iter().filter(|_| strategy != "ROLLING");
    let revision = revisions.max_by_key(|revision| revision.running_task_count()).and_then(|it| it.arn());
    let deployments = service.deployments().iter();
    let time = |deployment: &aws_sdk_ecs::types::Deployment| {
        Some((deployment.id()?.to_owned(), deployment.created_at().and_then(timestamp)?))
    };
    let minimum = configuration.and_then(|configuration| configuration.minimum_healthy_percent());
    Some(Draft {
        deployments: deployments.clone().filter_map(time).collect(),
        running: service.running_count().unsigned_abs(),
        task_definition: newest.task_definition().map(str::to_owned),
        arn: service.service_arn().map(str::to_owned),
        revision: revision.map(str::to_owned),
        checks_health: None,
        ports: connect.services().iter().map(|it| (discovery_name(it), it.port_name().to_owned())).collect(),
        service: Service {
            id: ServiceId::new(last(service.cluster_arn()?), service.service_name()?),
            offers: connect.services().iter().map(offer).collect(),
            namespace_name: name,
            namespace,
            launch: launch(service.launch_type()),
            strategy,
            created_at,
            deployment: Some(Deployment {
                id: newest.id().unwrap_or_default().to_owned(),
                created_at: newest.created_at().and_then(timestamp),
                is_under_way: newest.rollout_state() == Some(&DeploymentRolloutState::InProgress)
                    || deployments.len() > 1,
            }),
            desired: service.desired_count().unsigned_abs(),
            minimum_healthy_percent: minimum.unwrap_or(100).unsigned_abs(),
            tasks: None,
            rebalancing: rebalancing(service),
            task_usd_per_month: None,
            access_logs: AccessLogs::of(connect),
            least_tasks: vec![],
        },
    })
}

pub(super) fn launch(launch_type: Option<&LaunchType>) -> Launch {
    match launch_type {
        Some(LaunchType::Ec2) => Launch::Ec2,
        Some(LaunchType::Fargate) => Launch::Fargate,
        Some(LaunchType::External) => Launch::External,
        Some(LaunchType::ManagedInstances) => Launch::ManagedInstances,
        _ => Launch::Unknown,
    }
}

/// ECS Developer Guide, "Balancing an Amazon ECS service across Availability Zones".
fn rebalancing(service: &Described) -> Option<Rebalancing> {
    const BY_ZONE: &str = "attribute:ecs.availability-zone";
    let configuration = service.deployment_configuration();
    let first = service.placement_strategy().first();
    let is_by_zone = first
        .is_none_or(|first| first.r#type() == Some(&PlacementStrategyType::Spread) && first.field() == Some(BY_ZONE));
    let is_bound = service.placement_constraints().iter().any(|constraint| {
        let expression = constraint.expression().unwrap_or_default();
        constraint.r#type() == Some(&PlacementConstraintType::MemberOf) && expression.contains(BY_ZONE)
    });
    let has_classic = service.load_balancers().iter().any(|it| it.load_balancer_name().is_some());
    let obstacles = [
        (service.scheduling_strategy() == Some(&SchedulingStrategy::Daemon), "it is a DAEMON service"),
        (service.launch_type() == Some(&LaunchType::External), "its launch type is EXTERNAL"),
        (configuration.and_then(|it| it.maximum_percent()) == Some(100), "its maximumPercent is 100"),
        (has_classic, "it is behind a Classic Load Balancer"),
        (is_bound, "a placement constraint names zones"),
        (!is_by_zone, "its first placement strategy is not to spread by zone"),
    ];
    let obstacle = obstacles.into_iter().find(|(is_so, _)| *is_so);
    match (service.availability_zone_rebalancing()?, obstacle) {
        (AvailabilityZoneRebalancing::Enabled, _) => Some(Rebalancing::Enabled),
        (_, Some((_, why))) => Some(Rebalancing::Impossible(why.to_owned())),
        _ => Some(Rebalancing::Disabled),
    }
}

/// Finds which revision has the traffic while one takes the place of another otherwise than by rolling: each may have all tasks then.
async fn find_traffic(reader: &Reader<'_>, drafts: &mut [Draft]) -> Result<(), Error> {
    let ctx = reader.ctx;
    let is_under_way = |draft: &&mut Draft| {
        let deployment = draft.service.deployment.as_ref();
        draft.revision.is_some() && deployment.is_some_and(|deployment| deployment.is_under_way)
    };
    let what = "which revision has the traffic during a deployment";
    let list = |(cluster, service): (String, String)| async move {
        let request = ctx.clients.ecs.list_service_deployments().cluster(cluster).service(service);
        let answer =
            ctx.look("ecs:ListServiceDeployments", request.status(ServiceDeploymentStatus::InProgress).send()).await;
        let answer = reader.gaps.unless_refused(answer, what)?.and_then(|answer| answer.service_deployments);
        Ok(answer.unwrap_or_default().into_iter().filter_map(|it| it.service_deployment_arn).collect::<Vec<_>>())
    };
    let describe = |arns: Vec<String>| async move {
        let request = ctx.clients.ecs.describe_service_deployments().set_service_deployment_arns(Some(arns));
        let answer = ctx.look("ecs:DescribeServiceDeployments", request.send()).await;
        let answer = reader.gaps.unless_refused(answer, what)?;
        Ok(answer.and_then(|answer| answer.service_deployments).unwrap_or_default())
    };
    let under_way = drafts.iter_mut().filter(is_under_way).map(|draft| &draft.service.id);
    let under_way: Vec<_> = under_way.map(|id| (id.cluster.clone(), id.service.clone())).collect();
    let arns = reader.each(under_way, list).await?.concat();
    for deployment in reader.each(batches(arns, DEPLOYMENTS_A_CALL), describe).await?.concat() {
        let revisions = deployment.source_service_revisions().iter().chain(deployment.target_service_revision());
        let weight = |it: &&ServiceRevisionSummary| it.requested_production_traffic_weight().unwrap_or_default();
        let most = revisions.filter(|it| weight(it) > 0.0).max_by(|a, b| weight(a).total_cmp(&weight(b)));
        let is_it = |draft: &&mut Draft| draft.arn.as_deref() == deployment.service_arn();
        if let (Some(revision), Some(draft)) = (most, drafts.iter_mut().find(is_it)) {
            draft.revision = revision.arn().map(str::to_owned);
        }
    }
    Ok(())
}

/// Adds what revisions and task definitions say.
pub(super) async fn complete(reader: &Reader<'_>, drafts: &mut [Draft]) -> Result<(), Error> {
    find_traffic(reader, drafts).await?;
    let revisions = batches(drafts.iter().filter_map(|draft| draft.revision.clone()), 20);
    let work = |arns: Vec<String>| async move {
        let request = reader.ctx.clients.ecs.describe_service_revisions().set_service_revision_arns(Some(arns));
        let answer = reader.ctx.look("ecs:DescribeServiceRevisions", request.send()).await;
        let answer = reader.gaps.unless_refused(answer, "the age of deployments that are not rolling")?;
        Ok(answer.and_then(|answer| answer.service_revisions).unwrap_or_default())
    };
    let revisions = reader.each(revisions, work).await?.concat();
    let definitions = drafts.iter().filter(|draft| !draft.service.offers.is_empty());
    let definitions: BTreeSet<String> = definitions.filter_map(|draft| draft.task_definition.clone()).collect();
    let work = |arn: String| async move {
        let request = reader.ctx.clients.ecs.describe_task_definition().task_definition(&arn);
        let answer = reader.ctx.look("ecs:DescribeTaskDefinition", request.send()).await;
        let answer = reader.gaps.unless_refused(answer, "protocols, health checks and prices of tasks")?;
        Ok(answer.and_then(|answer| answer.task_definition).map(|definition| (arn, definition)))
    };
    let definitions = reader.each(definitions, work).await?;
    let definitions: BTreeMap<String, TaskDefinition> = definitions.into_iter().flatten().collect();
    for draft in drafts {
        let made = revisions.iter().find(|it| it.service_revision_arn() == draft.revision.as_deref());
        if let (Some(made), Some(deployment)) = (made, &mut draft.service.deployment) {
            deployment.created_at = made.created_at().and_then(timestamp);
        }
        let definition = draft.task_definition.as_ref().and_then(|arn| definitions.get(arn));
        if let Some(definition) = definition {
            draft.checks_health = Some(definition.container_definitions().iter().any(|it| it.health_check().is_some()));
            draft.service.task_usd_per_month = price(draft.service.launch, definition);
            for offer in &mut draft.service.offers {
                let port = draft.ports.get(&offer.discovery_name);
                offer.app_protocol = port.and_then(|port| app_protocol(definition.container_definitions(), port));
            }
        }
    }
    Ok(())
}

fn app_protocol(containers: &[ContainerDefinition], port: &str) -> Option<String> {
    let mut mappings = containers.iter().flat_map(|container| container.port_mappings());
    let mapping = mappings.find(|mapping| mapping.name() == Some(port))?;
    Some(mapping.app_protocol().map_or("tcp", |protocol| protocol.as_str()).to_owned())
}

/// What a task of Fargate costs in a month, in USD.
fn price(launch: Launch, definition: &TaskDefinition) -> Option<f64> {
    if launch != Launch::Fargate {
        return None;
    }
    let vcpu: f64 = definition.cpu()?.parse::<f64>().ok()? / 1024.0;
    let gb: f64 = definition.memory()?.parse::<f64>().ok()? / 1024.0;
    Some(prices::fargate_task(vcpu, gb) * prices::HOURS_PER_MONTH)
}
