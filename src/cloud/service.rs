//! A service of the local cloud as one value: how it is spoken to, in which words it refuses, what it can do, and its part
//! in a region's life. A new service is its folder in [`super::services`] and a line in the list there.

use hyper::StatusCode;
use serde_json::Value;

use super::error::{AwsError, Words};
use super::faults::RoleRefusal;
use super::ids::Ids;
use super::region::Region;
use super::states::{State, States};
use super::wire::{Encoding, Pages, Params};
use crate::mesh::topology::Topology;

pub(crate) type Answer = Result<Value, AwsError>;

pub(crate) struct Service {
    /// The service part of the SigV4 credential scope.
    pub(crate) signing_name: &'static str,
    /// The prefix of its actions in IAM policies, if it is another than the signing name.
    pub(crate) iam_name: Option<&'static str>,
    /// What stands before the operation in `X-Amz-Target`, for the services with a JSON protocol.
    pub(crate) target_prefix: Option<&'static str>,
    pub(crate) encoding: Encoding,
    /// Whether its errors have the codes of its Query protocol whatever protocol they are told in (Smithy, `awsQueryCompatible`).
    pub(crate) has_query_codes: bool,
    pub(crate) words: Words,
    pub(crate) operations: &'static [Operation],
    /// What every operation takes beside its own parameters, unless it says otherwise.
    pub(crate) common_parameters: &'static [&'static str],
    /// Looked at before any operation, once its parameters are ones that it takes.
    pub(crate) before: fn(Params<'_>) -> Result<(), AwsError>,
    /// The structures that requests have, by the names under which they come, each with the members that are heeded, separated
    /// by spaces; any other is refused by its name.
    pub(crate) structures: &'static [(&'static str, &'static str)],
    /// Its state in a new region. None: it remembers nothing.
    pub(crate) new_state: fn(Founding<'_>) -> Option<Box<dyn State>>,
    /// Brings about what is wanted, as far as can be done now.
    pub(crate) reconcile: fn(&mut Region),
    /// Adds what the mesh is to run for it.
    pub(crate) add_to_mesh: fn(&Region, &mut Topology),
    /// The values that a tag has on what stands of it.
    pub(crate) tagged: fn(&Region, &str) -> Vec<String>,
}

/// What a state may be made of, in a new region.
pub(crate) struct Founding<'a> {
    pub(crate) region: &'a str,
    pub(crate) ids: &'a mut Ids,
    /// The states that all regions of the account share.
    pub(crate) account: &'a States,
}

impl Service {
    /// A service that has no state and takes no part in anything, for the others to differ from.
    pub(crate) const PLAIN: Self = Self {
        signing_name: "",
        iam_name: None,
        target_prefix: None,
        encoding: Encoding::Json,
        has_query_codes: false,
        words: Words::JSON,
        operations: &[],
        common_parameters: &[],
        before: |_| Ok(()),
        structures: &[],
        new_state: |_| None,
        reconcile: |_| {},
        add_to_mesh: |_, _| {},
        tagged: |_, _| vec![],
    };

    /// Its name in IAM actions, by which it is told of.
    pub(crate) fn name(&self) -> &'static str {
        self.iam_name.unwrap_or(self.signing_name)
    }

    pub(crate) fn operation(&self, name: &str) -> Result<&'static Operation, AwsError> {
        let found = self.operations.iter().find(|operation| operation.name == name);
        found.ok_or_else(|| AwsError::unknown_operation(self.name(), name))
    }

    /// Carries out one of its operations.
    pub(crate) fn carry_out(&self, operation: &Operation, region: &mut Region, params: Params<'_>) -> Answer {
        let result = params
            .only_those(|name| operation.taken(self).any(|taken| taken == name))
            .and_then(|()| params.only_in(self.structures))
            .and_then(|()| (self.before)(params))
            .and_then(|()| self.run(operation, region, params));
        result.map_err(|error| error.in_words_of(&self.words))
    }
}

impl Service {
    /// With EC2's `DryRun`, an operation says only whether it would succeed: what it has changed is put back.
    fn run(&self, operation: &Operation, region: &mut Region, params: Params<'_>) -> Answer {
        let is_tried = self.common_parameters.contains(&DRY_RUN) && params.opt_bool(DRY_RUN) == Some(true);
        if !is_tried {
            return operation.run(region, params);
        }
        let (before, timers) = (region.states.snapshot(self.signing_name), region.schedule.mark());
        let result = operation.run(region, params);
        region.states.put_back(self.signing_name, before);
        region.schedule.forget_since(timers);
        result?;
        let message = "Request would have succeeded, but DryRun flag is set.";
        Err(AwsError::new("DryRunOperation", message).with_status(StatusCode::PRECONDITION_FAILED))
    }
}

/// The parameter that all of EC2's operations have in common.
pub(crate) const DRY_RUN: &str = "DryRun";

#[cfg(test)]
impl Service {
    /// Carries out an operation with these parameters, for a test of the service itself.
    pub(crate) fn call(&self, region: &mut Region, operation: &str, params: &Value) -> Answer {
        self.carry_out(self.operation(operation)?, region, Params::new(params.as_object().unwrap()))
    }
}

/// An operation of a service.
pub(crate) struct Operation {
    /// As its model spells it, e.g. `DescribeServices`.
    pub(crate) name: &'static str,
    /// The parameters that it heeds, by their names on the wire and separated by spaces; any other is refused by its name.
    pub(crate) parameters: &'static str,
    run: Run,
    takes_common_parameters: bool,
    /// How its list is answered page by page, unless it is not, or the operation sees to that itself.
    pub(crate) pages: Option<Pages>,
    /// How roles and instance profiles are refused that have not spread yet. Empty: it takes none and acts in none.
    pub(crate) role_refusals: &'static [RoleRefusal],
}

type Look = fn(&Region, Params<'_>) -> Answer;
type Change = fn(&mut Region, Params<'_>) -> Answer;

enum Run {
    Read(Look),
    Change(Change),
}

impl Operation {
    const fn new(name: &'static str, parameters: &'static str, run: Run) -> Self {
        Self { name, parameters, run, takes_common_parameters: true, pages: None, role_refusals: &[] }
    }

    /// An operation that only looks.
    pub(crate) const fn read(name: &'static str, parameters: &'static str, run: Look) -> Self {
        Self::new(name, parameters, Run::Read(run))
    }

    /// An operation that may change something.
    pub(crate) const fn change(name: &'static str, parameters: &'static str, run: Change) -> Self {
        Self::new(name, parameters, Run::Change(run))
    }

    /// It answers its list page by page.
    pub(crate) const fn paged(self, pages: Pages) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// It takes its own parameters and none of those that its service's operations have in common.
    pub(crate) const fn without_common_parameters(self) -> Self {
        Self { takes_common_parameters: false, ..self }
    }

    /// It takes a role or an instance profile, or its service acts in one, which it refuses like this if that has not
    /// spread yet.
    pub(crate) const fn refusing_roles(self, refusals: &'static [RoleRefusal]) -> Self {
        Self { role_refusals: refusals, ..self }
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.run, Run::Read(_))
    }

    /// The parameters that it takes as an operation of `service`.
    pub(crate) fn taken(&self, service: &Service) -> impl Iterator<Item = &'static str> {
        let paging = self.pages.into_iter().flat_map(|pages| [pages.token, pages.limit]);
        let common = if self.takes_common_parameters { service.common_parameters } else { &[] };
        self.parameters.split_ascii_whitespace().chain(paging).chain(common.iter().copied())
    }

    fn run(&self, region: &mut Region, params: Params<'_>) -> Answer {
        let answer = match self.run {
            Run::Read(run) => run(region, params)?,
            Run::Change(run) => run(region, params)?,
        };
        match self.pages {
            Some(pages) => pages.cut(answer, params),
            None => Ok(answer),
        }
    }
}
