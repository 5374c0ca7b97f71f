//! Sign-ins that a program waits for, until a person confirms or refuses them in a browser (RFC 8628).

use npanel_model::{Action, DeviceLoginId, IdentityProviderId, UserId};
use npanel_proto::command::{BeginDeviceLogin, DecideDeviceLogin};

use super::{
    identity_provider,
    totp::{self, Shown},
    user::{self, effect},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Halt, Principal, Rule, wire_id},
};

/// Nobody waits longer.
const LONGEST_MILLIS: i64 = 15 * 60 * 1000;

/// With every new one, so many go that are over: more than come.
const SWEPT: u64 = 4;

/// A program begins to wait. Strangers may have it do so; how often, the controllers bound.
pub(super) fn begin(ctx: &Context<'_>, body: &BeginDeviceLogin) -> Rule<()> {
    ctx.require_controller()?;
    let id = wire_id(&body.device_login_id, "/id", DeviceLoginId::from_bytes)?;
    let are_hashes = body.secret_hash.len() == 32 && body.user_code_hash.len() == 32;
    let is_short = body.client.chars().count() <= 100 && body.user_agent.chars().count() <= 200;
    let lasts = body.expires_millis - ctx.now.as_millis();
    if !are_hashes || !is_short || !(1..=LONGEST_MILLIS).contains(&lasts) {
        return Err(invalid("a program waits for 15 minutes at most, and says in 100 characters what it is"));
    }
    // A controller says it again where the answer was lost.
    if ctx.count("SELECT EXISTS (SELECT 1 FROM device_logins WHERE id = ?1)", [id.to_bytes()])? == 1 {
        return Ok(());
    }
    let taken = "SELECT EXISTS (SELECT 1 FROM device_logins WHERE user_code_hash = ?1)";
    if ctx.count(taken, [&body.user_code_hash])? == 1 {
        return Err(invalid("another program waits under this code"));
    }
    ctx.run(
        "DELETE FROM device_logins WHERE id IN (
             SELECT id FROM device_logins WHERE expires_millis < ?1 ORDER BY expires_millis LIMIT ?2)",
        (ctx.now.as_millis(), SWEPT),
    )?;
    ctx.run(
        "INSERT INTO device_logins (id, secret_hash, user_code_hash, client, user_agent, source_address,
             created_millis, expires_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            id.to_bytes(),
            &body.secret_hash,
            &body.user_code_hash,
            &body.client,
            &body.user_agent,
            ctx.source_address,
            ctx.now.as_millis(),
            body.expires_millis,
        ),
    )?;
    Ok(())
}

fn invalid(message: &str) -> Halt {
    Refusal::new(RefusalCode::Invalid, "", message).into()
}

/// Somebody who has shown who they are says yes or no, once.
pub(super) fn decide(ctx: &Context<'_>, body: &DecideDeviceLogin) -> Rule<Effect> {
    let login = wire_id(&body.device_login_id, "/id", DeviceLoginId::from_bytes)?;
    let id = wire_id(&body.user_id, "/user_id", UserId::from_bytes)?;
    if ctx.principal != Principal::User(id) {
        return Err(Refusal::new(RefusalCode::Forbidden, "", "a user confirms as themselves").into());
    }
    let known = user::find(ctx, id)?;
    if !known.is_enabled {
        return Err(unauthenticated("the user may not sign in"));
    }
    let provider = (!body.identity_provider_id.is_empty()).then_some(&body.identity_provider_id);
    match provider {
        Some(provider) => require_known_by(ctx, &known, provider)?,
        None => totp::take(ctx, id, &Shown::of(body.totp_step, &body.recovery_hash))?,
    }
    let decided = ctx.run(
        "UPDATE device_logins SET decided_millis = ?2, user_id = ?3, identity_provider_id = ?4
         WHERE id = ?1 AND decided_millis IS NULL AND expires_millis > ?2",
        (
            login.to_bytes(),
            ctx.now.as_millis(),
            body.confirms.then_some(&body.user_id),
            provider.filter(|_| body.confirms),
        ),
    )?;
    if decided == 0 {
        return Err(unauthenticated("nothing waits for this any more: the program has to begin anew"));
    }
    Ok(effect(known.tenant, Action::SessionConfirmDevice, id))
}

fn unauthenticated(message: &str) -> Halt {
    Refusal::new(RefusalCode::Unauthenticated, "", message).into()
}

/// The provider is still the one that knows the user, and people sign in by it.
fn require_known_by(ctx: &Context<'_>, user: &user::Known, provider: &[u8]) -> Rule<()> {
    let id = wire_id(provider, "/identity_provider_id", IdentityProviderId::from_bytes)?;
    let is_known = user.identity.as_ref().is_some_and(|identity| identity.provider == id);
    let is_enabled = identity_provider::find(ctx, id)?.is_some_and(|provider| provider.is_enabled);
    if !is_known || !is_enabled {
        return Err(unauthenticated("nobody signs in by this identity provider now"));
    }
    if ctx.is_suspended(user.tenant)? {
        let message = "your tenant, or one above it, is suspended";
        return Err(Refusal::new(RefusalCode::TenantSuspended, "", message).into());
    }
    Ok(())
}

/// The program gets what it has waited for, once. The provider by which the user has shown who they are, if it was one.
pub(super) fn collect(ctx: &Context<'_>, user: UserId, login: &[u8]) -> Rule<Option<Vec<u8>>> {
    let id = wire_id(login, "/device_login_id", DeviceLoginId::from_bytes)?;
    let found = ctx.find(
        "SELECT user_id, identity_provider_id FROM device_logins WHERE id = ?1 AND expires_millis > ?2",
        (id.to_bytes(), ctx.now.as_millis()),
        |row| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?)),
    )?;
    let is_by_user = |by: &Option<Vec<u8>>| by.as_deref() == Some(user.to_bytes().as_slice());
    let Some((_, provider)) = found.filter(|(by, _)| is_by_user(by)) else {
        return Err(unauthenticated("the user has confirmed no such sign-in"));
    };
    if let Some(provider) = &provider {
        require_known_by(ctx, &user::find(ctx, user)?, provider)?;
    }
    ctx.run("DELETE FROM device_logins WHERE id = ?1", [id.to_bytes()])?;
    Ok(provider)
}
