//! Users' second factor: codes of an authenticator (RFC 6238), each good once.

use npanel_model::{Action, TenantId, UserId};
use npanel_proto::command::{ConfirmTotp, OfferTotp, RemoveTotp};

use super::{
    rights::require_self,
    secrets,
    user::{effect, find, managed},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Halt, Rule, json, texts, wire_id},
    hex::hex,
};

/// So many recovery codes at most.
const MOST_CODES: usize = 20;

/// Offers a key, in the place of one that was not confirmed.
pub(super) fn offer(ctx: &Context<'_>, body: &OfferTotp) -> Rule<Effect> {
    let (id, tenant) = own(ctx, &body.user_id, Action::MeBeginTotp)?;
    if body.sealed_key.is_empty() {
        return Err(invalid("an authenticator has a key"));
    }
    secrets::require_data_key(ctx, tenant, &body.sealed_key)?;
    require(ctx, id, "totp_millis IS NULL", "there is an authenticator already: remove it first")?;
    ctx.run(
        "UPDATE users SET sealed_totp = ?2, totp_step = 0, recovery_hashes = '[]' WHERE id = ?1",
        (id.to_bytes(), &body.sealed_key),
    )?;
    ctx.note(tenant, "user", id.to_bytes(), "changed");
    Ok(effect(tenant, Action::MeBeginTotp, id))
}

fn own(ctx: &Context<'_>, id: &[u8], action: Action) -> Rule<(UserId, TenantId)> {
    let id = wire_id(id, "/id", UserId::from_bytes)?;
    require_self(ctx, id, action)?;
    Ok((id, find(ctx, id)?.tenant))
}

fn require(ctx: &Context<'_>, id: UserId, condition: &str, otherwise: &str) -> Rule<()> {
    let select = format!("SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1 AND {condition})");
    if ctx.count(&select, [id.to_bytes()])? == 1 {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::InUse, "", otherwise).into())
}

/// Counts from now on.
pub(super) fn confirm(ctx: &Context<'_>, body: &ConfirmTotp) -> Rule<Effect> {
    let (id, tenant) = own(ctx, &body.user_id, Action::MeConfirmTotp)?;
    require(
        ctx,
        id,
        "sealed_totp IS NOT NULL AND totp_millis IS NULL",
        "no authenticator waits to be confirmed",
    )?;
    if !(1..=MOST_CODES).contains(&body.recovery_hashes.len())
        || body.recovery_hashes.iter().any(|hash| hash.len() != 32)
    {
        return Err(invalid("recovery codes are stored as hashes of 32 bytes"));
    }
    let codes: Vec<String> = body.recovery_hashes.iter().map(|hash| hex(hash)).collect();
    ctx.run(
        "UPDATE users SET totp_millis = ?2, totp_step = ?3, recovery_hashes = ?4 WHERE id = ?1",
        (id.to_bytes(), ctx.now.as_millis(), step(body.step)?, json(&codes)),
    )?;
    ctx.note(tenant, "user", id.to_bytes(), "changed");
    Ok(effect(tenant, Action::MeConfirmTotp, id))
}

/// Takes the second factor away: one's own, or that of somebody whom one manages and who has lost it.
pub(super) fn remove(ctx: &Context<'_>, body: &RemoveTotp) -> Rule<Effect> {
    let id = wire_id(&body.user_id, "/id", UserId::from_bytes)?;
    let is_own = require_self(ctx, id, Action::MeRemoveTotp).is_ok();
    let (user, action) = if is_own {
        take_shown(ctx, id, body)?;
        (find(ctx, id)?, Action::MeRemoveTotp)
    } else {
        ctx.authorise(Action::UserRemoveTotp)?;
        (managed(ctx, id)?, Action::UserRemoveTotp)
    };
    let removed = ctx.run(
        "UPDATE users SET sealed_totp = NULL, totp_millis = NULL, totp_step = 0, recovery_hashes = '[]'
         WHERE id = ?1 AND sealed_totp IS NOT NULL",
        [id.to_bytes()],
    )?;
    if removed == 1 {
        ctx.note(user.tenant, "user", id.to_bytes(), "changed");
    }
    Ok(effect(user.tenant, action, id))
}

/// Takes the code by which somebody shows who they are, if it is none of a password.
fn take_shown(ctx: &Context<'_>, id: UserId, body: &RemoveTotp) -> Rule<()> {
    let shown = match (body.totp_step, body.recovery_hash.as_slice()) {
        (Some(step), _) => Shown::Step(step),
        // The controller has seen the password.
        (None, []) => return Ok(()),
        (None, hash) => Shown::Recovery(hash),
    };
    take(ctx, id, &shown).map_err(|halt| match halt {
        // Who is signed in already is not told to sign in.
        Halt::Refused(refused) => Refusal::new(RefusalCode::Invalid, "/code", refused.message).into(),
        other => other,
    })
}

/// What was shown beside the password.
pub(super) enum Shown<'a> {
    Nothing,
    /// A code of this time step.
    Step(u64),
    /// A recovery code with this hash.
    Recovery(&'a [u8]),
}

impl<'a> Shown<'a> {
    /// As commands have it.
    pub(super) fn of(step: Option<u64>, recovery_hash: &'a [u8]) -> Self {
        match (step, recovery_hash) {
            (Some(step), _) => Self::Step(step),
            (None, []) => Self::Nothing,
            (None, hash) => Self::Recovery(hash),
        }
    }
}

/// Takes the second factor, once: refuses none where there is one, and one that was taken before.
pub(super) fn take(ctx: &Context<'_>, id: UserId, shown: &Shown<'_>) -> Rule<()> {
    let found = ctx.find(
        "SELECT totp_millis IS NOT NULL, totp_step, recovery_hashes FROM users WHERE id = ?1",
        [id.to_bytes()],
        |row| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)),
    )?;
    let Some((true, last, codes)) = found else { return Ok(()) };
    match shown {
        Shown::Nothing => {
            let message = "a code of the user's authenticator is needed, too";
            Err(Refusal::new(RefusalCode::SecondFactorRequired, "/code", message).into())
        }
        Shown::Step(number) if step(*number)? <= last => Err(spent()),
        Shown::Step(number) => {
            ctx.run("UPDATE users SET totp_step = ?2 WHERE id = ?1", (id.to_bytes(), step(*number)?))?;
            Ok(())
        }
        Shown::Recovery(hash) => {
            let hash = hex(hash);
            let mut left = texts(&codes);
            let before = left.len();
            left.retain(|code| *code != hash);
            if left.len() == before {
                return Err(spent());
            }
            ctx.run("UPDATE users SET recovery_hashes = ?2 WHERE id = ?1", (id.to_bytes(), json(&left)))?;
            Ok(())
        }
    }
}

fn spent() -> Halt {
    let message = "the code is wrong, or was used before: wait for the next one";
    Refusal::new(RefusalCode::Unauthenticated, "/code", message).into()
}

fn step(number: u64) -> Rule<i64> {
    i64::try_from(number).map_err(|_| invalid("a time step is smaller"))
}

fn invalid(message: &str) -> Halt {
    Refusal::new(RefusalCode::Invalid, "", message).into()
}
