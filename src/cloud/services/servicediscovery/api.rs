//! The operations of AWS Cloud Map.

use super::{instances, namespaces, operations, services};
use crate::cloud::service::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CreateHttpNamespace", "Name CreatorRequestId Description Tags", namespaces::create),
    Operation::change("CreateService", "Name NamespaceId CreatorRequestId Description Tags Type", services::create),
    Operation::change("DeleteNamespace", "Id", namespaces::delete),
    Operation::change("DeleteService", "Id", services::delete),
    Operation::change("DeregisterInstance", "ServiceId InstanceId", instances::deregister),
    Operation::read("DiscoverInstances", "NamespaceName ServiceName MaxResults HealthStatus", instances::discover),
    Operation::read("GetNamespace", "Id", namespaces::get),
    Operation::read("GetOperation", "OperationId OwnerAccount", operations::get),
    Operation::read("GetService", "Id", services::get),
    Operation::read("ListInstances", "ServiceId NextToken MaxResults", instances::list),
    Operation::read("ListNamespaces", "NextToken MaxResults Filters", namespaces::list),
    Operation::read("ListOperations", "NextToken MaxResults Filters", operations::list),
    Operation::read("ListServices", "NextToken MaxResults Filters", services::list),
    Operation::read("ListTagsForResource", "ResourceARN", super::list_tags),
    Operation::change("TagResource", "ResourceARN Tags", super::tag),
    Operation::change("UntagResource", "ResourceARN TagKeys", super::untag),
];
