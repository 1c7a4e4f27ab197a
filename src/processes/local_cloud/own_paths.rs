//! What a local cloud answers at its own paths: the walkthroughs in it, its faults.

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Error;
use super::started::Record;
use crate::cloud::Faults;
use crate::mesh::{self, Links};
use crate::plain;
use crate::processes::background;
use crate::routing::Runtime;
use crate::text_file;

/// A walkthrough of which something stands in a local cloud.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Standing {
    /// The walkthrough's name.
    pub name: String,
    /// Its region. Null if only roles are left, which have none.
    pub region: Option<String>,
    /// How many resources carry its tag, instances included. Null if the local cloud does not say.
    pub resources: Option<u64>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, region, .. } = self;
        match region {
            Some(region) => write!(f, "walkthrough {name} in {region}"),
            None => write!(f, "the roles of walkthrough {name}"),
        }
    }
}

/// The walkthroughs of which something stands in a local cloud.
pub async fn walkthroughs(record: &Record) -> Result<Vec<Standing>, Error> {
    own_path(&record.endpoint_url, Method::GET, "walkthroughs", Bytes::new()).await
}

/// Reads the faults that a file asks for: JSON if its name ends in `.json`, else TOML.
pub fn read_faults(path: &Path) -> Result<Faults, Error> {
    let error = |reason| Error::Faults { path: path.to_owned(), reason };
    let text = text_file::read(path).map_err(|reason| error(plain::of_io(&reason)))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let faults = if is_json { Faults::from_json(text.as_bytes()) } else { Faults::from_toml(&text) };
    faults.map_err(error)
}

/// The faults of a running local cloud, and how often each was met.
pub async fn faults(record: &Record) -> Result<Value, Error> {
    own_path(&record.endpoint_url, Method::GET, "faults", Bytes::new()).await
}

/// Replaces the faults of a running local cloud.
pub async fn set_faults(record: &Record, faults: &Faults) -> Result<Value, Error> {
    own_path(&record.endpoint_url, Method::PUT, "faults", serde_json::to_vec(faults).unwrap_or_default().into()).await
}

/// Under which conditions a local cloud carries requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// How long a request to a backend in its zone and its answer are under way, in milliseconds.
    pub same_zone_ms: f64,
    /// The same to a backend in another zone.
    pub cross_zone_ms: f64,
    /// The proxies' runtime keys.
    pub runtime: Runtime,
}

impl Conditions {
    /// Those of a new local cloud: between zones as on AWS, and Envoy's defaults.
    pub fn of_a_new_cloud() -> Self {
        mesh::Conditions { links: Links::AWS, runtime: Runtime::NONE }.into()
    }
}

impl From<mesh::Conditions> for Conditions {
    fn from(mesh::Conditions { links, runtime }: mesh::Conditions) -> Self {
        Self { same_zone_ms: links.same_zone_ms, cross_zone_ms: links.cross_zone_ms, runtime }
    }
}

impl From<Conditions> for mesh::Conditions {
    fn from(Conditions { same_zone_ms, cross_zone_ms, runtime }: Conditions) -> Self {
        Self { links: Links { same_zone_ms, cross_zone_ms }, runtime }
    }
}

/// The conditions under which a running local cloud carries requests.
pub async fn conditions(endpoint_url: &str) -> Result<Conditions, Error> {
    own_path::<mesh::Conditions>(endpoint_url, Method::GET, "mesh", Bytes::new()).await.map(Into::into)
}

/// From now on a running local cloud carries requests under these conditions.
pub async fn set_conditions(endpoint_url: &str, conditions: Conditions) -> Result<Conditions, Error> {
    let wanted = serde_json::to_vec(&mesh::Conditions::from(conditions)).unwrap_or_default();
    own_path::<mesh::Conditions>(endpoint_url, Method::PUT, "mesh", wanted.into()).await.map(Into::into)
}

/// Asks for a service's current deployment to be old.
#[derive(Clone, Debug, Serialize)]
pub struct Age {
    pub region: String,
    /// The cluster's name or ARN. None: whichever has a service of the name.
    pub cluster: Option<String>,
    /// The service's name or ARN.
    pub service: String,
    pub days: u32,
}

/// A deployment that has become old.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct AgedDeployment {
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The deployment's ID.
    pub deployment: String,
    /// When it was created, as AWS's API tells from now on: ISO 8601.
    pub created_at: String,
    /// Whether it is of after zone-aware routing came, so that its proxies route by zone.
    pub zone_aware: bool,
}

/// Makes a service's current deployment old in a running local cloud.
pub async fn age(record: &Record, age: &Age) -> Result<AgedDeployment, Error> {
    let wanted = serde_json::to_vec(age).unwrap_or_default();
    own_path(&record.endpoint_url, Method::POST, "age", wanted.into()).await
}

async fn own_path<T: DeserializeOwned>(
    endpoint_url: &str,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<T, Error> {
    let error = |reason| Error::NoAnswer { endpoint_url: endpoint_url.to_owned(), reason };
    let answer = background::send(endpoint_url, method, path, body).await;
    let (status, body) = answer.map_err(|reason| error(reason.to_string()))?;
    match serde_json::from_slice(&body) {
        Ok(answer) if status == StatusCode::OK => Ok(answer),
        _ if status == StatusCode::BAD_REQUEST => Err(Error::Refused(refusal(&body))),
        _ => Err(error(String::from_utf8_lossy(&body).into_owned())),
    }
}

/// What the local cloud says of a request that it cannot carry out.
fn refusal(body: &[u8]) -> String {
    let said = serde_json::from_slice::<Value>(body).ok().and_then(|said| Some(said["message"].as_str()?.to_owned()));
    said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}
