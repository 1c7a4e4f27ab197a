//! The part of ECS's scheduler and the agents: each service runs its desired count of tasks, spread over zones and
//! instances, with its newest task definition.

use std::time::Duration;

use aws_sdk_ecs::types::{
    AwsVpcConfiguration, ContainerInstance, ContainerInstanceStatus, LaunchType, NetworkConfiguration, Service, Task,
};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::view::{Cluster, View, zone};
use super::{RoundError, Worker};
use crate::aws::{AzName, CloudError};
use crate::mesh::TaskFailure;

/// How long a task keeps serving after proxies and load balancer have dropped it, so that requests on their way arrive.
const DRAINING: Duration = Duration::from_millis(200);

/// `UpdateContainerInstancesState` takes at most 10 (ECS API Reference).
const INSTANCES_A_CALL: usize = 10;

/// The task states after RUNNING.
const ENDING: [&str; 4] = ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"];

/// The reason for stopping a task, as ECS words it.
const SCALED: &str = "Scaling activity initiated by deployment";

impl Worker {
    pub(super) async fn sync_tasks(&mut self, view: &View) -> Result<(), RoundError> {
        let Some(cluster) = &view.cluster else { return Ok(()) };
        if self.is_new {
            self.take_over(cluster).await?;
            self.is_new = false;
        }
        self.stopping.retain(|arn, _| cluster.tasks.iter().any(|task| task.task_arn() == Some(arn)));
        let of_a_service = |task: &&Task| task.group().is_some_and(|group| group.starts_with("service:"));
        let homeless = |task: &&Task| self.draining || cluster.service(task).is_none();
        let left: Vec<&Task> = cluster.tasks.iter().filter(of_a_service).filter(homeless).collect();
        if !left.is_empty() {
            self.round.changed = true;
            try_join_all(left.into_iter().map(|task| self.stop(task, "its service is gone"))).await?;
        }
        if !self.draining {
            for service in &cluster.services {
                self.sync_service(cluster, service).await?;
            }
        }
        Ok(())
    }

    /// Activates instances that an earlier process, ended in the middle of a [`start`](Self::start), has left draining:
    /// nothing else does on an emulator.
    async fn take_over(&mut self, cluster: &Cluster) -> Result<(), RoundError> {
        let is_draining = |member: &&ContainerInstance| member.status() == Some("DRAINING");
        let draining = cluster.members.iter().filter(is_draining).filter_map(|member| member.container_instance_arn());
        let draining: Vec<String> = draining.map(str::to_owned).collect();
        if !draining.is_empty() {
            tracing::info!("{} instances drain since earlier hosts ended: they take tasks again", draining.len());
            self.round.changed = true;
            self.set_state(&draining, ContainerInstanceStatus::Active).await?;
        }
        Ok(())
    }

    async fn sync_service(&mut self, cluster: &Cluster, service: &Service) -> Result<(), RoundError> {
        let desired = service.desired_count().unsigned_abs() as usize;
        let own = |task: &&Task| cluster.service(task).is_some_and(|of| of.service_arn() == service.service_arn());
        let (leaving, stay): (Vec<&Task>, Vec<&Task>) =
            cluster.tasks.iter().filter(own).partition(|task| self.is_stopping(task));
        self.end(&leaving).await?;

        let (alive, dead): (Vec<&Task>, Vec<&Task>) = stay.into_iter().partition(|task| {
            let failed = task.task_arn().is_some_and(|arn| self.mesh.task_failure(arn).is_some());
            let ending = ENDING.iter().any(|status| task.last_status() == Some(status));
            cluster.member(task).is_some() && !failed && !ending
        });
        for task in dead {
            let arn = task.task_arn().unwrap_or_default();
            let failure = self.mesh.task_failure(arn);
            if failure.is_none() && cluster.member(task).is_some() {
                self.vanished += 1;
                // It may have been reset.
                self.is_told = false;
            }
            let reason = failure.as_ref().map_or("it ended without being told to", TaskFailure::reason);
            self.note(format!("task {arn} is stopped and another one started: {reason}"));
            self.stop(task, reason).await?;
            self.round.changed = true;
        }

        let (current, outdated): (Vec<&Task>, Vec<&Task>) =
            alive.into_iter().partition(|task| is_current(service, task));
        if !outdated.is_empty() {
            // Half of them stay, as the services' minimum healthy percent demands.
            let surplus = (current.len() + outdated.len()).saturating_sub(desired / 2);
            self.end(&outdated[..surplus.min(outdated.len())]).await?;
        }
        let all = current.len() + outdated.len();
        if current.len() > desired {
            self.end(&self.surplus(cluster, current.clone(), desired)).await?;
        } else if all < desired {
            // A stopping task still occupies its instance.
            let free = self.free_instances(cluster, &current, desired - all);
            if free.len() < desired - all {
                self.round.pending.push(format!("no instance has room for {} tasks", desired - all - free.len()));
            }
            self.start(cluster, service, &free).await?;
        } else if outdated.is_empty() && current.iter().all(|task| task.last_status() == Some("RUNNING")) {
            self.repeat_count(service).await?;
        }
        Ok(())
    }

    /// Lets tasks drain, and stops those that have.
    async fn end(&mut self, tasks: &[&Task]) -> Result<(), RoundError> {
        let mut drained = vec![];
        for task in tasks {
            let arn = task.task_arn().unwrap_or_default().to_owned();
            self.round.changed = true;
            if self.stopping.entry(arn).or_insert_with(Instant::now).elapsed() >= DRAINING {
                drained.push(*task);
            }
        }
        try_join_all(drained.into_iter().map(|task| self.stop(task, SCALED))).await?;
        Ok(())
    }

    pub(super) async fn stop(&self, task: &Task, reason: &str) -> Result<(), CloudError> {
        let request = self.clients.ecs.stop_task().cluster(&self.names.cluster);
        let request = request.task(task.task_arn().unwrap_or_default()).reason(reason);
        self.clients.call("ecs:StopTask", request.send()).await?;
        // ECS deletes a task's network interface with the task; emulators leave it.
        if let Some(interface) = attached(task, "networkInterfaceId") {
            let request = self.clients.ec2.delete_network_interface().network_interface_id(interface);
            if let Err(error) = self.clients.call("ec2:DeleteNetworkInterface", request.send()).await {
                tracing::debug!(%error, "a network interface stays");
            }
        }
        Ok(())
    }

    /// The tasks beyond the desired count, taken from the fullest zones.
    fn surplus<'v>(&self, cluster: &Cluster, mut tasks: Vec<&'v Task>, desired: usize) -> Vec<&'v Task> {
        let zone_of = |task: &Task| cluster.member(task).and_then(zone);
        let mut surplus = vec![];
        while tasks.len() > desired {
            let weight = |task: &Task| tasks.iter().filter(|other| zone_of(other) == zone_of(task)).count();
            let Some(index) = (0..tasks.len()).max_by_key(|&index| weight(tasks[index])) else { break };
            surplus.push(tasks.swap_remove(index));
        }
        surplus
    }

    /// Instances without a task, those first whose zone has the fewest tasks of the service.
    fn free_instances<'v>(&self, cluster: &'v Cluster, tasks: &[&Task], wanted: usize) -> Vec<&'v ContainerInstance> {
        let takes_tasks = |member: &&ContainerInstance| {
            member.status() == Some("ACTIVE")
                && !cluster.tasks.iter().any(|task| task.container_instance_arn() == member.container_instance_arn())
        };
        let mut free: Vec<&ContainerInstance> = cluster.members.iter().filter(takes_tasks).collect();
        let mut used: Vec<Option<AzName>> = tasks.iter().map(|task| cluster.member(task).and_then(zone)).collect();
        let mut chosen = vec![];
        while chosen.len() < wanted {
            let weight = |member: &ContainerInstance| used.iter().filter(|used| **used == zone(member)).count();
            let Some(index) = (0..free.len()).min_by_key(|&index| weight(free[index])) else { break };
            let member = free.swap_remove(index);
            used.push(zone(member));
            chosen.push(member);
        }
        chosen
    }

    /// Starts a task on each of these instances. The emulators' `StartTask`, which takes an instance, knows no network
    /// configuration, and their `RunTask` fills one instance after the other: so all other instances drain meanwhile.
    async fn start(
        &mut self,
        cluster: &Cluster,
        service: &Service,
        instances: &[&ContainerInstance],
    ) -> Result<(), RoundError> {
        if instances.is_empty() {
            return Ok(());
        }
        self.note("no task runs behind its services: the hosts start them (ecs:RunTask), one an instance");
        self.round.changed = true;
        let arn = |member: &ContainerInstance| member.container_instance_arn().unwrap_or_default().to_owned();
        let active: Vec<String> =
            cluster.members.iter().filter(|member| member.status() == Some("ACTIVE")).map(arn).collect();
        self.set_state(&active, ContainerInstanceStatus::Draining).await?;
        let mut started = Ok(());
        for instance in instances {
            started = self.start_on(service, instance).await;
            if started.is_err() {
                break;
            }
        }
        self.set_state(&active, ContainerInstanceStatus::Active).await?;
        started
    }

    async fn start_on(&self, service: &Service, instance: &ContainerInstance) -> Result<(), RoundError> {
        let here = [instance.container_instance_arn().unwrap_or_default().to_owned()];
        self.set_state(&here, ContainerInstanceStatus::Active).await?;
        let request = self
            .clients
            .ecs
            .run_task()
            .cluster(&self.names.cluster)
            .task_definition(service.task_definition().unwrap_or_default())
            .count(1)
            .launch_type(LaunchType::Ec2)
            .group(format!("service:{}", service.service_name().unwrap_or_default()))
            .started_by(deployment(service))
            .set_network_configuration(self.network(service, instance));
        let ran = self.clients.call("ecs:RunTask", request.send()).await;
        self.set_state(&here, ContainerInstanceStatus::Draining).await?;
        for failure in ran?.failures() {
            tracing::warn!(reason = failure.reason(), "a task was not started");
        }
        Ok(())
    }

    /// The service's network configuration, with the subnet of the instance's zone alone.
    fn network(&self, service: &Service, instance: &ContainerInstance) -> Option<NetworkConfiguration> {
        let of_service = service
            .network_configuration()
            .or_else(|| service.deployments().first()?.network_configuration())?
            .awsvpc_configuration()?;
        let subnet = zone(instance).and_then(|zone| self.subnets.get(&zone).cloned());
        let vpc = AwsVpcConfiguration::builder()
            .set_subnets(Some(subnet.map_or_else(|| of_service.subnets().to_vec(), |subnet| vec![subnet])))
            .set_security_groups(Some(of_service.security_groups().to_vec()))
            .build()
            .expect("its only required member, the subnets, is set");
        Some(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
    }

    async fn set_state(&self, instances: &[String], status: ContainerInstanceStatus) -> Result<(), CloudError> {
        for some in instances.chunks(INSTANCES_A_CALL) {
            let request = self.clients.ecs.update_container_instances_state().cluster(&self.names.cluster);
            let request = request.set_container_instances(Some(some.to_vec())).status(status.clone());
            self.clients.call("ecs:UpdateContainerInstancesState", request.send()).await?;
        }
        Ok(())
    }

    /// Repeats a service's desired count once as many tasks run: an emulator, which does not count the tasks itself, then
    /// reports them as running.
    async fn repeat_count(&mut self, service: &Service) -> Result<(), RoundError> {
        if service.running_count() == service.desired_count() {
            return Ok(());
        }
        self.note(
            "it does not count the tasks of its services: the hosts repeat each service's count once as many tasks run \
             (ecs:UpdateService), and its deployments stay IN_PROGRESS",
        );
        let request = self.clients.ecs.update_service().cluster(&self.names.cluster);
        let request =
            request.service(service.service_name().unwrap_or_default()).desired_count(service.desired_count());
        self.clients.call("ecs:UpdateService", request.send()).await?;
        self.round.changed = true;
        Ok(())
    }
}

/// A detail of the task's network interface, by name.
pub(super) fn attached<'t>(task: &'t Task, detail: &str) -> Option<&'t str> {
    let mut details = task.attachments().iter().flat_map(|attachment| attachment.details());
    details.find(|found| found.name() == Some(detail))?.value()
}

/// The ID of the service's newest deployment, with which ECS marks the tasks that it starts.
fn deployment(service: &Service) -> &str {
    service.deployments().first().and_then(|deployment| deployment.id()).unwrap_or_default()
}

/// Whether a task has the service's task definition and belongs to its newest deployment.
fn is_current(service: &Service, task: &Task) -> bool {
    task.task_definition_arn() == service.task_definition() && task.started_by() == Some(deployment(service))
}
