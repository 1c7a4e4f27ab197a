//! The operations of Amazon CloudWatch Logs.

use crate::cloud::service::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CreateLogGroup", "logGroupName tags logGroupClass", super::create),
    Operation::change("DeleteLogGroup", "logGroupName", super::delete),
    Operation::change("DeleteRetentionPolicy", "logGroupName", super::retain_forever),
    Operation::read(
        "DescribeLogGroups",
        "logGroupNamePrefix logGroupNamePattern nextToken limit logGroupClass",
        super::describe,
    ),
    Operation::read("ListTagsForResource", "resourceArn", super::list_tags),
    Operation::change("PutRetentionPolicy", "logGroupName retentionInDays", super::retain),
    Operation::change("TagResource", "resourceArn tags", super::tag),
    Operation::change("UntagResource", "resourceArn tagKeys", super::untag),
];
