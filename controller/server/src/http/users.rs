//! `/v1/users`: people who sign in. That nobody manages who may do more than they is the state machine's rule.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{AccountId, LoginName, Secret, Timestamp, UserId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{CreateUser, Page, SetUserPassword, UpdateUser, User, UserIdentity, schema};
use npanel_state::UserFilter;
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
use crate::auth::{Caller, passwords};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(set_password))
        .routes(routes!(remove_totp))
}

list_query! {
    /// Which users.
    UsersQuery {
        /// Only of this tenant.
        #[param(value_type = Option<schema::TenantId>)]
        tenant_id: npanel_model::TenantId,
        /// Only who signs in by this.
        #[param(value_type = Option<String>, max_length = 318, example = "ann@example.com")]
        login: LoginName,
        /// Only of this role.
        #[param(value_type = Option<schema::AccessRole>)]
        role: npanel_model::AccessRole,
        /// Only who has this account.
        #[param(value_type = Option<schema::AccountId>)]
        account_id: AccountId,
        /// Only what was made then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: Timestamp,
    }
}

pub(super) fn shown(row: npanel_state::User) -> User {
    User {
        id: row.id,
        tenant_id: row.tenant_id,
        login: row.login,
        name: row.name,
        role: row.role,
        actions: row.actions,
        accounts: row.accounts,
        enabled: row.is_enabled,
        identity: row
            .identity
            .map(|(provider, subject)| UserIdentity { identity_provider_id: provider, subject }),
        has_password: row.has_password,
        has_totp: row.has_totp,
        recovery_codes: row.recovery_codes,
        created_at: row.created_at,
        revision: row.revision,
    }
}

async fn read(app: &App, caller: &Caller, id: UserId) -> Result<User, Failure> {
    app.find("user", || app.reader().user(caller.purview(), id)).await.map(shown)
}

fn known(identity: UserIdentity) -> command::Identity {
    command::Identity {
        identity_provider_id: identity.identity_provider_id.to_bytes(),
        subject: identity.subject.into(),
    }
}

/// The hash of a password that is good enough.
pub(super) async fn hashed(app: &App, field: &str, password: Secret) -> Result<String, Failure> {
    passwords::require_good(field, &password)?;
    app.passwords().hash(password).await
}

/// Make a user.
#[utoipa::path(post, path = "/v1/users", operation_id = "user.create", tag = "users", request_body = CreateUser,
    responses((status = 201, description = "Made", body = User)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateUser>,
) -> Result<Response, Ended> {
    let password_hash = match value.password {
        Some(password) => hashed(&app, "password", password).await?,
        None => String::new(),
    };
    let command = command::CreateUser {
        user_id: UserId::generate().to_bytes(),
        tenant_id: value.tenant_id.unwrap_or(asked.caller.tenant_id).to_bytes(),
        login: value.login.into(),
        name: value.name.into(),
        role: value.role.as_str().to_owned(),
        actions: value.actions.into_iter().map(String::from).collect(),
        accounts: value.accounts.into_iter().map(AccountId::to_bytes).collect(),
        password_hash,
        identity: value.identity.map(known),
    };
    let accepted = app.propose(&asked, &bytes, Command::CreateUser(command)).await?;
    let id = made(&accepted, UserId::from_bytes)?;
    let path = format!("/v1/users/{id}");
    Ok(created(&app, &asked, &accepted, path, || read(&app, &asked.caller, id)).await?)
}

/// List users.
#[utoipa::path(get, path = "/v1/users", operation_id = "user.list", tag = "users", params(UsersQuery),
    responses((status = 200, description = "Some of them", body = Page<User>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<UsersQuery>,
) -> Result<Json<Page<User>>, Failure> {
    let filter = UserFilter {
        tenant_id: query.tenant_id,
        login: query.login,
        role: query.role,
        account_id: query.account_id,
        created_since: query.created_since,
    };
    let rows = app.reader().users(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show a user (never a password).
#[utoipa::path(get, path = "/v1/users/{id}", operation_id = "user.get", tag = "users",
    params(("id" = schema::UserId, Path, description = "The user")),
    responses((status = 200, description = "The user", body = User)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<User>, Failure> {
    read(&app, &caller, id("user", &text)?).await.map(Tagged)
}

/// Change a user's name, role or accounts, or whether it may sign in.
#[utoipa::path(patch, path = "/v1/users/{id}", operation_id = "user.update", tag = "users",
    params(("id" = schema::UserId, Path, description = "The user")), request_body = UpdateUser,
    responses((status = 200, description = "Changed", body = User)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateUser>,
) -> Result<Response, Ended> {
    let id: UserId = id("user", &text)?;
    let command = command::UpdateUser {
        user_id: id.to_bytes(),
        name: value.name.map(String::from),
        role: value.role.map(|role| role.as_str().to_owned()),
        actions: value
            .actions
            .map(|actions| command::Actions { patterns: actions.into_iter().map(String::from).collect() }),
        accounts: value.accounts.map(|accounts| command::Accounts {
            ids: accounts.into_iter().map(AccountId::to_bytes).collect(),
        }),
        enabled: value.enabled,
        // Of nobody, the provider's id is empty.
        identity: value.identity.map(|identity| identity.map(known).unwrap_or_default()),
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateUser(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Set another user's password, and end its sessions.
#[utoipa::path(put, path = "/v1/users/{id}/password", operation_id = "user.set_password", tag = "users",
    params(("id" = schema::UserId, Path, description = "The user")), request_body = SetUserPassword,
    responses((status = 200, description = "Set", body = User)))]
async fn set_password(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<SetUserPassword>,
) -> Result<Response, Ended> {
    let id: UserId = id("user", &text)?;
    let password_hash = hashed(&app, "password", value.password).await?;
    let command = command::SetUserPassword { user_id: id.to_bytes(), password_hash };
    let accepted = app.propose(&asked, &bytes, Command::SetUserPassword(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Take another user's second factor away.
#[utoipa::path(delete, path = "/v1/users/{id}/totp", operation_id = "user.remove_totp", tag = "users",
    params(("id" = schema::UserId, Path, description = "The user")),
    responses((status = 204, description = "Taken away")))]
async fn remove_totp(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let user_id = id::<UserId>("user", &text)?.to_bytes();
    let command = Command::RemoveTotp(command::RemoveTotp { user_id, ..command::RemoveTotp::default() });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}

/// Remove a user, with its sessions.
#[utoipa::path(delete, path = "/v1/users/{id}", operation_id = "user.delete", tag = "users",
    params(("id" = schema::UserId, Path, description = "The user")),
    responses((status = 204, description = "Removed")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let user_id = id::<UserId>("user", &text)?.to_bytes();
    let command = Command::DeleteUser(command::DeleteUser { user_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
