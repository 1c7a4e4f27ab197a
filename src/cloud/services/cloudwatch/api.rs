//! The operations of Amazon CloudWatch.

use super::{list, query};
use crate::cloud::service::Operation;

/// The structures of requests.
pub(super) const STRUCTURES: &[(&str, &str)] = &[
    ("Dimensions", "Name Value"),
    ("Metric", "Namespace MetricName Dimensions"),
    ("MetricDataQueries", "Id MetricStat Label ReturnData"),
    ("MetricStat", "Metric Period Stat Unit"),
];

pub(super) const OPERATIONS: &[Operation] = &[
    // It sees to its pages itself: they are of data points.
    Operation::read(
        "GetMetricData",
        "MetricDataQueries StartTime EndTime NextToken ScanBy MaxDatapoints",
        query::get_metric_data,
    ),
    Operation::read(
        "ListMetrics",
        "Namespace MetricName Dimensions NextToken RecentlyActive IncludeLinkedAccounts OwningAccount",
        list::list_metrics,
    ),
];
