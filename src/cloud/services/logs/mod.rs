//! Amazon CloudWatch Logs: log groups, which tasks need to be there, and what Service Connect's proxies log to them: accesses, if
//! their service asks for that. Containers are not run, and log nothing.

mod accesses;
mod api;
mod insights;
mod streams;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::{Answer, Service};
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::Tags;

#[derive(Clone, Default)]
pub(crate) struct State {
    /// The log groups by name.
    groups: BTreeMap<String, LogGroup>,
    /// The queries of Logs Insights, the newest first.
    queries: VecDeque<insights::Query>,
}

#[derive(Clone)]
struct LogGroup {
    class: String,
    retention_days: Option<i64>,
    tags: Tags,
    created_at: jiff::Timestamp,
    /// Its streams by name.
    streams: BTreeMap<String, streams::Stream>,
    stored_bytes: u64,
}

impl LogGroup {
    fn new(class: &str, tags: Tags) -> Self {
        Self {
            class: class.to_owned(),
            retention_days: None,
            tags,
            created_at: jiff::Timestamp::now(),
            streams: BTreeMap::new(),
            stored_bytes: 0,
        }
    }
}

const STANDARD: &str = "STANDARD";

/// The numbers of days that `PutRetentionPolicy` takes (API Reference).
const RETENTIONS: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub(crate) use accesses::write_accesses;
pub(crate) use streams::write;

pub(crate) fn has_group(region: &Region, name: &str) -> bool {
    region.logs().groups.contains_key(name)
}

/// As the awslogs driver does with `awslogs-create-group`.
pub(crate) fn create_group(region: &mut Region, name: &str) {
    region.logs_mut().groups.entry(name.to_owned()).or_insert_with(|| LogGroup::new(STANDARD, Tags::default()));
}

impl Region {
    fn logs(&self) -> &State {
        self.states.get()
    }

    fn logs_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "logs",
    target_prefix: Some("Logs_20140328"),
    words: Words {
        failure: ("ServiceUnavailableException", "ServiceUnavailableException"),
        invalid_parameter: Some("InvalidParameterException"),
        too_many_tags: Some("TooManyTagsException"),
        ..Words::JSON
    },
    operations: api::OPERATIONS,
    new_state: |_| Some(Box::new(State::default())),
    tagged: |region, key| region.logs().groups.values().filter_map(|group| group.tags.get(key)).collect(),
    ..Service::PLAIN
};

fn not_found() -> AwsError {
    AwsError::new("ResourceNotFoundException", "The specified log group does not exist.")
}

fn create(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.str("logGroupName")?;
    if name.len() > 512 {
        // As LocalStack's tests have recorded it of AWS.
        let message = "Invalid LogGroup or LogStream, both must have length less than or equal to 512.";
        return Err(AwsError::new("InvalidParameterException", message));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    if !name.chars().all(is_allowed) {
        return Err(AwsError::new(
            "InvalidParameterException",
            format!(
                "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
            ),
        ));
    }
    if has_group(region, name) {
        return Err(AwsError::new("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    let group =
        LogGroup::new(params.opt_str("logGroupClass").unwrap_or(STANDARD), Tags::from_map(params.object("tags"))?);
    region.logs_mut().groups.insert(name.to_owned(), group);
    Ok(json!({}))
}

fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let prefix = params.opt_str("logGroupNamePrefix").unwrap_or_default();
    let pattern = params.opt_str("logGroupNamePattern").unwrap_or_default().to_lowercase();
    if !prefix.is_empty() && !pattern.is_empty() {
        // As LocalStack's tests have recorded it of AWS.
        let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
        return Err(AwsError::new("InvalidParameterException", message));
    }
    let class = params.opt_str("logGroupClass");
    let groups = (region.logs().groups.iter())
        .filter(|(name, _)| name.starts_with(prefix) && name.to_lowercase().contains(&pattern))
        .filter(|(_, group)| class.is_none_or(|class| group.class == class))
        .map(|(name, group)| {
            let arn = arn(region, name);
            json!({
                "logGroupName": name,
                "creationTime": group.created_at.as_millisecond(),
                "retentionInDays": group.retention_days,
                "metricFilterCount": 0,
                "arn": format!("{arn}:*"),
                "storedBytes": group.stored_bytes,
                "deletionProtectionEnabled": false,
                "logGroupClass": group.class,
                "logGroupArn": arn,
            })
        });
    Ok(json!({ "logGroups": groups.collect::<Value>() }))
}

fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    region.logs_mut().groups.remove(params.str("logGroupName")?).ok_or_else(not_found)?;
    Ok(json!({}))
}

fn retain(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let days = params.int("retentionInDays")?;
    if !RETENTIONS.contains(&days) {
        return Err(AwsError::new(
            "InvalidParameterException",
            format!("1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint"),
        ));
    }
    group(region, params)?.retention_days = Some(days);
    Ok(json!({}))
}

fn retain_forever(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    group(region, params)?.retention_days = None;
    Ok(json!({}))
}

fn group<'r>(region: &'r mut Region, params: Params<'_>) -> Result<&'r mut LogGroup, AwsError> {
    region.logs_mut().groups.get_mut(params.str("logGroupName")?).ok_or_else(not_found)
}

fn arn(region: &Region, name: &str) -> String {
    region.arn("logs", &format!("log-group:{name}"))
}

fn tag(region: &mut Region, params: Params<'_>) -> Answer {
    let (name, tags) = (tagged_group(region, params)?, Tags::from_map(params.object("tags"))?);
    region.logs_mut().groups.get_mut(&name).ok_or_else(not_found)?.tags.add(tags)?;
    Ok(json!({}))
}

fn untag(region: &mut Region, params: Params<'_>) -> Answer {
    let name = tagged_group(region, params)?;
    region.logs_mut().groups.get_mut(&name).ok_or_else(not_found)?.tags.remove(&params.strings("tagKeys"));
    Ok(json!({}))
}

fn list_tags(region: &Region, params: Params<'_>) -> Answer {
    let name = tagged_group(region, params)?;
    let group = region.logs().groups.get(&name).ok_or_else(not_found)?;
    Ok(json!({ "tags": group.tags.to_map() }))
}

fn tag_group(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = Tags::from_map(params.object("tags"));
    group(region, params)?.tags.add(tags?)?;
    Ok(json!({}))
}

fn untag_group(region: &mut Region, params: Params<'_>) -> Answer {
    group(region, params)?.tags.remove(&params.strings("tags"));
    Ok(json!({}))
}

fn list_tags_of_group(region: &Region, params: Params<'_>) -> Answer {
    let group = region.logs().groups.get(params.str("logGroupName")?).ok_or_else(not_found)?;
    Ok(json!({ "tags": group.tags.to_map() }))
}

/// The group that an ARN names, with or without the `:*` that AWS writes after it in one of its two forms.
fn tagged_group(region: &Region, params: Params<'_>) -> Result<String, AwsError> {
    let name = params.str("resourceArn")?.strip_prefix(&arn(region, "")).ok_or_else(not_found)?;
    Ok(name.strip_suffix(":*").unwrap_or(name).to_owned())
}
