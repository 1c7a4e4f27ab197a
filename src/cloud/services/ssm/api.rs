//! The operations of AWS Systems Manager.

use super::{commands, parameters, sending};
use crate::cloud::service::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CancelCommand", "CommandId InstanceIds", commands::cancel),
    Operation::read(
        "DescribeInstanceInformation",
        "InstanceInformationFilterList Filters MaxResults NextToken",
        super::describe_instances,
    ),
    Operation::read("GetCommandInvocation", "CommandId InstanceId PluginName", commands::get_invocation),
    Operation::read("GetParameter", "Name", parameters::get),
    Operation::read("GetParameters", "Names", parameters::get_all),
    Operation::read(
        "ListCommandInvocations",
        "CommandId InstanceId MaxResults NextToken Details",
        commands::list_invocations,
    ),
    Operation::read("ListCommands", "CommandId InstanceId MaxResults NextToken", commands::list),
    Operation::change(
        "SendCommand",
        "InstanceIds Targets DocumentName DocumentVersion TimeoutSeconds Comment Parameters",
        sending::send,
    ),
    Operation::change("StartSession", "", super::refuse_session),
];
