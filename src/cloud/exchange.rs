//! What becomes of an AWS call: met by a fault or not, authorized, carried out by its service, encoded.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::authorization;
use super::error::AwsError;
use super::faults::{Answering, Call, Confirmation, Injected};
use super::region::Region;
use super::request::Request;
use super::services::{ec2, ecs};
use super::states::Extent;

/// An answer, ready to be sent.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The code of an error that it is.
    pub(super) error: Option<String>,
    /// The code and whose fault it is, where clients look for them in a header.
    pub(super) query_error: Option<String>,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn refused(error: &AwsError, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status: error.status, error: Some(error.code.clone()), query_error: None, content_type, body }
    }
}

impl Account {
    /// What a fault does to a call that has come in.
    pub(super) fn inject(&self, request: &Request) -> Injected {
        let role_refusals = request.operation.role_refusals;
        self.faults.lock().inject(Call { action: &request.action(), words: &request.service.words, role_refusals })
    }

    /// Carries out what a fault lets be carried out. None: the request is dropped.
    pub(super) fn answer(
        &self,
        request: &Request,
        injected: Injected,
        request_id: &str,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Option<Answer> {
        let Injected { answering, hide, lose_instance, disconnect_agent, .. } = injected;
        let result = match answering {
            Answering::AsEver | Answering::DropAnswer => {
                self.region(&request.region, tracker, stop).and_then(|region| {
                    region.with(|region| handle(region, request, hide, lose_instance, disconnect_agent))
                })
            }
            Answering::Refuse(error) => Err(error),
            Answering::DropRequest => return None,
        };
        Some(match result {
            Ok(answer) => {
                let (content_type, body) = request.encoding.answer(request.operation.name, &answer, request_id);
                Answer { status: StatusCode::OK, error: None, query_error: None, content_type, body }
            }
            Err(error) => {
                let is_told_apart = request.service.has_query_codes && !request.encoding.is_query();
                let shape = if is_told_apart { error.with_shape_as_code() } else { error.clone() };
                let (content_type, body) = request.encoding.error(&shape, request_id);
                let query_error = is_told_apart.then(|| error.query_error());
                Answer { query_error, ..Answer::refused(&error, content_type, body) }
            }
        })
    }
}

/// A fault counts only if it had an effect.
fn handle(
    region: &mut Region,
    request: &Request,
    hide: Option<(Extent, Confirmation)>,
    lose_instance: Option<(Option<String>, Confirmation)>,
    disconnect_agent: Option<(Option<String>, Duration, Confirmation)>,
) -> Result<Value, AwsError> {
    authorization::check(region, request)?;
    if let Some((zone, confirmation)) = lose_instance
        && ec2::lose_instance(region, zone.as_deref())
    {
        confirmation.confirm();
        region.settle();
    }
    if let Some((zone, time, confirmation)) = disconnect_agent
        && ecs::disconnect_agent(region, zone.as_deref(), time)
    {
        confirmation.confirm();
        region.settle();
    }
    let (service, operation, params) = (request.service, request.operation, request.params());
    if operation.is_read() {
        let read = region.states.begin_read(service.signing_name);
        let answer = service.carry_out(operation, region, params);
        region.states.end_read(read);
        return answer;
    }
    let before = hide.is_some().then(|| region.states.snapshot(service.signing_name));
    let answer = service.carry_out(operation, region, params)?;
    if let (Some((extent, confirmation)), Some(before)) = (hide, before) {
        region.states.hide(service.signing_name, before, extent);
        confirmation.confirm();
    }
    Ok(answer)
}
