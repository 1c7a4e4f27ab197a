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
    // The three that name a group and not an ARN are what clients of before 2022 call.
    Operation::read("ListTagsLogGroup", "logGroupName", super::list_tags_of_group),
    Operation::change("PutRetentionPolicy", "logGroupName retentionInDays", super::retain),
    Operation::change("TagLogGroup", "logGroupName tags", super::tag_group),
    Operation::change("TagResource", "resourceArn tags", super::tag),
    Operation::change("UntagLogGroup", "logGroupName tags", super::untag_group),
    Operation::change("UntagResource", "resourceArn tagKeys", super::untag),
];
