//! Nodes that never come back, and what they carried. Whatever such a node had left to remove counts as removed; a part
//! of an account, or a zone, that is nowhere else is unplaced until the leader finds it another node. The data that was
//! on the node is not there then.

use std::collections::BTreeSet;

use npanel_model::{
    AccountId, Action, AssignmentId, NodeId, NodeName, NodeRole, Part, PhpVersion, TenantId, ZoneId,
};
use npanel_proto::command::{PlaceAccount, PlaceZone};

use super::{
    account,
    account::AccountRow,
    capacity::{self, PlacedPart},
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

/// Settles everything that the node carries, as part of an operation.
pub(super) fn write_off(ctx: &Context<'_>, id: NodeId, name: &NodeName, operation: &[u8]) -> Rule<()> {
    let objects = held(ctx, id)?;
    // Nobody is left to do what was waited for.
    let waiting: BTreeSet<Vec<u8>> = ctx
        .all(
            "DELETE FROM operation_targets WHERE node_id = ?1 AND done_millis IS NULL RETURNING operation_id",
            [id.to_bytes()],
            |row| row.get(0),
        )?
        .into_iter()
        .collect();
    ctx.run("DELETE FROM node_objects WHERE node_id = ?1", [id.to_bytes()])?;
    for (account, part) in capacity::release_node(ctx, id)? {
        unplace(ctx, &account, part.role(), id, name)?;
    }
    for zone in capacity::release_zones_of(ctx, id)? {
        forsake_zone(ctx, &zone, id, name, operation)?;
    }
    for object in &objects {
        let elsewhere = ctx.count(
            "SELECT count(*) FROM node_objects WHERE object_id = ?1 AND kind = ?2",
            (&object.id, object.kind.as_str()),
        )?;
        match elsewhere {
            0 if object.is_going => removal::forget(ctx, object.kind, &object.id, object.tenant)?,
            _ => ctx.note_object(object.tenant, object.kind, &object.id, "observed"),
        }
    }
    waiting.iter().try_for_each(|operation| close_if_done(ctx, operation))
}

fn held(ctx: &Context<'_>, node: NodeId) -> Rule<Vec<Held>> {
    let rows = ctx.all(
        "SELECT kind, object_id, tenant_id, tombstone_seconds IS NOT NULL FROM node_objects WHERE node_id = ?1
         ORDER BY kind, object_id",
        [node.to_bytes()],
        |row| Ok((row.get::<_, String>(0)?, row.get(1)?, tenant_id(row, 2)?, row.get(3)?)),
    )?;
    let known = |(kind, id, tenant, is_going): (String, _, _, _)| {
        Some(Held { kind: ObjectKind::from_text(&kind)?, id, tenant, is_going })
    };
    Ok(rows.into_iter().filter_map(known).collect())
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
