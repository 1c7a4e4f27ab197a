//! What somebody sees and does who operates the cloud itself, beside what its clients can: for pages that it serves.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::faults::Faults;
use super::options::{OnRequest, Served};
use super::services;
use super::settle::SharedRegion;
use super::trouble::Trouble;
use super::wire::{Encoding, Params};
use crate::mesh::{Conditions, Mesh};

/// Pages that the cloud serves at its own endpoint, at the paths below `/_zonewalk/` that begin with their name.
pub trait Pages: Send + Sync {
    /// None: there is no such page.
    fn answer(&self, head: &Parts, body: &Bytes) -> Option<Response<Full<Bytes>>>;
}

/// A cloud from the inside. It reads and changes the regions that have come into being, and makes none.
#[derive(Clone)]
pub struct Operator {
    pub(super) account: Arc<Account>,
    pub(super) on_request: Option<OnRequest>,
    pub(super) stop: CancellationToken,
    pub(super) tracker: TaskTracker,
}

impl Operator {
    /// The regions that have come into being.
    pub fn regions(&self) -> Vec<String> {
        self.account.regions().into_keys().collect()
    }

    fn region(&self, name: &str) -> Result<Arc<SharedRegion>, String> {
        self.account.regions().remove(name).ok_or_else(|| format!("nothing is in region {name}"))
    }

    /// Carries out an operation of the API, as for a client that may do everything and meets no fault. The answer is as
    /// AWS's JSON protocol writes it; an error is code and message. Changes are told like a client's.
    pub fn call(&self, region: &str, (service, operation): (&str, &str), params: Value) -> Result<Value, String> {
        let received = Instant::now();
        let known = services::by_name(service).ok_or_else(|| services::unknown(service).message)?;
        let found = known.operation(operation).map_err(|error| error.message)?;
        let params = params.as_object().cloned().unwrap_or_else(Map::new);
        let result = self.region(region)?.with(|region| known.carry_out(found, region, Params::new(&params)));
        if let (Some(on_request), false) = (&self.on_request, found.is_read()) {
            on_request(&Served {
                answered_at: Timestamp::now(),
                what: format!("{service}:{operation}"),
                region: Some(region.to_owned()),
                status: Some(result.as_ref().map_or_else(|error| error.status.as_u16(), |_| 200)),
                error: result.as_ref().err().map(|error| error.code.clone()),
                took: received.elapsed(),
            });
        }
        match result {
            Ok(answer) => {
                let (_, body) = Encoding::Json.answer(operation, &answer, "-");
                serde_json::from_slice(&body).map_err(|error| error.to_string())
            }
            Err(error) => Err(format!("{}: {}", error.code, error.message)),
        }
    }

    /// What carries the tasks and load balancers of a region.
    pub fn mesh(&self, region: &str) -> Result<Mesh, String> {
        Ok(self.region(region)?.with(|region| region.mesh.clone()))
    }

    /// What goes wrong in a region on purpose.
    pub fn trouble(&self, region: &str) -> Result<Trouble, String> {
        Ok(self.region(region)?.with(|region| region.trouble.clone()))
    }

    /// Changes what goes wrong in a region, at once.
    pub fn change_trouble(&self, region: &str, change: impl FnOnce(&mut Trouble)) -> Result<(), String> {
        self.region(region)?.with(|region| change(&mut region.trouble));
        Ok(())
    }

    /// Runs something beside the cloud, which is given a token that is cancelled when the cloud ends, and awaits its end.
    pub fn run<F: Future<Output = ()> + Send + 'static>(&self, job: impl FnOnce(CancellationToken) -> F) {
        self.tracker.spawn(job(self.stop.child_token()));
    }

    /// The conditions under which requests are carried.
    pub fn conditions(&self) -> Conditions {
        self.account.conditions()
    }

    /// From now on requests are carried under these conditions.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.account.set_conditions(conditions);
    }

    /// From now on these go wrong in the API, and what was hidden is seen.
    pub fn set_faults(&self, faults: Faults) {
        self.account.set_faults(faults);
    }

    /// The faults as they were asked for, each with how often it was met.
    pub fn faults(&self) -> Value {
        self.account.faults.lock().report()
    }
}
