//! Identity providers: others who say who signs in, and what those may do whom they know.

use npanel_model::{
    Action, ClaimName, ClientId, IdentityProviderId, IdentityProviderName, IssuerUrl, Scope, Subject,
    TenantId, UserId,
};
use npanel_proto::command::{self, CreateIdentityProvider, DeleteIdentityProvider, UpdateIdentityProvider};

use super::{group_mapping as mapping, require_new, secrets};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Halt, Rule, json, tenant_id, texts, wire_id, wire_text},
};

/// Of one tenant. Each is a way in.
const MOST: u64 = 20;
const MOST_SCOPES: usize = 20;

pub(super) fn create(ctx: &Context<'_>, body: &CreateIdentityProvider) -> Rule<Effect> {
    ctx.authorise(Action::IdentityProviderCreate)?;
    let id = wire_id(&body.identity_provider_id, "/id", IdentityProviderId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    let said = Said {
        name: &body.name,
        client_id: &body.client_id,
        scopes: &body.scopes,
        login_claim: &body.login_claim,
        name_claim: &body.name_claim,
        groups_claim: &body.groups_claim,
    };
    said.require()?;
    wire_text::<IssuerUrl>(&body.issuer, "/issuer")?;
    let mappings = mapping::read(ctx, tenant, &body.mappings)?;
    require_secret(ctx, tenant, &body.sealed_secret)?;
    require_new(ctx, "identity_providers", &body.identity_provider_id)?;
    require_free(ctx, tenant, &body.name)?;
    let select = "SELECT count(*) FROM identity_providers WHERE tenant_id = ?1";
    let there = ctx.count(select, [tenant.to_bytes()])?;
    if there >= MOST {
        let message = format!("a tenant may have {MOST} identity providers (it has {there})");
        return Err(Refusal::new(RefusalCode::LimitReached, "/tenant_id", message).into());
    }
    ctx.run(
        "INSERT INTO identity_providers (id, tenant_id, name, issuer, client_id, sealed_secret, secret_millis, scopes,
             login_claim, name_claim, groups_claim, mappings, creates_users, created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?7)",
        (
            id.to_bytes(),
            tenant.to_bytes(),
            &body.name,
            &body.issuer,
            &body.client_id,
            &body.sealed_secret,
            ctx.now.as_millis(),
            json(&body.scopes),
            &body.login_claim,
            &body.name_claim,
            &body.groups_claim,
            mapping::column(&mappings),
            body.creates_users,
        ),
    )?;
    ctx.note(tenant, "identity_provider", id.to_bytes(), "created");
    Ok(effect(tenant, Action::IdentityProviderCreate, id))
}

fn effect(tenant: TenantId, action: Action, id: IdentityProviderId) -> Effect {
    Effect { tenant, action, object: id.to_bytes(), operation: Vec::new() }
}

/// What is said of a provider, as far as it stands by itself.
struct Said<'a> {
    name: &'a str,
    client_id: &'a str,
    scopes: &'a [String],
    login_claim: &'a str,
    name_claim: &'a str,
    groups_claim: &'a str,
}

impl Said<'_> {
    fn require(&self) -> Rule<()> {
        wire_text::<IdentityProviderName>(self.name, "/name")?;
        wire_text::<ClientId>(self.client_id, "/client_id")?;
        if self.scopes.len() > MOST_SCOPES {
            let message = format!("at most {MOST_SCOPES} scopes can be asked for");
            return Err(invalid("/scopes", message));
        }
        for scope in self.scopes {
            wire_text::<Scope>(scope, "/scopes")?;
        }
        wire_text::<ClaimName>(self.login_claim, "/login_claim")?;
        wire_text::<ClaimName>(self.name_claim, "/name_claim")?;
        wire_text::<ClaimName>(self.groups_claim, "/groups_claim").map(drop)
    }
}

fn require_secret(ctx: &Context<'_>, tenant: TenantId, sealed: &[u8]) -> Rule<()> {
    if sealed.is_empty() {
        return Err(invalid("/client_secret", "an identity provider knows its client by a secret"));
    }
    secrets::require_data_key(ctx, tenant, sealed)
}

fn require_free(ctx: &Context<'_>, tenant: TenantId, name: &str) -> Rule<()> {
    let select = "SELECT EXISTS (SELECT 1 FROM identity_providers WHERE tenant_id = ?1 AND name = ?2)";
    if ctx.count(select, (tenant.to_bytes(), name))? == 0 {
        return Ok(());
    }
    let message = format!("the tenant has an identity provider called {name} already");
    Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into())
}

fn invalid(field: &'static str, message: impl Into<String>) -> Halt {
    Refusal::new(RefusalCode::Invalid, field, message).into()
}

/// A provider as rules look at it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Provider {
    pub(super) tenant: TenantId,
    pub(super) name: String,
    client_id: String,
    scopes: Vec<String>,
    pub(super) login_claim: String,
    name_claim: String,
    groups_claim: String,
    /// As the column has them.
    pub(super) mappings: String,
    pub(super) creates_users: bool,
    pub(super) is_enabled: bool,
}

/// The provider, whoever asks.
pub(super) fn find(ctx: &Context<'_>, id: IdentityProviderId) -> Rule<Option<Provider>> {
    ctx.find(
        "SELECT tenant_id, name, client_id, scopes, login_claim, name_claim, groups_claim, mappings, creates_users,
             disabled_millis IS NULL
         FROM identity_providers WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            Ok(Provider {
                tenant: tenant_id(row, 0)?,
                name: row.get(1)?,
                client_id: row.get(2)?,
                scopes: texts(&row.get::<_, String>(3)?),
                login_claim: row.get(4)?,
                name_claim: row.get(5)?,
                groups_claim: row.get(6)?,
                mappings: row.get(7)?,
                creates_users: row.get(8)?,
                is_enabled: row.get(9)?,
            })
        },
    )
}

fn visible(ctx: &Context<'_>, id: IdentityProviderId, field: &'static str) -> Rule<Provider> {
    let provider = find(ctx, id)?.ok_or_else(|| Refusal::not_found("identity provider", field))?;
    ctx.require_visible(provider.tenant, "identity provider", field)?;
    Ok(provider)
}

/// Changes a provider. Whoever does so may do all that it lets others do: they could let themselves in.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateIdentityProvider) -> Rule<Effect> {
    ctx.authorise(Action::IdentityProviderUpdate)?;
    let id = wire_id(&body.identity_provider_id, "/id", IdentityProviderId::from_bytes)?;
    let old = visible(ctx, id, "/id")?;
    mapping::require_covered(ctx, &old.mappings)?;
    let new = changed(ctx, body, &old)?;
    if let Some(sealed) = &body.sealed_secret {
        require_secret(ctx, old.tenant, sealed)?;
        ctx.run(
            "UPDATE identity_providers SET sealed_secret = ?2, secret_millis = ?3 WHERE id = ?1",
            (id.to_bytes(), sealed, ctx.now.as_millis()),
        )?;
    }
    if new != old {
        write(ctx, id, &new)?;
    }
    if old.is_enabled && !new.is_enabled {
        end_sessions(ctx, id)?;
    }
    if new != old || body.sealed_secret.is_some() {
        ctx.note(old.tenant, "identity_provider", id.to_bytes(), "changed");
    }
    Ok(effect(old.tenant, Action::IdentityProviderUpdate, id))
}

/// The provider that a change comes to.
fn changed(ctx: &Context<'_>, body: &UpdateIdentityProvider, old: &Provider) -> Rule<Provider> {
    let text = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
    let mappings = match &body.mappings {
        Some(mappings) => mapping::column(&mapping::read(ctx, old.tenant, &mappings.mappings)?),
        None => old.mappings.clone(),
    };
    let new = Provider {
        tenant: old.tenant,
        name: text(&body.name, &old.name),
        client_id: text(&body.client_id, &old.client_id),
        scopes: body.scopes.as_ref().map_or_else(|| old.scopes.clone(), |scopes| scopes.scopes.clone()),
        login_claim: text(&body.login_claim, &old.login_claim),
        name_claim: text(&body.name_claim, &old.name_claim),
        groups_claim: text(&body.groups_claim, &old.groups_claim),
        mappings,
        creates_users: body.creates_users.unwrap_or(old.creates_users),
        is_enabled: body.enabled.unwrap_or(old.is_enabled),
    };
    let said = Said {
        name: &new.name,
        client_id: &new.client_id,
        scopes: &new.scopes,
        login_claim: &new.login_claim,
        name_claim: &new.name_claim,
        groups_claim: &new.groups_claim,
    };
    said.require()?;
    if new.name != old.name {
        require_free(ctx, old.tenant, &new.name)?;
    }
    Ok(new)
}

fn write(ctx: &Context<'_>, id: IdentityProviderId, new: &Provider) -> Rule<()> {
    ctx.run(
        "UPDATE identity_providers SET name = ?2, client_id = ?3, scopes = ?4, login_claim = ?5, name_claim = ?6,
             groups_claim = ?7, mappings = ?8, creates_users = ?9,
             disabled_millis = iif(?10, NULL, ifnull(disabled_millis, ?11))
         WHERE id = ?1",
        (
            id.to_bytes(),
            &new.name,
            &new.client_id,
            json(&new.scopes),
            &new.login_claim,
            &new.name_claim,
            &new.groups_claim,
            &new.mappings,
            new.creates_users,
            new.is_enabled,
            ctx.now.as_millis(),
        ),
    )?;
    Ok(())
}

/// Ends what was begun by the provider, and what waits for it to be collected.
fn end_sessions(ctx: &Context<'_>, id: IdentityProviderId) -> Rule<()> {
    ctx.run("DELETE FROM sessions WHERE identity_provider_id = ?1", [id.to_bytes()])?;
    Ok(())
}

/// Removes a provider. Whom it knew stays, and needs a password or another provider: its id is nobody's again.
pub(super) fn delete(ctx: &Context<'_>, body: &DeleteIdentityProvider) -> Rule<Effect> {
    ctx.authorise(Action::IdentityProviderDelete)?;
    let id = wire_id(&body.identity_provider_id, "/id", IdentityProviderId::from_bytes)?;
    let old = visible(ctx, id, "/id")?;
    remove(ctx, id)?;
    ctx.note(old.tenant, "identity_provider", id.to_bytes(), "deleted");
    Ok(effect(old.tenant, Action::IdentityProviderDelete, id))
}

fn remove(ctx: &Context<'_>, id: IdentityProviderId) -> Rule<()> {
    end_sessions(ctx, id)?;
    ctx.run("DELETE FROM identity_providers WHERE id = ?1", [id.to_bytes()])?;
    Ok(())
}

/// Removes those of a tenant that goes.
pub(super) fn remove_of(ctx: &Context<'_>, tenant: TenantId) -> Rule<()> {
    let select = "SELECT id FROM identity_providers WHERE tenant_id = ?1";
    let ids = ctx.all(select, [tenant.to_bytes()], |row| {
        crate::context::typed(row, 0, IdentityProviderId::from_bytes)
    })?;
    ids.into_iter().try_for_each(|id| remove(ctx, id))
}

/// How a provider knows a user.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) provider: IdentityProviderId,
    pub(super) subject: Subject,
}

impl Identity {
    /// As the state keeps it.
    pub(super) fn stored(provider: Option<Vec<u8>>, subject: Option<String>) -> Option<Self> {
        let provider = IdentityProviderId::from_bytes(&provider?).ok()?;
        Some(Self { provider, subject: subject?.parse().ok()? })
    }

    /// The user whom the provider means.
    pub(super) fn user(&self, ctx: &Context<'_>) -> Rule<Option<UserId>> {
        ctx.find(
            "SELECT id FROM users WHERE identity_provider_id = ?1 AND subject = ?2",
            (self.provider.to_bytes(), self.subject.as_str()),
            |row| crate::context::typed(row, 0, UserId::from_bytes),
        )
    }
}

/// By whom a user of the tenant is to be known. `None`: nothing is said of it; `Some(None)`: by nobody. A provider is that of the
/// user's tenant, or of one above it which the principal sees: with another's, whoever has that one would take the name.
pub(super) fn identity(
    ctx: &Context<'_>,
    tenant: TenantId,
    body: Option<&command::Identity>,
) -> Rule<Option<Option<Identity>>> {
    let Some(body) = body else { return Ok(None) };
    if body.identity_provider_id.is_empty() {
        return Ok(Some(None));
    }
    let field = "/identity/identity_provider_id";
    let provider = wire_id(&body.identity_provider_id, field, IdentityProviderId::from_bytes)?;
    let owner = visible(ctx, provider, field)?.tenant;
    if !mapping::is_beneath(ctx, owner, tenant)? {
        return Err(invalid(
            field,
            "an identity provider knows users of its own tenant, and of those beneath it",
        ));
    }
    let identity = Identity { provider, subject: wire_text(&body.subject, "/identity/subject")? };
    Ok(Some(Some(identity)))
}

/// From now on the provider means this user, and nobody else by this subject.
pub(super) fn know_as(ctx: &Context<'_>, user: UserId, identity: Option<&Identity>) -> Rule<()> {
    if let Some(identity) = identity {
        require_unknown(ctx, identity)?;
    }
    ctx.run(
        "UPDATE users SET identity_provider_id = ?2, subject = ?3 WHERE id = ?1",
        (
            user.to_bytes(),
            identity.map(|identity| identity.provider.to_bytes()),
            identity.map(|identity| identity.subject.as_str()),
        ),
    )?;
    ctx.run(
        "DELETE FROM sessions WHERE user_id = ?1 AND identity_provider_id IS NOT NULL",
        [user.to_bytes()],
    )?;
    Ok(())
}

/// Refuses a subject that the provider knows as another user.
pub(super) fn require_unknown(ctx: &Context<'_>, identity: &Identity) -> Rule<()> {
    match identity.user(ctx)? {
        None => Ok(()),
        Some(_) => {
            let message = "the identity provider knows another user by this subject";
            Err(Refusal::new(RefusalCode::NameTaken, "/identity/subject", message).into())
        }
    }
}
