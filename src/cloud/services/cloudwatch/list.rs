//! `ListMetrics`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::metrics::{Dimensions, Metric, NAMESPACE};
use super::minute_of;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

/// A page's metrics, and for how long one is listed after its last value (API Reference, "ListMetrics").
const PAGE: usize = 500;
const LISTED_MINUTES: i64 = 14 * 24 * 60;
/// `RecentlyActive`: `PT3H`. Rounded as AWS may round it, up to 50 minutes more (API Reference).
const RECENT_MINUTES: i64 = 3 * 60;

pub(super) fn list_metrics(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    if let Some(other) = params.opt_str("OwningAccount").filter(|account| *account != crate::cloud::ACCOUNT_ID) {
        return Err(AwsError::unsupported(format_args!("metrics of another account, such as {other}")));
    }
    let for_minutes = match params.opt_str("RecentlyActive") {
        None => LISTED_MINUTES,
        Some("PT3H") => RECENT_MINUTES,
        Some(other) => return Err(AwsError::invalid_parameter(format!("RecentlyActive {other} must be PT3H"))),
    };
    let wanted = params.objects("Dimensions");
    if wanted.len() > 10 {
        return Err(AwsError::invalid_parameter("The parameter Dimensions can have at most 10 items."));
    }
    let wanted: Vec<_> = wanted
        .iter()
        .map(|filter| Ok((filter.str("Name")?, filter.opt_str("Value"))))
        .collect::<Result<_, AwsError>>()?;
    let has = |dimensions: &Dimensions, (name, value): (&str, Option<&str>)| {
        dimensions.iter().any(|(known, is)| *known == name && value.is_none_or(|value| value == is))
    };
    let since = minute_of(Timestamp::now()) - for_minutes;
    let metrics = (region.cloudwatch().metrics.series.iter())
        .filter(|_| params.opt_str("Namespace").is_none_or(|namespace| namespace == NAMESPACE))
        .filter(|((metric, _), _)| params.opt_str("MetricName").is_none_or(|name| name == metric.into_str()))
        .filter(|((_, dimensions), _)| wanted.iter().all(|wanted| has(dimensions, *wanted)))
        .filter(|(_, values)| values.last_key_value().is_some_and(|(minute, _)| *minute >= since))
        .map(|((metric, dimensions), _)| wire(*metric, dimensions));
    let start = match params.opt_str("NextToken") {
        Some(token) => {
            token.parse::<usize>().map_err(|_| AwsError::invalid_parameter("The parameter NextToken is invalid."))?
        }
        None => 0,
    };
    let mut page: Vec<Value> = metrics.skip(start).take(PAGE + 1).collect();
    let next = (page.len() > PAGE).then(|| (start + PAGE).to_string());
    page.truncate(PAGE);
    Ok(json!({ "Metrics": page, "NextToken": next }))
}

fn wire(metric: Metric, dimensions: &Dimensions) -> Value {
    let dimensions = dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value }));
    json!({
        "Namespace": NAMESPACE,
        "MetricName": metric.into_str(),
        "Dimensions": dimensions.collect::<Value>(),
    })
}
