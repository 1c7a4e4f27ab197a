//! `down`: removes what carries our tag, users before what they use, and looks again for what is left.

use schemars::JsonSchema;
use serde::Serialize;

use super::order::{look_at_all, remove_all};
use crate::events::Event;
use crate::plan::{Kind, Step};
use crate::stages::ecs_cluster::find_other_creator;
use crate::stages::identity::find_identity;
use crate::stages::removal::{Gone, Outcome, Remaining, UNKNOWN_ID};
use crate::stages::{Context, Error};

/// How long it takes on AWS to remove everything: instances and network interfaces take longest (`stages::removal`).
const USUALLY: &str = "3–6 min";

/// What `down` did.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct Down {
    /// What was removed.
    pub removed: Vec<Removed>,
    /// The rules that went with the security groups.
    pub rules_removed: usize,
    /// Resources that are ours and still there.
    pub leftovers: Vec<Leftover>,
    /// Resources that have one of our names and not our tag, and were left alone; `--adopt` removes them.
    pub not_ours: Vec<Leftover>,
    /// The seconds from the Auto Scaling group's creation to its removal. Null: it did not stand, or this is not AWS.
    pub up_s: Option<u64>,
    /// What that has cost, if nothing has changed meanwhile.
    pub usd_spent: Option<f64>,
}

impl Down {
    fn found_nothing(&self) -> bool {
        self.removed.is_empty() && self.leftovers.is_empty() && self.not_ours.is_empty()
    }
}

/// A resource that was removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
pub struct Removed {
    /// The article's step that the resource belongs to.
    #[serde(rename = "step")]
    pub stage: Step,
    /// What kind of resource it was.
    pub kind: Kind,
    /// What it was called. Null: it had no name but its ID.
    pub name: Option<String>,
    /// The ID, ARN or name that AWS knew it by.
    pub id: String,
}

/// A resource that was not removed, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
pub struct Leftover {
    /// The article's step that the resource belongs to.
    #[serde(rename = "step")]
    pub stage: Step,
    /// What kind of resource it is.
    pub kind: Kind,
    /// What it is called. Null: it has no name but its ID, or is not known.
    pub name: Option<String>,
    /// The ID, ARN or name that AWS knows it by.
    pub id: String,
    /// Why it was not removed.
    pub reason: String,
}

impl Leftover {
    pub(super) fn new(kind: Kind, remaining: Remaining, reason: impl Into<String>) -> Self {
        let (name, id) = (remaining.details.name, remaining.id);
        Self { stage: kind.step(), kind, name, id, reason: reason.into() }
    }

    /// What there may be of a kind that could not be listed.
    pub(super) fn unknown(kind: Kind, error: &Error) -> Self {
        Self { stage: kind.step(), kind, name: None, id: UNKNOWN_ID.to_owned(), reason: error.to_string() }
    }
}

/// Removes everything that carries the owner tag, whatever an earlier run has left of it, and then looks again.
pub async fn down(ctx: &Context) -> Result<Down, Error> {
    let identity = find_identity(ctx).await?; // is anyone there, and are we let in
    match find_other_creator(ctx, &identity).await {
        Ok(None) => {}
        Ok(Some(creator)) => ctx.events.note(format!("walkthrough {} was created by {creator}", ctx.settings.name)),
        Err(error) => ctx.events.note(format!("who created walkthrough {} is not known: {error}", ctx.settings.name)),
    }
    ctx.events.send(Event::Planned { resources: None, usually: USUALLY });
    let outcome = Box::pin(remove_all(ctx)).await;
    if ctx.cancel.is_cancelled() {
        let removed = match outcome.removed.len() {
            1 => "1 resource".to_owned(),
            removed => format!("{removed} resources"),
        };
        ctx.events.note(format!("{removed} removed so far: `zonewalk down` removes what is left"));
        return Err(Error::Interrupted);
    }
    let mut down = Box::pin(look_again(ctx, &outcome)).await;
    down.rules_removed = outcome.rules_removed;
    down.removed = outcome
        .removed
        .into_iter()
        .map(|Gone { kind, name, id }| Removed { stage: kind.step(), kind, name, id })
        .collect();
    if down.found_nothing() {
        let at = ctx.clients.endpoint_url.as_deref().map(|url| format!(" at {url}")).unwrap_or_default();
        ctx.events.note(format!(
            "nothing of walkthrough {} was found in account {}, region {}{at}: --name, --profile and --region say where to look",
            ctx.settings.name, identity.account, ctx.clients.region,
        ));
    }
    Ok(down)
}

/// What is there now, asked of the cloud and not concluded from what was done.
async fn look_again(ctx: &Context, outcome: &Outcome) -> Down {
    let mut down = Down::default();
    for (kind, found) in look_at_all(ctx).await {
        let reason =
            |id: &str| outcome.failed.iter().find(|(k, i, _)| *k == kind && i == id).map(|(.., e)| e.to_string());
        match found {
            Ok(remaining) => {
                for resource in remaining {
                    let (list, otherwise) = if resource.ours || ctx.settings.adopt {
                        (&mut down.leftovers, "it was created or found again after its removal; repeat `zonewalk down`")
                    } else {
                        (&mut down.not_ours, "it has our name and not our tag; `zonewalk down --adopt` removes it")
                    };
                    let reason = reason(&resource.id).unwrap_or_else(|| otherwise.to_owned());
                    list.push(Leftover::new(kind, resource, reason));
                }
            }
            Err(error) => {
                down.leftovers.push(Leftover::unknown(kind, &error));
            }
        }
    }
    down.leftovers.sort();
    down.not_ours.sort();
    down
}
