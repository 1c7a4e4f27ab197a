//! Step 3, second half: the ECS cluster, with the namespace as its services' default.

use aws_sdk_ecs::types::{ClusterField, ClusterServiceConnectDefaultsRequest, ClusterSetting, ClusterSettingName};

use super::namespace::NamespaceArn;
use super::removal::{Remaining, Removal};
use super::stage::{Owner, Presence, Stage};
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
}

/// Finds a cluster, also an INACTIVE one, which AWS goes on showing for a while.
async fn find(ctx: &Context, name: &str) -> Result<Option<aws_sdk_ecs::types::Cluster>, Error> {
    let request = ctx.clients.ecs.describe_clusters().clusters(name).include(ClusterField::Tags);
    let answer = optional(ctx.look("ecs:DescribeClusters", request.send()).await)?;
    Ok(answer.and_then(|answer| answer.clusters.unwrap_or_default().pop()))
}

/// Finds the walkthrough's cluster, unless it is INACTIVE.
pub(super) async fn find_remaining(ctx: &Context) -> Result<Option<Remaining>, Error> {
    let found = find(ctx, &ctx.names.cluster).await?;
    Ok(found.filter(|cluster| cluster.status() != Some("INACTIVE")).map(|cluster| {
        let leaving = cluster.status() == Some("DEPROVISIONING");
        Remaining::new(ctx, &ctx.names.cluster, cluster.owner()).leaving(leaving)
    }))
}

impl Cluster<'_> {
    fn defaults(&self) -> ClusterServiceConnectDefaultsRequest {
        let defaults = ClusterServiceConnectDefaultsRequest::builder().namespace(self.namespace.0.made()).build();
        defaults.expect("its required member, the namespace, is set")
    }
}

impl Stage for Cluster<'_> {
    const KIND: Kind = Kind::Cluster;
    type Found = aws_sdk_ecs::types::Cluster;
    type Output = EcsCluster;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Presence<Self::Found>, Error> {
        Ok(match find(ctx, self.name).await? {
            None => Presence::Absent,
            Some(cluster) => match cluster.status() {
                Some("INACTIVE") => Presence::Absent,
                Some("DEPROVISIONING") => Presence::Leaving("DEPROVISIONING".to_owned()),
                _ => Presence::Present(cluster),
            },
        })
    }

    fn owner(&self, found: &Self::Found) -> Owner {
        Owner::Tag(found.owner())
    }

    fn id(&self, found: &Self::Found) -> String {
        found.cluster_arn().unwrap_or_default().to_owned()
    }

    fn foreseen(&self) -> EcsCluster {
        EcsCluster { name: self.name.to_owned() }
    }

    fn state(&self, found: &Self::Found) -> Poll<()> {
        match found.status() {
            Some("ACTIVE") => Poll::Done(()),
            Some("FAILED") => {
                Poll::Failed { state: "FAILED".to_owned(), reason: "ECS could not make what belongs to it".to_owned() }
            }
            status => Poll::pending(status.unwrap_or("no status")),
        }
    }

    fn differences(&self, found: &Self::Found) -> Vec<Difference> {
        let namespace = found.service_connect_defaults().and_then(|defaults| defaults.namespace());
        Difference::of(Field::ServiceConnectNamespace, namespace.unwrap_or("none"), &self.namespace.0)
            .into_iter()
            .collect()
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
            .tags(tags::ecs(ctx.owner()));
        ctx.change("ecs:CreateCluster", request.send()).await
    }

    async fn change(&self, ctx: &Context, _found: &Self::Found) -> Result<(), Error> {
        let request = ctx.clients.ecs.update_cluster().cluster(self.name).service_connect_defaults(self.defaults());
        ctx.change("ecs:UpdateCluster", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Self::Found) -> Result<(), Error> {
        let request = ctx.clients.ecs.tag_resource().resource_arn(self.id(found)).tags(tags::ecs(ctx.owner()));
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
