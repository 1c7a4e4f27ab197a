//! The part of the tasks' containers and proxies, and of the load balancer and its health checks: the mesh plays it,
//! following the emulator's state.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use aws_sdk_ecs::types::{ContainerDefinition, Service, Task, TransportProtocol};
use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetGroup};

use super::tasks::attached;
use super::view::{Cluster, Ingress, View, zone};
use super::{RoundError, Worker};
use crate::mesh::topology::{self, ClientAlias, HealthCheck, ServiceConnect, Target, Topology, Upstream};
use crate::mesh::transport::Transport;
use crate::mesh::{TargetHealth, applications};
use crate::settings::ServiceNames;

impl Worker {
    /// Makes the mesh run the tasks that the emulator says are running, and registers the targets that answer.
    pub(super) async fn sync_mesh(&mut self, view: &View) -> Result<(), RoundError> {
        let ingress = view.ingress.as_ref();
        let mut topology = Topology::default();
        let mut targets = vec![];
        if let Some(cluster) = &view.cluster {
            let running = |task: &&Task| task.last_status() == Some("RUNNING") && cluster.service(task).is_some();
            let running: Vec<&Task> = cluster.tasks.iter().filter(running).collect();
            topology.tasks = running.iter().filter_map(|task| self.task(cluster, task)).collect();
            targets = running.iter().filter_map(|task| self.target(cluster, ingress?, task)).collect();
            self.note_what_is_missing(cluster, &topology);
        }
        topology.load_balancers = ingress.map(|ingress| load_balancer(ingress, &targets)).into_iter().collect();
        self.mesh.apply(&topology)?;
        match ingress {
            Some(ingress) => self.register_targets(ingress, &targets).await,
            None => Ok(()),
        }
    }

    fn note_what_is_missing(&mut self, cluster: &Cluster, topology: &Topology) {
        if topology.tasks.is_empty() {
            return;
        }
        self.note("it carries no request: applications, their proxies and the load balancer run here, on loopback");
        let mut deployments = cluster.services.iter().flat_map(|service| service.deployments());
        if deployments.any(|deployment| deployment.service_connect_configuration().is_none()) {
            self.note(
                "it keeps no Service Connect configuration: its proxies are given the walkthrough's own names, and the \
                 frontend's is among them with --frontend client-only, too",
            );
        }
    }

    fn task(&self, cluster: &Cluster, task: &Task) -> Option<topology::Task> {
        let definition = self.definitions.get(task.task_definition_arn()?)?;
        let (command, plain_ports) = applications(definition.container_definitions().iter().map(application));
        let service = cluster.service(task)?;
        let zone = zone(cluster.member(task)?)?;
        Some(topology::Task {
            arn: task.task_arn()?.to_owned(),
            family: definition.family()?.to_owned(),
            service: service.service_arn().map(str::to_owned),
            region: self.clients.region.clone(),
            az_id: self.zones.get(&zone)?.as_str().to_owned(),
            private_ip: private_ip(task)?,
            host_ports: None,
            command,
            plain_ports,
            service_connect: self.service_connect(cluster, service),
            draining: self.is_stopping(task),
            blocked: BTreeSet::new(),
            failing: false,
            zone_aware: true,
        })
    }

    /// A service's Service Connect configuration: the walkthrough's names, but none for a service that is known to be a
    /// client only.
    fn service_connect(&self, cluster: &Cluster, service: &Service) -> Option<ServiceConnect> {
        let all = [&self.names.backend, &self.names.frontend];
        let own = all.into_iter().find(|names| service.service_name() == Some(&names.service))?;
        let of = |names: &ServiceNames| cluster.services.iter().find(|s| s.service_name() == Some(&names.service));
        let is_offered = |names: &&ServiceNames| !of(names).is_some_and(is_client_only);
        let upstream = |names: &ServiceNames| Upstream {
            discovery_name: names.discovery_name.clone(),
            alias: alias(names),
            transport: Transport::default(),
        };
        let offered = |names: &ServiceNames| topology::Service {
            discovery_name: names.discovery_name.clone(),
            container_port: names.port,
            aliases: vec![alias(names)],
            transport: Transport::default(),
        };
        Some(ServiceConnect {
            namespace: self.names.namespace.clone(),
            services: Some(own).filter(is_offered).map(offered).into_iter().collect(),
            upstreams: all.into_iter().filter(is_offered).map(upstream).collect(),
            patience: topology::PROXYS_PATIENCE,
            logs_accesses: false,
        })
    }

    pub(super) fn is_stopping(&self, task: &Task) -> bool {
        task.task_arn().is_some_and(|arn| self.stopping.contains_key(arn))
    }

    /// The task as a target, if the load balancer forwards to its service.
    fn target(&self, cluster: &Cluster, ingress: &Ingress, task: &Task) -> Option<Target> {
        let group = ingress.target_group.as_ref()?.target_group_arn();
        let mut balancers = cluster.service(task)?.load_balancers().iter();
        let port = balancers.find(|balancer| balancer.target_group_arn() == group)?.container_port()?;
        let port = u16::try_from(port).ok()?;
        Some(Target { ip: private_ip(task)?, port, in_service: !self.is_stopping(task), blocked: false })
    }

    async fn register_targets(&mut self, ingress: &Ingress, targets: &[Target]) -> Result<(), RoundError> {
        let Some(arn) = ingress.target_group.as_ref().and_then(|group| group.target_group_arn()) else {
            return Ok(());
        };
        let answers =
            |target: &&Target| self.mesh.target_health(arn, target.ip, target.port) == Some(TargetHealth::Healthy);
        let in_service = targets.iter().filter(|target| target.in_service);
        let healthy: Vec<(String, i32)> =
            in_service.clone().filter(answers).map(|target| (target.ip.to_string(), target.port.into())).collect();
        let unhealthy = in_service.count() - healthy.len();
        if unhealthy > 0 {
            self.round.pending.push(format!("{unhealthy} targets do not answer yet"));
        }
        let description = |(id, port): &&(String, i32)| TargetDescription::builder().id(id).port(*port).build();
        let new: Vec<_> = healthy.iter().filter(|target| !ingress.targets.contains(target)).collect();
        let old: Vec<_> = ingress.targets.iter().filter(|target| !healthy.contains(target)).collect();
        if !new.is_empty() {
            let request = self.clients.elbv2.register_targets().target_group_arn(arn);
            let request = request.set_targets(Some(new.iter().map(description).collect()));
            self.clients.call("elasticloadbalancing:RegisterTargets", request.send()).await?;
        }
        if !old.is_empty() {
            let request = self.clients.elbv2.deregister_targets().target_group_arn(arn);
            let request = request.set_targets(Some(old.iter().map(description).collect()));
            self.clients.call("elasticloadbalancing:DeregisterTargets", request.send()).await?;
        }
        if !new.is_empty() || !old.is_empty() {
            self.round.changed = true;
            self.note("it checks no target's health: the hosts register those that answer (elbv2:RegisterTargets)");
        }
        Ok(())
    }
}

fn load_balancer(ingress: &Ingress, targets: &[Target]) -> topology::LoadBalancer {
    let target_group = ingress.target_group.as_ref().map(|group| topology::TargetGroup {
        arn: group.target_group_arn().unwrap_or_default().to_owned(),
        targets: targets.to_vec(),
        health_check: health_check(group),
    });
    topology::LoadBalancer {
        arn: ingress.arn().to_owned(),
        target_group,
        blocked: false,
        patience: topology::LOAD_BALANCERS_PATIENCE,
    }
}

fn is_client_only(service: &Service) -> bool {
    let kept = service.deployments().iter().find_map(|deployment| deployment.service_connect_configuration());
    kept.is_some_and(|configuration| configuration.services().is_empty())
}

fn alias(names: &ServiceNames) -> ClientAlias {
    ClientAlias { dns_name: names.dns_name.clone(), port: names.port }
}

fn private_ip(task: &Task) -> Option<Ipv4Addr> {
    attached(task, "privateIPv4Address")?.parse().ok()
}

fn health_check(group: &TargetGroup) -> HealthCheck {
    let default = HealthCheck::default();
    let seconds =
        |value: Option<i32>, default| value.map_or(default, |value| Duration::from_secs(value.unsigned_abs().into()));
    // One that AWS would have refused is as good as none.
    let matcher = group.matcher().and_then(|matcher| matcher.http_code());
    HealthCheck {
        path: group.health_check_path().map_or(default.path, str::to_owned),
        matcher: matcher.and_then(|codes| codes.parse().ok()).unwrap_or(default.matcher),
        interval: seconds(group.health_check_interval_seconds(), default.interval),
        timeout: seconds(group.health_check_timeout_seconds(), default.timeout),
        healthy_threshold: group.healthy_threshold_count().map_or(default.healthy_threshold, i32::unsigned_abs),
        unhealthy_threshold: group.unhealthy_threshold_count().map_or(default.unhealthy_threshold, i32::unsigned_abs),
    }
}

/// Entry point and command of a container, and its ports for TCP.
fn application(container: &ContainerDefinition) -> (Vec<String>, Vec<u16>) {
    let mappings = container.port_mappings().iter();
    let ports = mappings.filter(|mapping| mapping.protocol() != Some(&TransportProtocol::Udp));
    let ports = ports.filter_map(|mapping| u16::try_from(mapping.container_port()?).ok());
    (container.entry_point().iter().chain(container.command()).cloned().collect(), ports.collect())
}
