//! What tests share: a local cloud, and a context on it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use zonewalk::aws::{Clients, Target};
use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::events::Events;
use zonewalk::plan::PlannedChange;
use zonewalk::settings::Settings;
use zonewalk::stages::{Context, Error};
use zonewalk::walkthrough;

pub(crate) const REGION: &str = "us-east-1";

pub(crate) async fn start_cloud(pace: Pace) -> LocalCloud {
    LocalCloud::start(Options { pace, ..Options::default() }).await.expect("a free port on loopback")
}

/// A cloud whose caller has this policy.
pub(crate) async fn cloud_under(policy: impl ToString) -> LocalCloud {
    let options = Options { pace: Pace::Instant, policy: Some(policy.to_string()), ..Options::default() };
    LocalCloud::start(options).await.expect("a free port on loopback")
}

pub(crate) async fn clients(cloud: &LocalCloud) -> Clients {
    Target::local(&cloud.endpoint_url(), REGION).connect().await.expect("endpoint and region are given")
}

/// The article's settings, with a limit that a hanging test runs into.
pub(crate) fn settings() -> Settings {
    Settings { timeout: Duration::from_secs(120), ..Settings::default() }
}

/// The same for traffic that goes where it is not predicted to: it is not waited until it settles.
pub(crate) fn impatient() -> Settings {
    Settings { timeout: Duration::from_secs(1), ..settings() }
}

pub(crate) async fn context(cloud: &LocalCloud, settings: Settings) -> Context {
    Context::new(clients(cloud).await, settings, Events::silent(), CancellationToken::new())
}

/// What `up` would do with each resource.
pub(crate) async fn plan(ctx: &Context) -> Result<Vec<PlannedChange>, Error> {
    let plans = walkthrough::examine(ctx).await?.plans;
    assert!(!plans.is_empty(), "a prerequisite is missing");
    Ok(plans)
}

/// Moves the clock on; what is due then happens. For tests on one thread.
pub(crate) async fn skip(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}
