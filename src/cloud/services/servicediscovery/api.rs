//! The operations of AWS Cloud Map.

use super::{instances, namespaces, operations, services};
use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

/// A list that is answered page by page (API Reference, "MaxResults").
pub(super) const fn pages(list: &'static str) -> Pages {
    Pages {
        token: "NextToken",
        limit: "MaxResults",
        list,
        next: "NextToken",
        more: None,
        min: 1,
        max: 100,
        default: 100,
        refusal: Pages::violates_constraint,
    }
}

/// The structures of requests.
pub(super) const STRUCTURES: &[(&str, &str)] = &[("Filters", "Name Values Condition"), ("Tags", "Key Value")];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CreateHttpNamespace", "Name CreatorRequestId Description Tags", namespaces::create),
    Operation::change("CreateService", "Name NamespaceId CreatorRequestId Description Tags Type", services::create),
    Operation::change("DeleteNamespace", "Id", namespaces::delete),
    Operation::change("DeleteService", "Id", services::delete),
    Operation::change("DeregisterInstance", "ServiceId InstanceId", instances::deregister),
    Operation::read(
        "DiscoverInstances",
        "NamespaceName ServiceName MaxResults HealthStatus OwnerAccount",
        instances::discover,
    ),
    Operation::read("GetNamespace", "Id", namespaces::get),
    Operation::read("GetOperation", "OperationId", operations::get),
    Operation::read("GetService", "Id", services::get),
    Operation::read("ListInstances", "ServiceId", instances::list).paged(pages("Instances")),
    // Lists with filters see to their pages themselves: what the filters leave out counts all the same.
    Operation::read("ListNamespaces", "NextToken MaxResults Filters", namespaces::list),
    Operation::read("ListOperations", "NextToken MaxResults Filters", operations::list),
    Operation::read("ListServices", "NextToken MaxResults Filters", services::list),
    Operation::read("ListTagsForResource", "ResourceARN", super::list_tags),
    Operation::change("TagResource", "ResourceARN Tags", super::tag),
    Operation::change("UntagResource", "ResourceARN TagKeys", super::untag),
];
