//! The keys of secrets: their rotation, from its beginning to the end of the old keys.
//!
//! What is sealed anew is made by the leader, who has the keys and the randomness; the rules take it if what it replaces is
//! still what is there. No step needs the one who did the step before: what is left to do is read from the state.

mod cluster_key;
mod reseal;
mod settle;

pub(super) use cluster_key::{first as first_cluster_key, hold, offer};
pub(super) use reseal::reseal;
pub(super) use settle::settle;

use npanel_model::{Action, TenantId, Timestamp};
use npanel_proto::command::RotateSecrets;

use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, wire_id},
    sealing::{self, sealer},
    wanted::open_operation,
};

pub(super) fn rotate(ctx: &Context<'_>, body: &RotateSecrets) -> Rule<Effect> {
    let action = Action::SecretsRotate;
    ctx.authorise(action)?;
    let platform = ctx.require_platform(action)?;
    if !body.cluster_key && !body.data_keys {
        let message = "either the cluster key or data keys are to be changed";
        return Err(Refusal::new(RefusalCode::Invalid, "", message).into());
    }
    let tenant = scope(ctx, body)?;
    if let Some(other) = sealing::unfinished(ctx.db)? {
        let since = Timestamp::from_millis(other.begun_millis);
        let message = format!("the rotation that began at {since} is not finished yet");
        return Err(Refusal::new(RefusalCode::InUse, "", message).into());
    }
    let total = amount(ctx, body, tenant)?;
    ctx.warn(|| foreseen(ctx, body, total))?;
    open_operation(ctx, &body.operation_id, action, platform, "cluster", &platform.to_bytes(), "")?;
    ctx.run(
        "INSERT OR REPLACE INTO secret_rotation (only_row, operation_id, cluster_key, data_keys, tenant_id, begun_index,
             begun_millis, finished_millis, total, done)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7, 0)",
        (
            &body.operation_id,
            body.cluster_key,
            body.data_keys,
            tenant.map(TenantId::to_bytes),
            ctx.index,
            ctx.now.as_millis(),
            total,
        ),
    )?;
    Ok(Effect { tenant: platform, action, object: platform.to_bytes(), operation: body.operation_id.clone() })
}

fn scope(ctx: &Context<'_>, body: &RotateSecrets) -> Rule<Option<TenantId>> {
    if body.tenant_id.is_empty() {
        return Ok(None);
    }
    if body.cluster_key {
        let message = "the cluster key is of all tenants: it is not changed for one";
        return Err(Refusal::new(RefusalCode::Invalid, "/tenant_id", message).into());
    }
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    Ok(Some(tenant))
}

/// How much there is to be made or sealed anew.
fn amount(ctx: &Context<'_>, body: &RotateSecrets, tenant: Option<TenantId>) -> Rule<u64> {
    let of = tenant.map(TenantId::to_bytes);
    let mut total = 0;
    if body.cluster_key {
        total += ctx.count(
            "SELECT (SELECT count(*) FROM tenants) + (SELECT count(*) FROM authorities WHERE issuing = 1)
                 + (SELECT count(*) FROM audit_key)",
            [],
        )?;
    }
    if body.data_keys {
        for (table, owner) in [
            ("tenants", "id"),
            ("database_users", "tenant_id"),
            ("webhooks", "tenant_id"),
            ("identity_providers", "tenant_id"),
            ("users", "sealed_totp IS NOT NULL AND tenant_id"),
        ] {
            let sql = match of {
                None => format!("SELECT count(*) FROM {table} WHERE ?1 IS NULL AND {owner} IS NOT NULL"),
                Some(_) => format!("SELECT count(*) FROM {table} WHERE {owner} = ?1"),
            };
            total += ctx.count(&sql, [&of])?;
        }
    }
    Ok(total)
}

fn foreseen(ctx: &Context<'_>, body: &RotateSecrets, total: u64) -> Rule<Vec<String>> {
    let mut said =
        vec![format!("{total} keys and secrets would be made or sealed anew, while everything goes on")];
    if body.cluster_key {
        let controllers = ctx.count("SELECT count(*) FROM controllers", [])?;
        said.push(format!(
            "the new cluster key would go to {controllers} controllers; the old one stays until every one of them has it"
        ));
        if !body.data_keys {
            said.push(
                "who knows the old cluster key and has seen the state would still know the data keys"
                    .to_owned(),
            );
        }
    }
    Ok(said)
}

/// Refuses what was sealed by a key that is gone by now: it could not be opened any more.
fn gone() -> crate::context::Halt {
    let message = "the key that this was sealed by has been replaced meanwhile; ask again";
    Refusal::new(RefusalCode::KeyReplaced, "", message).into()
}

/// The feature level from which on keys are changed. Below it there are only the first ones, and nothing is asked of what is sealed.
const KEYS_CHANGE: u32 = 4;

/// Takes only what is sealed by a data key of the tenant that is still there.
pub(super) fn require_data_key(ctx: &Context<'_>, tenant: TenantId, sealed: &[u8]) -> Rule<()> {
    if ctx.level < KEYS_CHANGE {
        return Ok(());
    }
    let known = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM tenants WHERE id = ?1 AND data_key_name = ?2)
             OR EXISTS (SELECT 1 FROM former_data_keys WHERE tenant_id = ?1 AND name = ?2)",
        (tenant.to_bytes(), sealer(sealed)),
    )?;
    if known == 1 { Ok(()) } else { Err(gone()) }
}

/// Takes only what is sealed by a cluster key that is still there.
pub(super) fn require_cluster_key(ctx: &Context<'_>, sealed: &[u8]) -> Rule<()> {
    if ctx.level < KEYS_CHANGE || is_by_cluster_key(ctx, sealed)? { Ok(()) } else { Err(gone()) }
}

fn is_by_cluster_key(ctx: &Context<'_>, sealed: &[u8]) -> Rule<bool> {
    let known = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM cluster_keys WHERE name = ?1 AND state IN ('current', 'former'))",
        [sealer(sealed)],
    )?;
    Ok(known == 1)
}
