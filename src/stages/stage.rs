//! The pattern of all stages. A resource's file says what AWS says of it, how to make, change and tag it; when to do
//! which, whose it is and how long to wait is decided here, once for all.

use std::time::Duration;

use tokio::time::Instant;

use super::wait::{Poll, wait, wait_at_most};
use super::{Context, Error};
use crate::aws::ErrorClass;
use crate::events::Event;
use crate::plan::{Action, Difference, Kind, PlannedChange, ResourceReport};

/// How long a new role, profile or link to another resource may take to be known everywhere before a creation that
/// needs it is given up. Roles mostly spread in 10 to 20 s, and now and then take more than a minute.
const PROPAGATION_LIMIT: Duration = Duration::from_secs(120);

/// Whether a resource is there. AWS's INACTIVE is absent.
pub(crate) enum Presence<F> {
    Absent,
    /// It is being deleted, and its name is not free yet; holds its state, in AWS's words.
    Leaving(String),
    Present(F),
}

/// Whose a resource is.
pub(crate) enum Owner {
    /// The owner that its tag names.
    Tag(Option<String>),
    /// The owner of the resource that it is part of, which was looked at already.
    Parent,
}

/// One resource of the walkthrough: a struct of what it depends on.
pub(crate) trait Stage {
    const KIND: Kind;
    /// The resource as AWS describes it now.
    type Found;
    /// The value that later stages are given.
    type Output;

    fn name(&self) -> String;

    async fn find(&self, ctx: &Context) -> Result<Presence<Self::Found>, Error>;
    fn owner(&self, found: &Self::Found) -> Owner;
    fn id(&self, found: &Self::Found) -> String;
    /// What later stages are given of a resource that a plan foresees.
    fn foreseen(&self) -> Self::Output;
    /// What they are given of one that exists: the same, if AWS adds nothing to it.
    fn output(&self, _found: Self::Found) -> Self::Output {
        self.foreseen()
    }

    /// Whether it is ready for use.
    fn state(&self, _found: &Self::Found) -> Poll<()> {
        Poll::Done(())
    }

    /// What is not as wanted and can be changed.
    fn differences(&self, _found: &Self::Found) -> Vec<Difference> {
        vec![]
    }

    /// Creates it with the owner tag on, and so that a repetition does not make a second one.
    async fn create(&self, ctx: &Context) -> Result<(), Error>;
    async fn change(&self, _ctx: &Context, _found: &Self::Found) -> Result<(), Error> {
        Ok(())
    }
    /// Puts the owner tag on.
    async fn adopt(&self, ctx: &Context, found: &Self::Found) -> Result<(), Error>;

    /// What `ensure` would do.
    async fn plan(&self, ctx: &Context) -> Result<(PlannedChange, Self::Output), Error> {
        let (action, differences, output) = match self.find(ctx).await? {
            Presence::Absent | Presence::Leaving(_) => (Action::Created, vec![], self.foreseen()),
            Presence::Present(found) => {
                let differences = self.differences(&found);
                let action = match (self.is_ours(ctx, &found), differences.is_empty()) {
                    (false, _) if ctx.settings.adopt => Action::Adopted,
                    (false, _) => Action::Refused,
                    (true, false) => Action::Changed,
                    (true, true) => Action::Kept,
                };
                (action, differences, self.output(found))
            }
        };
        Ok((
            PlannedChange { stage: Self::KIND.step(), kind: Self::KIND, name: self.name(), action, differences },
            output,
        ))
    }

    /// Finds the resource or makes it, changes what differs, and waits until it is ready, whoever made it.
    async fn ensure(&self, ctx: &Context) -> Result<(ResourceReport, Self::Output), Error> {
        let (step, kind, started) = (Self::KIND.step(), Self::KIND, Instant::now());
        ctx.events.send(Event::StageStarted { step, kind, name: self.name() });

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
            if !self.check_owner(ctx, &found)? {
                self.adopt(ctx, &found).await?;
                action = Action::Adopted;
            }
            ctx.set_begun();
            latest = Some(found);
        }

        let mut changed = false;
        let found = wait(ctx, step, &self.what(), async || {
            let found = match latest.take() {
                Some(found) => found,
                None => match self.find(ctx).await? {
                    Presence::Present(found) => found,
                    Presence::Absent => return Ok(Poll::pending("not visible yet")),
                    Presence::Leaving(state) => {
                        return Ok(Poll::Failed { state, reason: "it is being deleted".to_owned() });
                    }
                },
            };
            if !as_wanted && let Some(difference) = self.differences(&found).first() {
                if !changed {
                    match self.change(ctx, &found).await {
                        Ok(()) => changed = true,
                        Err(Error::Cloud(error)) if error.class.may_pass() => return Ok(Poll::pending(error.message)),
                        Err(error) => return Err(error),
                    }
                }
                return Ok(Poll::pending(difference.to_string()));
            }
            Ok(self.state(&found).map(|()| found))
        })
        .await?;
        if changed && action == Action::Kept {
            action = Action::Changed;
        }

        let id = self.id(&found);
        ctx.events.send(Event::StageDone { step, kind, id: id.clone(), action, elapsed: started.elapsed() });
        Ok((ResourceReport { stage: step, kind, id, action }, self.output(found)))
    }

    fn what(&self) -> String {
        format!("{} {}", Self::KIND, self.name())
    }

    fn is_ours(&self, ctx: &Context, found: &Self::Found) -> bool {
        match self.owner(found) {
            Owner::Tag(owner) => owner.as_deref() == Some(ctx.owner()),
            Owner::Parent => true,
        }
    }

    /// Whether it is ours; an error if it is neither ours nor to be adopted.
    fn check_owner(&self, ctx: &Context, found: &Self::Found) -> Result<bool, Error> {
        let ours = self.is_ours(ctx, found);
        if ours || ctx.settings.adopt { Ok(ours) } else { Err(Error::NotOurs { kind: Self::KIND, name: self.name() }) }
    }

    /// Finds the resource, once no predecessor of its name is being deleted any more.
    async fn find_settled(&self, ctx: &Context) -> Result<Option<Self::Found>, Error> {
        wait(ctx, Self::KIND.step(), &self.what(), async || {
            Ok(match self.find(ctx).await? {
                Presence::Absent => Poll::Done(None),
                Presence::Leaving(state) => Poll::pending(state),
                Presence::Present(found) => Poll::Done(Some(found)),
            })
        })
        .await
    }

    /// Waits until a resource that exists is seen: AWS is eventually consistent.
    async fn find_visible(&self, ctx: &Context) -> Result<Self::Found, Error> {
        wait_at_most(ctx, Self::KIND.step(), &self.what(), PROPAGATION_LIMIT, async || {
            Ok(match self.find(ctx).await? {
                Presence::Present(found) => Poll::Done(found),
                Presence::Absent => Poll::pending("exists, not visible yet"),
                Presence::Leaving(state) => Poll::pending(state),
            })
        })
        .await
    }

    /// Creates it as soon as what it needs has spread; false if it exists already.
    async fn create_patiently(&self, ctx: &Context) -> Result<bool, Error> {
        let mut refusal = None;
        let created = wait_at_most(ctx, Self::KIND.step(), &self.what(), PROPAGATION_LIMIT, async || {
            match self.create(ctx).await {
                Ok(()) => Ok(Poll::Done(true)),
                Err(Error::Cloud(error)) => match error.class {
                    ErrorClass::AlreadyExists => Ok(Poll::Done(false)),
                    class if class.may_pass() => {
                        refusal = Some(error.clone());
                        Ok(Poll::pending(error.message))
                    }
                    _ => Err(Error::Cloud(error)),
                },
                Err(error) => Err(error),
            }
        })
        .await;
        match (created, refusal) {
            (Err(Error::TimedOut { .. }), Some(refusal)) => Err(Error::Cloud(refusal)),
            (created, _) => created,
        }
    }
}
