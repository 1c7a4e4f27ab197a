//! On Fargate, and with network mode bridge. What is made there is made by the article's settings, too, so that all operations meet a
//! kind of fault in one journey.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use zonewalk::aws::{Retries, Target};
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Observer, Options, Pace};
use zonewalk::settings::{LaunchType, NetworkMode, Settings};
use zonewalk::stages::{Context, Error};
use zonewalk::walkthrough::{down, up};

use super::cases::{TOO_OFTEN, is_look};
use super::journey::{context, small};
use crate::inventory::inventory;
use crate::support::REGION;

/// How often each call of an operation meets it.
const KINDS: [(FaultKind, u64); 5] = [
    (FaultKind::DropAnswer, 1),
    (FaultKind::DropRequest, 1),
    (FaultKind::Throttle, 2),
    (FaultKind::ServerError, 2),
    (FaultKind::ServerError, TOO_OFTEN),
];

async fn cloud_for(settings: &Settings, observer: Option<Observer>) -> (LocalCloud, Context) {
    let options = Options { pace: Pace::Instant, bare_account: true, observer, ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let retries = Retries { first_pause: std::time::Duration::from_millis(1), ..Retries::default() };
    let target = Target { retries, ..Target::local(&cloud.endpoint_url(), REGION) };
    let ctx = context(&target.connect().await.unwrap(), settings.clone());
    (cloud, ctx)
}

/// The operations that `up` and `down` call, and what stands between and after them.
async fn undisturbed(settings: &Settings) -> (BTreeSet<String>, [Vec<String>; 2]) {
    let seen = Arc::<Mutex<BTreeSet<String>>>::default();
    let sink = Arc::clone(&seen);
    let observer: Observer = Arc::new(move |exchange| {
        sink.lock().unwrap().insert(format!("{}:{}", exchange.service, exchange.operation));
    });
    let (cloud, ctx) = cloud_for(settings, Some(observer)).await;
    up(&ctx).await.unwrap();
    let complete = inventory(&ctx.clients).await;
    // With the looks of the inventory, which are met by nobody.
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    let operations = seen.lock().unwrap().clone();
    let empty = inventory(&ctx.clients).await;
    cloud.shutdown().await;
    (operations, [complete, empty])
}

/// Until it succeeds: a fault may end a run, and those that the SDK does not repeat end several.
async fn repeated<T>(what: &str, most: usize, run: impl AsyncFn() -> Result<T, Error>) {
    let mut reason = String::new();
    for _ in 0..=most {
        match run().await {
            Ok(_) => return,
            Err(error) => reason = error.to_string(),
        }
    }
    panic!("{what} ends with {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_fargate_and_with_bridge_up_and_down_end_as_ever() {
    let on_fargate = Settings { launch_type: Some(LaunchType::Fargate), ..small(1) };
    let bridged = Settings { network_mode: Some(NetworkMode::Bridge), ..small(1) };
    for settings in [on_fargate, bridged] {
        let (operations, [complete, empty]) = undisturbed(&settings).await;
        for (kind, first) in KINDS {
            let meets = |operation: &&String| first < TOO_OFTEN || !is_look(operation);
            let fault = |operation: &String| {
                let operation = Some(operation.clone());
                Fault { operation, first: Some(first), ..Fault::new(kind) }
            };
            let faults: Vec<_> = operations.iter().filter(meets).map(fault).collect();
            let (cloud, ctx) = cloud_for(&settings, None).await;
            let what = |phase| format!("{phase} with {kind:?}, {first} times each, of {settings:?}");
            let struck = || -> u64 {
                let report = cloud.faults();
                report["fault"].as_array().unwrap().iter().map(|rule| rule["struck"].as_u64().unwrap()).sum()
            };
            cloud.set_faults(Faults { seed: 1, faults: faults.clone() });
            repeated(&what("up"), 2 * faults.len(), async || up(&ctx).await).await;
            assert!(struck() > 10, "{}", what("up"));
            cloud.set_faults(Faults::default());
            assert_eq!(inventory(&ctx.clients).await, complete, "{}", what("up"));
            cloud.set_faults(Faults { seed: 1, faults: faults.clone() });
            repeated(&what("down"), 2 * faults.len(), async || down(&ctx).await).await;
            assert!(struck() > 10, "{}", what("down"));
            cloud.set_faults(Faults::default());
            assert_eq!(inventory(&ctx.clients).await, empty, "{}", what("down"));
            cloud.shutdown().await;
        }
    }
}
