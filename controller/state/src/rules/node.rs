//! Nodes: how they come, what they say of themselves, and how they go.

use npanel_model::{
    Action, AvailabilityZone, EnrolRole, NodeId, NodeLabel, NodeName, NodeRole, Overcommit, PhpVersion,
    PoolName, all_labels,
};
use npanel_proto::command::{DeleteNode, EnrolNode, UpdateNode, UpdateNodeFacts};

use super::{
    capacity, identity, lost,
    observation::shortened,
    require_new, revocation,
    token::{self, Shown},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, json, texts, typed, wire_id, wire_text},
    wanted::{close_if_done, open_operation},
};

pub(super) fn enrol(ctx: &Context<'_>, body: &EnrolNode) -> Rule<Effect> {
    ctx.authorise(Action::NodeEnrol)?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    let name: NodeName = wire_text(&body.name, "/name")?;
    let platform = ctx.root_tenant()?;
    let shown = Shown { id: &body.token_id, secret_hash: &body.token_secret_hash };
    let used = token::consume(ctx, &shown, EnrolRole::Node, &name)?;
    let of_this_name = ctx.find("SELECT id FROM nodes WHERE name = ?1", [name.as_str()], |row| {
        typed(row, 0, NodeId::from_bytes)
    })?;
    let change = match of_this_name {
        Some(known) => {
            revocation::require_taken_in(ctx, known, &name, &used)?;
            if known != id {
                let message = format!("the node {name} was revoked meanwhile; try again");
                return Err(Refusal::new(RefusalCode::NameTaken, "/id", message).into());
            }
            revocation::take_in(ctx, id)?;
            "changed"
        }
        None => {
            insert(ctx, id, &name, &used.pool)?;
            "created"
        }
    };
    identity::insert(ctx, &format!("node/{id}"), body.certificate.as_ref())?;
    capacity::touch(ctx, id)?;
    ctx.note(platform, "node", id.to_bytes(), change);
    Ok(Effect { tenant: platform, action: Action::NodeEnrol, object: id.to_bytes(), operation: Vec::new() })
}

fn insert(ctx: &Context<'_>, id: NodeId, name: &NodeName, pool: &PoolName) -> Rule<()> {
    require_new(ctx, "nodes", &id.to_bytes())?;
    // Identities are kept for as long as they are revoked, so an id that was ever revoked is nobody's again.
    if ctx.count("SELECT EXISTS (SELECT 1 FROM identities WHERE subject = ?1)", [format!("node/{id}")])? == 1
    {
        let message = "a node with this id was here before; try again";
        return Err(Refusal::new(RefusalCode::NameTaken, "/id", message).into());
    }
    ctx.run(
        "INSERT INTO nodes (id, tenant_id, name, pool, roles, address, os_profile, php_versions, version, created_millis)
         VALUES (?1, ?2, ?3, ?4, '[]', '', '', '[]', '', ?5)",
        (id.to_bytes(), ctx.root_tenant()?.to_bytes(), name.as_str(), pool.as_str(), ctx.now.as_millis()),
    )?;
    Ok(())
}

pub(super) fn update_facts(ctx: &Context<'_>, body: &UpdateNodeFacts) -> Rule<()> {
    ctx.authorise(Action::NodeGet)?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    for role in &body.roles {
        wire_text::<NodeRole>(role, "/roles")?;
    }
    for version in &body.php_versions {
        wire_text::<PhpVersion>(version, "/php_versions")?;
    }
    wire_text::<std::net::IpAddr>(&body.address, "/address")?;
    if !body.availability_zone.is_empty() {
        wire_text::<AvailabilityZone>(&body.availability_zone, "/availability_zone")?;
    }
    labels(&body.labels)?;
    let missing: Vec<(NodeRole, String)> = body
        .missing
        .iter()
        .map(|missing| Ok((wire_text(&missing.role, "/missing")?, shortened(&missing.reason))))
        .collect::<Rule<_>>()?;
    let changed = ctx.run(
        "UPDATE nodes SET roles = ?2, address = ?3, os_profile = ?4, php_versions = ?5, version = ?6,
             own_availability_zone = ?7, own_labels = ?8, disk_mb = ?9, memory_mb = ?10, missing = ?11
         WHERE id = ?1",
        (
            id.to_bytes(),
            json(&body.roles),
            &body.address,
            shortened(&body.os_profile),
            json(&body.php_versions),
            shortened(&body.version),
            &body.availability_zone,
            json(&body.labels),
            body.disk_mb,
            body.memory_mb,
            serde_json::to_string(&missing).expect("texts always serialise"),
        ),
    )?;
    if changed == 0 {
        return Err(Refusal::not_found("node", "/id").into());
    }
    merge_labels(ctx, id)?;
    capacity::touch(ctx, id)?;
    // What operators say of the node is as it was, and so is its revision.
    ctx.note(ctx.root_tenant()?, "node", id.to_bytes(), "observed");
    Ok(())
}

/// The labels, if they are good and each key is there once.
fn labels(texts: &[String]) -> Rule<Vec<NodeLabel>> {
    let mut labels: Vec<NodeLabel> =
        texts.iter().map(|text| wire_text(text, "/labels")).collect::<Rule<_>>()?;
    labels.sort();
    if let Some(pair) = labels.windows(2).find(|pair| pair[0].key() == pair[1].key()) {
        let message = format!("a node has one label {} (got {} and {})", pair[0].key(), pair[0], pair[1]);
        return Err(Refusal::new(RefusalCode::Invalid, "/labels", message).into());
    }
    Ok(labels)
}

/// What an operator says of a node. Nothing that is there moves; what is new goes by it.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateNode) -> Rule<Effect> {
    ctx.authorise(Action::NodeUpdate)?;
    let platform = ctx.require_platform(Action::NodeUpdate)?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    if ctx.count("SELECT EXISTS (SELECT 1 FROM nodes WHERE id = ?1)", [id.to_bytes()])? == 0 {
        return Err(Refusal::not_found("node", "/id").into());
    }
    lost::require_stays(ctx, id)?;
    let mut changed = 0;
    let mut set = |column: &str, value: &dyn rusqlite::ToSql| -> Rule<()> {
        let sql = format!("UPDATE nodes SET {column} = ?2 WHERE id = ?1 AND {column} IS NOT ?2");
        changed += ctx.run(&sql, rusqlite::params![id.to_bytes(), value])?;
        Ok(())
    };
    if let Some(pool) = &body.pool {
        set("pool", &wire_text::<PoolName>(pool, "/pool")?.as_str())?;
    }
    if let Some(said) = &body.labels {
        set("labels", &json(&labels(&said.labels)?))?;
    }
    if let Some(zone) = &body.availability_zone {
        if !zone.is_empty() {
            wire_text::<AvailabilityZone>(zone, "/availability_zone")?;
        }
        set("availability_zone", zone)?;
    }
    if let Some(slots) = &body.account_slots {
        set("account_slots", &slots.limit)?;
    }
    for (field, column, percent) in [
        ("/disk_overcommit_percent", "disk_overcommit_percent", body.disk_overcommit_percent),
        ("/memory_overcommit_percent", "memory_overcommit_percent", body.memory_overcommit_percent),
    ] {
        let Some(percent) = percent else { continue };
        Overcommit::try_from(percent)
            .map_err(|error| Refusal::new(RefusalCode::Invalid, field, error.to_string()))?;
        set(column, &percent)?;
    }
    if let Some(schedulable) = body.schedulable {
        if schedulable && revocation::revoked_at(ctx, id)?.is_some() {
            let message = "the node is revoked; it gets nothing before it has enrolled again";
            return Err(Refusal::new(RefusalCode::InUse, "/schedulable", message).into());
        }
        set("schedulable", &schedulable)?;
    }
    if changed > 0 {
        merge_labels(ctx, id)?;
        capacity::touch(ctx, id)?;
        ctx.note(platform, "node", id.to_bytes(), "changed");
    }
    Ok(Effect { tenant: platform, action: Action::NodeUpdate, object: id.to_bytes(), operation: Vec::new() })
}

/// What is said of a node as a whole, after anybody said something else.
fn merge_labels(ctx: &Context<'_>, id: NodeId) -> Rule<()> {
    // What the rules let in is what is there.
    let read = |json: String| texts(&json).iter().filter_map(|text| text.parse().ok()).collect::<Vec<_>>();
    let found = ctx.find("SELECT labels, own_labels FROM nodes WHERE id = ?1", [id.to_bytes()], |row| {
        Ok(all_labels(&read(row.get(0)?), &read(row.get(1)?)))
    })?;
    let merged = json(&found.unwrap_or_default());
    ctx.run("UPDATE nodes SET all_labels = ?2 WHERE id = ?1", (id.to_bytes(), merged))?;
    Ok(())
}

/// Takes a node out for good. One that carries something goes by force only, once it is revoked, so that it cannot come
/// back and go on with what others have taken over.
pub(super) fn delete(ctx: &Context<'_>, body: &DeleteNode) -> Rule<Effect> {
    let action = Action::NodeDelete;
    ctx.authorise(action)?;
    let platform = ctx.require_platform(action)?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    let name = lost::name_of(ctx, id)?;
    lost::require_stays(ctx, id)?;
    let mut effect = Effect { tenant: platform, action, object: id.to_bytes(), operation: Vec::new() };
    if carries(ctx, id, body)? {
        let operation = &body.operation_id;
        open_operation(ctx, operation, action, platform, "node", &id.to_bytes(), "")?;
        effect.operation.clone_from(operation);
        if !lost::begin(ctx, id, &name, operation)? {
            ctx.note(platform, "node", id.to_bytes(), "changed");
            return Ok(effect);
        }
    }
    forget(ctx, id)?;
    if !effect.operation.is_empty() {
        close_if_done(ctx, &effect.operation)?;
    }
    Ok(effect)
}

/// Takes a node that carries nothing (any more) out of the state.
pub(super) fn forget(ctx: &Context<'_>, id: NodeId) -> Rule<()> {
    ctx.run("DELETE FROM nodes WHERE id = ?1", [id.to_bytes()])?;
    capacity::touch(ctx, id)?;
    identity::revoke(ctx, &format!("node/{id}"))?;
    ctx.run("DELETE FROM node_conditions WHERE node_id = ?1", [id.to_bytes()])?;
    ctx.note(ctx.root_tenant()?, "node", id.to_bytes(), "deleted");
    Ok(())
}

/// Whether the node carries anything; refused, if it may not go with that.
fn carries(ctx: &Context<'_>, id: NodeId, body: &DeleteNode) -> Rule<bool> {
    let objects = ctx.count("SELECT count(*) FROM node_objects WHERE node_id = ?1", [id.to_bytes()])?;
    let parts = ctx.count("SELECT count(*) FROM assignments WHERE node_id = ?1", [id.to_bytes()])?;
    let zones = ctx.count("SELECT count(*) FROM zone_assignments WHERE node_id = ?1", [id.to_bytes()])?;
    let refused = |field, message: String| Err(Refusal::new(RefusalCode::InUse, field, message).into());
    if objects + parts + zones == 0 {
        return Ok(false);
    }
    if !body.force {
        return refused(
            "/id",
            format!(
                "the node carries {parts} parts of accounts and {objects} objects; delete them first, or, if it never comes \
             back, revoke it and delete it by force"
            ),
        );
    }
    if revocation::revoked_at(ctx, id)?.is_none() {
        let message =
            "the node is trusted and might come back to what others have taken over; revoke it first";
        return refused("/id", message.to_owned());
    }
    if parts > 0 && !body.accept_data_loss {
        return refused(
            "/accept_data_loss",
            format!(
                "the node has the data of {parts} parts of accounts, and nobody else has: they are placed anew and empty; \
             say that this is accepted (accept_data_loss)"
            ),
        );
    }
    ctx.warn(|| Ok(vec![format!(
        "the data of {parts} parts of accounts are lost: as soon as other nodes can take them, they are placed anew, and empty"
    )]))?;
    Ok(true)
}

/// Refuses a PHP version that the node of an account does not have.
pub(super) fn require_php(ctx: &Context<'_>, id: NodeId, version: &PhpVersion, account: &str) -> Rule<()> {
    let found = ctx.find("SELECT name, php_versions FROM nodes WHERE id = ?1", [id.to_bytes()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let (name, has) = found.unwrap_or_default();
    let has = texts(&has);
    if has.iter().any(|has| has == version.as_str()) {
        return Ok(());
    }
    let message =
        format!("the node {name} of the account {account} has no PHP {version} (it has {})", has.join(", "));
    Err(Refusal::new(RefusalCode::NoNode, "/php_version", message).into())
}
