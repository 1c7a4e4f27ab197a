//! The operations of AWS Systems Manager.

use super::{commands, parameters, sending};
use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

/// A list that is answered page by page (API Reference, "MaxResults").
const fn pages(list: &'static str, min: usize, default: usize) -> Pages {
    Pages {
        token: "NextToken",
        limit: "MaxResults",
        list,
        next: "NextToken",
        more: None,
        min,
        max: 50,
        default,
        refusal: Pages::violates_constraint,
    }
}

/// The structures of requests.
/// Nothing is run, so that nothing can take longer than `executionTimeout` allows.
pub(super) const STRUCTURES: &[(&str, &str)] = &[
    ("Filters", "Key Values"),
    ("InstanceInformationFilterList", "key valueSet"),
    ("Parameters", "commands executionTimeout"),
    ("Targets", "Key Values"),
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CancelCommand", "CommandId InstanceIds", commands::cancel),
    Operation::read("DescribeInstanceInformation", "InstanceInformationFilterList Filters", super::describe_instances)
        .paged(pages("InstanceInformationList", 5, 10)),
    Operation::read("GetCommandInvocation", "CommandId InstanceId PluginName", commands::get_invocation),
    // Public parameters are not encrypted, so that there is nothing to decrypt.
    Operation::read("GetParameter", "Name WithDecryption", parameters::get),
    Operation::read("GetParameters", "Names WithDecryption", parameters::get_all),
    Operation::read("ListCommandInvocations", "CommandId InstanceId Details", commands::list_invocations).paged(pages(
        "CommandInvocations",
        1,
        50,
    )),
    Operation::read("ListCommands", "CommandId InstanceId", commands::list).paged(pages("Commands", 1, 50)),
    Operation::change(
        "SendCommand",
        "InstanceIds Targets DocumentName DocumentVersion TimeoutSeconds Comment Parameters",
        sending::send,
    ),
    // Refused as a whole, whatever it takes.
    Operation::change("StartSession", "Target DocumentName Reason Parameters", super::refuse_session),
];
