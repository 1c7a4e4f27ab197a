//! Step 3, second half: the ECS cluster, with the namespace as its services' default.

use aws_sdk_ecs::types::{ClusterField, ClusterServiceConnectDefaultsRequest, ClusterSetting, ClusterSettingName};

use super::identity::Identity;
use super::namespace::NamespaceArn;
use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::wait::Poll;
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind};

/// A cluster that accepts instances and services.
pub(crate) struct EcsCluster {
    pub(crate) name: String,
}

pub(crate) struct Cluster<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a NamespaceArn,
    pub(crate) identity: &'a Identity,
}

/// Finds a cluster, unless it is INACTIVE: AWS goes on showing these for a while.
async fn find(ctx: &Context, name: &str) -> Result<Option<Found<aws_sdk_ecs::types::Cluster>>, Error> {
    let request = ctx.clients.ecs.describe_clusters().clusters(name).include(ClusterField::Tags);
    let answer = optional(ctx.look("ecs:DescribeClusters", request.send()).await)?;
    let cluster = answer.and_then(|answer| answer.clusters.unwrap_or_default().pop());
    Ok(cluster.filter(|cluster| cluster.status() != Some("INACTIVE")).map(|cluster| {
        let leaving = cluster.status().filter(|status| *status == "DEPROVISIONING").map(str::to_owned);
        let arn = cluster.cluster_arn().unwrap_or_default().to_owned();
        Found { leaving, ..Found::new(arn, cluster.owner(), cluster) }
    }))
}

/// Finds the walkthrough's cluster, unless it is INACTIVE. `down` calls it by its name.
pub(super) async fn find_remaining(ctx: &Context) -> Result<Option<Remaining>, Error> {
    let name = &ctx.names.cluster;
    let found = find(ctx, name).await?.map(|found| Found { id: name.clone(), ..found });
    Ok(Remaining::of(ctx, found, |cluster| Details::named(name).arn(cluster.cluster_arn())).pop())
}

/// Finds who made the walkthrough, if that was somebody else: two people may have taken one name.
pub(crate) async fn find_other_creator(ctx: &Context, identity: &Identity) -> Result<Option<String>, Error> {
    let found = ctx.unless_refused(find(ctx, &ctx.names.cluster).await, "who created the walkthrough is not known")?;
    let Some(found) = found.flatten().filter(|found| found.is_ours(ctx)) else { return Ok(None) };
    let creator = tags::creator_of(found.facts.tags()).filter(|creator| *creator != identity.creator());
    Ok(creator.map(str::to_owned))
}

impl Cluster<'_> {
    fn defaults(&self) -> ClusterServiceConnectDefaultsRequest {
        let defaults = ClusterServiceConnectDefaultsRequest::builder().namespace(self.namespace.0.made()).build();
        defaults.expect("its required member, the namespace, is set")
    }
}

impl Stage for Cluster<'_> {
    const KIND: Kind = Kind::Cluster;
    type Facts = aws_sdk_ecs::types::Cluster;
    type Output = EcsCluster;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Self::Facts>>, Error> {
        find(ctx, self.name).await
    }

    fn output(&self, _found: Option<Found<Self::Facts>>) -> EcsCluster {
        EcsCluster { name: self.name.to_owned() }
    }

    fn state(&self, cluster: &Self::Facts) -> Poll<()> {
        match cluster.status() {
            Some("ACTIVE") => Poll::Done(()),
            Some("FAILED") => Poll::failed("FAILED", "ECS could not make what belongs to it"),
            status => Poll::pending_in(status),
        }
    }

    fn compare(&self, cluster: &Self::Facts) -> Vec<Option<Difference>> {
        let namespace = cluster.service_connect_defaults().and_then(|defaults| defaults.namespace());
        vec![Difference::of(Field::ServiceConnectNamespace, namespace.unwrap_or("none"), &self.namespace.0)]
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .ecs
            .create_cluster()
            .cluster_name(self.name)
            .service_connect_defaults(self.defaults())
            // Where the account switches it on by default, it would leave a log group behind.
            .settings(ClusterSetting::builder().name(ClusterSettingName::ContainerInsights).value("disabled").build())
            .tags(tags::ecs(ctx.owner()))
            .tags(tags::creator(&self.identity.creator()));
        ctx.change("ecs:CreateCluster", request.send()).await
    }

    async fn change(&self, ctx: &Context, _found: &Found<Self::Facts>) -> Result<(), Error> {
        let request = ctx.clients.ecs.update_cluster().cluster(self.name).service_connect_defaults(self.defaults());
        ctx.change("ecs:UpdateCluster", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error> {
        let request = ctx.clients.ecs.tag_resource().resource_arn(&found.id).tags(tags::ecs(ctx.owner()));
        let request = request.tags(tags::creator(&self.identity.creator()));
        ctx.change("ecs:TagResource", request.send()).await
    }
}

impl Removal for Cluster<'_> {
    const KIND: Kind = Kind::Cluster;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        Ok(find_remaining(ctx).await?.into_iter().collect())
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        ctx.change("ecs:DeleteCluster", ctx.clients.ecs.delete_cluster().cluster(id).send()).await
    }
}
