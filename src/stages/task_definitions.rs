//! Step 6: what a task of each service is, from the templates. An equal one gets no new revision.

use std::collections::BTreeMap;

use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::types::{TaskDefinitionField, TaskDefinitionStatus};
use minijinja::context;

use super::log_groups::LogGroupName;
use super::removal::{Details, Remaining, Removal};
use super::roles::Roles;
use super::stage::{Found, Stage};
use super::task_document::{DIGEST_TAG, Document};
use super::task_spec::TaskSpec;
use super::wait::{Poll, wait};
use super::{Context, Error, templates};
use crate::aws::ErrorClass;
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, Planned};
use crate::settings::{LaunchType, NetworkMode, ServiceNames};

#[derive(Clone, Debug)]
pub(crate) struct TaskDefinitionArn(pub(crate) Planned<String>);

/// What a task takes of the instance that it runs on, or has on Fargate.
pub struct Needs {
    pub(super) family: String,
    /// In CPU units, 1024 of which are a vCPU.
    pub cpu: u64,
    /// In MiB.
    pub memory: u64,
    /// The architecture as EC2 names it; none if the task definition names none.
    pub(super) architecture: Option<&'static str>,
}

/// What the tasks of both services take, by their templates.
pub fn task_needs(ctx: &Context) -> Result<[Needs; 2], Error> {
    // Neither depends on the roles, which may not be there yet.
    let roles = Roles { instance_profile_arn: None, execution_role_arn: String::new() };
    let log_group = |service: &ServiceNames| LogGroupName(service.log_group.clone());
    let backend = TaskDefinition::backend(ctx, &roles, &log_group(&ctx.names.backend))?;
    let frontend = TaskDefinition::frontend(ctx, &roles, &log_group(&ctx.names.frontend))?;
    Ok([backend.needs(), frontend.needs()])
}

pub(crate) struct TaskDefinition {
    wanted: TaskSpec,
    document: Document,
}

/// What is compared of a task definition that is there.
pub(crate) struct Registered {
    spec: TaskSpec,
    digest: Option<String>,
}

impl TaskDefinition {
    pub(crate) fn backend(ctx: &Context, roles: &Roles, log_group: &LogGroupName) -> Result<Self, Error> {
        Self::new(ctx, roles, log_group, templates::BACKEND_TASK, &ctx.names.backend, &ctx.settings.backend_command)
    }

    pub(crate) fn frontend(ctx: &Context, roles: &Roles, log_group: &LogGroupName) -> Result<Self, Error> {
        Self::new(ctx, roles, log_group, templates::FRONTEND_TASK, &ctx.names.frontend, &ctx.settings.frontend_command)
    }

    fn new(
        ctx: &Context,
        roles: &Roles,
        log_group: &LogGroupName,
        template: &'static str,
        service: &ServiceNames,
        command: &Option<Vec<String>>,
    ) -> Result<Self, Error> {
        let backend = &ctx.names.backend;
        let values = context! {
            region => ctx.clients.region.as_str(),
            image => ctx.settings.image.as_str(),
            execution_role_arn => roles.execution_role_arn.as_str(),
            task => task_context(ctx.launch_type(), ctx.network_mode()),
            service => context! {
                name => service.service.as_str(),
                container => service.container.as_str(),
                port => service.port,
                command => command,
                log_group => log_group.0.as_str(),
            },
            backend => context! { dns_name => backend.dns_name.as_str(), port => backend.port },
        };
        let text = templates::render(ctx.settings.templates.as_deref(), template, values)?;
        let document = Document::parse(&text)
            .map_err(|error| Error::Template { name: template, reason: format!("{error}; it renders to:\n{text}") })?;
        let (is, wanted) = (document.spec.network_mode.as_str(), ctx.network_mode().as_str());
        if is != wanted {
            let reason = format!(
                "its networkMode is {is:?}, and the tasks are to have {wanted}: give --network-mode, or write \
                 \"networkMode\": {{{{ task.network_mode }}}}"
            );
            return Err(Error::Template { name: template, reason });
        }
        Ok(Self { wanted: document.spec.clone(), document })
    }

    fn needs(&self) -> Needs {
        let wanted = self.document.value();
        let containers = wanted["containerDefinitions"].as_array().map_or(&[][..], Vec::as_slice);
        // The task's, or its containers' together.
        let size = |name: &str, units| {
            let of_containers = || containers.iter().filter_map(|container| container[name].as_u64()).sum();
            wanted[name].as_str().and_then(|text| parse_size(text, units)).unwrap_or_else(of_containers)
        };
        Needs {
            family: self.wanted.family.clone(),
            cpu: size("cpu", &[("vcpu", 1024.0), ("", 1.0)]),
            memory: size("memory", &[("gb", 1024.0), ("", 1.0)]),
            architecture: match wanted["runtimePlatform"]["cpuArchitecture"].as_str() {
                Some("X86_64") => Some("x86_64"),
                Some("ARM64") => Some("arm64"),
                _ => None,
            },
        }
    }

    async fn register(&self, ctx: &Context) -> Result<(), Error> {
        // No retries by the SDK: each one whose answer was lost would leave a revision more.
        let once = aws_sdk_ecs::Config::builder().retry_config(RetryConfig::disabled());
        let request = ctx.clients.ecs.register_task_definition().family(&self.wanted.family);
        // The whole document, whose members a typed request might not know yet.
        let body = self.document.request(ctx.owner());
        let request = request.customize().config_override(once).mutate_request(move |request| {
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = body.as_str().into();
        });
        ctx.change("ecs:RegisterTaskDefinition", request.send()).await
    }

    /// Registers, and before each repetition looks whether the one before has been carried out after all: revisions
    /// have neither names nor client tokens to be told apart by.
    async fn register_once(&self, ctx: &Context) -> Result<(), Error> {
        let mut attempted = false;
        wait(ctx, self.subject(), async || {
            if attempted
                && let Some(found) = self.find(ctx).await?
                && self.differences(&found.facts).is_empty()
            {
                return Ok(Poll::Done(()));
            }
            attempted = true;
            match self.register(ctx).await {
                Ok(()) => Ok(Poll::Done(())),
                Err(Error::Cloud(error)) if error.class == ErrorClass::Unreachable => Ok(Poll::refused(&error)),
                Err(error) => Err(error),
            }
        })
        .await
    }
}

/// What the templates differ in by the launch type: the article's sizes, and for Fargate, which bills them, half of them. That is what
/// AWS advises for the proxy alone and as much for the application, whose twelve tasks take the 6 vCPU of a new account's quota (ECS
/// Developer Guide, "Amazon ECS Service Connect components", and "AWS Fargate service quotas").
fn task_context(launch_type: LaunchType, network_mode: NetworkMode) -> minijinja::Value {
    let network_mode = network_mode.as_str();
    match launch_type {
        LaunchType::Ec2 => context! {
            network_mode, launch_type => "EC2", cpu => "1024", memory => "2048", container_cpu => 512, container_memory => 1024,
        },
        LaunchType::Fargate => context! {
            network_mode, launch_type => "FARGATE", cpu => "512", memory => "1024", container_cpu => 256, container_memory => 512,
        },
    }
}

/// A size as task definitions give it (ECS Developer Guide, "Task size"): `1024`, `1 vCPU`, `2 GB`.
fn parse_size(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim(), factor)))?;
    Some((number.parse::<f64>().ok()? * factor).round() as u64)
}

/// A task definition, and the digest that it is tagged with.
struct Described {
    definition: aws_sdk_ecs::types::TaskDefinition,
    digest: Option<String>,
}

/// Whether two revisions are the same but for their numbers: both were made by runs at the same time, of which neither saw the
/// other's in time.
pub(super) async fn are_equal(ctx: &Context, one: &str, other: &str) -> Result<bool, Error> {
    let (one, other) = tokio::try_join!(describe(ctx, one), describe(ctx, other))?;
    let (Some(one), Some(other)) = (one, other) else { return Ok(false) };
    let is_equal = one.facts.digest == other.facts.digest
        && TaskSpec::from(&one.facts.definition) == TaskSpec::from(&other.facts.definition);
    Ok(is_equal && is_active(&one.facts) && is_active(&other.facts))
}

/// Finds a task definition by family (its newest ACTIVE revision) or ARN, also an INACTIVE one.
async fn describe(ctx: &Context, name: &str) -> Result<Option<Found<Described>>, Error> {
    let request = ctx.clients.ecs.describe_task_definition().task_definition(name).include(TaskDefinitionField::Tags);
    let answer = optional(ctx.look("ecs:DescribeTaskDefinition", request.send()).await)?;
    Ok(answer.and_then(|answer| {
        let owner = answer.owner();
        let digest = answer.tags().iter().find(|tag| tag.key() == Some(DIGEST_TAG)).and_then(|tag| tag.value());
        let digest = digest.map(str::to_owned);
        let definition = answer.task_definition?;
        let arn = definition.task_definition_arn().unwrap_or_default().to_owned();
        Some(Found::new(arn, owner, Described { definition, digest }))
    }))
}

fn is_active(described: &Described) -> bool {
    described.definition.status() == Some(&TaskDefinitionStatus::Active)
}

impl Stage for TaskDefinition {
    const KIND: Kind = Kind::TaskDefinition;
    type Facts = Registered;
    type Output = TaskDefinitionArn;

    fn name(&self) -> String {
        self.wanted.family.clone()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Registered>>, Error> {
        let found = describe(ctx, &self.wanted.family).await?.filter(|found| is_active(&found.facts));
        Ok(found.map(|found| {
            let Described { definition, digest } = found.facts;
            Found::new(found.id, found.owner, Registered { spec: TaskSpec::from(&definition), digest })
        }))
    }

    fn output(&self, found: Option<Found<Registered>>) -> TaskDefinitionArn {
        TaskDefinitionArn(found.map(|found| found.id).into())
    }

    fn compare(&self, registered: &Registered) -> Vec<Option<Difference>> {
        let digest = |digest: &Option<String>| digest.clone().unwrap_or("none".to_owned());
        let of_template = Difference::of(Field::Template, digest(&registered.digest), digest(&self.document.digest));
        if self.document.digest.is_some() {
            return vec![of_template];
        }
        let (is, wanted) = (registered.spec.fields(), self.wanted.fields());
        let fields: BTreeMap<_, _> = is.iter().chain(&wanted).collect();
        let value =
            |fields: &BTreeMap<String, String>, field: &str| fields.get(field).cloned().unwrap_or("none".into());
        fields
            .keys()
            .map(|&field| Difference::of(Field::Member(field.clone()), value(&is, field), value(&wanted, field)))
            .chain([of_template])
            .collect()
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        self.register_once(ctx).await
    }

    async fn change(&self, ctx: &Context, _found: &Found<Registered>) -> Result<(), Error> {
        self.register_once(ctx).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<Registered>) -> Result<(), Error> {
        let request = ctx.clients.ecs.tag_resource().resource_arn(&found.id).tags(tags::ecs(ctx.owner()));
        ctx.change("ecs:TagResource", request.send()).await
    }
}

impl Removal for TaskDefinition {
    const KIND: Kind = Kind::TaskDefinition;

    /// Lists all revisions, also those that an earlier change or a half-done removal has left INACTIVE. INACTIVE ones of others,
    /// such as the article's readers leave many of, are nobody's business: each is looked at once.
    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let mut remaining = vec![];
        for family in [&ctx.names.backend.service, &ctx.names.frontend.service] {
            for status in [TaskDefinitionStatus::Active, TaskDefinitionStatus::Inactive] {
                let is_inactive = status == TaskDefinitionStatus::Inactive;
                let request = ctx.clients.ecs.list_task_definitions().family_prefix(family).status(status);
                let mut pages = request.into_paginator().send();
                let pages = ctx.pages("ecs:ListTaskDefinitions", async || pages.next().await).await?;
                for arn in pages.into_iter().flat_map(|page| page.task_definition_arns.unwrap_or_default()) {
                    if ctx.foreign.lock().contains(&arn) {
                        continue;
                    }
                    let details = |described: &Described| {
                        let revision = arn.rsplit('/').next().unwrap_or_default();
                        Details::named(revision).created(described.definition.registered_at())
                    };
                    let found = Remaining::of(ctx, describe(ctx, &arn).await?, details);
                    let is_foreign = !ctx.settings.adopt && found.iter().all(|found| !found.ours);
                    if is_inactive && is_foreign {
                        ctx.foreign.lock().insert(arn);
                    } else {
                        remaining.extend(found);
                    }
                }
            }
        }
        Ok(remaining)
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let client = &ctx.clients.ecs;
        let Some(found) = describe(ctx, id).await? else { return Ok(()) };
        if is_active(&found.facts) {
            let request = client.deregister_task_definition().task_definition(id);
            ctx.change("ecs:DeregisterTaskDefinition", request.send()).await?;
        }
        let request = client.delete_task_definitions().task_definitions(id);
        let answer = ctx.change_with_answer("ecs:DeleteTaskDefinitions", request.send()).await?;
        match answer.failures().first() {
            None => Ok(()),
            Some(failure) if failure.reason() == Some("MISSING") => Ok(()),
            Some(failure) => Err(Error::NotDeleted {
                kind: Kind::TaskDefinition,
                id: id.to_owned(),
                reason: failure.detail().or(failure.reason()).unwrap_or("AWS gives no reason").to_owned(),
            }),
        }
    }
}
