//! What of a walkthrough is there now: what `down` would remove.

use schemars::JsonSchema;
use serde::Serialize;

use super::down::Leftover;
use super::order::look_at_all;
use crate::plan::{Kind, Step};
use crate::stages::console_links::console_url;
use crate::stages::identity::find_identity;
use crate::stages::inventory::in_utc;
use crate::stages::removal::Remaining;
use crate::stages::{Context, Error};

/// All that stands under a walkthrough's names or carries its tag.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What `down` would remove.
    pub resources: Vec<Resource>,
    /// The rules of the security groups among them.
    pub rules: usize,
    /// Resources that have one of our names and not our tag.
    pub not_ours: Vec<Leftover>,
    /// The kinds of which AWS did not tell what there is.
    pub unknown: Vec<Leftover>,
}

/// A resource that is there now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
pub struct Resource {
    pub step: Step,
    pub kind: Kind,
    /// What it is called. Null: it has no name but its ID.
    pub name: Option<String>,
    /// The ARN, or the ID of what AWS gives none.
    pub id: String,
    /// The time of its creation in UTC. Null: AWS does not tell it.
    pub created_at: Option<String>,
    /// The seconds since then.
    pub age_s: Option<u64>,
    /// The page of AWS's console that shows it. Null: it has none, or this is not AWS.
    pub console_url: Option<String>,
    /// Whether AWS is deleting it.
    pub being_deleted: bool,
}

/// Looks for everything that `down` would find. Changes nothing.
pub async fn find_standing(ctx: &Context) -> Result<Standing, Error> {
    let partition = find_identity(ctx).await?.partition;
    let mut standing = Standing::default();
    for (kind, found) in look_at_all(ctx).await {
        match found {
            Ok(remaining) => remaining.into_iter().for_each(|one| standing.add(ctx, &partition, kind, one)),
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => standing.unknown.push(Leftover::unknown(kind, &error)),
        }
    }
    standing.resources.sort();
    Ok(standing)
}

impl Standing {
    fn add(&mut self, ctx: &Context, partition: &str, kind: Kind, found: Remaining) {
        if !found.ours && !ctx.settings.adopt {
            let reason = "it has our name and not our tag; `zonewalk down --adopt` removes it";
            self.not_ours.push(Leftover::new(kind, found, reason));
            return;
        }
        let details = found.details;
        self.rules += details.rules;
        let name = details.name.as_deref().unwrap_or(&found.id);
        let console_url = ctx.clients.is_aws().then(|| console_url(ctx, partition, kind, name, &found.id)).flatten();
        self.resources.push(Resource {
            step: kind.step(),
            kind,
            id: details.arn.unwrap_or(found.id),
            created_at: details.created.as_ref().and_then(in_utc),
            age_s: details.created.as_ref().map(|time| ctx.age(time).as_secs()),
            console_url,
            being_deleted: found.leaving,
            name: details.name,
        });
    }
}
