//! Sessions: what users are signed in by, and the short-lived access tokens of API keys.

use npanel_model::{Action, ActionPattern, ApiKeyId, SessionId, TenantId, UserId};
use npanel_proto::command::{CreateSession, DeleteSession};

use super::{
    device_login, require_new,
    totp::{self, Shown},
    user,
};
use crate::{
    Credential, Refusal, RefusalCode, Who,
    context::{Context, Effect, Halt, Principal, Rule, json, tenant_id, wire_id, wire_text},
};

/// A user's session ends after a day at most.
const LONGEST_MILLIS: i64 = 24 * 3600 * 1000;

/// An access token, and a session as somebody else, after an hour.
const LONGEST_OF_OTHERS_MILLIS: i64 = 3600 * 1000;

/// Those that have ended are kept so long, for a look at where somebody was signed in.
pub(crate) const KEPT_MILLIS: i64 = 30 * 24 * 3600 * 1000;

/// So many of one user or key are kept; the oldest goes for a new one.
const MOST: u64 = 200;

/// With every new one, so many go that are over for long: more than come.
const SWEPT: u64 = 4;

/// Whose a new session is.
struct Begun {
    tenant: TenantId,
    action: Action,
    user: Option<UserId>,
    api_key: Option<ApiKeyId>,
    impersonator: Option<UserId>,
    only_looks: bool,
    longest: i64,
    /// The identity provider that has said who the user is.
    provider: Option<Vec<u8>>,
}

pub(super) fn create(ctx: &Context<'_>, body: &CreateSession) -> Rule<Effect> {
    let id = wire_id(&body.session_id, "/id", SessionId::from_bytes)?;
    if body.secret_hash.len() != 32 {
        return Err(invalid("", "the secret's hash has 32 bytes"));
    }
    for text in &body.actions {
        wire_text::<ActionPattern>(text, "/actions")?;
    }
    if body.user_agent.len() > 300 || body.reason.chars().count() > 200 {
        return Err(invalid("/reason", "a reason has at most 200 characters"));
    }
    let begun = if body.impersonates {
        as_another(ctx, body)?
    } else if body.api_key_id.is_empty() {
        of_user(ctx, body)?
    } else {
        of_key(ctx, body)?
    };
    let lasts = body.expires_millis - ctx.now.as_millis();
    if !(1..=begun.longest).contains(&lasts) {
        return Err(invalid("/expires_in", &format!("it lasts 1 to {} s", begun.longest / 1000)));
    }
    require_new(ctx, "sessions", &body.session_id)?;
    make_room(ctx, &begun)?;
    ctx.run(
        "INSERT INTO sessions (id, tenant_id, secret_hash, user_id, api_key_id, actions, impersonator_id, only_looks,
             reason, source_address, user_agent, created_millis, expires_millis, identity_provider_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        (
            id.to_bytes(),
            begun.tenant.to_bytes(),
            &body.secret_hash,
            begun.user.map(UserId::to_bytes),
            begun.api_key.map(ApiKeyId::to_bytes),
            (!body.actions.is_empty()).then(|| json(&body.actions)),
            begun.impersonator.map(UserId::to_bytes),
            begun.only_looks,
            &body.reason,
            ctx.source_address,
            &body.user_agent,
            ctx.now.as_millis(),
            body.expires_millis,
            &begun.provider,
        ),
    )?;
    ctx.note(begun.tenant, "session", id.to_bytes(), "created");
    Ok(Effect { tenant: begun.tenant, action: begun.action, object: id.to_bytes(), operation: Vec::new() })
}

/// A user who has shown a password, or what stands for it.
fn of_user(ctx: &Context<'_>, body: &CreateSession) -> Rule<Begun> {
    let id = wire_id(&body.user_id, "/id", UserId::from_bytes)?;
    if ctx.principal != Principal::User(id) {
        return Err(Refusal::new(RefusalCode::Forbidden, "", "a user signs in as themselves").into());
    }
    let user = user::find(ctx, id)?;
    if !user.is_enabled {
        return Err(Refusal::new(RefusalCode::Unauthenticated, "", "the user may not sign in").into());
    }
    let provider = if body.device_login_id.is_empty() {
        totp::take(ctx, id, &Shown::of(body.totp_step, &body.recovery_hash))?;
        None
    } else {
        // It was taken when the user confirmed it.
        device_login::collect(ctx, id, &body.device_login_id)?
    };
    Ok(Begun {
        tenant: user.tenant,
        action: Action::SessionCreate,
        user: Some(id),
        api_key: None,
        impersonator: None,
        only_looks: false,
        longest: LONGEST_MILLIS,
        provider,
    })
}

/// An API key that asks for a token.
fn of_key(ctx: &Context<'_>, body: &CreateSession) -> Rule<Begun> {
    let id = wire_id(&body.api_key_id, "/id", ApiKeyId::from_bytes)?;
    if ctx.principal != Principal::Shown(Credential::ApiKey(id)) {
        let message = "an access token is given to the API key itself";
        return Err(Refusal::new(RefusalCode::Forbidden, "", message).into());
    }
    let access = ctx.asking()?.ok_or_else(|| Refusal::not_found("API key", ""))?;
    Ok(Begun {
        tenant: access.purview.tenant_id,
        action: Action::SessionToken,
        user: None,
        api_key: Some(id),
        impersonator: None,
        only_looks: false,
        longest: LONGEST_OF_OTHERS_MILLIS,
        provider: None,
    })
}

/// A user who acts as another one, whom they manage.
fn as_another(ctx: &Context<'_>, body: &CreateSession) -> Rule<Begun> {
    let action = if body.may_write { Action::SessionImpersonateToWrite } else { Action::SessionImpersonate };
    ctx.authorise(Action::SessionImpersonate)?;
    ctx.authorise(action)?;
    let id = wire_id(&body.user_id, "/user_id", UserId::from_bytes)?;
    let user = user::managed(ctx, id)?;
    let Some(Who::User(by)) = ctx.asking()?.map(|access| access.who) else {
        let message = "only a user, signed in as themselves, acts as another one";
        return Err(Refusal::new(RefusalCode::Forbidden, "", message).into());
    };
    if by == id {
        return Err(invalid("/user_id", "that is yourself"));
    }
    if body.reason.trim().is_empty() {
        return Err(invalid("/reason", "acting as somebody else needs a reason, for the record"));
    }
    Ok(Begun {
        tenant: user.tenant,
        action,
        user: Some(id),
        api_key: None,
        impersonator: Some(by),
        only_looks: !body.may_write,
        longest: LONGEST_OF_OTHERS_MILLIS,
        provider: None,
    })
}

/// Takes out those that are over for long, so many at most.
pub(super) fn purge(ctx: &Context<'_>, most: u64) -> Rule<()> {
    ctx.run(
        "DELETE FROM sessions WHERE id IN (
             SELECT id FROM sessions WHERE expires_millis < ?1 ORDER BY expires_millis, id LIMIT ?2)",
        (ctx.now.as_millis() - KEPT_MILLIS, most),
    )?;
    Ok(())
}

fn make_room(ctx: &Context<'_>, begun: &Begun) -> Rule<()> {
    purge(ctx, SWEPT)?;
    let (column, owner) = match (begun.user, begun.api_key) {
        (Some(id), _) => ("user_id", id.to_bytes()),
        (None, Some(id)) => ("api_key_id", id.to_bytes()),
        (None, None) => return Ok(()),
    };
    let there = ctx.count(&format!("SELECT count(*) FROM sessions WHERE {column} = ?1"), [&owner])?;
    if there < MOST {
        return Ok(());
    }
    let gone = format!(
        "DELETE FROM sessions WHERE id IN (
             SELECT id FROM sessions WHERE {column} = ?1 ORDER BY expires_millis, id LIMIT ?2)"
    );
    ctx.run(&gone, (&owner, there + 1 - MOST))?;
    // One of them may still be known.
    ctx.logins.will_change();
    ctx.memory.borrow_mut().forget();
    Ok(())
}

/// Ends a session: one's own, or that of a user whom one manages.
pub(super) fn delete(ctx: &Context<'_>, body: &DeleteSession) -> Rule<Effect> {
    ctx.authorise(Action::SessionDelete)?;
    let id = wire_id(&body.session_id, "/id", SessionId::from_bytes)?;
    let found = ctx.find(
        "SELECT tenant_id, user_id, impersonator_id FROM sessions WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let user = |column| -> rusqlite::Result<Option<UserId>> {
                let bytes: Option<Vec<u8>> = row.get(column)?;
                Ok(bytes.and_then(|bytes| UserId::from_bytes(&bytes).ok()))
            };
            Ok((tenant_id(row, 0)?, user(1)?, user(2)?))
        },
    )?;
    let (tenant, user, impersonator) = found.ok_or_else(|| Refusal::not_found("session", "/id"))?;
    let own = ctx.asking()?.map(|access| access.who);
    let is_this = ctx.principal == Principal::Shown(Credential::Session(id));
    let is_own = match own {
        Some(Who::User(own)) => user == Some(own) || impersonator == Some(own),
        _ => false,
    };
    if !is_this && !is_own {
        require_managed(ctx, tenant, user)?;
    }
    ctx.run("DELETE FROM sessions WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(tenant, "session", id.to_bytes(), "deleted");
    Ok(Effect { tenant, action: Action::SessionDelete, object: id.to_bytes(), operation: Vec::new() })
}

fn require_managed(ctx: &Context<'_>, tenant: TenantId, user: Option<UserId>) -> Rule<()> {
    let may = ctx.authorise(Action::UserUpdate).is_ok() && ctx.sees(tenant)?;
    if !may {
        return Err(Refusal::not_found("session", "/id").into());
    }
    user.map_or(Ok(()), |user| user::managed(ctx, user).map(drop))
}

fn invalid(field: &'static str, message: &str) -> Halt {
    Refusal::new(RefusalCode::Invalid, field, message).into()
}
