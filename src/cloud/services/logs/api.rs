//! The operations of Amazon CloudWatch Logs.

use super::{insights, streams};
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

const STREAMS: Pages = Pages { list: "logStreams", ..GROUPS };

const QUERIES: Pages = Pages { list: "queries", limit: "maxResults", max: 1_000, default: 1_000, ..GROUPS };

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("CreateLogGroup", "logGroupName tags logGroupClass", super::create),
    Operation::change("DeleteLogGroup", "logGroupName", super::delete),
    Operation::change("DeleteRetentionPolicy", "logGroupName", super::retain_forever),
    Operation::read("DescribeLogGroups", "logGroupNamePrefix logGroupNamePattern logGroupClass", super::describe)
        .paged(GROUPS),
    Operation::read(
        "DescribeLogStreams",
        "logGroupName logGroupIdentifier logStreamNamePrefix orderBy descending",
        streams::describe,
    )
    .paged(STREAMS),
    Operation::read("DescribeQueries", "logGroupName status queryLanguage", insights::describe).paged(QUERIES),
    Operation::read(
        "FilterLogEvents",
        "logGroupName logGroupIdentifier logStreamNames logStreamNamePrefix startTime endTime filterPattern nextToken \
         limit interleaved",
        streams::filter,
    ),
    Operation::read(
        "GetLogEvents",
        "logGroupName logGroupIdentifier logStreamName startTime endTime nextToken limit startFromHead",
        streams::get,
    ),
    Operation::read("GetQueryResults", "queryId", insights::results),
    Operation::read("ListTagsForResource", "resourceArn", super::list_tags),
    // The three that name a group and not an ARN are what clients of before 2022 call.
    Operation::read("ListTagsLogGroup", "logGroupName", super::list_tags_of_group),
    Operation::change("PutRetentionPolicy", "logGroupName retentionInDays", super::retain),
    Operation::change(
        "StartQuery",
        "queryLanguage logGroupName logGroupNames logGroupIdentifiers startTime endTime queryString limit",
        insights::start,
    ),
    Operation::change("StopQuery", "queryId", insights::stop),
    Operation::change("TagLogGroup", "logGroupName tags", super::tag_group),
    Operation::change("TagResource", "resourceArn tags", super::tag),
    Operation::change("UntagLogGroup", "logGroupName tags", super::untag_group),
    Operation::change("UntagResource", "resourceArn tagKeys", super::untag),
];
