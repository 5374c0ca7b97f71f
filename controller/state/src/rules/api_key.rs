//! API keys: never more than their maker may do.

use npanel_model::{Action, ActionPattern, ApiKeyId, TenantId};
use npanel_proto::command::{CreateApiKey, DeleteApiKey, UpdateApiKey};

use super::require_new;
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Principal, Rule, json, patterns, tenant_id, texts, wire_id, wire_text},
};

pub(super) fn create(ctx: &Context<'_>, body: &CreateApiKey) -> Rule<Effect> {
    ctx.authorise(Action::ApiKeyCreate)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    require_covered(ctx, &body.actions)?;
    insert(ctx, body)?;
    Ok(Effect {
        tenant,
        action: Action::ApiKeyCreate,
        object: body.api_key_id.clone(),
        operation: Vec::new(),
    })
}

/// A key can hand on only what it may do itself.
fn require_covered(ctx: &Context<'_>, wanted: &[String]) -> Rule<()> {
    let Principal::ApiKey(own) = ctx.principal else { return Ok(()) };
    let held = ctx
        .find("SELECT actions FROM api_keys WHERE id = ?1", [own.to_bytes()], |row| row.get::<_, String>(0))?
        .map(|json| patterns(&json))
        .unwrap_or_default();
    for text in wanted {
        let pattern: ActionPattern = wire_text(text, "/actions")?;
        // Action by action: `*` is covered by two keys' worth of patterns, too.
        let covered = Action::ALL
            .iter()
            .all(|action| !pattern.matches(*action) || held.iter().any(|has| has.matches(*action)));
        if !covered {
            let message = format!("this API key does not allow everything that {pattern} covers");
            return Err(Refusal::new(RefusalCode::Forbidden, "/actions", message).into());
        }
    }
    Ok(())
}

pub(super) fn insert(ctx: &Context<'_>, body: &CreateApiKey) -> Rule<()> {
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    if body.actions.is_empty() {
        return Err(
            Refusal::new(RefusalCode::Invalid, "/actions", "an API key allows at least one action").into()
        );
    }
    for text in &body.actions {
        wire_text::<ActionPattern>(text, "/actions")?;
    }
    require_name(&body.name)?;
    if body.secret_hash.len() != 32 {
        return Err(Refusal::new(RefusalCode::Invalid, "", "the secret's hash has 32 bytes").into());
    }
    require_to_come(ctx, body.expires_millis)?;
    require_new(ctx, "api_keys", &body.api_key_id)?;
    ctx.run(
        "INSERT INTO api_keys (id, tenant_id, name, secret_hash, actions, expires_millis, created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            id.to_bytes(),
            tenant.to_bytes(),
            &body.name,
            &body.secret_hash,
            json(&body.actions),
            (body.expires_millis != 0).then_some(body.expires_millis),
            ctx.now.as_millis(),
        ),
    )?;
    ctx.note(tenant, "api_key", id.to_bytes(), "created");
    Ok(())
}

fn require_name(name: &str) -> Rule<()> {
    if (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::Invalid, "/name", "an API key's name has 1 to 100 characters").into())
}

/// An end that is yet to come, or none (0).
fn require_to_come(ctx: &Context<'_>, expires_millis: i64) -> Rule<()> {
    if expires_millis == 0 || expires_millis > ctx.now.as_millis() {
        return Ok(());
    }
    let message = "the API key would have expired already";
    Err(Refusal::new(RefusalCode::Invalid, "/expires_at", message).into())
}

/// Changes a key's name or end. Only who may do all that the key may can give it a longer life.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateApiKey) -> Rule<Effect> {
    ctx.authorise(Action::ApiKeyUpdate)?;
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    let found = ctx.find(
        "SELECT tenant_id, actions, name, expires_millis FROM api_keys WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let (actions, name) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
            Ok((tenant_id(row, 0)?, actions, name, row.get::<_, Option<i64>>(3)?))
        },
    )?;
    let (tenant, actions, old_name, old_end) = found.ok_or_else(|| Refusal::not_found("API key", "/id"))?;
    ctx.require_visible(tenant, "API key", "/id")?;
    let name = body.name.as_ref().unwrap_or(&old_name);
    require_name(name)?;
    let end = match body.expires_millis {
        None => old_end,
        Some(millis) => {
            require_to_come(ctx, millis)?;
            require_covered(ctx, &texts(&actions))?;
            (millis != 0).then_some(millis)
        }
    };
    if (name, end) != (&old_name, old_end) {
        ctx.run(
            "UPDATE api_keys SET name = ?2, expires_millis = ?3 WHERE id = ?1",
            (id.to_bytes(), name, end),
        )?;
        ctx.note(tenant, "api_key", id.to_bytes(), "changed");
    }
    Ok(Effect { tenant, action: Action::ApiKeyUpdate, object: id.to_bytes(), operation: Vec::new() })
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteApiKey) -> Rule<Effect> {
    ctx.authorise(Action::ApiKeyDelete)?;
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    let tenant = ctx
        .find("SELECT tenant_id FROM api_keys WHERE id = ?1", [id.to_bytes()], |row| tenant_id(row, 0))?
        .ok_or_else(|| Refusal::not_found("API key", "/id"))?;
    ctx.require_visible(tenant, "API key", "/id")?;
    if ctx.principal == Principal::ApiKey(id) {
        let message = "an API key cannot revoke itself; use another one";
        return Err(Refusal::new(RefusalCode::InUse, "/id", message).into());
    }
    ctx.run("DELETE FROM api_keys WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(tenant, "api_key", id.to_bytes(), "deleted");
    Ok(Effect { tenant, action: Action::ApiKeyDelete, object: id.to_bytes(), operation: Vec::new() })
}
