//! What the local cloud speaks, for people and for tests.

use schemars::JsonSchema;
use serde::Serialize;

use super::services;

/// An operation that the local cloud has.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct OperationSummary {
    /// The service's name in IAM actions, e.g. `elasticloadbalancing`.
    pub service: &'static str,
    /// The operation's name.
    pub operation: &'static str,
    /// Whether it only looks, and changes nothing.
    pub read: bool,
    /// The parameters that it takes, by their names on the wire; any other is refused by its name.
    pub parameters: Vec<&'static str>,
}

/// A structure in requests.
#[derive(Clone, Debug, Serialize)]
pub struct StructureSummary {
    pub service: &'static str,
    /// The name under which it comes.
    pub structure: &'static str,
    /// The members that are heeded; any other is refused by its name.
    pub members: Vec<&'static str>,
}

/// Every structure of every service.
pub fn structures() -> impl Iterator<Item = StructureSummary> {
    services::ALL.into_iter().flat_map(|service| {
        service.structures.iter().map(|(structure, members)| StructureSummary {
            service: service.name(),
            structure,
            members: members.split_ascii_whitespace().collect(),
        })
    })
}

/// Every operation of every service, in the services' alphabetical order.
pub fn operations() -> impl Iterator<Item = OperationSummary> {
    services::ALL.into_iter().flat_map(|service| {
        service.operations.iter().map(|operation| OperationSummary {
            service: service.name(),
            operation: operation.name,
            read: operation.is_read(),
            parameters: operation.taken(service).collect(),
        })
    })
}
