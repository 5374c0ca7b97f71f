//! Bootstrap tokens. Their uses are counted here, so that no race can use one twice.

use npanel_model::{Action, EnrolRole, PoolName, TokenId};
use npanel_proto::command::{CreateToken, DeleteToken};
use subtle::ConstantTimeEq;

use super::require_new;
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, wire_id, wire_text},
};

/// A bootstrap token lives a week at most: it is a key to the fleet.
const LONGEST_LIFE_MILLIS: i64 = 7 * 24 * 3600 * 1000;
const MOST_USES: u32 = 1000;

pub(super) fn create(ctx: &Context<'_>, body: &CreateToken) -> Rule<Effect> {
    ctx.authorise(Action::TokenCreate)?;
    let platform = ctx.require_platform(Action::TokenCreate)?;
    let id = wire_id(&body.token_id, "/id", TokenId::from_bytes)?;
    let role: EnrolRole = wire_text(&body.role, "/role")?;
    let pool: PoolName = wire_text(&body.pool, "/pool")?;
    if !(1..=MOST_USES).contains(&body.uses) {
        let message = format!("a token has 1 to {MOST_USES} uses (got {})", body.uses);
        return Err(Refusal::new(RefusalCode::Invalid, "/uses", message).into());
    }
    let life = body.expires_millis - ctx.now.as_millis();
    if !(1..=LONGEST_LIFE_MILLIS).contains(&life) {
        let message = format!("a token lives up to a week (got {} s)", life / 1000);
        return Err(Refusal::new(RefusalCode::Invalid, "/ttl_seconds", message).into());
    }
    if body.secret_hash.len() != 32 {
        return Err(Refusal::new(RefusalCode::Invalid, "", "the secret's hash has 32 bytes").into());
    }
    require_new(ctx, "tokens", &body.token_id)?;
    ctx.run(
        "INSERT INTO tokens (id, tenant_id, role, secret_hash, uses_allowed, uses_left, pool, expires_millis,
             created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8)",
        (
            id.to_bytes(),
            platform.to_bytes(),
            role.as_str(),
            &body.secret_hash,
            body.uses,
            pool.as_str(),
            body.expires_millis,
            ctx.now.as_millis(),
        ),
    )?;
    ctx.note(platform, "token", id.to_bytes(), "created");
    Ok(Effect { tenant: platform, action: Action::TokenCreate, object: id.to_bytes(), operation: Vec::new() })
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteToken) -> Rule<Effect> {
    ctx.authorise(Action::TokenDelete)?;
    let platform = ctx.require_platform(Action::TokenDelete)?;
    let id = wire_id(&body.token_id, "/id", TokenId::from_bytes)?;
    if ctx.run("DELETE FROM tokens WHERE id = ?1", [id.to_bytes()])? == 0 {
        return Err(Refusal::not_found("token", "/id").into());
    }
    ctx.note(platform, "token", id.to_bytes(), "deleted");
    Ok(Effect { tenant: platform, action: Action::TokenDelete, object: id.to_bytes(), operation: Vec::new() })
}

/// Uses the token once. Every failure is the same refusal, so that nobody learns which part was wrong.
/// Returns the pool that the token is for.
pub(super) fn consume(ctx: &Context<'_>, id: &[u8], secret_hash: &[u8], role: EnrolRole) -> Rule<PoolName> {
    let invalid = || Refusal::new(RefusalCode::TokenInvalid, "", "the token is not valid");
    let found = ctx.find(
        "SELECT secret_hash, pool FROM tokens WHERE id = ?1 AND role = ?2 AND uses_left > 0 AND expires_millis > ?3",
        (id, role.as_str(), ctx.now.as_millis()),
        |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?)),
    )?;
    let (hash, pool) = found.ok_or_else(invalid)?;
    if !bool::from(hash.ct_eq(secret_hash)) {
        return Err(invalid().into());
    }
    ctx.run("UPDATE tokens SET uses_left = uses_left - 1 WHERE id = ?1", [id])?;
    ctx.note(ctx.root_tenant()?, "token", id.to_vec(), "changed");
    wire_text(&pool, "")
}
