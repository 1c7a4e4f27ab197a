//! Step 7: the two services with Service Connect, backend before frontend: running tasks do not learn names that come
//! after them.

use std::sync::OnceLock;

use aws_sdk_ecs::types::{
    AssignPublicIp, AvailabilityZoneRebalancing, AwsVpcConfiguration, DeploymentCircuitBreaker,
    DeploymentConfiguration, LogConfiguration, LogDriver, NetworkConfiguration, ServiceConnectClientAlias,
    ServiceConnectConfiguration, ServiceConnectService,
};

use super::container_instances::Capacity;
use super::ecs_cluster::EcsCluster;
use super::listener::ListeningTargetGroup;
use super::namespace::forget;
use super::network::Network;
use super::placement::{NO_CONSTRAINTS, constraints, open_zones};
use super::removal::{Details, Remaining, Removal};
use super::rollout::{describe, find_failure_of, last_events, newest_deployment, rollout};
use super::security_groups::GroupId;
use super::stage::{Found, Stage};
use super::target_group::{Targets, find_targets};
use super::task_definitions::{TaskDefinitionArn, are_equal};
use super::wait::Poll;
use super::{Context, Error, access_logs};
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, in_order};
use crate::settings::{LaunchType, NetworkMode, ServiceConnectMode, ServiceNames};

/// The port's name in both task definitions.
const PORT_NAME: &str = "http";

/// Every instance holds one task and there is none to spare, so a deployment has to stop tasks before it starts their
/// successors: with AWS's 100 and 200 it would wait for a free instance for ever. On Fargate, where the tasks take a new account's quota
/// of vCPU, it would wait for that.
const MINIMUM_HEALTHY_PERCENT: i32 = 50;
const MAXIMUM_PERCENT: i32 = 100;

/// What ECS says of a name that Cloud Map still has for a service that was deleted by hand (aws/copilot-cli#4313, #4337). No
/// service of ours has it, or there would be none to make.
const NAME_IS_TAKEN: &str = "SC service is already used by";

/// A service whose tasks run.
pub(crate) struct RunningService(());

pub(crate) struct Service<'a> {
    cluster: &'a EcsCluster,
    names: &'a ServiceNames,
    task_definition: &'a TaskDefinitionArn,
    network: &'a Network,
    group: &'a GroupId,
    listening: Option<&'a ListeningTargetGroup>,
    mode: ServiceConnectMode,
    access_logs: Option<bool>,
    launch_type: LaunchType,
    network_mode: NetworkMode,
    tasks: u32,
    /// The newest deployment when the service was found first: this run has started any other.
    deployment_before: OnceLock<Option<String>>,
}

impl<'a> Service<'a> {
    pub(crate) fn backend(
        ctx: &'a Context,
        cluster: &'a EcsCluster,
        _capacity: &'a Capacity,
        task_definition: &'a TaskDefinitionArn,
        network: &'a Network,
        group: &'a GroupId,
    ) -> Self {
        Self {
            cluster,
            names: &ctx.names.backend,
            task_definition,
            network,
            group,
            listening: None,
            mode: ServiceConnectMode::ClientServer,
            access_logs: ctx.settings.access_logs,
            launch_type: ctx.launch_type(),
            network_mode: ctx.network_mode(),
            tasks: ctx.settings.task_count.get(),
            deployment_before: OnceLock::new(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each names a step that has to be done before")]
    pub(crate) fn frontend(
        ctx: &'a Context,
        cluster: &'a EcsCluster,
        capacity: &'a Capacity,
        task_definition: &'a TaskDefinitionArn,
        network: &'a Network,
        group: &'a GroupId,
        listening: &'a ListeningTargetGroup,
        _backend: &'a RunningService,
    ) -> Self {
        Self {
            names: &ctx.names.frontend,
            listening: Some(listening),
            mode: ctx.settings.frontend_mode,
            ..Self::backend(ctx, cluster, capacity, task_definition, network, group)
        }
    }

    fn desired(&self) -> i32 {
        i32::try_from(self.tasks).unwrap_or(i32::MAX)
    }

    fn rollout(&self, facts: &ServiceFacts) -> Poll<()> {
        rollout(&facts.service, self.desired(), facts.failure.as_deref())
    }

    /// None: the tasks have their instances' network.
    fn network_configuration(&self) -> Option<NetworkConfiguration> {
        if self.network_mode == NetworkMode::Bridge {
            return None;
        }
        // On EC2 it cannot be asked for; on Fargate the image is pulled through it.
        let public_ip = (self.launch_type == LaunchType::Fargate).then_some(AssignPublicIp::Enabled);
        let vpc = AwsVpcConfiguration::builder()
            .set_assign_public_ip(public_ip)
            .set_subnets(Some(self.network.subnet_ids()))
            .security_groups(self.group.0.made())
            .build()
            .expect("its only required member, the subnets, is set");
        Some(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
    }

    fn service_connect(&self, ctx: &Context, has_access_logs: bool) -> ServiceConnectConfiguration {
        let alias = ServiceConnectClientAlias::builder().port(self.names.port.into()).dns_name(&self.names.dns_name);
        let service = ServiceConnectService::builder()
            .port_name(PORT_NAME)
            .discovery_name(&self.names.discovery_name)
            .client_aliases(alias.build().expect("its only required member, the port, is set"));
        let log = LogConfiguration::builder()
            .log_driver(LogDriver::Awslogs)
            .options("awslogs-group", &self.names.log_group)
            .options("awslogs-region", &ctx.clients.region)
            .options("awslogs-stream-prefix", "service-connect");
        let service = service.build().expect("its only required member, the port's name, is set");
        ServiceConnectConfiguration::builder()
            .enabled(true)
            .set_services((self.mode == ServiceConnectMode::ClientServer).then(|| vec![service]))
            .log_configuration(log.build().expect("its only required member, the driver, is set"))
            .set_access_log_configuration(has_access_logs.then(access_logs::in_json))
            .build()
    }
}

/// The configuration of deployments: one that cannot succeed gives up, instead of trying for ever.
fn deployment_configuration() -> DeploymentConfiguration {
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(false).build();
    DeploymentConfiguration::builder()
        .minimum_healthy_percent(MINIMUM_HEALTHY_PERCENT)
        .maximum_percent(MAXIMUM_PERCENT)
        .deployment_circuit_breaker(breaker)
        .build()
}

pub(crate) struct ServiceFacts {
    service: aws_sdk_ecs::types::Service,
    /// The targets in its target group; none if it is behind no load balancer.
    targets: Option<Targets>,
    /// The reason why a task failed, while not all run.
    failure: Option<String>,
    /// Whether it runs another revision than ours that is equal to it: a run at the same time has made that one.
    runs_equal: bool,
}

impl Stage for Service<'_> {
    const KIND: Kind = Kind::Service;
    const USUALLY: Option<&'static str> = Some("about 1 min");
    type Facts = ServiceFacts;
    type Output = RunningService;

    fn name(&self) -> String {
        self.names.service.clone()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<ServiceFacts>>, Error> {
        let described = describe(ctx, &self.cluster.name, &[&self.names.service]).await?.pop();
        let Some(service) = described.filter(|service| service.status() != Some("INACTIVE")) else {
            self.deployment_before.get_or_init(|| None);
            return Ok(None);
        };
        let (arn, owner) = (service.service_arn().unwrap_or_default().to_owned(), service.owner());
        if service.status() == Some("DRAINING") {
            let facts = ServiceFacts { service, targets: None, failure: None, runs_equal: false };
            return Ok(Some(Found { leaving: Some("DRAINING".to_owned()), ..Found::new(arn, owner, facts) }));
        }
        self.deployment_before.get_or_init(|| newest_deployment(&service)?.id().map(str::to_owned));
        let targets = match self.listening.and_then(|listening| listening.target_group.0.known()) {
            Some(arn) => find_targets(ctx, arn).await?,
            None => None,
        };
        let failure = find_failure_of(ctx, &self.cluster.name, &service).await?;
        let runs_equal = match (service.task_definition(), self.task_definition.0.known()) {
            (Some(is), Some(wanted)) if is != wanted => are_equal(ctx, is, wanted).await?,
            _ => false,
        };
        Ok(Some(Found::new(arn, owner, ServiceFacts { service, targets, failure, runs_equal })))
    }

    fn output(&self, _found: Option<Found<ServiceFacts>>) -> RunningService {
        RunningService(())
    }

    fn state(&self, facts: &ServiceFacts) -> Poll<()> {
        match (self.rollout(facts), &facts.targets) {
            (Poll::Done(()), Some(targets)) if targets.healthy < self.tasks => {
                Poll::Pending { state: targets.state(self.tasks), detail: last_events(&facts.service) }
            }
            (look, _) => look,
        }
    }

    fn compare(&self, facts: &ServiceFacts) -> Vec<Option<Difference>> {
        let service = &facts.service;
        let mut differences = vec![
            Difference::of(Field::DesiredCount, service.desired_count(), self.desired()),
            Difference::of(Field::PlacementConstraints, constraints(service), NO_CONSTRAINTS),
        ];
        if !facts.runs_equal {
            let is = service.task_definition().unwrap_or("none");
            differences.push(Difference::of(Field::TaskDefinition, is, &self.task_definition.0));
        }
        // Emulators do not tell what they were given here.
        if let Some(deployment) = service.deployment_configuration() {
            let (minimum, maximum) = (deployment.minimum_healthy_percent(), deployment.maximum_percent());
            let percent = |field, is: Option<i32>, wanted: i32| Difference::of(field, is.unwrap_or_default(), wanted);
            differences.push(percent(Field::MinimumHealthyPercent, minimum, MINIMUM_HEALTHY_PERCENT));
            differences.push(percent(Field::MaximumPercent, maximum, MAXIMUM_PERCENT));
        }
        if let Some(vpc) = service.network_configuration().and_then(|network| network.awsvpc_configuration()) {
            let subnets = in_order(self.network.subnet_ids());
            differences.push(Difference::of(Field::Subnets, in_order(vpc.subnets()), subnets));
            differences.push(Difference::of(Field::SecurityGroups, in_order(vpc.security_groups()), &self.group.0));
            if self.launch_type == LaunchType::Fargate {
                let is = vpc.assign_public_ip().unwrap_or(&AssignPublicIp::Disabled);
                differences.push(Difference::of(Field::AssignPublicIp, is, AssignPublicIp::Enabled));
            }
        }
        let newest = newest_deployment(service);
        // Emulators keep no such configuration, so that only another one tells anything.
        if let Some(connect) = newest.and_then(|deployment| deployment.service_connect_configuration()) {
            let alias = |service: &ServiceConnectService| {
                service.client_aliases().first().and_then(|alias| alias.dns_name()).map(str::to_owned)
            };
            let is =
                if connect.enabled() { connect.services().first().and_then(alias) } else { Some("off".to_owned()) };
            let wanted = (self.mode == ServiceConnectMode::ClientServer).then(|| self.names.dns_name.clone());
            let spelled = |alias: Option<String>| alias.unwrap_or_else(|| "none (client only)".to_owned());
            differences.push(Difference::of(Field::ServiceConnectAlias, spelled(is), spelled(wanted)));
            differences.push(self.access_logs.and_then(|wanted| {
                let wanted =
                    if wanted { access_logs::in_json().format().to_string() } else { access_logs::OFF.to_owned() };
                Difference::of(Field::ServiceConnectAccessLogs, access_logs::format(connect), wanted)
            }));
        }
        // One that this run has started would fail again.
        let is_from_before = newest.is_some()
            && self.deployment_before.get().map(Option::as_deref) == Some(newest.and_then(|it| it.id()));
        if let Poll::Failed { reason, .. } = self.rollout(facts)
            && is_from_before
        {
            differences.push(Difference::of(Field::Deployment, format!("failed ({reason})"), "a new one"));
        }
        differences
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let balancer = self.listening.map(|listening| {
            vec![
                aws_sdk_ecs::types::LoadBalancer::builder()
                    .target_group_arn(listening.target_group.0.made())
                    .container_name(&self.names.container)
                    .container_port(self.names.port.into())
                    .build(),
            ]
        });
        let request = ctx
            .clients
            .ecs
            .create_service()
            .cluster(&self.cluster.name)
            .service_name(&self.names.service)
            .task_definition(self.task_definition.0.made())
            .desired_count(self.desired())
            .launch_type(match self.launch_type {
                LaunchType::Ec2 => aws_sdk_ecs::types::LaunchType::Ec2,
                LaunchType::Fargate => aws_sdk_ecs::types::LaunchType::Fargate,
            })
            .set_network_configuration(self.network_configuration())
            .set_load_balancers(balancer)
            .service_connect_configuration(self.service_connect(ctx, self.access_logs == Some(true)))
            .deployment_configuration(deployment_configuration())
            // It cannot launch instances, of which none are spare, and ECS refuses it at a maximum of 100 percent.
            .availability_zone_rebalancing(AvailabilityZoneRebalancing::Disabled)
            .client_token(ctx.client_token())
            .tags(tags::ecs(ctx.owner()));
        let created = ctx.change("ecs:CreateService", request.send()).await;
        if let Err(Error::Cloud(error)) = &created
            && error.message.contains(NAME_IS_TAKEN)
        {
            forget(ctx, &self.names.discovery_name).await?;
        }
        created
    }

    /// Names only what differs: some members start a deployment by being named.
    async fn change(&self, ctx: &Context, found: &Found<ServiceFacts>) -> Result<(), Error> {
        let differences = self.differences(&found.facts);
        let differs = |fields: &[Field]| differences.iter().any(|difference| fields.contains(&difference.field));
        if differs(&[Field::PlacementConstraints]) {
            Box::pin(open_zones(ctx, &self.names.service)).await?;
        }
        let connect = newest_deployment(&found.facts.service).and_then(|it| it.service_connect_configuration());
        let logs_accesses = connect.is_some_and(|connect| access_logs::format(connect) != access_logs::OFF);
        let request = ctx
            .clients
            .ecs
            .update_service()
            .cluster(&self.cluster.name)
            .service(&self.names.service)
            .desired_count(self.desired())
            .set_task_definition(differs(&[Field::TaskDefinition]).then(|| self.task_definition.0.made().clone()))
            .set_deployment_configuration(
                differs(&[Field::MinimumHealthyPercent, Field::MaximumPercent]).then(deployment_configuration),
            )
            .set_availability_zone_rebalancing(
                differs(&[Field::MaximumPercent]).then_some(AvailabilityZoneRebalancing::Disabled),
            )
            .set_service_connect_configuration(
                differs(&[Field::ServiceConnectAlias, Field::ServiceConnectAccessLogs])
                    .then(|| self.service_connect(ctx, self.access_logs.unwrap_or(logs_accesses))),
            )
            .set_network_configuration(
                differs(&[Field::Subnets, Field::SecurityGroups, Field::AssignPublicIp])
                    .then(|| self.network_configuration())
                    .flatten(),
            )
            .set_force_new_deployment(differs(&[Field::Deployment]).then_some(true));
        ctx.change("ecs:UpdateService", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<ServiceFacts>) -> Result<(), Error> {
        let request = ctx.clients.ecs.tag_resource().resource_arn(&found.id).tags(tags::ecs(ctx.owner()));
        ctx.change("ecs:TagResource", request.send()).await
    }
}

impl Removal for Service<'_> {
    const KIND: Kind = Kind::Service;
    const USUALLY: Option<&'static str> = Some("about 1 min");

    /// Lists the frontend first, since it calls the backend.
    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let names = [ctx.names.frontend.service.as_str(), ctx.names.backend.service.as_str()];
        let mut services = describe(ctx, &ctx.names.cluster, &names).await?;
        services.sort_by_key(|service| names.iter().position(|name| Some(*name) == service.service_name()));
        Ok(services
            .iter()
            .filter(|service| service.status() != Some("INACTIVE"))
            .map(|service| {
                let leaving = service.status() == Some("DRAINING");
                let name = service.service_name().unwrap_or_default();
                let details = Details::named(name).arn(service.service_arn()).created(service.created_at());
                Remaining::new(ctx, name, service.owner()).leaving(leaving).with(details)
            })
            .collect())
    }

    /// Deletes it with its tasks.
    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.ecs.delete_service().cluster(&ctx.names.cluster).service(id).force(true);
        ctx.change("ecs:DeleteService", request.send()).await
    }
}
