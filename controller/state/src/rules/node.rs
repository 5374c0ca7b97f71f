//! Nodes: how they come, what they say of themselves, and how they go.

use npanel_model::{Action, EnrolRole, NodeId, NodeName, NodeRole, PhpVersion};
use npanel_proto::command::{DeleteNode, EnrolNode, UpdateNodeFacts};

use super::{
    identity, require_new,
    token::{self, Shown},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, json, texts, wire_id, wire_text},
};

pub(super) fn enrol(ctx: &Context<'_>, body: &EnrolNode) -> Rule<Effect> {
    ctx.authorise(Action::NodeEnrol)?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    let name: NodeName = wire_text(&body.name, "/name")?;
    let platform = ctx.root_tenant()?;
    let shown = Shown { id: &body.token_id, secret_hash: &body.token_secret_hash };
    let pool = token::consume(ctx, &shown, EnrolRole::Node, &name)?;
    require_new(ctx, "nodes", &body.node_id)?;
    if ctx.count("SELECT EXISTS (SELECT 1 FROM nodes WHERE name = ?1)", [name.as_str()])? == 1 {
        let message = format!("a node named {name} exists already; delete it first or choose another name");
        return Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into());
    }
    ctx.run(
        "INSERT INTO nodes (id, tenant_id, name, pool, roles, address, os_profile, php_versions, version, created_millis)
         VALUES (?1, ?2, ?3, ?4, '[]', '', '', '[]', '', ?5)",
        (id.to_bytes(), platform.to_bytes(), name.as_str(), pool.as_str(), ctx.now.as_millis()),
    )?;
    identity::insert(ctx, &format!("node/{id}"), body.certificate.as_ref())?;
    ctx.note(platform, "node", id.to_bytes(), "created");
    Ok(Effect { tenant: platform, action: Action::NodeEnrol, object: id.to_bytes(), operation: Vec::new() })
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
    let changed = ctx.run(
        "UPDATE nodes SET roles = ?2, address = ?3, os_profile = ?4, php_versions = ?5, version = ?6 WHERE id = ?1",
        (id.to_bytes(), json(&body.roles), &body.address, &body.os_profile, json(&body.php_versions), &body.version),
    )?;
    if changed == 0 {
        return Err(Refusal::not_found("node", "/id").into());
    }
    ctx.note(ctx.root_tenant()?, "node", id.to_bytes(), "changed");
    Ok(())
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteNode) -> Rule<Effect> {
    ctx.authorise(Action::NodeDelete)?;
    let platform = ctx.require_platform(Action::NodeDelete)?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    let objects = ctx.count("SELECT count(*) FROM node_objects WHERE node_id = ?1", [id.to_bytes()])?;
    let parts = ctx.count("SELECT count(*) FROM assignments WHERE node_id = ?1", [id.to_bytes()])?;
    if objects + parts > 0 {
        let message = format!(
            "the node carries {parts} parts of accounts and {objects} objects; move or delete them first"
        );
        return Err(Refusal::new(RefusalCode::InUse, "/id", message).into());
    }
    if ctx.run("DELETE FROM nodes WHERE id = ?1", [id.to_bytes()])? == 0 {
        return Err(Refusal::not_found("node", "/id").into());
    }
    identity::revoke(ctx, &format!("node/{id}"))?;
    ctx.run("DELETE FROM node_conditions WHERE node_id = ?1", [id.to_bytes()])?;
    ctx.note(platform, "node", id.to_bytes(), "deleted");
    Ok(Effect { tenant: platform, action: Action::NodeDelete, object: id.to_bytes(), operation: Vec::new() })
}

/// Refuses a node that is not there, or not for this.
pub(super) fn require_role(ctx: &Context<'_>, id: NodeId, role: NodeRole) -> Rule<()> {
    let roles = ctx
        .find("SELECT roles FROM nodes WHERE id = ?1", [id.to_bytes()], |row| row.get::<_, String>(0))?
        .ok_or_else(|| {
            Refusal::new(RefusalCode::NoNode, "", format!("the node {id} is no longer in the fleet"))
        })?;
    if texts(&roles).iter().any(|has| has == role.as_str()) {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::NoNode, "", format!("the node {id} does not have the role {role}")).into())
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
