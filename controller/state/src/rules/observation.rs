//! What nodes report: the observation half of `node_objects`.

use npanel_model::{Action, NodeId, TenantId};
use npanel_proto::command::{Observation, RecordObservations};

use super::removal;
use crate::{
    ObjectKind,
    context::{Context, Rule, tenant_id, wire_id},
    wanted::close_if_done,
};

/// Longer messages are cut: a checker can be talkative.
const LONGEST_MESSAGE: usize = 2000;

pub(super) fn record(ctx: &Context<'_>, body: &RecordObservations) -> Rule<()> {
    // Reported by a controller on behalf of nodes whose certificates it has seen.
    ctx.authorise(Action::NodeGet)?;
    for observation in &body.observations {
        record_one(ctx, observation)?;
    }
    Ok(())
}

struct Wanted {
    tenant: TenantId,
    generation: u64,
    tombstone: bool,
    observed_generation: u64,
}

fn record_one(ctx: &Context<'_>, observation: &Observation) -> Rule<()> {
    let node = wire_id(&observation.node_id, "/node_id", NodeId::from_bytes)?;
    let Some(kind) = ObjectKind::from_text(&observation.kind) else { return Ok(()) };
    let Some(wanted) = wanted(ctx, node, kind, &observation.object_id)? else { return Ok(()) };
    if observation.generation > wanted.generation || observation.generation < wanted.observed_generation {
        return Ok(());
    }
    let current = observation.generation == wanted.generation;
    let done = match observation.state.as_str() {
        "converged" => !wanted.tombstone,
        "retained" | "removed" => wanted.tombstone,
        _ => false,
    };
    ctx.run(
        "UPDATE node_objects SET observed_generation = ?4, observed_state = ?5, reason = ?6, message = ?7,
             since_millis = ?8, stages = ?9, settled = ?10
         WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3",
        rusqlite::params![
            node.to_bytes(),
            kind.as_str(),
            observation.object_id,
            observation.generation,
            observation.state,
            observation.reason,
            shortened(&observation.message),
            observation.since_millis,
            observation.stages,
            current && done,
        ],
    )?;
    if done {
        release_waiting(ctx, node, kind, observation)?;
    }
    ctx.note_object(wanted.tenant, kind, &observation.object_id, "observed");
    if !(current && wanted.tombstone) {
        return Ok(());
    }
    match observation.state.as_str() {
        "retained" => removal::release_name(ctx, kind, &observation.object_id),
        "removed" => drop_from_node(ctx, node, kind, &observation.object_id, wanted.tenant),
        _ => Ok(()),
    }
}

fn wanted(ctx: &Context<'_>, node: NodeId, kind: ObjectKind, object: &[u8]) -> Rule<Option<Wanted>> {
    ctx.find(
        "SELECT tenant_id, generation, tombstone_seconds IS NOT NULL, observed_generation FROM node_objects
         WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3",
        (node.to_bytes(), kind.as_str(), object),
        |row| {
            Ok(Wanted {
                tenant: tenant_id(row, 0)?,
                generation: row.get(1)?,
                tombstone: row.get(2)?,
                observed_generation: row.get(3)?,
            })
        },
    )
}

/// Takes what has been reached off the operations that waited for it.
fn release_waiting(ctx: &Context<'_>, node: NodeId, kind: ObjectKind, observation: &Observation) -> Rule<()> {
    let operations = ctx.all(
        "UPDATE operation_targets SET done_millis = ?5, stages = ?6
         WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3 AND generation <= ?4 AND done_millis IS NULL
         RETURNING operation_id",
        (
            node.to_bytes(),
            kind.as_str(),
            &observation.object_id,
            observation.generation,
            ctx.now.as_millis(),
            &observation.stages,
        ),
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    for operation in operations {
        close_if_done(ctx, &operation)?;
    }
    Ok(())
}

fn drop_from_node(
    ctx: &Context<'_>,
    node: NodeId,
    kind: ObjectKind,
    object: &[u8],
    tenant: TenantId,
) -> Rule<()> {
    ctx.run(
        "DELETE FROM node_objects WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3",
        (node.to_bytes(), kind.as_str(), object),
    )?;
    let elsewhere = ctx.count(
        "SELECT count(*) FROM node_objects WHERE object_id = ?1 AND kind = ?2",
        (object, kind.as_str()),
    )?;
    if elsewhere == 0 {
        removal::forget(ctx, kind, object, tenant)?;
    }
    Ok(())
}

pub(super) fn shortened(message: &str) -> String {
    message.chars().filter(|c| *c == '\n' || !c.is_control()).take(LONGEST_MESSAGE).collect()
}
