//! Nodes that never come back, and what they carried. Whatever such a node had left to remove counts as removed; a part
//! of an account, or a zone, that is nowhere else is unplaced until the leader finds it another node. The data that was
//! on the node is not there then.

use std::collections::BTreeSet;

use npanel_model::{
    AccountId, Action, AssignmentId, NodeId, NodeName, NodeRole, Part, PhpVersion, TenantId, ZoneId,
};
use npanel_proto::command::{PlaceAccount, PlaceZone, WriteOffNode};

use super::{
    account,
    account::AccountRow,
    capacity::{self, PlacedPart, batch_size},
    node, plan, record_set, removal, zone,
};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, wire_id, wire_text},
    wanted::{self, close_if_done, open_operation, want_anew},
};

/// What a node was to hold.
struct Held {
    kind: ObjectKind,
    id: Vec<u8>,
    tenant: TenantId,
    is_going: bool,
}

/// How many accounts, zones and objects are settled within the deletion itself. One takes some 0.1 ms.
const AT_ONCE: u32 = 250;

/// Has what the node carries settled, the first of it at once, as part of an operation. Whether that is all; otherwise the
/// leader asks for one batch after the other until the node can go.
pub(super) fn begin(ctx: &Context<'_>, id: NodeId, name: &NodeName, operation: &[u8]) -> Rule<bool> {
    ctx.run("UPDATE nodes SET written_off_by = ?2 WHERE id = ?1", (id.to_bytes(), operation))?;
    write_off(ctx, id, name, operation, AT_ONCE)
}

/// One batch more; with the last, the node goes. The leader's doing: no record in the audit.
pub(super) fn go_on(ctx: &Context<'_>, body: &WriteOffNode) -> Rule<()> {
    ctx.require_controller()?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    // The last batch may have been asked for twice.
    let Some(operation) = written_off_by(ctx, id)? else { return Ok(()) };
    if write_off(ctx, id, &name_of(ctx, id)?, &operation, body.most)? {
        node::forget(ctx, id)?;
        close_if_done(ctx, &operation)?;
    }
    Ok(())
}

/// Refuses what is for a node that stays.
pub(super) fn require_stays(ctx: &Context<'_>, id: NodeId) -> Rule<()> {
    match written_off_by(ctx, id)? {
        None => Ok(()),
        Some(_) => Err(Refusal::new(RefusalCode::Deleting, "/id", "the node is being deleted").into()),
    }
}

fn written_off_by(ctx: &Context<'_>, id: NodeId) -> Rule<Option<Vec<u8>>> {
    let found =
        ctx.find("SELECT written_off_by FROM nodes WHERE id = ?1", [id.to_bytes()], |row| row.get(0))?;
    Ok(found.flatten())
}

/// Settles so many of the accounts, zones and objects on the node at most; whether nothing is left. Accounts and zones go
/// first: then nothing can come to the node any more, so that this ends.
fn write_off(ctx: &Context<'_>, id: NodeId, name: &NodeName, operation: &[u8], most: u32) -> Rule<bool> {
    let mut left = most;
    let accounts = capacity::release_accounts_of(ctx, id, left)?;
    for released in &accounts {
        for part in &released.parts {
            unplace(ctx, &released.account, part.role(), id, name)?;
        }
    }
    left -= batch_size(&accounts);
    let zones = capacity::release_zones_of(ctx, id, left)?;
    for zone in &zones {
        forsake_zone(ctx, zone, id, name, operation)?;
    }
    left -= batch_size(&zones);
    let objects = held(ctx, id, left)?;
    for object in &objects {
        settle(ctx, id, object)?;
    }
    left -= batch_size(&objects);
    Ok(left > 0)
}

/// Nobody is left to do what was waited for.
fn settle(ctx: &Context<'_>, node: NodeId, object: &Held) -> Rule<()> {
    let key = (node.to_bytes(), object.kind.as_str(), &object.id);
    ctx.run("DELETE FROM node_objects WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3", key.clone())?;
    let waiting: BTreeSet<Vec<u8>> = ctx
        .all(
            "DELETE FROM operation_targets
             WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3 AND done_millis IS NULL RETURNING operation_id",
            key,
            |row| row.get(0),
        )?
        .into_iter()
        .collect();
    let elsewhere = ctx.count(
        "SELECT count(*) FROM node_objects WHERE object_id = ?1 AND kind = ?2",
        (&object.id, object.kind.as_str()),
    )?;
    match elsewhere {
        0 if object.is_going => removal::forget(ctx, object.kind, &object.id, object.tenant)?,
        _ => ctx.note_object(object.tenant, object.kind, &object.id, "observed"),
    }
    waiting.iter().try_for_each(|operation| close_if_done(ctx, operation))
}

fn held(ctx: &Context<'_>, node: NodeId, most: u32) -> Rule<Vec<Held>> {
    ctx.all(
        "SELECT kind, object_id, tenant_id, tombstone_seconds IS NOT NULL FROM node_objects WHERE node_id = ?1
         ORDER BY kind, object_id LIMIT ?2",
        (node.to_bytes(), most),
        |row| {
            Ok(Held {
                kind: kind(row, 0)?,
                id: row.get(1)?,
                tenant: tenant_id(row, 2)?,
                is_going: row.get(3)?,
            })
        },
    )
}

fn kind(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<ObjectKind> {
    let text: String = row.get(column)?;
    ObjectKind::from_text(&text).ok_or_else(|| {
        rusqlite::Error::InvalidColumnType(column, format!("kind {text}"), rusqlite::types::Type::Text)
    })
}

/// Remembers that nobody carries the part, if it is one of something that lives.
fn unplace(ctx: &Context<'_>, owner: &[u8], part: NodeRole, node: NodeId, name: &NodeName) -> Rule<()> {
    let table = if part == NodeRole::Dns { "zones" } else { "accounts" };
    ctx.run(
        &format!(
            "INSERT INTO unplaced (owner_id, part, tenant_id, node_id, node_name, since_millis)
             SELECT id, ?2, tenant_id, ?3, ?4, ?5 FROM {table} WHERE id = ?1 AND deleted_millis IS NULL"
        ),
        (owner, part.as_str(), node.to_bytes(), name.as_str(), ctx.now.as_millis()),
    )?;
    Ok(())
}

/// A zone that other nodes answer for, too, goes on with those, which are told that this one is no name server of it.
fn forsake_zone(ctx: &Context<'_>, zone: &[u8], node: NodeId, name: &NodeName, operation: &[u8]) -> Rule<()> {
    let others = ctx.count("SELECT count(*) FROM zone_assignments WHERE zone_id = ?1", [zone])?;
    if others == 0 {
        return unplace(ctx, zone, NodeRole::Dns, node, name);
    }
    let tenant = ctx.find("SELECT tenant_id FROM zones WHERE id = ?1", [zone], |row| tenant_id(row, 0))?;
    match tenant {
        Some(tenant) => wanted::touch(ctx, ObjectKind::Zone, zone, tenant, operation),
        None => Ok(()),
    }
}

/// Puts an account's unplaced parts on other nodes, with all that belongs to them.
pub(super) fn place_account(ctx: &Context<'_>, body: &PlaceAccount) -> Rule<Effect> {
    ctx.authorise(Action::NodeReplace)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let owner = account::load_live(ctx, id, "/id")?;
    let operation = &body.operation_id;
    let action = Action::NodeReplace;
    open_operation(
        ctx,
        operation,
        action,
        owner.tenant,
        "account",
        &body.account_id,
        &body.placement_report,
    )?;
    if !body.placement_report.is_empty() {
        ctx.run(
            "UPDATE placement_reports SET report = ?2 WHERE account_id = ?1",
            (&body.account_id, &body.placement_report),
        )?;
    }
    let overselling = capacity::overselling(ctx, owner.tenant)?;
    let wish = account::kept_wish(ctx, id)?;
    let promised = plan::load(ctx, owner.plan, "/plan_id")?.promised_anew(wish, overselling);
    if body.assignments.is_empty() {
        return Err(Refusal::new(RefusalCode::NoNode, "", "no node was found for the account's parts").into());
    }
    for assignment in &body.assignments {
        let assignment_id = wire_id(&assignment.assignment_id, "/assignments", AssignmentId::from_bytes)?;
        let part: Part = wire_text(&assignment.part, "/assignments")?;
        let node = wire_id(&assignment.node_id, "/assignments", NodeId::from_bytes)?;
        require_unplaced(ctx, &body.account_id, part.role())?;
        let (assignment, account, tenant) = (&assignment_id.to_bytes(), owner.id, owner.tenant);
        capacity::assign(ctx, &PlacedPart { assignment, account, tenant, part, node }, &promised)?;
        match part {
            Part::Web => place_web(ctx, &owner, node, operation)?,
            Part::Database => place_database(ctx, &owner, node, operation)?,
        }
    }
    close_if_done(ctx, operation)?;
    Ok(Effect { tenant: owner.tenant, action, object: body.account_id.clone(), operation: operation.clone() })
}

fn require_unplaced(ctx: &Context<'_>, owner: &[u8], part: NodeRole) -> Rule<()> {
    match ctx.run("DELETE FROM unplaced WHERE owner_id = ?1 AND part = ?2", (owner, part.as_str()))? {
        0 => {
            let message = format!("a node carries the {part} part already");
            Err(Refusal::new(RefusalCode::InUse, "", message).into())
        }
        _ => Ok(()),
    }
}

fn place_web(ctx: &Context<'_>, owner: &AccountRow, node: NodeId, operation: &[u8]) -> Rule<()> {
    let id = owner.id.to_bytes();
    let version: Option<String> =
        ctx.find("SELECT php_version FROM accounts WHERE id = ?1", [&id], |row| row.get(0))?;
    let version: PhpVersion = wire_text(&version.unwrap_or_default(), "/php_version")?;
    node::require_php(ctx, node, &version, &owner.username)?;
    want_anew(ctx, ObjectKind::Account, &id, owner.tenant, &[node], operation)?;
    place_all(ctx, owner, &[ObjectKind::Site, ObjectKind::CronTable], node, operation)?;
    record_set::readdress(ctx, owner, operation)
}

fn place_database(ctx: &Context<'_>, owner: &AccountRow, node: NodeId, operation: &[u8]) -> Rule<()> {
    place_all(ctx, owner, &[ObjectKind::Database, ObjectKind::DatabaseUser], node, operation)
}

fn place_all(
    ctx: &Context<'_>,
    owner: &AccountRow,
    kinds: &[ObjectKind],
    node: NodeId,
    operation: &[u8],
) -> Rule<()> {
    for kind in kinds {
        for object in removal::live(ctx, *kind, &owner.id.to_bytes())? {
            want_anew(ctx, *kind, &object.id, object.tenant, &[node], operation)?;
        }
    }
    Ok(())
}

/// Has other nodes answer for a zone. All of it is in the state, so nothing of it was lost.
pub(super) fn place_zone(ctx: &Context<'_>, body: &PlaceZone) -> Rule<Effect> {
    let action = Action::NodeReplace;
    ctx.authorise(action)?;
    let id = wire_id(&body.zone_id, "/id", ZoneId::from_bytes)?;
    let zone = zone::load_live(ctx, id, "/id")?;
    let operation = &body.operation_id;
    require_unplaced(ctx, &body.zone_id, NodeRole::Dns)?;
    if body.assignments.is_empty() {
        return Err(Refusal::new(RefusalCode::NoNode, "", "no DNS node was found for the zone").into());
    }
    open_operation(ctx, operation, action, zone.tenant, "zone", &body.zone_id, "")?;
    let mut nodes = Vec::with_capacity(body.assignments.len());
    for assignment in &body.assignments {
        let assignment_id = wire_id(&assignment.assignment_id, "/assignments", AssignmentId::from_bytes)?;
        let node = wire_id(&assignment.node_id, "/assignments", NodeId::from_bytes)?;
        capacity::assign_zone(ctx, &assignment_id.to_bytes(), zone.tenant, id, node)?;
        nodes.push(node);
    }
    want_anew(ctx, ObjectKind::Zone, &body.zone_id, zone.tenant, &nodes, operation)?;
    close_if_done(ctx, operation)?;
    Ok(Effect { tenant: zone.tenant, action, object: body.zone_id.clone(), operation: operation.clone() })
}

/// Forgets what was unplaced of something that is gone.
pub(super) fn forget(ctx: &Context<'_>, owner: &[u8], kind: ObjectKind) -> Rule<()> {
    let parts = match kind {
        ObjectKind::Account => "part != 'dns'",
        ObjectKind::Zone => "part = 'dns'",
        ObjectKind::Site | ObjectKind::Database | ObjectKind::DatabaseUser | ObjectKind::CronTable => {
            return Ok(());
        }
    };
    ctx.run(&format!("DELETE FROM unplaced WHERE owner_id = ?1 AND {parts}"), [owner])?;
    Ok(())
}

/// Whether the account's web part is unplaced: then there is no node to ask what it has.
pub(super) fn is_unplaced(ctx: &Context<'_>, account: AccountId, part: Part) -> Rule<bool> {
    let found = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM unplaced WHERE owner_id = ?1 AND part = ?2)",
        (account.to_bytes(), part.role().as_str()),
    )?;
    Ok(found == 1)
}

/// The name of a node that is there.
pub(super) fn name_of(ctx: &Context<'_>, id: NodeId) -> Rule<NodeName> {
    let name: Option<String> =
        ctx.find("SELECT name FROM nodes WHERE id = ?1", [id.to_bytes()], |row| row.get(0))?;
    wire_text(&name.ok_or_else(|| Refusal::not_found("node", "/id"))?, "/id")
}
