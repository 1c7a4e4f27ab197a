//! The pattern of removal. A kind's file lists what there is of it and deletes one; whose it is, how to go on after a
//! failure, and when it is gone is decided here. Nothing is taken from `up`: the cloud alone is asked.

use std::time::Duration;

use aws_sdk_ecs::primitives::DateTime;
use tokio::time::Instant;

use super::stage::Found;
use super::wait::{Poll, Subject, wait};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::{CloudError, ErrorClass};
use crate::events::Event;
use crate::plan::Kind;

/// A resource of this walkthrough's names or tags that is there now.
#[derive(Clone, Debug)]
pub(crate) struct Remaining {
    /// The name or ID that `delete` needs; unique within its kind.
    pub(crate) id: String,
    /// Whether it carries our tag, or belongs to something that does.
    pub(crate) ours: bool,
    /// Whether it is being deleted already, so that it is only waited for.
    pub(crate) leaving: bool,
    pub(crate) details: Details,
}

/// What else is known of a resource: nothing of it is needed to remove it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    pub(crate) name: Option<String>,
    pub(crate) arn: Option<String>,
    pub(crate) created: Option<DateTime>,
    /// The rules of a security group, which go with it.
    pub(crate) rules: usize,
}

impl Details {
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    pub(super) fn arn(self, arn: Option<&str>) -> Self {
        Self { arn: arn.map(str::to_owned), ..self }
    }

    pub(super) fn created(self, created: Option<&DateTime>) -> Self {
        Self { created: created.copied(), ..self }
    }
}

impl Remaining {
    pub(super) fn new(ctx: &Context, id: impl Into<String>, owner: Option<String>) -> Self {
        let ours = owner.as_deref() == Some(ctx.owner());
        if ours {
            ctx.set_stands();
        }
        Self { id: id.into(), ours, leaving: false, details: Details::default() }
    }

    /// What is left of a kind of which there is one at most, by the ID that reports call it.
    pub(super) fn of<T>(ctx: &Context, found: Option<Found<T>>, details: impl FnOnce(&T) -> Details) -> Vec<Self> {
        let remaining = |found: Found<T>| {
            let (leaving, owner) = (found.leaving.is_some(), found.is_ours(ctx).then(|| ctx.owner().to_owned()));
            Self { leaving, ..Self::new(ctx, found.id, owner).with(details(&found.facts)) }
        };
        found.map(remaining).into_iter().collect()
    }

    pub(super) fn leaving(self, leaving: bool) -> Self {
        Self { leaving, ..self }
    }

    pub(super) fn with(self, details: Details) -> Self {
        Self { details, ..self }
    }
}

/// A resource that was removed.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) kind: Kind,
    pub(crate) name: Option<String>,
    pub(crate) id: String,
}

/// What became of a removal.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) removed: Vec<Gone>,
    /// The rules that went with their security groups.
    pub(crate) rules_removed: usize,
    pub(crate) failed: Vec<(Kind, String, Error)>,
}

impl Outcome {
    pub(crate) fn merge(&mut self, other: Self) {
        self.removed.extend(other.removed);
        self.rules_removed += other.rules_removed;
        self.failed.extend(other.failed);
    }
}

/// A kind of resource that `down` removes.
pub(crate) trait Removal {
    const KIND: Kind;
    /// How long it takes on AWS until it is gone, if that is worth saying: `2–3 min`.
    const USUALLY: Option<&'static str> = None;

    /// All there is of the kind, by name, and by tag where AWS can be asked that.
    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error>;
    async fn delete(ctx: &Context, id: &str) -> Result<(), Error>;

    /// Deletes what is ours, in the order in which it is listed, and waits until it is gone. Carries on past failures.
    async fn remove(ctx: &Context) -> Outcome {
        let started = Instant::now();
        let kind = Self::KIND;
        let (mut removed, mut rules_removed) = (vec![], 0);
        let mut failed = vec![];
        let mut fail = |id: &str, error: Error| {
            if !error.is_interrupted() {
                ctx.events.send(Event::RemovalFailed { kind, id: id.to_owned(), reason: error.to_string() });
            }
            failed.push((kind, id.to_owned(), error));
        };

        let mut going = vec![];
        match Self::list(ctx).await {
            Err(error) => fail(UNKNOWN_ID, error),
            Ok(remaining) => {
                for resource in remaining.into_iter().filter(|resource| resource.ours || ctx.settings.adopt) {
                    let deleted =
                        if resource.leaving { Ok(()) } else { delete_patiently::<Self>(ctx, &resource.id).await };
                    match deleted {
                        Ok(()) => going.push(resource),
                        Err(error) => fail(&resource.id, error),
                    }
                }
            }
        }

        if !going.is_empty() {
            let ids: Vec<&str> = going.iter().map(|resource| resource.id.as_str()).collect();
            let what = format!("removal of {kind} {}", ids.join(", "));
            let gone = wait(ctx, Subject::from(what).usually(Self::USUALLY), async || {
                let remaining = Self::list(ctx).await?;
                going.retain(|resource| {
                    let remains = remaining.iter().any(|other| other.id == resource.id);
                    if !remains {
                        let (name, id, elapsed) =
                            (resource.details.name.clone(), resource.id.clone(), started.elapsed());
                        removed.push(Gone { kind, name: name.clone(), id: id.clone() });
                        ctx.events.send(Event::Removed { kind, name, id, elapsed });
                        rules_removed += resource.details.rules;
                    }
                    remains
                });
                Ok(if going.is_empty() { Poll::Done(()) } else { Poll::pending(still_there(kind, going.len())) })
            })
            .await;
            if let Err(error) = gone {
                going.iter().for_each(|resource| fail(&resource.id, error.clone()));
            }
        }
        Outcome { removed, rules_removed, failed }
    }
}

/// How long a deletion that an answer only reports as failed is tried again.
const UNEXPLAINED: Duration = Duration::from_secs(60);

/// Stands in a failure for resources that could not be listed.
pub(crate) const UNKNOWN_ID: &str = "(could not be listed)";

/// What of a kind is still there after its deletion.
fn still_there(kind: Kind, number: usize) -> String {
    match (kind, number) {
        (Kind::Service, _) => "its tasks are stopping".to_owned(),
        (Kind::AutoScalingGroup, _) => "its instances are being terminated".to_owned(),
        (_, 1) => "being deleted".to_owned(),
        _ => format!("{number} are being deleted"),
    }
}

/// How long network interfaces of what is gone are known to stay: "1 to 5 min", from practice.
const INTERFACES_STAY: Duration = Duration::from_secs(300);

/// What a deletion that is refused since something uses the resource waits for. The users that are ours are gone by then, so it
/// is their network interfaces, unless that takes too long.
fn in_use<T>(kind: Kind, waited: Duration, error: &CloudError) -> Poll<T> {
    match (kind, error.class) {
        (Kind::SecurityGroup, ErrorClass::InUse) if waited < INTERFACES_STAY => Poll::pending_since(
            "waiting for the network interfaces of the load balancer and the tasks to go (1–5 min)",
            &error.message,
        ),
        (_, ErrorClass::InUse) => Poll::pending_since("something still uses it", &error.message),
        _ => Poll::refused(error),
    }
}

/// Tries again while something still uses it: network interfaces detach minutes after what they belonged to is gone.
async fn delete_patiently<R: Removal + ?Sized>(ctx: &Context, id: &str) -> Result<(), Error> {
    let started = Instant::now();
    wait(ctx, format!("removal of {} {id}", R::KIND), async || match R::delete(ctx, id).await {
        Err(Error::Cloud(error)) if matches!(error.class, ErrorClass::InUse | ErrorClass::NotReady) => {
            Ok(in_use(R::KIND, started.elapsed(), &error))
        }
        // AWS's answer says so and not why: it may not have heard of a change right before.
        Err(Error::NotDeleted { reason, .. }) if started.elapsed() < UNEXPLAINED => {
            Ok(Poll::pending_since("AWS has not deleted it; trying again", &reason))
        }
        deleted => optional(deleted).map(|_| Poll::Done(())),
    })
    .await
}
