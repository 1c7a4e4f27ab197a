//! What each drill changes, how, and the way back. All of it is decided before anything is changed.

use std::collections::BTreeMap;

use super::{Drill, DrillName};
use crate::aws::{AzId, AzName};
use crate::commands::Error;
use crate::stages::inventory::ServiceStatus;
use crate::stages::placement::{
    close_zone, empty_zone, find_constrained, find_lacking, find_subnets, make_room, open_zones, remove_surplus,
    set_subnets,
};
use crate::stages::preflight::backends_needed;
use crate::stages::rollout::{scale_service, wait_for_tasks};
use crate::stages::{Context, Error as StageError, inventory, launch_type};

/// What is changed, beside what there was before.
#[derive(Clone, Debug)]
pub(super) struct Change {
    kind: Kind,
    /// The desired tasks of the services before.
    pub(super) backends: u32,
    frontends: u32,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Fewer backends. ECS chooses which tasks it stops, and so how those that are left are spread.
    Scale { to: u32 },
    /// No backend in a zone, as many as before in the others.
    Spillover { zone: Zone, instances: u32, added: u32, room: BTreeMap<AzName, u32> },
    /// Nothing in a zone.
    ZoneLoss { zone: Zone, subnets: BTreeMap<AzName, String> },
}

#[derive(Clone, Debug)]
struct Zone {
    name: AzName,
    id: AzId,
}

/// The fewest zones of a drill that takes one away: AWS's load balancers are in two at least (Elastic Load Balancing User Guide,
/// "Subnets for your load balancer").
const FEWEST_ZONES: usize = 3;

impl Change {
    /// What a drill is to change, unless something speaks against it.
    pub(super) async fn of(ctx: &Context, drill: &Drill) -> Result<Self, Error> {
        launch_type::learn(ctx).await?;
        let services = inventory::find_services(ctx).await?;
        let service = |name: &str| {
            let found = services.iter().find(|found| found.name == name);
            found.ok_or_else(|| Error::Missing(format!("there is no service {name}: run `zonewalk up` first")))
        };
        let backend = service(&ctx.names.backend.service)?;
        let from = backend.desired;
        let (kind, frontends) = match drill {
            Drill::Scale { to } if *to >= from => {
                return Err(Error::Usage(format!(
                    "--to {to} takes nothing away: {} has {from} tasks (if an earlier drill left it so, `zonewalk up` \
                     restores it)",
                    backend.name
                )));
            }
            Drill::Scale { to } => (Kind::Scale { to: *to }, 0),
            Drill::Spillover { zone } | Drill::ZoneLoss { zone } => {
                let frontend = service(&ctx.names.frontend.service)?;
                let is_spillover = matches!(drill, Drill::Spillover { .. });
                let kind = take_zone(ctx, zone.as_deref(), is_spillover, backend).await?;
                (kind, frontend.desired)
            }
        };
        Ok(Self { kind, backends: from, frontends })
    }

    pub(super) fn drill(&self) -> DrillName {
        match self.kind {
            Kind::Scale { .. } => DrillName::Scale,
            Kind::Spillover { .. } => DrillName::Spillover,
            Kind::ZoneLoss { .. } => DrillName::ZoneLoss,
        }
    }

    /// The zone that is taken away, by its ID.
    pub(super) fn zone(&self) -> Option<&AzId> {
        match &self.kind {
            Kind::Scale { .. } => None,
            Kind::Spillover { zone, .. } | Kind::ZoneLoss { zone, .. } => Some(&zone.id),
        }
    }

    /// Takes away what the drill is to take away, and waits until it is gone.
    pub(super) async fn make(&self, ctx: &Context) -> Result<(), StageError> {
        let [backend, frontend] = [&ctx.names.backend.service, &ctx.names.frontend.service];
        match &self.kind {
            Kind::Scale { to } => scale_service(ctx, backend, *to).await,
            Kind::Spillover { zone, instances, added, room } => {
                if *added > 0 {
                    ctx.events.note(format!(
                        "{added} more instances are launched, since the tasks of {} need room elsewhere; they go at the end",
                        ctx.zones().label(zone.id.as_str())
                    ));
                    make_room(ctx, instances + added, room).await?;
                }
                close_zone(ctx, backend, &zone.name).await?;
                empty_zone(ctx, backend, &zone.name).await
            }
            Kind::ZoneLoss { zone, subnets } => {
                let others = subnets.iter().filter(|(name, _)| **name != zone.name).map(|(_, subnet)| subnet.clone());
                set_subnets(ctx, others).await?;
                close_zone(ctx, backend, &zone.name).await?;
                close_zone(ctx, frontend, &zone.name).await?;
                let empty = |service| empty_zone(ctx, service, &zone.name);
                tokio::try_join!(empty(backend), empty(frontend)).map(drop)
            }
        }
    }

    /// Puts all back, from wherever the drill has come to.
    pub(super) async fn undo(&self, ctx: &Context) -> Result<(), StageError> {
        let [backend, frontend] = [&ctx.names.backend.service, &ctx.names.frontend.service];
        match &self.kind {
            Kind::Scale { .. } => {
                ctx.events.note(format!("restoring {backend} to {} tasks", self.backends));
                scale_service(ctx, backend, self.backends).await
            }
            Kind::Spillover { zone, instances, .. } => {
                note_restoring(ctx, zone);
                open_zones(ctx, backend).await?;
                wait_for_tasks(ctx, backend, self.backends).await?;
                remove_surplus(ctx, *instances).await.map(drop)
            }
            Kind::ZoneLoss { zone, subnets } => {
                note_restoring(ctx, zone);
                set_subnets(ctx, subnets.values().cloned()).await?;
                open_zones(ctx, backend).await?;
                open_zones(ctx, frontend).await?;
                wait_for_tasks(ctx, backend, self.backends).await?;
                wait_for_tasks(ctx, frontend, self.frontends).await
            }
        }
    }
}

fn note_restoring(ctx: &Context, zone: &Zone) {
    ctx.events.note(format!("restoring {}", ctx.zones().label(zone.id.as_str())));
}

/// The change that takes a zone away, if the walkthrough is one that can do without it.
async fn take_zone(
    ctx: &Context,
    asked: Option<&str>,
    is_spillover: bool,
    backend: &ServiceStatus,
) -> Result<Kind, Error> {
    if !ctx.data_plane.heeds_constraints() {
        let what = "an emulator's tasks are placed without placement constraints, so no zone can be kept empty: drill with --local";
        return Err(Error::Usage(what.to_owned()));
    }
    if backend.is_on_fargate() && !is_spillover {
        let what = "on Fargate a zone is left by a deployment that replaces all tasks, which is no outage: `zonewalk failover spillover` \
                    takes the backends of a zone away";
        return Err(Error::Usage(what.to_owned()));
    }
    let constrained = find_constrained(ctx).await?;
    if !constrained.is_empty() {
        return Err(Error::Missing(format!(
            "{} may not run everywhere, as a drill leaves it that was not put back: run `zonewalk up` first",
            constrained.join(" and ")
        )));
    }
    let (subnets, ids) = (find_subnets(ctx).await?, inventory::find_zones(ctx).await?);
    let zones: Vec<Zone> =
        subnets.keys().filter_map(|name| Some(Zone { name: name.clone(), id: ids.get(name)?.clone() })).collect();
    let zone = choose(ctx, asked, &zones)?;
    let here = backend.tasks_by_zone.get(&zone.id).copied().unwrap_or(0);
    if here == 0 {
        return Err(Error::Usage(format!(
            "no task of {} runs in {}: choose another --zone, or run `zonewalk up`",
            backend.name,
            ctx.zones().label(zone.id.as_str())
        )));
    }
    if !is_spillover {
        return Ok(Kind::ZoneLoss { zone, subnets });
    }
    if backend.desired < backends_needed() {
        return Err(Error::Usage(format!(
            "{} has {} tasks, and Envoy routes by zone from {} on: `zonewalk up --task-count {2}` makes as many",
            backend.name,
            backend.desired,
            backends_needed()
        )));
    }
    let room = room(backend, &zone, &zones);
    if backend.is_on_fargate() {
        // There is room everywhere.
        return Ok(Kind::Spillover { zone, instances: 0, added: 0, room: BTreeMap::new() });
    }
    let group = inventory::find_group(ctx).await?;
    let instances = group.map(|group| group.desired).unwrap_or_default();
    let added = find_lacking(ctx, &room).await?;
    Ok(Kind::Spillover { zone, instances, added, room })
}

/// The zone that was asked for, by its ID or its name; otherwise the first.
fn choose(ctx: &Context, asked: Option<&str>, zones: &[Zone]) -> Result<Zone, Error> {
    let listed = || {
        let names = ctx.zones();
        zones.iter().map(|zone| names.label(zone.id.as_str())).collect::<Vec<_>>().join(", ")
    };
    if zones.len() < FEWEST_ZONES {
        return Err(Error::Usage(format!(
            "the walkthrough is in {} zones ({}), and a drill that takes one away needs {FEWEST_ZONES}, since a load balancer \
             stays in two: `zonewalk up` restores the others",
            zones.len(),
            listed()
        )));
    }
    let found = match asked {
        Some(asked) => zones.iter().find(|zone| zone.id.as_str() == asked || zone.name.as_str() == asked),
        None => zones.iter().min_by_key(|zone| &zone.id),
    };
    found.cloned().ok_or_else(|| {
        let asked = asked.unwrap_or_default();
        Error::Usage(format!("--zone {asked} is no zone of this walkthrough: it is in {}", listed()))
    })
}

/// How many more backends each of the other zones is to have, spread evenly as ECS does.
fn room(backend: &ServiceStatus, zone: &Zone, zones: &[Zone]) -> BTreeMap<AzName, u32> {
    let others: Vec<&Zone> = zones.iter().filter(|other| other.id != zone.id).collect();
    let each = backend.desired.div_ceil(u32::try_from(others.len().max(1)).unwrap_or(u32::MAX));
    let has = |other: &Zone| backend.tasks_by_zone.get(&other.id).copied().unwrap_or(0);
    others.into_iter().map(|other| (other.name.clone(), each.saturating_sub(has(other)))).collect()
}
