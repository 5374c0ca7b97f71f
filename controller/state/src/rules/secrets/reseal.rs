//! A batch of what is sealed anew. Each is taken if it replaces what is still there, by the key that seals now: the leader
//! looked before, and much may have come in between. What is passed over is in the next batch.

use npanel_model::TenantId;
use npanel_proto::command::{NewDataKey, ResealSecrets, Resealed};
use sha2::{Digest, Sha256};

use super::is_by_cluster_key;
use crate::{
    context::{Context, Halt, Rule, wire_id},
    sealing::{SealedKind, sealer},
};

pub(in crate::rules) fn reseal(ctx: &Context<'_>, body: &ResealSecrets) -> Rule<()> {
    ctx.require_controller()?;
    // What was there is overwritten in the file, not only unlinked from its page.
    ctx.db.pragma_update(None, "secure_delete", "ON")?;
    let done = all(ctx, body);
    ctx.db.pragma_update(None, "secure_delete", "FAST")?;
    let done = done?;
    ctx.run("UPDATE secret_rotation SET done = min(total, done + ?1) WHERE finished_millis IS NULL", [done])?;
    Ok(())
}

fn all(ctx: &Context<'_>, body: &ResealSecrets) -> Rule<usize> {
    let mut done = 0;
    for key in &body.data_keys {
        done += new_data_key(ctx, key)?;
    }
    for resealed in &body.resealed {
        done += one(ctx, resealed)?;
    }
    Ok(done)
}

/// The tenant's data key is this one from now on; the one before seals nothing new.
fn new_data_key(ctx: &Context<'_>, key: &NewDataKey) -> Rule<usize> {
    let tenant = wire_id(&key.tenant_id, "/tenant_id", TenantId::from_bytes)?.to_bytes();
    if !is_by_cluster_key(ctx, &key.wrapped_data_key)? {
        return Ok(0);
    }
    let moved = ctx.run(
        "INSERT INTO former_data_keys (tenant_id, name, wrapped_data_key, since_millis)
         SELECT id, data_key_name, wrapped_data_key, ?3 FROM tenants WHERE id = ?1 AND data_key_name = ?2
         ON CONFLICT DO NOTHING",
        (&tenant, &key.follows, ctx.now.as_millis()),
    )?;
    if moved == 0 {
        return Ok(0);
    }
    ctx.run(
        "UPDATE tenants SET data_key_name = ?2, wrapped_data_key = ?3, data_key_version = data_key_version + 1,
             data_key_index = ?4, data_key_millis = ?5 WHERE id = ?1",
        (&tenant, &key.name, &key.wrapped_data_key, ctx.index, ctx.now.as_millis()),
    )
}

fn one(ctx: &Context<'_>, resealed: &Resealed) -> Rule<usize> {
    // A kind of a later version: the commands' unknown parts are, too.
    let kind = SealedKind::from_text(&resealed.kind).ok_or(Halt::Newer)?;
    let (table, column, place) = kind.place();
    let found = ctx.find(
        &format!("SELECT {column} FROM {table} WHERE {place}"),
        (&resealed.object_id, &resealed.name),
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    let is_same = found.is_some_and(|now| Sha256::digest(now)[..] == resealed.was[..]);
    if !is_same || !seals_now(ctx, kind, resealed)? {
        return Ok(0);
    }
    ctx.run(
        &format!("UPDATE {table} SET {column} = ?3 WHERE {place}"),
        (&resealed.object_id, &resealed.name, &resealed.sealed),
    )
}

/// Whether it is sealed by the key that seals such things now.
fn seals_now(ctx: &Context<'_>, kind: SealedKind, resealed: &Resealed) -> Rule<bool> {
    let by = sealer(&resealed.sealed);
    let found = match kind {
        SealedKind::DataKey | SealedKind::FormerDataKey | SealedKind::Authority | SealedKind::AuditKey => ctx
            .count(
                "SELECT EXISTS (SELECT 1 FROM cluster_keys WHERE name = ?1 AND state = 'current')",
                [by],
            )?,
        SealedKind::DatabaseUser
        | SealedKind::Webhook
        | SealedKind::UserTotp
        | SealedKind::IdentityProvider => {
            let (table, _, _) = kind.place();
            ctx.count(
                &format!(
                    "SELECT EXISTS (SELECT 1 FROM {table} o JOIN tenants t ON t.id = o.tenant_id
                     WHERE o.id = ?1 AND t.data_key_name = ?2)"
                ),
                (&resealed.object_id, by),
            )?
        }
    };
    Ok(found == 1)
}
