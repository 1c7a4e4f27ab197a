//! The third proof: what the frontends' proxies have logged of the requests, asked by CloudWatch Logs Insights. It is there on Fargate,
//! too, where Envoy's counters are not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Error;
use crate::envoy::stats::ZoneRequests;
use crate::logs_insights::Query;
use crate::logs_insights::access_logs::Accesses;
use crate::stages::access_logs::AccessLogs;
use crate::stages::inventory::ServiceStatus;
use crate::stages::log_query::{self, Row, Span};
use crate::stages::{Context, inventory};

/// How long lines may take to arrive in CloudWatch Logs before those that have are all that is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the frontends' proxies have logged in this time, at least so many requests unless they do not arrive. None: they log no accesses.
pub(super) async fn read(ctx: &Context, span: Span, requests: u64) -> Result<Option<Vec<ZoneRequests>>, Error> {
    let services = inventory::find_services(ctx).await?;
    let named = |name: &str| services.iter().find(|service| service.name == name);
    let (Some(frontend), Some(backend)) = (named(&ctx.names.frontend.service), named(&ctx.names.backend.service))
    else {
        return Ok(None);
    };
    let logs = frontend.deployment.as_ref().and_then(|deployment| deployment.access_logs.clone());
    let Some(AccessLogs { group, is_json }) = logs else { return Ok(None) };
    let query = Query::Accesses(if is_json { Accesses::Json } else { Accesses::Text });
    let zones = |rows: &[Row]| by_zone(rows, frontend, backend);
    let is_enough = |rows: &[Row]| zones(rows).iter().map(|pair| pair.requests).sum::<u64>() >= requests;
    let rows = log_query::ask_until(ctx, &[group], &query, span, is_enough, PATIENCE).await?;
    Ok(Some(zones(&rows)))
}

/// What went from frontends to backends: streams end with the task's ID, and addresses are the tasks' own.
fn by_zone(rows: &[Row], frontend: &ServiceStatus, backend: &ServiceStatus) -> Vec<ZoneRequests> {
    let id = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let callers: BTreeMap<String, &str> =
        frontend.tasks.iter().map(|task| (id(&task.id), task.az_id.as_str())).collect();
    let called: BTreeMap<&str, &str> =
        backend.tasks.iter().filter_map(|task| Some((task.address.as_deref()?, task.az_id.as_str()))).collect();
    let of = |row: &Row| {
        let (from, to) = (callers.get(&id(row.get("@logStream")?))?, called.get(row.get("ip")?.as_str())?);
        let requests = row.get("requests")?.parse::<f64>().ok()?;
        Some(ZoneRequests { from: (*from).to_owned(), to: (*to).to_owned(), requests: requests as u64 })
    };
    rows.iter().filter_map(of).collect()
}
