//! Users: people who sign in. Nobody manages one who may do more than they.

use npanel_model::{AccessRole, Action, LoginName, PersonName, TenantId, UserId};
use npanel_proto::command::{CreateUser, DeleteUser, SetUserPassword, UpdateUser};

use super::{
    identity_provider::{Identity, identity, know_as, require_unknown},
    require_new,
    rights::{Rights, column, require_self},
};
use crate::{
    Refusal, RefusalCode, Who,
    context::{Context, Effect, Halt, Rule, json, tenant_id, wire_id, wire_text},
};

/// Longer than any hash in the PHC string format with parameters that are in use.
const LONGEST_HASH: usize = 300;

pub(super) fn create(ctx: &Context<'_>, body: &CreateUser) -> Rule<Effect> {
    ctx.authorise(Action::UserCreate)?;
    let id = wire_id(&body.user_id, "/id", UserId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    let login: LoginName = wire_text(&body.login, "/login")?;
    require_name(&body.name)?;
    require_role(&body.role)?;
    let rights = Rights::read(ctx, tenant, &body.role, &body.actions, &body.accounts)?;
    rights.require_covered(ctx, "/role")?;
    let identity = identity(ctx, tenant, body.identity.as_ref())?.flatten();
    if let Some(identity) = &identity {
        require_unknown(ctx, identity)?;
    }
    if !body.password_hash.is_empty() {
        require_hash(&body.password_hash)?;
    }
    require_new(ctx, "users", &body.user_id)?;
    require_free(ctx, &login)?;
    ctx.run(
        "INSERT INTO users (id, tenant_id, login, name, role, actions, accounts, password_hash, password_millis,
             created_millis, identity_provider_id, subject)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11)",
        (
            id.to_bytes(),
            tenant.to_bytes(),
            login.as_str(),
            &body.name,
            &body.role,
            json(&body.actions),
            column(rights.accounts.as_deref()),
            &body.password_hash,
            ctx.now.as_millis(),
            identity.as_ref().map(|identity| identity.provider.to_bytes()),
            identity.as_ref().map(|identity| identity.subject.as_str()),
        ),
    )?;
    ctx.note(tenant, "user", id.to_bytes(), "created");
    Ok(effect(tenant, Action::UserCreate, id))
}

pub(super) fn require_free(ctx: &Context<'_>, login: &LoginName) -> Rule<()> {
    if ctx.count("SELECT EXISTS (SELECT 1 FROM users WHERE login = ?1)", [login.as_str()])? == 0 {
        return Ok(());
    }
    let message = format!("somebody signs in as {login} already");
    Err(Refusal::new(RefusalCode::NameTaken, "/login", message).into())
}

pub(super) fn effect(tenant: TenantId, action: Action, id: UserId) -> Effect {
    Effect { tenant, action, object: id.to_bytes(), operation: Vec::new() }
}

pub(super) fn require_name(name: &str) -> Rule<()> {
    wire_text::<PersonName>(name, "/name").map(drop)
}

fn require_role(role: &str) -> Rule<()> {
    wire_text::<AccessRole>(role, "/role").map(drop)
}

fn require_hash(hash: &str) -> Rule<()> {
    if hash.starts_with("$argon2id$") && hash.len() <= LONGEST_HASH {
        return Ok(());
    }
    Err(invalid("/password", "a password is stored as a hash by argon2id"))
}

fn invalid(field: &'static str, message: &str) -> Halt {
    Refusal::new(RefusalCode::Invalid, field, message).into()
}

/// A user as rules look at it.
pub(super) struct Known {
    pub(super) tenant: TenantId,
    pub(super) rights: Rights,
    pub(super) role: String,
    pub(super) name: String,
    pub(super) is_enabled: bool,
    /// How an identity provider knows it.
    pub(super) identity: Option<Identity>,
}

/// The user, whoever asks.
pub(super) fn find(ctx: &Context<'_>, id: UserId) -> Rule<Known> {
    let found = ctx.find(
        "SELECT tenant_id, role, actions, accounts, name, disabled_millis IS NULL, identity_provider_id, subject
         FROM users WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let tenant = tenant_id(row, 0)?;
            let (role, actions): (String, String) = (row.get(1)?, row.get(2)?);
            let rights = Rights::stored(tenant, &role, &actions, row.get::<_, Option<String>>(3)?.as_deref());
            let identity = Identity::stored(row.get(6)?, row.get(7)?);
            Ok(Known { tenant, rights, role, name: row.get(4)?, is_enabled: row.get(5)?, identity })
        },
    )?;
    found.ok_or_else(|| Refusal::not_found("user", "/id").into())
}

/// The user, if the principal manages it: sees its tenant, and may do all that it may.
pub(super) fn managed(ctx: &Context<'_>, id: UserId) -> Rule<Known> {
    let user = find(ctx, id)?;
    ctx.require_visible(user.tenant, "user", "/id")?;
    user.rights.require_covered(ctx, "/id")?;
    Ok(user)
}

fn is_self(ctx: &Context<'_>, id: UserId) -> Rule<bool> {
    Ok(ctx.asking()?.is_some_and(|access| match access.who {
        Who::User(own) => own == id,
        Who::Impersonator { by, user } => by == id || user == id,
        Who::ApiKey(_) => false,
    }))
}

pub(super) fn update(ctx: &Context<'_>, body: &UpdateUser) -> Rule<Effect> {
    ctx.authorise(Action::UserUpdate)?;
    let id = wire_id(&body.user_id, "/id", UserId::from_bytes)?;
    let old = managed(ctx, id)?;
    let is_about_rights = body.role.is_some()
        || body.actions.is_some()
        || body.accounts.is_some()
        || body.enabled.is_some()
        || body.identity.is_some();
    if is_about_rights && is_self(ctx, id)? {
        let message = "nobody changes what they may do themselves; somebody else has to";
        return Err(Refusal::new(RefusalCode::Forbidden, "/id", message).into());
    }
    let name = body.name.as_ref().unwrap_or(&old.name);
    require_name(name)?;
    let rights = changed(ctx, body, &old)?;
    let role = body.role.as_ref().unwrap_or(&old.role);
    let is_enabled = body.enabled.unwrap_or(old.is_enabled);
    let is_same = (name, role, is_enabled) == (&old.name, &old.role, old.is_enabled)
        && (&rights.actions, &rights.accounts) == (&old.rights.actions, &old.rights.accounts);
    let identity = identity(ctx, old.tenant, body.identity.as_ref())?;
    let is_known_otherwise = identity.as_ref().is_some_and(|identity| *identity != old.identity);
    if let Some(identity) = identity.filter(|_| is_known_otherwise) {
        know_as(ctx, id, identity.as_ref())?;
    }
    if !is_same {
        let actions: Vec<&str> = rights.actions.iter().map(AsRef::as_ref).collect();
        ctx.run(
            "UPDATE users SET name = ?2, role = ?3, actions = ?4, accounts = ?5,
                 disabled_millis = iif(?6, NULL, ifnull(disabled_millis, ?7))
             WHERE id = ?1",
            (
                id.to_bytes(),
                name,
                role,
                json(&actions),
                column(rights.accounts.as_deref()),
                is_enabled,
                ctx.now.as_millis(),
            ),
        )?;
        if !is_enabled {
            end_sessions(ctx, id)?;
        }
    }
    if !is_same || is_known_otherwise {
        ctx.note(old.tenant, "user", id.to_bytes(), "changed");
    }
    Ok(effect(old.tenant, Action::UserUpdate, id))
}

/// The rights that a change comes to.
fn changed(ctx: &Context<'_>, body: &UpdateUser, old: &Known) -> Rule<Rights> {
    if body.role.is_none() && body.actions.is_none() && body.accounts.is_none() {
        return Ok(Rights::stored(
            old.tenant,
            &old.role,
            &json(&old.rights.actions),
            column(old.rights.accounts.as_deref()).as_deref(),
        ));
    }
    let role = body.role.as_ref().unwrap_or(&old.role);
    require_role(role)?;
    let held: Vec<String> = old.rights.actions.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let actions = body.actions.as_ref().map_or(&held, |actions| &actions.patterns);
    let of_old = || old.rights.accounts.iter().flatten().map(|account| account.to_bytes()).collect();
    let accounts = body.accounts.as_ref().map_or_else(of_old, |accounts| accounts.ids.clone());
    let rights = Rights::read(ctx, old.tenant, role, actions, &accounts)?;
    rights.require_covered(ctx, "/role")?;
    Ok(rights)
}

/// Ends the user's sessions, and those in which it acts as somebody else.
pub(super) fn end_sessions(ctx: &Context<'_>, id: UserId) -> Rule<()> {
    ctx.run("DELETE FROM sessions WHERE user_id = ?1", [id.to_bytes()])?;
    ctx.run("DELETE FROM sessions WHERE impersonator_id = ?1", [id.to_bytes()])?;
    Ok(())
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteUser) -> Rule<Effect> {
    ctx.authorise(Action::UserDelete)?;
    let id = wire_id(&body.user_id, "/id", UserId::from_bytes)?;
    let user = managed(ctx, id)?;
    if is_self(ctx, id)? {
        let message = "nobody removes themselves; somebody else has to";
        return Err(Refusal::new(RefusalCode::InUse, "/id", message).into());
    }
    end_sessions(ctx, id)?;
    ctx.run("DELETE FROM users WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(user.tenant, "user", id.to_bytes(), "deleted");
    Ok(effect(user.tenant, Action::UserDelete, id))
}

/// Sets a password: one's own, whereupon one's other sessions end, or that of somebody whom one manages, whose sessions end.
pub(super) fn set_password(ctx: &Context<'_>, body: &SetUserPassword) -> Rule<Effect> {
    let id = wire_id(&body.user_id, "/id", UserId::from_bytes)?;
    let (user, action) = if is_self(ctx, id)? {
        require_self(ctx, id, Action::MeSetPassword)?;
        (find(ctx, id)?, Action::MeSetPassword)
    } else {
        ctx.authorise(Action::UserSetPassword)?;
        (managed(ctx, id)?, Action::UserSetPassword)
    };
    require_hash(&body.password_hash)?;
    ctx.run(
        "UPDATE users SET password_hash = ?2, password_millis = ?3 WHERE id = ?1",
        (id.to_bytes(), &body.password_hash, ctx.now.as_millis()),
    )?;
    match ctx.principal {
        crate::context::Principal::Shown(crate::Credential::Session(session)) => {
            ctx.run(
                "DELETE FROM sessions WHERE user_id = ?1 AND id <> ?2",
                (id.to_bytes(), session.to_bytes()),
            )?;
            ctx.run("DELETE FROM sessions WHERE impersonator_id = ?1", [id.to_bytes()])?;
        }
        _ => end_sessions(ctx, id)?,
    }
    ctx.note(user.tenant, "user", id.to_bytes(), "changed");
    Ok(effect(user.tenant, action, id))
}

/// Removes all users of a tenant that goes.
pub(super) fn remove_of(ctx: &Context<'_>, tenant: TenantId) -> Rule<()> {
    ctx.run("DELETE FROM sessions WHERE tenant_id = ?1", [tenant.to_bytes()])?;
    ctx.run("DELETE FROM users WHERE tenant_id = ?1", [tenant.to_bytes()])?;
    Ok(())
}
