//! The certificate authorities: one issues; after a rotation the one before is trusted until nothing needs it.

use npanel_model::{Action, TenantId};
use npanel_proto::command::{Authority, RetireAuthority, RotateAuthority};

use super::secrets;
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule},
};

/// The cluster's first.
pub(super) fn insert(ctx: &Context<'_>, authority: &Authority) -> Rule<()> {
    if authority.key_fingerprint.len() != 32
        || authority.certificate.is_empty()
        || authority.sealed_key.is_empty()
    {
        return Err(Refusal::new(RefusalCode::Invalid, "", "an authority has a certificate and a key").into());
    }
    ctx.run(
        "INSERT INTO authorities (key_fingerprint, certificate, cross_certificate, sealed_key, issuing,
             not_after_millis, created_millis)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
        (
            &authority.key_fingerprint,
            &authority.certificate,
            &authority.cross_certificate,
            &authority.sealed_key,
            authority.not_after_millis,
            ctx.now.as_millis(),
        ),
    )?;
    Ok(())
}

pub(super) fn rotate(ctx: &Context<'_>, body: &RotateAuthority) -> Rule<Effect> {
    ctx.authorise(Action::CaRotate)?;
    let platform = ctx.require_platform(Action::CaRotate)?;
    if ctx.count("SELECT count(*) FROM authorities WHERE issuing = 0", [])? > 0 {
        let message = "the authority before the last rotation is still trusted; retire it first";
        return Err(Refusal::new(RefusalCode::InUse, "", message).into());
    }
    let authority = body
        .authority
        .as_ref()
        .ok_or_else(|| Refusal::new(RefusalCode::Invalid, "", "there is no authority"))?;
    secrets::require_cluster_key(ctx, &authority.sealed_key)?;
    // Its key signs nothing any more, so it need not be anywhere.
    let replaced = ctx.run(
        "UPDATE authorities SET issuing = 0, sealed_key = x'' WHERE issuing = 1 AND key_fingerprint = ?1",
        [&body.replaces],
    )?;
    if replaced == 0 {
        let message = "another authority issues by now: somebody rotated it at the same time";
        return Err(Refusal::new(RefusalCode::InUse, "", message).into());
    }
    insert(ctx, authority)?;
    Ok(effect(ctx, platform, Action::CaRotate, &authority.key_fingerprint))
}

pub(super) fn retire(ctx: &Context<'_>, body: &RetireAuthority) -> Rule<Effect> {
    ctx.authorise(Action::CaRetire)?;
    let platform = ctx.require_platform(Action::CaRetire)?;
    let issuing = ctx
        .find("SELECT issuing FROM authorities WHERE key_fingerprint = ?1", [&body.key_fingerprint], |row| {
            row.get::<_, bool>(0)
        })?
        .ok_or_else(|| Refusal::not_found("authority", ""))?;
    if issuing {
        let message = "this authority issues; rotate first";
        return Err(Refusal::new(RefusalCode::InUse, "", message).into());
    }
    let needing = needing(ctx, &body.key_fingerprint)?;
    if needing > 0 && !body.force {
        let message = format!(
            "{needing} machines still have their newest certificate from this authority: wait until they have renewed \
             it (it goes by itself then), or force it, and enrol anew those that never came"
        );
        return Err(Refusal::new(RefusalCode::InUse, "", message).into());
    }
    ctx.run("DELETE FROM authorities WHERE key_fingerprint = ?1", [&body.key_fingerprint])?;
    Ok(effect(ctx, platform, Action::CaRetire, &body.key_fingerprint))
}

/// How many living machines have their newest certificate from the authority.
fn needing(ctx: &Context<'_>, fingerprint: &[u8]) -> Rule<u64> {
    ctx.count(
        "SELECT count(*) FROM identities i WHERE i.authority = ?1 AND i.revoked_millis IS NULL AND NOT EXISTS (
             SELECT 1 FROM identities newer WHERE newer.subject = i.subject AND newer.issued_index > i.issued_index)",
        [fingerprint],
    )
}

fn effect(ctx: &Context<'_>, platform: TenantId, action: Action, fingerprint: &[u8]) -> Effect {
    ctx.note(platform, "authority", fingerprint.to_vec(), "changed");
    Effect { tenant: platform, action, object: fingerprint.to_vec(), operation: Vec::new() }
}
