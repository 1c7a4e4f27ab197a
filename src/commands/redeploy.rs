//! `redeploy`: new deployments of services, one after the other. A service that is older than zone-aware routing becomes
//! zone-aware when it is deployed again: called services first, their callers after them.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::{Error, audit};
use crate::audit::facts::ServiceId;
use crate::report::numbers::count;
use crate::report::page::Page;
use crate::report::style::attention;
use crate::stages::Context;
use crate::stages::rollout::{self, Deployment};

/// Which services are deployed again: what the command line takes, its help included.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// Cluster of the services; it need not be the walkthrough's [default: the walkthrough's]
    #[arg(long, requires = "which")]
    pub cluster: Option<String>,
    /// Service to deploy; repeatable, called services before their callers [default: backend, frontend]
    #[arg(long = "service", value_name = "SERVICE", group = "which")]
    pub services: Vec<String>,
    /// Deploy what `audit` finds to be older than zone-aware routing, called services before their callers
    #[arg(long, group = "which")]
    pub all_stale: bool,
    /// With --all-stale: show what would be deployed, in its order, and deploy nothing
    #[arg(long, requires = "all_stale")]
    pub dry_run: bool,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Redeployment {
    /// The cluster of the services. Null: they may be of several.
    pub cluster: Option<String>,
    /// The new deployments, in their order.
    pub deployments: Vec<Deployment>,
    /// What would be deployed, in its order: with `--dry-run` nothing is.
    pub planned: Vec<ServiceId>,
    /// What could not be looked at, and why: there may be more to deploy.
    pub unknown: Vec<String>,
}

pub async fn run(ctx: &Context, options: Options) -> Result<Redeployment, Error> {
    if options.all_stale {
        return run_all_stale(ctx, options).await;
    }
    let names = &ctx.names;
    let cluster = match options.cluster {
        Some(_) if options.services.is_empty() => {
            return Err(Error::Usage(
                "name the services of that cluster, those that are called first: --service …".into(),
            ));
        }
        Some(cluster) => cluster,
        None => names.cluster.clone(),
    };
    let services = match options.services {
        services if services.is_empty() => vec![names.backend.service.clone(), names.frontend.service.clone()],
        services => services,
    };
    let mut deployments = vec![];
    for service in &services {
        deployments.push(rollout::redeploy(ctx, &cluster, service).await?);
    }
    Ok(Redeployment { cluster: Some(cluster), deployments, planned: vec![], unknown: vec![] })
}

/// Deploys one after the other, and no further one after a failure: what calls it would meet the failure, too.
async fn run_all_stale(ctx: &Context, options: Options) -> Result<Redeployment, Error> {
    let cluster = options.cluster;
    let asked = audit::Options { clusters: cluster.iter().cloned().collect(), ..audit::Options::default() };
    let (stale, unknown) = audit::stale(ctx, &asked).await?;
    let mut done = Redeployment { cluster, deployments: vec![], planned: vec![], unknown };
    if options.dry_run {
        return Ok(Redeployment { planned: stale, ..done });
    }
    for (place, ServiceId { cluster, service }) in stale.iter().enumerate() {
        match rollout::redeploy(ctx, cluster, service).await {
            Ok(deployment) => done.deployments.push(deployment),
            Err(error) => {
                let left: Vec<String> = stale[place + 1..].iter().map(ToString::to_string).collect();
                if !left.is_empty() {
                    ctx.events.note(format!("not deployed again, since {service} failed: {}", left.join(", ")));
                }
                return Err(error.into());
            }
        }
    }
    Ok(done)
}

impl Outcome for Redeployment {
    fn title(&self) -> &'static str {
        "redeploy"
    }

    fn text(&self, page: &Page) -> String {
        let lines = self.deployments.iter().map(|deployment| {
            let mut line = format!(
                "{}: {}, deployment {}",
                deployment.service,
                count(deployment.tasks.into(), "new task"),
                deployment.id
            );
            if !deployment.service_connect {
                line.push_str(&attention("; Service Connect is off, so zone-aware routing is, too"));
            }
            page.wrap(&line, 2)
        });
        let planned = self.planned.iter().map(|id| format!("would be deployed again: {id}"));
        let unknown = self.unknown.iter().map(|what| page.wrap(&format!("not known: {what}"), 2));
        let lines: Vec<String> = lines.chain(planned).collect();
        let none = lines.is_empty().then(|| "no service is older than zone-aware routing".to_owned());
        none.into_iter().chain(lines).chain(unknown).collect::<Vec<_>>().join("\n")
    }
}
