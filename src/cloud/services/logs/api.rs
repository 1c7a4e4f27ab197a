//! The operations of Amazon CloudWatch Logs.

use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

const GROUPS: Pages = Pages {
    token: "nextToken",
    limit: "limit",
    list: "logGroups",
    next: "nextToken",
    more: None,
    min: 1,
    max: 50,
    default: 50,
    refusal: Pages::violates_constraint,
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CreateLogGroup", "logGroupName tags logGroupClass", super::create),
    Operation::change("DeleteLogGroup", "logGroupName", super::delete),
    Operation::change("DeleteRetentionPolicy", "logGroupName", super::retain_forever),
    Operation::read("DescribeLogGroups", "logGroupNamePrefix logGroupNamePattern logGroupClass", super::describe)
        .paged(GROUPS),
    Operation::read("ListTagsForResource", "resourceArn", super::list_tags),
    Operation::change("PutRetentionPolicy", "logGroupName retentionInDays", super::retain),
    Operation::change("TagResource", "resourceArn tags", super::tag),
    Operation::change("UntagResource", "resourceArn tagKeys", super::untag),
];
