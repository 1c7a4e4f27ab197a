//! Logs Insights: a few queries are known by their text, and answered when they have had their time; others are refused.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::not_found;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::wire::Params;
use crate::logs_insights::Query as Question;

#[derive(Clone)]
pub(super) struct Query {
    id: String,
    text: String,
    question: Question,
    groups: BTreeSet<String>,
    /// Seconds since the epoch, both inclusive.
    window: (i64, i64),
    limit: usize,
    created_at: Timestamp,
    status: Status,
    found: Found,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str)]
enum Status {
    Running,
    Complete,
    Cancelled,
}

#[derive(Clone, Default)]
struct Found {
    /// Each with its log stream, what else it is grouped by, and the sums.
    rows: Vec<(String, Vec<String>, Vec<f64>)>,
    matched: f64,
    scanned: f64,
    bytes: f64,
}

/// The most log groups that a query is of, the most rows that it has, and what each has without `limit` (API Reference,
/// "StartQuery").
const MOST_GROUPS: usize = 50;
const MOST_ROWS: usize = 100_000;
const DEFAULT_ROWS: usize = 10_000;
/// How many queries are remembered.
const KEPT: usize = 1_000;

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

pub(super) fn start(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    if let Some(other) = params.opt_str("queryLanguage").filter(|language| *language != "CWLI") {
        return Err(AwsError::unsupported(format_args!("the query language {other}, only CWLI")));
    }
    let by_name = [params.opt_str("logGroupName").into_iter().collect(), params.strings("logGroupNames")].concat();
    let identifiers = params.strings("logGroupIdentifiers");
    let name_of =
        |id: &str| id.rsplit_once("log-group:").map_or(id, |(_, name)| name).trim_end_matches(":*").to_owned();
    let groups: BTreeSet<String> = by_name.iter().chain(&identifiers).map(|id| name_of(id)).collect();
    let ways = [params.get("logGroupName"), params.get("logGroupNames"), params.get("logGroupIdentifiers")];
    if ways.into_iter().flatten().count() != 1 {
        return Err(invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be given."));
    }
    if groups.len() > MOST_GROUPS {
        return Err(invalid(format!("A query can be of at most {MOST_GROUPS} log groups.")));
    }
    if groups.iter().any(|name| !region.logs().groups.contains_key(name)) {
        return Err(not_found());
    }
    let window = (params.int("startTime")?, params.int("endTime")?);
    if window.0 > window.1 {
        return Err(AwsError::new(
            "MalformedQueryException",
            "Query's end date and time is either before the log groups creation time or exceeds the log groups log retention settings",
        ));
    }
    let limit = params.opt_int("limit")?.unwrap_or(DEFAULT_ROWS as i64);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=MOST_ROWS).contains(limit));
    let text = params.str("queryString")?;
    let question = Question::recognize(text).ok_or_else(|| {
        AwsError::unsupported("this query: it runs none, and answers those of `zonewalk audit --measure`")
    })?;
    let id = region.ids.uuid();
    let query = Query {
        id: id.clone(),
        text: text.to_owned(),
        question,
        groups,
        window,
        limit: limit.ok_or_else(|| invalid(format!("limit must be from 1 to {MOST_ROWS}.")))?,
        created_at: Timestamp::now(),
        status: Status::Running,
        found: Found::default(),
    };
    let queries = &mut region.logs_mut().queries;
    queries.push_front(query);
    queries.truncate(KEPT);
    let of_query = id.clone();
    region.after(Transition::Command, move |region| complete(region, &of_query));
    Ok(json!({ "queryId": id }))
}

fn complete(region: &mut Region, id: &str) {
    let running = |query: &&Query| query.id == id && query.status == Status::Running;
    let Some(query) = region.logs().queries.iter().find(running) else { return };
    let found = run(region, query);
    if let Some(query) = region.logs_mut().queries.iter_mut().find(|query| query.id == id) {
        (query.status, query.found) = (Status::Complete, found);
    }
}

fn run(region: &Region, query: &Query) -> Found {
    let mut found = Found::default();
    let mut rows = BTreeMap::<(&str, Vec<String>), Vec<f64>>::new();
    let (from, to) = query.window;
    let groups = query.groups.iter().filter_map(|name| region.logs().groups.get(name));
    for (name, stream) in groups.flat_map(|group| &group.streams) {
        for event in stream.events.iter().filter(|event| (from..=to).contains(&event.at.div_euclid(1_000))) {
            found.scanned += 1.0;
            found.bytes += event.message.len() as f64;
            if let Some((keys, addends)) = query.question.of_event(&event.message) {
                found.matched += 1.0;
                let sums = rows.entry((name, keys)).or_insert_with(|| vec![0.0; addends.len()]);
                sums.iter_mut().zip(addends).for_each(|(sum, addend)| *sum += addend);
            }
        }
    }
    let rows = rows.into_iter().map(|((stream, keys), sums)| (stream.to_owned(), keys, sums));
    found.rows = rows.take(query.limit).collect();
    found
}

fn find<'r>(region: &'r Region, params: Params<'_>) -> Result<&'r Query, AwsError> {
    let id = params.str("queryId")?;
    let found = region.logs().queries.iter().find(|query| query.id == id);
    found.ok_or_else(|| AwsError::new("ResourceNotFoundException", format!("Query {id} does not exist.")))
}

pub(super) fn results(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let query = find(region, params)?;
    let found = &query.found;
    let rows = found.rows.iter().map(|(stream, keys, sums)| {
        let keys = query.question.keys().iter().zip(keys.iter().cloned());
        let sums = query.question.sums().iter().zip(sums.iter().map(f64::to_string));
        let fields = [(&"@logStream", stream.clone())].into_iter().chain(keys).chain(sums);
        fields.map(|(field, value)| json!({ "field": field, "value": value })).collect::<Value>()
    });
    let result_count = found.rows.len() as f64;
    Ok(json!({
        "queryLanguage": "CWLI",
        "results": rows.collect::<Value>(),
        "statistics": {
            "recordsMatched": found.matched,
            "recordsScanned": found.scanned,
            "estimatedRecordsSkipped": 0.0,
            "bytesScanned": found.bytes,
            "estimatedBytesSkipped": 0.0,
            "logGroupsScanned": query.groups.len() as f64,
            "resultCount": result_count,
        },
        "status": query.status.into_str(),
    }))
}

pub(super) fn stop(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let query = find(region, params)?;
    if query.status != Status::Running {
        return Err(invalid("Query has been completed or cancelled."));
    }
    let id = query.id.clone();
    let found = region.logs_mut().queries.iter_mut().find(|query| query.id == id);
    found.into_iter().for_each(|query| query.status = Status::Cancelled);
    Ok(json!({ "success": true }))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (group, status) = (params.opt_str("logGroupName"), params.opt_str("status"));
    let queries = (region.logs().queries.iter())
        .filter(|query| group.is_none_or(|group| query.groups.contains(group)))
        .filter(|query| status.is_none_or(|status| query.status.into_str() == status))
        .map(|query| {
            json!({
                "queryLanguage": "CWLI",
                "queryId": query.id,
                "queryString": query.text,
                "status": query.status.into_str(),
                "createTime": query.created_at.as_millisecond(),
                "logGroupName": query.groups.first(),
                "bytesScanned": query.found.bytes,
            })
        });
    Ok(json!({ "queries": queries.collect::<Value>() }))
}
