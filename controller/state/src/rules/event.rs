//! What happened on nodes by itself, and what is wrong with them.

use npanel_model::{Action, EventId, NodeConditionKind, NodeId, TenantId};
use npanel_proto::command::{EventDifference, NodeEvent, RecordEvents, RecordNodeConditions};
use serde_json::json;

use super::observation::shortened;
use crate::{
    ObjectKind,
    context::{Context, Rule, tenant_id, wire_id},
};

/// So many events are kept, however new: about 50 MB.
const KEPT: u64 = 100_000;
/// Older ones are not, however few: 30 days.
pub(crate) const KEPT_MILLIS: i64 = 30 * 24 * 3600 * 1000;

/// More things than these are not wrong with one node at once.
const CONDITIONS: usize = 64;

pub(super) fn record(ctx: &Context<'_>, body: &RecordEvents) -> Rule<()> {
    // Reported by a controller on behalf of nodes whose certificates it has seen.
    ctx.authorise(Action::NodeGet)?;
    for event in &body.events {
        record_one(ctx, event)?;
    }
    let newest = ctx.count("SELECT coalesce(max(position), 0) FROM events", [])?;
    ctx.run("DELETE FROM events WHERE position <= ?1", [newest.saturating_sub(KEPT)])?;
    ctx.run("DELETE FROM events WHERE recorded_millis < ?1", [ctx.now.as_millis() - KEPT_MILLIS])?;
    Ok(())
}

/// Takes out those that are too old, so many at most.
pub(super) fn purge(ctx: &Context<'_>, most: u32) -> Rule<()> {
    ctx.run(
        "DELETE FROM events WHERE position IN (
             SELECT position FROM events WHERE recorded_millis < ?1 ORDER BY recorded_millis LIMIT ?2)",
        (ctx.now.as_millis() - KEPT_MILLIS, most),
    )?;
    Ok(())
}

/// Whose an event is.
struct Owned {
    tenant: TenantId,
    noun: &'static str,
    object: Vec<u8>,
    account: Option<Vec<u8>>,
}

fn record_one(ctx: &Context<'_>, event: &NodeEvent) -> Rule<()> {
    let id = wire_id(&event.event_id, "/event_id", EventId::from_bytes)?;
    let node = wire_id(&event.node_id, "/node_id", NodeId::from_bytes)?;
    // Of an object that has gone meanwhile, nobody could be told whose it was.
    let Some(owned) = owned(ctx, node, event)? else { return Ok(()) };
    let texts = |one: &EventDifference| {
        json!([shortened(&one.what), shortened(&one.expected), shortened(&one.found)])
    };
    let differences: Vec<_> = event.differences.iter().map(texts).collect();
    let added = ctx.run(
        "INSERT OR IGNORE INTO events (id, tenant_id, node_id, object_kind, object_id, account_id, time_millis,
             recorded_millis, reason, message, differences)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            id.to_bytes(),
            owned.tenant.to_bytes(),
            node.to_bytes(),
            owned.noun,
            &owned.object,
            &owned.account,
            event.time_millis,
            ctx.now.as_millis(),
            shortened(&event.reason),
            shortened(&event.message),
            serde_json::Value::Array(differences).to_string(),
        ),
    )?;
    if added == 1 {
        ctx.note(owned.tenant, "node_event", id.to_bytes(), "created");
    }
    Ok(())
}

fn owned(ctx: &Context<'_>, node: NodeId, event: &NodeEvent) -> Rule<Option<Owned>> {
    if event.kind.is_empty() {
        let known = ctx.count("SELECT count(*) FROM nodes WHERE id = ?1", [node.to_bytes()])?;
        let tenant = ctx.root_tenant()?;
        let own = Owned { tenant, noun: "node", object: node.to_bytes(), account: None };
        return Ok((known == 1).then_some(own));
    }
    let Some(kind) = ObjectKind::from_text(&event.kind) else { return Ok(None) };
    let tenant = ctx.find(
        "SELECT tenant_id FROM node_objects WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3",
        (node.to_bytes(), kind.as_str(), &event.object_id),
        |row| tenant_id(row, 0),
    )?;
    let Some(tenant) = tenant else { return Ok(None) };
    let account = match kind {
        ObjectKind::Account => Some(event.object_id.clone()),
        _ => ctx.find(
            &format!("SELECT account_id FROM {} WHERE id = ?1", kind.table()),
            [&event.object_id],
            |row| row.get(0),
        )?,
    };
    Ok(Some(Owned { tenant, noun: kind.noun(), object: event.object_id.clone(), account }))
}

pub(super) fn record_conditions(ctx: &Context<'_>, body: &RecordNodeConditions) -> Rule<()> {
    ctx.authorise(Action::NodeGet)?;
    let node = wire_id(&body.node_id, "/node_id", NodeId::from_bytes)?;
    ctx.run("DELETE FROM node_conditions WHERE node_id = ?1", [node.to_bytes()])?;
    if ctx.count("SELECT count(*) FROM nodes WHERE id = ?1", [node.to_bytes()])? == 0 {
        return Ok(());
    }
    for condition in body.conditions.iter().take(CONDITIONS) {
        // One of a later version says nothing to this one's callers.
        let Ok(kind) = condition.kind.parse::<NodeConditionKind>() else { continue };
        ctx.run(
            "INSERT OR REPLACE INTO node_conditions (node_id, kind, subject, reason, message, since_millis)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                node.to_bytes(),
                kind.as_str(),
                shortened(&condition.subject),
                shortened(&condition.reason),
                shortened(&condition.message),
                condition.since_millis,
            ),
        )?;
    }
    ctx.note(ctx.root_tenant()?, "node", node.to_bytes(), "observed");
    Ok(())
}
