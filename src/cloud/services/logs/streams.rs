//! Log streams and what is in them: listed, and read by stream or over a group.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{LogGroup, not_found};
use crate::cloud::carried::Log;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

#[derive(Clone)]
pub(super) struct Stream {
    created_at: i64,
    /// In the order of their times.
    pub(super) events: VecDeque<Event>,
    /// How many have been forgotten, so that a token means the same event later.
    forgotten: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Milliseconds since the epoch, as all of this service's times.
    pub(super) at: i64,
    ingested_at: i64,
    pub(super) message: String,
}

/// The most events that a stream keeps, so that memory is bounded: the oldest go.
const MOST_EVENTS: usize = 20_000;

/// When a stream begins, those of the group that nothing has been written to for longest go until the others have no more events
/// than this: each task has a stream of its own, and tasks come and go without end.
const MOST_EVENTS_BEFORE_ANOTHER: usize = 500_000;

/// What an event takes beside its message, in UTF-8 (API Reference, "PutLogEvents").
const EVENT_OVERHEAD: u64 = 26;

/// The line that a proxy's stream begins with: Envoy's own are among the access log's.
const STARTED: &str = "[info] starting main dispatch loop";

impl Stream {
    fn new(at: i64) -> Self {
        Self { created_at: at, events: VecDeque::new(), forgotten: 0 }
    }

    fn push(&mut self, at: i64, message: String) {
        let now = Timestamp::now().as_millisecond();
        // They end in another order than they began, within a moment.
        let place = self.events.iter().rposition(|event| event.at <= at).map_or(0, |before| before + 1);
        self.events.insert(place, Event { at, ingested_at: now, message });
        if self.events.len() > MOST_EVENTS {
            self.events.pop_front();
            self.forgotten += 1;
        }
    }
}

impl LogGroup {
    fn forget_idle_streams(&mut self, most_events: usize) {
        let mut events: usize = self.streams.values().map(|stream| stream.events.len()).sum();
        while events > most_events {
            let last = |stream: &Stream| stream.events.back().map(|event| event.at);
            let Some(idle) = self.streams.iter().min_by_key(|(_, stream)| last(stream)) else { return };
            let name = idle.0.clone();
            events -= self.streams.remove(&name).map_or(0, |stream| stream.events.len());
        }
    }
}

/// Writes an event; a group that was deleted meanwhile loses it.
pub(crate) fn write(region: &mut Region, group: &str, stream: &str, at: Timestamp, message: String) {
    let Some(group) = region.logs_mut().groups.get_mut(group) else { return };
    let at = at.as_millisecond();
    if !group.streams.contains_key(stream) {
        group.forget_idle_streams(MOST_EVENTS_BEFORE_ANOTHER);
    }
    group.stored_bytes += message.len() as u64 + EVENT_OVERHEAD;
    group.streams.entry(stream.to_owned()).or_insert_with(|| Stream::new(at)).push(at, message);
}

/// Writes what a proxy logs, as its container's log driver does.
pub(super) fn write_of_proxy(region: &mut Region, log: &Log, at: Timestamp, message: String) {
    let group = region.logs().groups.get(&log.group);
    if group.is_some_and(|group| !group.streams.contains_key(&log.stream)) {
        let started = format!("[{}]{STARTED}", at.strftime("%Y-%m-%d %H:%M:%S.%3f"));
        write(region, &log.group, &log.stream, at, started);
    }
    write(region, &log.group, &log.stream, at, message);
}

fn group<'r>(region: &'r Region, params: Params<'_>) -> Result<(&'r str, &'r LogGroup), AwsError> {
    let reference = match (params.opt_str("logGroupName"), params.opt_str("logGroupIdentifier")) {
        (Some(_), Some(_)) => {
            let message = "Exactly one of logGroupName and logGroupIdentifier must be given.";
            return Err(AwsError::new("InvalidParameterException", message));
        }
        (Some(name), None) => name,
        // A name or an ARN.
        (None, Some(identifier)) => identifier.rsplit_once("log-group:").map_or(identifier, |(_, name)| name),
        (None, None) => return Err(AwsError::missing_parameter("logGroupName")),
    };
    let found = region.logs().groups.get_key_value(reference.trim_end_matches(":*"));
    found.map(|(name, group)| (name.as_str(), group)).ok_or_else(not_found)
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (name, group) = group(region, params)?;
    let prefix = params.opt_str("logStreamNamePrefix").unwrap_or_default();
    let by_time = params.opt_str("orderBy") == Some("LastEventTime");
    if by_time && !prefix.is_empty() {
        let message = "Cannot order by LastEventTime with a logStreamNamePrefix.";
        return Err(AwsError::new("InvalidParameterException", message));
    }
    let mut streams: Vec<_> = group.streams.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    if by_time {
        streams.sort_by_key(|(_, stream)| stream.events.back().map(|event| event.at));
    }
    if params.opt_bool("descending") == Some(true) {
        streams.reverse();
    }
    let streams = streams.into_iter().map(|(stream, it)| {
        json!({
            "logStreamName": stream,
            "creationTime": it.created_at,
            "firstEventTimestamp": it.events.front().map(|event| event.at),
            "lastEventTimestamp": it.events.back().map(|event| event.at),
            "lastIngestionTime": it.events.back().map(|event| event.ingested_at),
            "arn": region.arn("logs", &format!("log-group:{name}:log-stream:{stream}")),
            // Not kept by stream since 2019 (API Reference, "LogStream").
            "storedBytes": 0,
        })
    });
    Ok(json!({ "logStreams": streams.collect::<Value>() }))
}

/// A page's events, and its bytes (API Reference, "GetLogEvents", "FilterLogEvents").
const MOST_IN_PAGE: usize = 10_000;
const MOST_BYTES: usize = 1_000_000;

/// The parameters that both readings have: from when on, until when, how many.
fn bounds(params: Params<'_>) -> Result<(i64, i64, usize), AwsError> {
    let limit = params.opt_int("limit")?.unwrap_or(MOST_IN_PAGE as i64);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=MOST_IN_PAGE).contains(limit));
    let limit = limit.ok_or_else(|| {
        AwsError::new("InvalidParameterException", format!("limit must be from 1 to {MOST_IN_PAGE}."))
    })?;
    Ok((params.opt_int("startTime")?.unwrap_or(0), params.opt_int("endTime")?.unwrap_or(i64::MAX), limit))
}

/// `GetLogEvents`: pages go both ways, and the last one's token is given again (API Reference). A token is where a page begins
/// (`f/`) or ends (`b/`), counted over all events that ever were.
pub(super) fn get(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (_, group) = group(region, params)?;
    let stream = group
        .streams
        .get(params.str("logStreamName")?)
        .ok_or_else(|| AwsError::new("ResourceNotFoundException", "The specified log stream does not exist."))?;
    let (start, end, limit) = bounds(params)?;
    let first = stream.forgotten as usize;
    let asked: Vec<usize> = (stream.events.iter().enumerate())
        .filter(|(_, event)| (start..end).contains(&event.at))
        .map(|(index, _)| first + index)
        .collect();
    let (least, most) = (asked.first().copied().unwrap_or(first), asked.last().map_or(first, |last| last + 1));
    let token = params.opt_str("nextToken").and_then(|token| token.split_once('/'));
    let at = |number: &str| {
        let number = number.parse::<usize>().map(|number| number.clamp(least, most));
        number.map_err(|_| AwsError::new("InvalidParameterException", "The specified nextToken is invalid."))
    };
    let (from, to) = match token {
        Some(("f", number)) => (at(number)?, most.min(at(number)?.saturating_add(limit))),
        Some(("b", number)) => (least.max(at(number)?.saturating_sub(limit)), at(number)?),
        Some(_) => return Err(AwsError::new("InvalidParameterException", "The specified nextToken is invalid.")),
        None if params.opt_bool("startFromHead") == Some(true) => (least, most.min(least.saturating_add(limit))),
        None => (least.max(most.saturating_sub(limit)), most),
    };
    let events = (from..to)
        .filter_map(|number| stream.events.get(number - first))
        .map(|event| json!({ "timestamp": event.at, "message": event.message, "ingestionTime": event.ingested_at }));
    Ok(json!({
        "events": events.collect::<Value>(),
        "nextForwardToken": format!("f/{to}"),
        "nextBackwardToken": format!("b/{from}"),
    }))
}

/// `FilterLogEvents`: over all streams, in the order of time.
pub(super) fn filter(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (_, group) = group(region, params)?;
    let names = params.strings("logStreamNames");
    let prefix = params.opt_str("logStreamNamePrefix");
    if !names.is_empty() && prefix.is_some() {
        let message = "logStreamNamePrefix and logStreamNames are mutually exclusive.";
        return Err(AwsError::new("InvalidParameterException", message));
    }
    let (start, end, limit) = bounds(params)?;
    let terms = terms(params.opt_str("filterPattern").unwrap_or_default())?;
    let mut found: Vec<(&str, usize, &Event)> = (group.streams.iter())
        .filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()))
        .filter(|(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .flat_map(|(name, stream)| {
            let events = stream.events.iter().enumerate();
            events.map(|(index, event)| (name.as_str(), stream.forgotten as usize + index, event))
        })
        .filter(|(.., event)| (start..end).contains(&event.at) && terms.iter().all(|term| event.message.contains(term)))
        .collect();
    found.sort_by_key(|(.., event)| event.at);
    let from = match params.opt_str("nextToken") {
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| AwsError::new("InvalidParameterException", "The specified nextToken is invalid."))?,
        None => 0,
    };
    let mut bytes = 0;
    let page = found.iter().skip(from).take(limit).take_while(|(.., event)| {
        bytes += event.message.len();
        bytes <= MOST_BYTES
    });
    let events: Vec<Value> = page
        .map(|(stream, number, event)| {
            json!({
                "logStreamName": stream,
                "timestamp": event.at,
                "message": event.message,
                "ingestionTime": event.ingested_at,
                "eventId": event_id(stream, *number, event.at),
            })
        })
        .collect();
    let next = from + events.len();
    Ok(json!({
        "events": events,
        // Empty since 2019 (API Reference, "FilterLogEvents").
        "searchedLogStreams": [],
        "nextToken": (next < found.len()).then(|| next.to_string()),
    }))
}

/// 56 digits, as AWS's have: the time, the stream, and where in it the event is.
fn event_id(stream: &str, number: usize, at: i64) -> String {
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    format!("{at:014}{:020}{number:022}", hasher.finish())
}

/// The terms of a filter pattern, all of which an event has to have; no other patterns are known.
fn terms(pattern: &str) -> Result<Vec<&str>, AwsError> {
    if pattern.starts_with(['{', '[', '%']) || pattern.contains(['?', '-', '"']) {
        return Err(AwsError::unsupported(format_args!("the filter pattern {pattern}, only terms")));
    }
    Ok(pattern.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_group_with_too_many_events_the_streams_that_are_written_to_stay() {
        let mut group = LogGroup::new("STANDARD", crate::cloud::wire::tags::Tags::default());
        for (stream, begins) in [("long-lived", 0), ("idle", 1), ("recent", 2)] {
            let mut events = Stream::new(begins);
            (begins..begins + 3).for_each(|at| events.push(at, String::new()));
            group.streams.insert(stream.to_owned(), events);
        }
        if let Some(stream) = group.streams.get_mut("long-lived") {
            stream.push(9, String::new());
        }
        group.forget_idle_streams(10);
        assert_eq!(group.streams.len(), 3);
        group.forget_idle_streams(9);
        assert_eq!(group.streams.keys().collect::<Vec<_>>(), ["long-lived", "recent"]);
    }
}
