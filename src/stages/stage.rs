//! The pattern of all stages. A resource's file says what AWS says of it, how to make, change and tag it; when to do
//! which, whose it is and how long to wait is decided here, once for all.

use std::time::Duration;

use tokio::time::Instant;

use super::wait::{Poll, Subject, in_words, wait, wait_at_most};
use super::{Context, Error};
use crate::aws::ErrorClass;
use crate::events::Event;
use crate::plan::{Action, Difference, Kind, PlannedChange, ResourceReport};

/// How long a new role, profile or link to another resource may take to be known everywhere before a creation that
/// needs it is given up. Roles mostly spread in 10 to 20 s, and now and then take more than a minute.
const PROPAGATION_LIMIT: Duration = Duration::from_secs(120);

/// A resource that is there. One that AWS calls INACTIVE is not.
pub(crate) struct Found<T> {
    /// The ARN, ID or name by which reports call it.
    pub(super) id: String,
    /// The owner that its tag names.
    pub(super) owner: Option<String>,
    /// The state, in AWS's words, of one that is being deleted, so that its name is not free yet.
    pub(super) leaving: Option<String>,
    /// What else is known of it.
    pub(super) facts: T,
}

impl<T> Found<T> {
    pub(super) fn new(id: impl Into<String>, owner: Option<String>, facts: T) -> Self {
        Self { id: id.into(), owner, leaving: None, facts }
    }

    pub(super) fn is_ours(&self, ctx: &Context) -> bool {
        self.owner.as_deref() == Some(ctx.owner())
    }
}

/// One resource of the walkthrough: a struct of what it depends on.
pub(crate) trait Stage {
    const KIND: Kind;
    /// How long it takes on AWS until it is ready, if that is worth saying: `2–3 min`.
    const USUALLY: Option<&'static str> = None;
    /// What AWS tells of the resource now.
    type Facts;
    /// The value that later stages are given.
    type Output;

    fn name(&self) -> String;

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Self::Facts>>, Error>;
    /// What later stages are given of the resource; none was found if a plan only foresees it.
    fn output(&self, found: Option<Found<Self::Facts>>) -> Self::Output;

    /// Whether it is ready for use.
    fn state(&self, _facts: &Self::Facts) -> Poll<()> {
        Poll::Done(())
    }

    /// What can be changed, where it is not as wanted.
    fn compare(&self, _facts: &Self::Facts) -> Vec<Option<Difference>> {
        vec![]
    }

    /// What does not work while it is missing, or as it is.
    fn effect(&self, _facts: Option<&Self::Facts>) -> Option<&'static str> {
        None
    }

    fn differences(&self, facts: &Self::Facts) -> Vec<Difference> {
        self.compare(facts).into_iter().flatten().collect()
    }

    /// Creates it with the owner tag on, and so that a repetition does not make a second one.
    async fn create(&self, ctx: &Context) -> Result<(), Error>;
    async fn change(&self, _ctx: &Context, _found: &Found<Self::Facts>) -> Result<(), Error> {
        Ok(())
    }
    /// Puts the owner tag on.
    async fn adopt(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error>;

    /// What `ensure` would do.
    async fn plan(&self, ctx: &Context) -> Result<(PlannedChange, Self::Output), Error> {
        let found = self.find(ctx).await?.filter(|found| found.leaving.is_none());
        let differences = found.as_ref().map(|found| self.differences(&found.facts)).unwrap_or_default();
        let action = match &found {
            None => Action::Created,
            Some(found) if !found.is_ours(ctx) && ctx.settings.adopt => Action::Adopted,
            Some(found) if !found.is_ours(ctx) => Action::Refused,
            Some(_) if differences.is_empty() => Action::Kept,
            Some(_) => Action::Changed,
        };
        let effect = match action {
            Action::Created | Action::Changed => self.effect(found.as_ref().map(|found| &found.facts)),
            Action::Kept | Action::Adopted | Action::Refused => None,
        };
        let (kind, name) = (Self::KIND, self.name());
        let id = found.as_ref().map(|found| found.id.clone());
        Ok((PlannedChange { stage: kind.step(), kind, name, id, action, differences, effect }, self.output(found)))
    }

    /// Finds the resource or makes it, changes what differs, and waits until it is ready, whoever made it.
    async fn ensure(&self, ctx: &Context) -> Result<(ResourceReport, Self::Output), Error> {
        let (kind, started) = (Self::KIND, Instant::now());
        ctx.events.send(Event::StageStarted { kind, name: self.name() });

        let mut action = Action::Kept;
        // What was found last, as long as nothing has been done to it since.
        let mut latest = self.find_settled(ctx).await?;
        let mut as_wanted = false;
        if latest.is_none() {
            action = Action::Created;
            as_wanted = self.create_patiently(ctx).await?;
        }
        if !as_wanted {
            // Also if a creation was refused since it exists: an earlier answer was lost, or someone else was quicker.
            let found = match latest.take() {
                Some(found) => found,
                None => self.find_visible(ctx).await?,
            };
            if !found.is_ours(ctx) {
                if !ctx.settings.adopt {
                    return Err(Error::NotOurs { kind, name: self.name() });
                }
                self.adopt(ctx, &found).await?;
                action = Action::Adopted;
            }
            ctx.set_begun();
            latest = Some(found);
        }

        let mut changed = false;
        let found = wait(ctx, self.subject(), async || {
            let found = match latest.take() {
                Some(found) => found,
                None => match self.find(ctx).await? {
                    None => return Ok(Poll::pending("not visible yet")),
                    Some(Found { leaving: Some(state), .. }) => return Ok(Poll::failed(state, "it is being deleted")),
                    Some(found) => found,
                },
            };
            if !as_wanted && let Some(difference) = self.differences(&found.facts).first() {
                if !changed {
                    match self.change(ctx, &found).await {
                        Ok(()) => changed = true,
                        Err(Error::Cloud(error)) if error.class.may_pass() => return Ok(Poll::refused(&error)),
                        Err(error) => return Err(error),
                    }
                }
                return Ok(Poll::pending(format!("changing {difference}")));
            }
            Ok(self.state(&found.facts).map(|()| found))
        })
        .await?;
        if changed && action == Action::Kept {
            action = Action::Changed;
        }

        let (name, id) = (self.name(), found.id.clone());
        let elapsed = started.elapsed();
        ctx.events.send(Event::StageDone { kind, name: name.clone(), id: id.clone(), action, elapsed });
        Ok((ResourceReport { stage: kind.step(), kind, name, id, action }, self.output(Some(found))))
    }

    fn subject(&self) -> Subject {
        Subject::from(format!("{} {}", Self::KIND, self.name())).usually(Self::USUALLY)
    }

    /// Finds the resource, once no predecessor of its name is being deleted any more.
    async fn find_settled(&self, ctx: &Context) -> Result<Option<Found<Self::Facts>>, Error> {
        wait(ctx, self.subject().usually(None), async || {
            Ok(match self.find(ctx).await? {
                Some(Found { leaving: Some(state), .. }) => Poll::pending(being_deleted(&state)),
                found => Poll::Done(found),
            })
        })
        .await
    }

    /// Waits until a resource that exists is seen: AWS is eventually consistent.
    async fn find_visible(&self, ctx: &Context) -> Result<Found<Self::Facts>, Error> {
        wait_at_most(ctx, self.subject().usually(None), PROPAGATION_LIMIT, async || {
            Ok(match self.find(ctx).await? {
                None => Poll::pending("it exists, and is not visible yet"),
                Some(Found { leaving: Some(state), .. }) => Poll::pending(being_deleted(&state)),
                Some(found) => Poll::Done(found),
            })
        })
        .await
    }

    /// Creates it as soon as what it needs has spread; false if it exists already.
    async fn create_patiently(&self, ctx: &Context) -> Result<bool, Error> {
        let mut refusal = None;
        let created =
            wait_at_most(ctx, self.subject().usually(None), PROPAGATION_LIMIT, async || match self.create(ctx).await {
                Ok(()) => Ok(Poll::Done(true)),
                Err(Error::Cloud(error)) if error.class == ErrorClass::AlreadyExists => Ok(Poll::Done(false)),
                Err(Error::Cloud(error)) if error.class.may_pass() => {
                    let poll = Poll::refused(&error);
                    refusal = Some(error);
                    Ok(poll)
                }
                Err(error) => Err(error),
            })
            .await;
        match (created, refusal) {
            (Err(Error::TimedOut { .. }), Some(refusal)) => Err(Error::Cloud(refusal)),
            (created, _) => created,
        }
    }
}

/// One of the same name is to go first.
fn being_deleted(state: &str) -> String {
    format!("an earlier one is being deleted ({})", in_words(state))
}
