//! API keys: never more than their maker may do.

use npanel_model::{Action, ApiKeyId, Network, TenantId};
use npanel_proto::command::{CreateApiKey, DeleteApiKey, RotateApiKey, UpdateApiKey};

use super::{
    require_new,
    rights::{Rights, column},
};
use crate::{
    Refusal, RefusalCode,
    access::Credential,
    context::{Context, Effect, Principal, Rule, json, tenant_id, wire_id, wire_text},
};

/// Where programs run is few places.
const MOST_NETWORKS: usize = 50;

/// How long two secrets may open the same key: a week, in which all its programs are told of the new one.
const MOST_OVERLAP_SECONDS: u32 = 7 * 24 * 3600;

pub(super) fn create(ctx: &Context<'_>, body: &CreateApiKey) -> Rule<Effect> {
    ctx.authorise(Action::ApiKeyCreate)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    rights(ctx, tenant, body)?.require_covered(ctx, "/actions")?;
    insert(ctx, body)?;
    let object = body.api_key_id.clone();
    Ok(Effect { tenant, action: Action::ApiKeyCreate, object, operation: Vec::new() })
}

fn rights(ctx: &Context<'_>, tenant: TenantId, body: &CreateApiKey) -> Rule<Rights> {
    Rights::read(ctx, tenant, &body.role, &body.actions, &body.accounts)
}

pub(super) fn insert(ctx: &Context<'_>, body: &CreateApiKey) -> Rule<()> {
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    let rights = rights(ctx, tenant, body)?;
    if body.networks.len() > MOST_NETWORKS {
        let message = format!("at most {MOST_NETWORKS} networks (got {})", body.networks.len());
        return Err(Refusal::new(RefusalCode::Invalid, "/networks", message).into());
    }
    for text in &body.networks {
        wire_text::<Network>(text, "/networks")?;
    }
    require_name(&body.name)?;
    require_hash(&body.secret_hash)?;
    require_to_come(ctx, body.expires_millis)?;
    require_new(ctx, "api_keys", &body.api_key_id)?;
    ctx.run(
        "INSERT INTO api_keys (id, tenant_id, name, secret_hash, actions, expires_millis, created_millis, role,
             accounts, networks)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            id.to_bytes(),
            tenant.to_bytes(),
            &body.name,
            &body.secret_hash,
            json(&body.actions),
            (body.expires_millis != 0).then_some(body.expires_millis),
            ctx.now.as_millis(),
            &body.role,
            column(rights.accounts.as_deref()),
            json(&body.networks),
        ),
    )?;
    ctx.note(tenant, "api_key", id.to_bytes(), "created");
    Ok(())
}

fn require_hash(hash: &[u8]) -> Rule<()> {
    if hash.len() == 32 {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::Invalid, "", "the secret's hash has 32 bytes").into())
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

struct Known {
    tenant: TenantId,
    rights: Rights,
    name: String,
    end: Option<i64>,
}

fn known(ctx: &Context<'_>, id: ApiKeyId) -> Rule<Known> {
    let found = ctx.find(
        "SELECT tenant_id, actions, name, expires_millis, role, accounts FROM api_keys WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let tenant = tenant_id(row, 0)?;
            let (actions, role, accounts): (String, String, Option<String>) =
                (row.get(1)?, row.get(4)?, row.get(5)?);
            let rights = Rights::stored(tenant, &role, &actions, accounts.as_deref());
            Ok(Known { tenant, rights, name: row.get(2)?, end: row.get(3)? })
        },
    )?;
    let known = found.ok_or_else(|| Refusal::not_found("API key", "/id"))?;
    ctx.require_visible(known.tenant, "API key", "/id")?;
    Ok(known)
}

/// Changes a key's name or end. Only who may do all that the key may can give it a longer life.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateApiKey) -> Rule<Effect> {
    ctx.authorise(Action::ApiKeyUpdate)?;
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    let old = known(ctx, id)?;
    let name = body.name.as_ref().unwrap_or(&old.name);
    require_name(name)?;
    let end = match body.expires_millis {
        None => old.end,
        Some(millis) => {
            require_to_come(ctx, millis)?;
            old.rights.require_covered(ctx, "/actions")?;
            (millis != 0).then_some(millis)
        }
    };
    if (name, end) != (&old.name, old.end) {
        ctx.run(
            "UPDATE api_keys SET name = ?2, expires_millis = ?3 WHERE id = ?1",
            (id.to_bytes(), name, end),
        )?;
        ctx.note(old.tenant, "api_key", id.to_bytes(), "changed");
    }
    Ok(effect(old.tenant, Action::ApiKeyUpdate, id))
}

/// Gives the key another secret. Whoever does so may use the key from then on, and so must be allowed all that it is.
pub(super) fn rotate(ctx: &Context<'_>, body: &RotateApiKey) -> Rule<Effect> {
    ctx.authorise(Action::ApiKeyRotate)?;
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    let old = known(ctx, id)?;
    old.rights.require_covered(ctx, "/id")?;
    require_hash(&body.secret_hash)?;
    if body.overlap_seconds > MOST_OVERLAP_SECONDS {
        let message = format!(
            "the secret before may count for {MOST_OVERLAP_SECONDS} s more at most (got {})",
            body.overlap_seconds
        );
        return Err(Refusal::new(RefusalCode::Invalid, "/overlap_seconds", message).into());
    }
    let until = ctx.now.as_millis() + i64::from(body.overlap_seconds) * 1000;
    ctx.run(
        "UPDATE api_keys SET former_secret_hash = secret_hash, former_until_millis = ?3, secret_hash = ?2 WHERE id = ?1",
        (id.to_bytes(), &body.secret_hash, until),
    )?;
    ctx.note(old.tenant, "api_key", id.to_bytes(), "changed");
    Ok(effect(old.tenant, Action::ApiKeyRotate, id))
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteApiKey) -> Rule<Effect> {
    ctx.authorise(Action::ApiKeyDelete)?;
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    let old = known(ctx, id)?;
    if ctx.principal == Principal::Shown(Credential::ApiKey(id)) {
        let message = "an API key cannot revoke itself; use another one";
        return Err(Refusal::new(RefusalCode::InUse, "/id", message).into());
    }
    ctx.run("DELETE FROM sessions WHERE api_key_id = ?1", [id.to_bytes()])?;
    ctx.run("DELETE FROM api_keys WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(old.tenant, "api_key", id.to_bytes(), "deleted");
    Ok(effect(old.tenant, Action::ApiKeyDelete, id))
}

fn effect(tenant: TenantId, action: Action, id: ApiKeyId) -> Effect {
    Effect { tenant, action, object: id.to_bytes(), operation: Vec::new() }
}
