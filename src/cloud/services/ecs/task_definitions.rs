//! Task definitions: families of numbered revisions, ACTIVE until deregistered, and gone only when deleted after that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::definition::Definition;
use super::{client_error, includes_tags, invalid, is_named};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::tags::{LOWER, Tags};
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Active,
    Inactive,
    DeleteInProgress,
}

#[derive(Clone)]
pub(super) struct Revision {
    pub(super) definition: Arc<Definition>,
    status: Status,
    pub(super) tags: Tags,
    registered_at: Timestamp,
    deregistered_at: Option<Timestamp>,
    delete_requested_at: Option<Timestamp>,
    /// Its deletion has taken its time; it goes as soon as nothing runs it any more.
    may_go: bool,
}

#[derive(Clone, Default)]
pub(super) struct TaskDefinitions {
    pub(super) revisions: Vec<Revision>,
    /// A family's last revision number: numbers are never used again, not even those of deleted revisions.
    last: BTreeMap<String, u32>,
}

/// How long a deleted revision is DELETE_IN_PROGRESS at least.
const DELETION: Duration = Duration::from_secs(60);

impl Revision {
    pub(super) fn is_being_deleted(&self) -> bool {
        self.status == Status::DeleteInProgress
    }
}

impl TaskDefinitions {
    /// `family` (its latest ACTIVE revision) or `family:revision`, by itself or in an ARN.
    fn find(&self, reference: &str) -> Option<&Revision> {
        let (arn, name) = match reference.split_once(":task-definition/") {
            Some((arn, name)) => (Some(arn), name),
            None => (None, reference),
        };
        let of_arn = |r: &&Revision| {
            arn.is_none_or(|arn| r.definition.arn.split_once(":task-definition/").is_some_and(|(own, _)| own == arn))
        };
        let mut revisions = self.revisions.iter().filter(of_arn);
        match name.split_once(':') {
            Some((family, number)) => {
                let number: u32 = number.parse().ok()?;
                revisions.find(|r| r.definition.family == family && r.definition.revision == number)
            }
            None => {
                let is_it = |r: &&Revision| r.definition.family == name && r.status == Status::Active;
                revisions.filter(is_it).max_by_key(|r| r.definition.revision)
            }
        }
    }

    fn find_mut(&mut self, reference: &str) -> Option<&mut Revision> {
        let arn = self.find(reference)?.definition.arn.clone();
        self.revisions.iter_mut().find(|revision| revision.definition.arn == arn)
    }

    pub(super) fn tags_of(&self, arn: &str) -> Tags {
        self.find(arn).map(|revision| revision.tags.clone()).unwrap_or_default()
    }

    /// The revision that new tasks are to run.
    pub(super) fn runnable(&self, reference: &str) -> Result<Arc<Definition>, AwsError> {
        let revision = self.find(reference).ok_or_else(|| client_error("TaskDefinition not found."))?;
        match revision.status {
            Status::Active => Ok(Arc::clone(&revision.definition)),
            Status::Inactive | Status::DeleteInProgress => Err(client_error("TaskDefinition is inactive")),
        }
    }
}

pub(super) fn register(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let family = params.str("family")?;
    if family.len() > 255 || !is_named(family) {
        return Err(client_error("Family contains invalid characters."));
    }
    let tags = Tags::from_list(&params.objects("tags"), LOWER)?;
    let number = region.ecs().task_definitions.last.get(family).copied().unwrap_or(0) + 1;
    let arn = region.arn("ecs", &format!("task-definition/{family}:{number}"));
    let definition = Definition::new(arn, family, number, params.map())?;
    let state = &mut region.ecs_mut().task_definitions;
    state.last.insert(family.to_owned(), number);
    let revision = Revision {
        definition: Arc::new(definition),
        status: Status::Active,
        tags,
        registered_at: Timestamp::now(),
        deregistered_at: None,
        delete_requested_at: None,
        may_go: false,
    };
    let answer = json!({ "taskDefinition": wire(&revision), "tags": revision.tags.to_list(LOWER) });
    state.revisions.push(revision);
    Ok(answer)
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let revision = region
        .ecs()
        .task_definitions
        .find(params.str("taskDefinition")?)
        .ok_or_else(|| client_error("Unable to describe task definition."))?;
    let with_tags = includes_tags(params)?;
    Ok(json!({
        "taskDefinition": wire(revision),
        "tags": with_tags.then(|| revision.tags.to_list(LOWER)),
    }))
}

/// By family and number; `familyPrefix` is a whole family's name, in spite of its own.
pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let status = params.opt_str("status").unwrap_or("ACTIVE");
    let family = params.opt_str("familyPrefix");
    let mut found: Vec<_> = (region.ecs().task_definitions.revisions.iter())
        .filter(|r| r.status.into_str() == status && family.is_none_or(|family| r.definition.family == family))
        .map(|r| &r.definition)
        .collect();
    found.sort_by(|a, b| (&a.family, a.revision).cmp(&(&b.family, b.revision)));
    if params.opt_str("sort") == Some("DESC") {
        found.reverse();
    }
    let arns: Vec<_> = found.into_iter().map(|definition| &definition.arn).collect();
    Ok(json!({ "taskDefinitionArns": arns }))
}

pub(super) fn list_families(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let prefix = params.opt_str("familyPrefix").unwrap_or_default();
    // "By default, both ACTIVE and INACTIVE task definition families are listed" (API Reference).
    let status = params.opt_str("status").unwrap_or("ALL");
    let state = &region.ecs().task_definitions;
    let is_active =
        |family: &str| state.revisions.iter().any(|r| r.definition.family == family && r.status == Status::Active);
    let families = (state.last.keys()).filter(|family| family.starts_with(prefix)).filter(|family| match status {
        "ACTIVE" => is_active(family),
        "INACTIVE" => !is_active(family),
        _ => true,
    });
    Ok(json!({ "families": families.collect::<Vec<_>>() }))
}

pub(super) fn deregister(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let reference = params.str("taskDefinition")?;
    if !has_number(reference) {
        return Err(client_error("Invalid revision number. Number: null"));
    }
    let revision = region.ecs_mut().task_definitions.find_mut(reference).ok_or_else(does_not_exist)?;
    if revision.status == Status::Active {
        revision.status = Status::Inactive;
        revision.deregistered_at = Some(Timestamp::now());
    }
    Ok(json!({ "taskDefinition": wire(revision) }))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let references = params.strings("taskDefinitions");
    if references.is_empty() || references.len() > 10 {
        return Err(invalid("The number of task definitions to delete must be between 1 and 10."));
    }
    let (mut deleted, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        let failure = |reason: &str, detail: &str| json!({ "arn": reference, "reason": reason, "detail": detail });
        let found = if has_number(reference) { region.ecs_mut().task_definitions.find_mut(reference) } else { None };
        let Some(revision) = found else {
            failures.push(failure("MISSING", &does_not_exist().message));
            continue;
        };
        if revision.status == Status::Active {
            failures.push(failure("ACTIVE", "The task definition must be deregistered before it can be deleted."));
            continue;
        }
        if revision.status == Status::Inactive {
            revision.status = Status::DeleteInProgress;
            revision.delete_requested_at = Some(Timestamp::now());
        }
        deleted.push(wire(revision));
        let arn = revision.definition.arn.clone();
        region.after_aws_time(DELETION, move |region| {
            if let Some(revision) = region.ecs_mut().task_definitions.find_mut(&arn) {
                revision.may_go = true;
            }
        });
    }
    Ok(json!({ "taskDefinitions": deleted, "failures": failures }))
}

/// Drops the deleted revisions that no task and no service runs any more.
pub(super) fn purge(region: &mut Region) {
    let ecs = region.ecs_mut();
    let (tasks, services) = (&ecs.tasks, &ecs.services);
    ecs.task_definitions.revisions.retain(|revision| {
        let is_used = || {
            let arn = &revision.definition.arn;
            tasks.iter().any(|task| !task.is_stopped() && task.definition.arn == *arn)
                || services.iter().any(|service| service.runs(arn))
        };
        !revision.may_go || is_used()
    });
}

fn has_number(reference: &str) -> bool {
    reference.rsplit('/').next().is_some_and(|name| name.contains(':'))
}

fn does_not_exist() -> AwsError {
    client_error(
        "The specified task definition does not exist. Specify a valid account, family, revision and try again.",
    )
}

fn wire(revision: &Revision) -> Value {
    let definition = &revision.definition;
    let mut answer = Map::new();
    answer.insert("taskDefinitionArn".to_owned(), json!(definition.arn));
    answer.insert("family".to_owned(), json!(definition.family));
    answer.insert("revision".to_owned(), json!(definition.revision));
    answer.insert("status".to_owned(), json!(revision.status.into_str()));
    answer.extend(definition.document().clone());
    answer.insert("compatibilities".to_owned(), json!(definition.compatibilities()));
    let attributes: Value = definition.required_attributes().iter().map(|name| json!({ "name": name })).collect();
    answer.insert("requiresAttributes".to_owned(), attributes);
    answer.insert("registeredAt".to_owned(), timestamp(revision.registered_at));
    answer.insert("registeredBy".to_owned(), json!(format!("arn:aws:iam::{}:root", crate::cloud::ACCOUNT_ID)));
    for (name, at) in
        [("deregisteredAt", revision.deregistered_at), ("deleteRequestedAt", revision.delete_requested_at)]
    {
        if let Some(at) = at {
            answer.insert(name.to_owned(), timestamp(at));
        }
    }
    Value::Object(answer)
}
