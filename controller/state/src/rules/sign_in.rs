//! Signing in by an identity provider: who somebody is to us, by what it says. A user is whom the provider means by a subject,
//! never who has some e-mail address; and what it may do follows its groups each time.

use npanel_model::{AccessRole, Action, IdentityProviderId, LoginName, UserId};
use npanel_proto::command::SignInByProvider;

use super::{
    group_mapping as mapping,
    identity_provider::{self, Identity, Provider},
    require_new,
    rights::{Rights, column},
    user::{self, effect},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Halt, Principal, Rule, json, wire_id, wire_text},
};

/// A sign-in takes no longer from its beginning to its end.
const LONGEST_MILLIS: i64 = 3600 * 1000;

/// With every one that is spent, so many go that are over: more than come.
const SWEPT: u64 = 4;

/// The user whom the command is about, as the audit needs to know beforehand.
pub(crate) fn known_by_provider(ctx: &Context<'_>, body: &SignInByProvider) -> Rule<Vec<u8>> {
    let known = identity(body)?.user(ctx)?;
    Ok(known.map_or_else(|| body.new_user_id.clone(), UserId::to_bytes))
}

fn identity(body: &SignInByProvider) -> Rule<Identity> {
    let provider = wire_id(&body.identity_provider_id, "/id", IdentityProviderId::from_bytes)?;
    Ok(Identity { provider, subject: wire_text(&body.subject, "/subject")? })
}

pub(super) fn by_provider(ctx: &Context<'_>, body: &SignInByProvider) -> Rule<Effect> {
    let identity = identity(body)?;
    if ctx.principal != Principal::Known(identity.provider) {
        let message = "only an identity provider says whom it knows";
        return Err(Refusal::new(RefusalCode::Forbidden, "", message).into());
    }
    let provider = identity_provider::find(ctx, identity.provider)?.filter(|provider| provider.is_enabled);
    let provider =
        provider.ok_or_else(|| unauthenticated("nobody signs in by this identity provider now"))?;
    spend(ctx, body)?;
    let found = mapping::of_groups(ctx, &provider.mappings, &body.groups)?;
    let (role, rights) = found.ok_or_else(|| {
        let message = format!("none of your groups at {} may do anything here", provider.name);
        Refusal::new(RefusalCode::Forbidden, "", message)
    })?;
    if ctx.is_suspended(rights.tenant)? {
        let message = "your tenant, or one above it, is suspended";
        return Err(Refusal::new(RefusalCode::TenantSuspended, "", message).into());
    }
    let (tenant, id) = (rights.tenant, identity.user(ctx)?);
    let id = match id {
        Some(id) => follow(ctx, id, role, &rights, &body.name)?,
        None => become_one(ctx, &provider, body, &identity, role, &rights)?,
    };
    Ok(effect(tenant, Action::SessionIdentify, id))
}

fn unauthenticated(message: impl Into<String>) -> Halt {
    Refusal::new(RefusalCode::Unauthenticated, "", message).into()
}

/// Whatever a sign-in was begun with ends one sign-in, in its time.
fn spend(ctx: &Context<'_>, body: &SignInByProvider) -> Rule<()> {
    let left = body.expires_millis - ctx.now.as_millis();
    if body.sign_in_hash.len() != 32 || left > LONGEST_MILLIS {
        return Err(
            Refusal::new(RefusalCode::Invalid, "", "a sign-in is begun with a secret, for an hour").into()
        );
    }
    if left <= 0 {
        return Err(unauthenticated("this sign-in has taken too long: begin anew"));
    }
    let select = "SELECT EXISTS (SELECT 1 FROM spent_sign_ins WHERE hash = ?1)";
    if ctx.count(select, [&body.sign_in_hash])? == 1 {
        return Err(unauthenticated("this sign-in has come to its end before: begin anew"));
    }
    ctx.run(
        "DELETE FROM spent_sign_ins WHERE hash IN (
             SELECT hash FROM spent_sign_ins WHERE expires_millis < ?1 ORDER BY expires_millis LIMIT ?2)",
        (ctx.now.as_millis(), SWEPT),
    )?;
    ctx.run(
        "INSERT INTO spent_sign_ins (hash, expires_millis) VALUES (?1, ?2)",
        (&body.sign_in_hash, body.expires_millis),
    )?;
    Ok(())
}

/// Has a user be what the provider's groups make of it now.
fn follow(ctx: &Context<'_>, id: UserId, role: AccessRole, rights: &Rights, name: &str) -> Rule<UserId> {
    let old = user::find(ctx, id)?;
    if !old.is_enabled {
        return Err(unauthenticated("the user may not sign in"));
    }
    user::require_name(name)?;
    let is_same = (old.name.as_str(), old.role.as_str(), old.tenant) == (name, role.as_str(), rights.tenant)
        && (&old.rights.actions, &old.rights.accounts) == (&rights.actions, &rights.accounts);
    if is_same {
        return Ok(id);
    }
    if old.tenant != rights.tenant {
        leave(ctx, id)?;
    }
    let actions: Vec<&str> = rights.actions.iter().map(AsRef::as_ref).collect();
    ctx.run(
        "UPDATE users SET name = ?2, role = ?3, actions = ?4, accounts = ?5, tenant_id = ?6 WHERE id = ?1",
        (
            id.to_bytes(),
            name,
            role.as_str(),
            json(&actions),
            column(rights.accounts.as_deref()),
            rights.tenant.to_bytes(),
        ),
    )?;
    ctx.note(rights.tenant, "user", id.to_bytes(), "changed");
    Ok(id)
}

/// A user who goes to another tenant takes along neither sessions nor a password and a second factor, which is sealed for the
/// tenant that it was in.
fn leave(ctx: &Context<'_>, id: UserId) -> Rule<()> {
    user::end_sessions(ctx, id)?;
    ctx.run(
        "UPDATE users SET password_hash = '', password_millis = ?2, sealed_totp = NULL, totp_millis = NULL,
             totp_step = 0, recovery_hashes = '[]'
         WHERE id = ?1",
        (id.to_bytes(), ctx.now.as_millis()),
    )?;
    Ok(())
}

fn become_one(
    ctx: &Context<'_>,
    provider: &Provider,
    body: &SignInByProvider,
    identity: &Identity,
    role: AccessRole,
    rights: &Rights,
) -> Rule<UserId> {
    if !provider.creates_users {
        let message = format!(
            "{} knows you, and nobody here does yet: who manages users makes one with its subject {:?}",
            provider.name,
            identity.subject.as_str()
        );
        return Err(unauthenticated(message));
    }
    let id = wire_id(&body.new_user_id, "/id", UserId::from_bytes)?;
    let login: LoginName = body.login.parse().map_err(|_| {
        let message =
            format!("what {} says in {:?} is no e-mail address", provider.name, provider.login_claim);
        unauthenticated(message)
    })?;
    user::require_name(&body.name)?;
    require_new(ctx, "users", &body.new_user_id)?;
    user::require_free(ctx, &login)?;
    let actions: Vec<&str> = rights.actions.iter().map(AsRef::as_ref).collect();
    ctx.run(
        "INSERT INTO users (id, tenant_id, login, name, role, actions, accounts, password_hash, password_millis,
             created_millis, identity_provider_id, subject)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', ?8, ?8, ?9, ?10)",
        (
            id.to_bytes(),
            rights.tenant.to_bytes(),
            login.as_str(),
            &body.name,
            role.as_str(),
            json(&actions),
            column(rights.accounts.as_deref()),
            ctx.now.as_millis(),
            identity.provider.to_bytes(),
            identity.subject.as_str(),
        ),
    )?;
    ctx.note(rights.tenant, "user", id.to_bytes(), "created");
    Ok(id)
}
