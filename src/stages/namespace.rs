//! Step 3, first half: the Cloud Map namespace in which Service Connect names live.
//!
//! `CreateCluster` would make it, without a tag and never to be deleted; so it is made here, and the cluster names it.

use aws_sdk_servicediscovery::types::{
    FilterCondition, NamespaceFilter, NamespaceFilterName, NamespaceSummary, NamespaceType, OperationStatus,
    ServiceFilter, ServiceFilterName, ServiceSummary,
};

use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::wait::{Poll, wait};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Kind, Planned};

pub(crate) struct NamespaceArn(pub(crate) Planned<String>);

pub(crate) struct Namespace<'a> {
    pub(crate) name: &'a str,
}

/// The namespaces of a name that are this account's own, or those that others share with it.
async fn list(ctx: &Context, name: &str, owner: &str) -> Result<Vec<NamespaceSummary>, Error> {
    let filter = |member, value: &str| {
        let filter = NamespaceFilter::builder().name(member).condition(FilterCondition::Eq).values(value);
        filter.build().expect("its required members, name and values, are set")
    };
    let request = ctx.clients.servicediscovery.list_namespaces().filters(filter(NamespaceFilterName::Name, name));
    let request = request.filters(filter(NamespaceFilterName::ResourceOwner, owner));
    // AWS looks through a page and gives what the filters leave of it, so the first one may well be empty.
    let mut pages = request.into_paginator().send();
    let pages = ctx.pages("servicediscovery:ListNamespaces", async || pages.next().await).await?;
    let all = pages.into_iter().flat_map(|page| page.namespaces.unwrap_or_default());
    // Emulators pass over filters.
    Ok(all.filter(|namespace| namespace.name() == Some(name)).collect())
}

/// Finds the account's own namespace of a name, and its ARN. One that another account shares is none of ours, whatever its name:
/// names are an account's own, and whoever uses a namespace here says which by its ARN.
async fn find(ctx: &Context, name: &str) -> Result<Option<Found<String>>, Error> {
    let mut all = list(ctx, name, "SELF").await?;
    // Private DNS namespaces of several VPCs may have one name; Service Connect prefers none, HTTP ones are unique.
    all.sort_by_key(|namespace| namespace.r#type() != Some(&NamespaceType::Http));
    let Some(NamespaceSummary { id: Some(id), arn: Some(arn), .. }) = all.into_iter().next() else {
        return Ok(None);
    };
    let request = ctx.clients.servicediscovery.list_tags_for_resource().resource_arn(&arn);
    // There are none if it was deleted in between.
    let tags = optional(ctx.look("servicediscovery:ListTagsForResource", request.send()).await)?;
    Ok(tags.map(|tags| Found::new(id, tags.owner(), arn)))
}

/// Finds the account that shares a namespace of our name with this one.
pub(super) async fn find_sharing_account(ctx: &Context, account: &str) -> Result<Option<String>, Error> {
    let instead = "whether others share a namespace of this name is not known";
    let all = ctx.unless_refused(list(ctx, &ctx.names.namespace, "OTHER_ACCOUNTS").await, instead)?.unwrap_or_default();
    let owners = all.into_iter().filter_map(|namespace| namespace.resource_owner);
    Ok(owners.into_iter().find(|owner| owner != account))
}

impl Stage for Namespace<'_> {
    const KIND: Kind = Kind::Namespace;
    type Facts = String;
    type Output = NamespaceArn;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<String>>, Error> {
        find(ctx, self.name).await
    }

    fn output(&self, found: Option<Found<String>>) -> NamespaceArn {
        NamespaceArn(found.map(|found| found.facts).into())
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .servicediscovery
            .create_http_namespace()
            .name(self.name)
            .creator_request_id(ctx.client_token())
            .tags(tags::servicediscovery(ctx.owner()));
        let answer = ctx.change_with_answer("servicediscovery:CreateHttpNamespace", request.send()).await?;
        wait_for_operation(ctx, &format!("namespace {}", self.name), answer.operation_id()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<String>) -> Result<(), Error> {
        let request = ctx.clients.servicediscovery.tag_resource().resource_arn(&found.facts);
        let request = request.tags(tags::servicediscovery(ctx.owner()));
        ctx.change("servicediscovery:TagResource", request.send()).await
    }
}

/// Waits for a Cloud Map operation, which may fail long after the request was accepted.
async fn wait_for_operation(ctx: &Context, what: &str, operation: Option<&str>) -> Result<(), Error> {
    let Some(id) = operation else { return Ok(()) };
    wait(ctx, what, async || {
        let request = ctx.clients.servicediscovery.get_operation().operation_id(id);
        let answer = optional(ctx.look("servicediscovery:GetOperation", request.send()).await)?;
        let Some(operation) = answer.and_then(|answer| answer.operation) else {
            return Ok(Poll::pending("not visible yet"));
        };
        Ok(match operation.status {
            Some(OperationStatus::Success) => Poll::Done(()),
            Some(OperationStatus::Fail) => {
                Poll::failed("failed", operation.error_message().unwrap_or("AWS gives no reason"))
            }
            status => Poll::pending_in(status.as_ref().map(|status| status.as_str())),
        })
    })
    .await
}

impl Removal for Namespace<'_> {
    const KIND: Kind = Kind::Namespace;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let name = &ctx.names.namespace;
        Ok(Remaining::of(ctx, find(ctx, name).await?, |arn| Details::named(name).arn(Some(arn))))
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.servicediscovery.delete_namespace().id(id);
        let answer = ctx.change_with_answer("servicediscovery:DeleteNamespace", request.send()).await?;
        wait_for_operation(ctx, &format!("removal of namespace {id}"), answer.operation_id()).await
    }
}

/// Takes a name that no service has any more out of our namespace.
pub(super) async fn forget(ctx: &Context, discovery_name: &str) -> Result<(), Error> {
    for (name, left) in find_discovery_services(ctx).await? {
        if name == discovery_name && left.ours {
            optional(DiscoveryService::delete(ctx, &left.id).await)?;
        }
    }
    Ok(())
}

/// What ECS registered in the namespace for our two services. ECS takes its instances out as tasks stop, but leaves
/// the services, and the namespace cannot go before them.
pub(crate) struct DiscoveryService;

impl Removal for DiscoveryService {
    const KIND: Kind = Kind::DiscoveryService;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        Ok(find_discovery_services(ctx).await?.into_iter().map(|(_, service)| service).collect())
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let client = &ctx.clients.servicediscovery;
        let mut pages = client.list_instances().service_id(id).into_paginator().send();
        let pages = ctx.pages("servicediscovery:ListInstances", async || pages.next().await).await;
        let pages = ctx.unless_refused(pages, "assuming that ECS has deregistered its tasks")?.unwrap_or_default();
        for instance in pages.iter().flat_map(|page| page.instances()) {
            let instance = instance.id().unwrap_or_default();
            let request = client.deregister_instance().service_id(id).instance_id(instance);
            optional(ctx.change("servicediscovery:DeregisterInstance", request.send()).await)?;
        }
        ctx.change("servicediscovery:DeleteService", client.delete_service().id(id).send()).await
    }
}

/// Finds what our namespace has for our two services, by name.
async fn find_discovery_services(ctx: &Context) -> Result<Vec<(String, Remaining)>, Error> {
    let Some(namespace) = find(ctx, &ctx.names.namespace).await? else { return Ok(vec![]) };
    let in_namespace = ServiceFilter::builder()
        .name(ServiceFilterName::NamespaceId)
        .condition(FilterCondition::Eq)
        .values(&namespace.id)
        .build()
        .expect("its required members, name and values, are set");
    let request = ctx.clients.servicediscovery.list_services().filters(in_namespace);
    let mut pages = request.into_paginator().send();
    let ours = [&ctx.names.backend.discovery_name, &ctx.names.frontend.discovery_name];
    let pages = ctx.pages("servicediscovery:ListServices", async || pages.next().await).await?;
    let named = |service: &&ServiceSummary| ours.iter().any(|name| Some(name.as_str()) == service.name());
    let services = pages.iter().flat_map(|page| page.services()).filter(named);
    let remaining = |it: &ServiceSummary| {
        let name = it.name().unwrap_or_default();
        let remaining = Remaining::new(ctx, it.id().unwrap_or_default(), namespace.owner.clone());
        (name.to_owned(), remaining.with(Details::named(name).arn(it.arn()).created(it.create_date())))
    };
    Ok(services.map(remaining).collect())
}
