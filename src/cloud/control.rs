//! What may be set in a running cloud at its own paths, since no AWS API can: how old things are, what CloudWatch
//! remembers of before, what another account shares.

use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::account::Account;
use super::region::Region;
use super::services::{cloudwatch, ecs, servicediscovery};

/// Carries out what is asked for at a path, with its parameters as JSON. None: there is no such path.
pub(super) fn at(account: &Account, method: &Method, path: &str, body: &[u8]) -> Option<Result<Value, String>> {
    Some(match (method, path) {
        (&Method::POST, "age") => read::<ecs::Age>(body)
            .and_then(|age| in_region(account, &age.region, |region| make_older(region, &age)))
            .map(|aged| json!(aged)),
        (&Method::POST, "metrics") => read::<cloudwatch::Seed>(body)
            .and_then(|seed| in_region(account, &seed.region, |region| cloudwatch::seed(region, &seed)))
            .map(|values| json!({ "values": values })),
        (&Method::POST, "shared-namespace") => read::<servicediscovery::Shared>(body)
            .and_then(|shared| in_region(account, &shared.region, |region| servicediscovery::share(region, &shared)))
            .map(|arn| json!({ "arn": arn })),
        _ => return None,
    })
}

fn make_older(region: &mut Region, age: &ecs::Age) -> Result<ecs::AgedDeployment, String> {
    let aged = ecs::age(region, age)?;
    cloudwatch::forget_beginning(region, &aged.service());
    Ok(aged)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// Only what is there can be changed: a region comes into being with its first request.
fn in_region<T>(
    account: &Account,
    name: &str,
    change: impl FnOnce(&mut Region) -> Result<T, String>,
) -> Result<T, String> {
    let region = account.regions().remove(name).ok_or_else(|| format!("nothing is in region {name}"))?;
    region.with(change)
}
