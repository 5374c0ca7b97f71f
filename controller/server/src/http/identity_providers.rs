//! `/v1/identity-providers`: others who say who signs in. How one signs in by them is in [`super::device`].

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{IdentityProviderId, IdentityProviderName, Secret, TenantId, Timestamp};
use npanel_pki::Field;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    CreateIdentityProvider, GroupMapping, IdentityProvider, Page, UpdateIdentityProvider, schema,
};
use npanel_state::IdentityProviderFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made, updated},
    app::App,
    asked::Asked,
    body::Body,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
};
use crate::auth::Caller;

/// Longer secrets of clients are nobody's.
const LONGEST_SECRET: usize = 500;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, update, delete))
}

list_query! {
    /// Which identity providers.
    IdentityProvidersQuery {
        /// Only of this tenant itself.
        #[param(value_type = Option<schema::TenantId>)]
        tenant_id: TenantId,
        /// Only of this name.
        #[param(value_type = Option<schema::IdentityProviderName>)]
        name: IdentityProviderName,
        /// Only those that people sign in by, or only those that nobody does.
        enabled: bool,
        /// Only what was made then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: Timestamp,
    }
}

fn shown(row: npanel_state::IdentityProvider) -> IdentityProvider {
    let mapping = |one: npanel_state::GroupMapping| GroupMapping {
        group: one.group,
        tenant_id: Some(one.tenant_id),
        role: one.role,
        actions: one.actions,
        accounts: one.accounts,
    };
    IdentityProvider {
        id: row.id,
        tenant_id: row.tenant_id,
        name: row.name,
        issuer: row.issuer,
        client_id: row.client_id,
        secret_set_at: row.secret_set_at,
        scopes: row.scopes,
        login_claim: row.login_claim,
        name_claim: row.name_claim,
        groups_claim: row.groups_claim,
        mappings: row.mappings.into_iter().map(mapping).collect(),
        creates_users: row.creates_users,
        enabled: row.is_enabled,
        created_at: row.created_at,
        revision: row.revision,
    }
}

async fn read(app: &App, caller: &Caller, id: IdentityProviderId) -> Result<IdentityProvider, Failure> {
    let found = app.find("identity provider", || app.reader().identity_provider(caller.purview(), id));
    found.await.map(shown)
}

fn texts<T: Into<String>>(all: Vec<T>) -> Vec<String> {
    all.into_iter().map(Into::into).collect()
}

fn mappings(all: Vec<GroupMapping>, own: TenantId) -> Vec<command::GroupMapping> {
    let one = |mapping: GroupMapping| command::GroupMapping {
        group: mapping.group.into(),
        tenant_id: mapping.tenant_id.unwrap_or(own).to_bytes(),
        role: mapping.role.as_str().to_owned(),
        actions: texts(mapping.actions),
        accounts: mapping.accounts.into_iter().map(|account| account.to_bytes()).collect(),
    };
    all.into_iter().map(one).collect()
}

async fn sealed(
    app: &App,
    tenant: TenantId,
    provider: IdentityProviderId,
    secret: &Secret,
) -> Result<Vec<u8>, Failure> {
    let text = secret.expose();
    if !(1..=LONGEST_SECRET).contains(&text.len()) || text.chars().any(char::is_control) {
        let detail =
            format!("a client's secret has 1 to {LONGEST_SECRET} characters, none a control character");
        return Err(Failure::invalid("client_secret", detail));
    }
    let object = provider.to_bytes();
    let sealed = app.data_key(tenant).await?.seal(Field::client_secret(tenant, &object), text.as_bytes());
    sealed.map_err(|error| Failure::internal(&error))
}

/// Make an identity provider: somebody else who says who signs in.
#[utoipa::path(post, path = "/v1/identity-providers", operation_id = "identity_provider.create",
    tag = "identity providers", request_body = CreateIdentityProvider,
    responses((status = 201, description = "Made", body = IdentityProvider)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateIdentityProvider>,
) -> Result<Response, Ended> {
    let command = creation(&app, &asked.caller, value).await;
    let accepted = app.propose_if_made(&asked, &bytes, command.map(Command::CreateIdentityProvider)).await?;
    let id = made(&accepted, IdentityProviderId::from_bytes)?;
    let path = format!("/v1/identity-providers/{id}");
    Ok(created(&app, &asked, &accepted, path, || read(&app, &asked.caller, id)).await?)
}

async fn creation(
    app: &App,
    caller: &Caller,
    value: CreateIdentityProvider,
) -> Result<command::CreateIdentityProvider, Failure> {
    let (id, tenant) = (IdentityProviderId::generate(), value.tenant_id.unwrap_or(caller.tenant_id));
    app.find_for_write("tenant", || app.reader().tenant(caller.purview(), tenant))
        .await
        .map_err(|failure| failure.at("tenant_id"))?;
    Ok(command::CreateIdentityProvider {
        identity_provider_id: id.to_bytes(),
        tenant_id: tenant.to_bytes(),
        name: value.name.into(),
        issuer: value.issuer.into(),
        client_id: value.client_id.into(),
        sealed_secret: sealed(app, tenant, id, &value.client_secret).await?,
        scopes: texts(value.scopes),
        login_claim: value.login_claim.into(),
        name_claim: value.name_claim.into(),
        groups_claim: value.groups_claim.into(),
        mappings: mappings(value.mappings, tenant),
        creates_users: value.creates_users,
    })
}

/// List identity providers.
#[utoipa::path(get, path = "/v1/identity-providers", operation_id = "identity_provider.list",
    tag = "identity providers", params(IdentityProvidersQuery),
    responses((status = 200, description = "Some of them", body = Page<IdentityProvider>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<IdentityProvidersQuery>,
) -> Result<Json<Page<IdentityProvider>>, Failure> {
    let IdentityProvidersQuery { tenant_id, name, enabled, created_since, .. } = query;
    let filter = IdentityProviderFilter { tenant_id, name, enabled, created_since };
    let rows = app.reader().identity_providers(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show an identity provider (never its client's secret).
#[utoipa::path(get, path = "/v1/identity-providers/{id}", operation_id = "identity_provider.get",
    tag = "identity providers",
    params(("id" = schema::IdentityProviderId, Path, description = "The identity provider")),
    responses((status = 200, description = "The identity provider", body = IdentityProvider)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<IdentityProvider>, Failure> {
    read(&app, &caller, id("identity provider", &text)?).await.map(Tagged)
}

/// Change an identity provider, or what its groups may do.
#[utoipa::path(patch, path = "/v1/identity-providers/{id}", operation_id = "identity_provider.update",
    tag = "identity providers",
    params(("id" = schema::IdentityProviderId, Path, description = "The identity provider")),
    request_body = UpdateIdentityProvider,
    responses((status = 200, description = "Changed", body = IdentityProvider)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateIdentityProvider>,
) -> Result<Response, Ended> {
    let id: IdentityProviderId = id("identity provider", &text)?;
    let command = change(&app, &asked.caller, id, value).await;
    let accepted = app.propose_if_made(&asked, &bytes, command.map(Command::UpdateIdentityProvider)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

async fn change(
    app: &App,
    caller: &Caller,
    id: IdentityProviderId,
    value: UpdateIdentityProvider,
) -> Result<command::UpdateIdentityProvider, Failure> {
    let look = || app.reader().identity_provider(caller.purview(), id);
    let tenant = app.find_for_write("identity provider", look).await?.tenant_id;
    let sealed_secret = match &value.client_secret {
        Some(secret) => Some(sealed(app, tenant, id, secret).await?),
        None => None,
    };
    Ok(command::UpdateIdentityProvider {
        identity_provider_id: id.to_bytes(),
        name: value.name.map(String::from),
        client_id: value.client_id.map(String::from),
        sealed_secret,
        scopes: value.scopes.map(|scopes| command::Scopes { scopes: texts(scopes) }),
        login_claim: value.login_claim.map(String::from),
        name_claim: value.name_claim.map(String::from),
        groups_claim: value.groups_claim.map(String::from),
        mappings: value.mappings.map(|all| command::GroupMappings { mappings: mappings(all, tenant) }),
        creates_users: value.creates_users,
        enabled: value.enabled,
    })
}

/// Remove an identity provider, and all sessions that were begun by it.
#[utoipa::path(delete, path = "/v1/identity-providers/{id}", operation_id = "identity_provider.delete",
    tag = "identity providers",
    params(("id" = schema::IdentityProviderId, Path, description = "The identity provider")),
    responses((status = 204, description = "Removed")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let identity_provider_id = id::<IdentityProviderId>("identity provider", &text)?.to_bytes();
    let command = Command::DeleteIdentityProvider(command::DeleteIdentityProvider { identity_provider_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
