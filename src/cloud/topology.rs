//! What the mesh is to run: the region's live tasks and load balancers.

use super::region::Region;
use super::services::{ecs, elbv2};
use crate::mesh::topology::Topology;

pub(crate) fn of(region: &Region) -> Topology {
    Topology { tasks: ecs::mesh_tasks(region), load_balancers: elbv2::mesh_load_balancers(region) }
}
