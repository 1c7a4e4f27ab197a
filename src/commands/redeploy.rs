//! `redeploy`: new deployments of services, one after the other. A service that is older than zone-aware routing becomes
//! zone-aware when it is deployed again: called services first, their callers after them.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::outcome::Outcome;
use crate::report::numbers::count;
use crate::report::page::Page;
use crate::report::style::attention;
use crate::stages::Context;
use crate::stages::rollout::{self, Deployment};

/// Which services are deployed again: what the command line takes, its help included.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// Cluster of the services; it need not be the walkthrough's [default: the walkthrough's]
    #[arg(long, requires = "services")]
    pub cluster: Option<String>,
    /// Service to deploy; repeatable, called services before their callers [default: backend, frontend]
    #[arg(long = "service", value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Redeployment {
    /// The cluster of the services.
    pub cluster: String,
    /// The new deployments, in their order.
    pub deployments: Vec<Deployment>,
}

pub async fn run(ctx: &Context, options: Options) -> Result<Redeployment, Error> {
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
    Ok(Redeployment { cluster, deployments })
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
        lines.collect::<Vec<_>>().join("\n")
    }
}
