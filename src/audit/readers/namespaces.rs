//! Namespaces: their names, and the names in them that are another account's.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_servicediscovery::types::{
    FilterCondition, NamespaceType, ServiceFilter, ServiceFilterName, ServiceSummary,
};

use super::services::Draft;
use super::{Reader, last, timestamp};
use crate::audit::facts::{ByZone, OtherName};
use crate::aws::{AzId, AzName};
use crate::stages::Error;

/// Names namespaces and the times of their names, and finds the names that none of the services offers.
pub(super) async fn read(
    reader: &Reader<'_>,
    drafts: &mut [Draft],
    zones: &BTreeMap<AzName, AzId>,
) -> Result<Vec<OtherName>, Error> {
    let ids: BTreeSet<String> = drafts.iter().map(|draft| draft.service.namespace.clone()).collect();
    let looked = reader.each(ids, |namespace| look(reader, namespace)).await?;
    let mut strangers = vec![];
    for Looked { namespace, name, services } in looked {
        let mut offered = BTreeSet::new();
        for draft in drafts.iter_mut().filter(|draft| draft.service.namespace == namespace) {
            for offer in &mut draft.service.offers {
                if let Some(name) = &name {
                    let alias =
                        offer.alias.replace(&format!(".{}:", draft.service.namespace_name), &format!(".{name}:"));
                    offer.alias = alias;
                }
                let made = services.iter().find(|service| service.name() == Some(&offer.discovery_name));
                offer.made_at = made.and_then(|made| made.create_date()).and_then(timestamp).or(offer.made_at);
                offered.insert(offer.discovery_name.clone());
            }
            draft.service.namespace_name = name.clone().unwrap_or_else(|| draft.service.namespace_name.clone());
        }
        let is_strange = |service: &ServiceSummary| service.name().is_some_and(|name| !offered.contains(name));
        strangers.extend(services.into_iter().filter(is_strange).map(|service| (namespace.clone(), service)));
    }
    let others = reader.each(strangers, |(namespace, service)| other(reader, namespace, service, zones)).await?;
    Ok(others.into_iter().flatten().collect())
}

/// Has each service name its namespace by its ARN. ECS gives it as it was given: by ARN, or by a name of the account's own. Of several
/// with one name the HTTP one is meant, since those of DNS may have the same name in other VPCs.
pub(super) async fn resolve(reader: &Reader<'_>, drafts: &mut [Draft]) -> Result<(), Error> {
    let is_name = |draft: &Draft| !draft.service.namespace.starts_with("arn:");
    if !drafts.iter().any(is_name) {
        return Ok(());
    }
    let ctx = reader.ctx;
    let mut pages = ctx.clients.servicediscovery.list_namespaces().into_paginator().send();
    let pages = ctx.pages("servicediscovery:ListNamespaces", async || pages.next().await).await;
    let pages = reader.gaps.unless_refused(pages, "namespaces by their names")?.unwrap_or_default();
    let mut all: Vec<_> = pages.into_iter().flat_map(|page| page.namespaces.unwrap_or_default()).collect();
    all.sort_by_key(|namespace| namespace.r#type() != Some(&NamespaceType::Http));
    for draft in drafts.iter_mut().filter(|draft| is_name(draft)) {
        let found = all.iter().find(|namespace| namespace.name() == Some(&draft.service.namespace));
        if let Some(arn) = found.and_then(|namespace| namespace.arn()) {
            draft.service.namespace = arn.to_owned();
        }
    }
    Ok(())
}

struct Looked {
    namespace: String,
    name: Option<String>,
    services: Vec<ServiceSummary>,
}

async fn look(reader: &Reader<'_>, namespace: String) -> Result<Looked, Error> {
    let (ctx, id) = (reader.ctx, reference(reader, &namespace));
    let request = ctx.clients.servicediscovery.get_namespace().id(id);
    let answer = ctx.look("servicediscovery:GetNamespace", request.send()).await;
    let answer = reader.gaps.unless_refused(answer, &format!("the name of namespace {id}"))?;
    let name = answer.and_then(|answer| answer.namespace).and_then(|namespace| namespace.name);
    let filter = ServiceFilter::builder().name(ServiceFilterName::NamespaceId).values(id);
    let filter =
        filter.condition(FilterCondition::Eq).build().map_err(|error| Error::Prerequisite(error.to_string()))?;
    let mut pages = ctx.clients.servicediscovery.list_services().filters(filter).into_paginator().send();
    let pages = ctx.pages("servicediscovery:ListServices", async || pages.next().await).await;
    let what = format!("names of other accounts in namespace {}", name.as_deref().unwrap_or(id));
    let pages = reader.gaps.unless_refused(pages, &what)?.unwrap_or_default();
    let services = pages.into_iter().flat_map(|page| page.services.unwrap_or_default()).collect();
    Ok(Looked { namespace, name, services })
}

/// How Cloud Map is asked about what has this ARN: by its ID, which emulators know, too, or where it is in another account's
/// namespace, by the ARN alone (API Reference, "GetNamespace", "ListServices", "ListInstances").
fn reference<'a>(reader: &Reader<'_>, arn: &'a str) -> &'a str {
    let is_ours = arn.split(':').nth(4) == reader.ctx.account().as_deref();
    if is_ours { last(arn) } else { arn }
}

/// None: it has no endpoint, as a name that was left behind.
async fn other(
    reader: &Reader<'_>,
    namespace: String,
    service: ServiceSummary,
    zones: &BTreeMap<AzName, AzId>,
) -> Result<Option<OtherName>, Error> {
    let (ctx, name) = (reader.ctx, service.name().unwrap_or_default().to_owned());
    let id = service.arn().map_or(service.id().unwrap_or_default(), |arn| reference(reader, arn));
    let request = ctx.clients.servicediscovery.list_instances().service_id(id);
    let mut pages = request.into_paginator().send();
    let pages = ctx.pages("servicediscovery:ListInstances", async || pages.next().await).await;
    let pages = reader.gaps.unless_refused(pages, &format!("the endpoints of {name}"))?;
    let instances = pages.map(|pages| pages.into_iter().flat_map(|page| page.instances.unwrap_or_default()));
    let Some(instances) = instances.map(Iterator::collect::<Vec<_>>) else {
        let (account, made_at) = (None, service.create_date().and_then(timestamp));
        return Ok(Some(OtherName { namespace, discovery_name: name, account, endpoints: None, made_at }));
    };
    let Some(first) = instances.first() else { return Ok(None) };
    let account = first.created_by_account().or(service.created_by_account()).map(str::to_owned);
    let mut endpoints = Some(ByZone::new());
    for instance in &instances {
        let attributes = instance.attributes();
        let zone =
            attributes.and_then(|attributes| zone(attributes, zones, account.as_deref() == ctx.account().as_deref()));
        match (zone, &mut endpoints) {
            (Some(zone), Some(endpoints)) => *endpoints.entry(zone).or_default() += 1,
            _ => endpoints = None,
        }
    }
    let whose = account.as_ref().map_or("another account".to_owned(), |account| format!("account {account}"));
    reader.gaps.note(&format!("{name} ({whose})"), "its tasks are not ours to describe");
    let made_at = service.create_date().and_then(timestamp);
    Ok(Some(OtherName { namespace, discovery_name: name, account, endpoints, made_at }))
}

/// The zone of an endpoint, whichever way it is written: an ID is the same in every account, a name is not.
fn zone(
    attributes: &std::collections::HashMap<String, String>,
    zones: &BTreeMap<AzName, AzId>,
    is_ours: bool,
) -> Option<AzId> {
    let written = ["AVAILABILITY_ZONE_ID", "AVAILABILITY_ZONE"].iter().find_map(|name| attributes.get(*name))?;
    let by_name = zones.get(&AzName::new(written.clone())).filter(|_| is_ours);
    by_name.cloned().or_else(|| zones.values().find(|id| id.as_str() == written).cloned())
}
