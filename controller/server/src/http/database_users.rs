//! `/v1/database-users`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{DatabaseUserId, DatabaseUserName, OperationId, Secret, TenantId};
use npanel_pki::Field;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    CreateDatabaseUser, DatabaseUser, Grant, Operation, Page, SetPassword, SetPrivileges, schema,
};
use npanel_state::OwnedFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accounts,
    answer::{Tagged, created, deleted, id, made, updated},
    app::App,
    asked::Asked,
    body::Body,
    convergence::convergence,
    list::{List, list_query},
    password,
    preview::Ended,
    problem::Failure,
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, delete))
        .routes(routes!(set_password))
        .routes(routes!(set_privileges))
}

list_query! {
    /// Which database users.
    converging DatabaseUsersQuery {
        /// Only of this account.
        #[param(value_type = Option<schema::AccountId>)]
        account_id: npanel_model::AccountId,
        /// Only with this full name.
        #[param(value_type = Option<schema::DatabaseUserName>)]
        name: String,
    }
}

fn shown(row: npanel_state::DatabaseUser) -> DatabaseUser {
    let grant =
        |grant: npanel_state::Grant| Grant { database_id: grant.database_id, privileges: grant.privileges };
    DatabaseUser {
        id: row.id,
        account_id: row.account_id,
        name: row.name,
        grants: row.grants.into_iter().map(grant).collect(),
        password: None,
        created_at: row.created_at,
        revision: row.convergence.revision,
        convergence: convergence(row.convergence),
    }
}

async fn read(app: &App, caller: &Caller, id: DatabaseUserId) -> Result<DatabaseUser, Failure> {
    app.find("database user", || app.reader().database_user(caller.purview(), id)).await.map(shown)
}

async fn sealed(
    app: &App,
    tenant: TenantId,
    user: DatabaseUserId,
    password: &Secret,
) -> Result<Vec<u8>, Failure> {
    let hash = password::native_hash(password);
    let object = user.to_bytes();
    let field = Field::database_password(tenant, &object);
    app.data_key(tenant)
        .await?
        .seal(field, hash.expose().as_bytes())
        .map_err(|error| Failure::internal(&error))
}

/// The same for a user that is there.
async fn sealed_for(
    app: &App,
    caller: &Caller,
    id: DatabaseUserId,
    password: &Secret,
) -> Result<Vec<u8>, Failure> {
    let user =
        app.find_for_write("database user", || app.reader().database_user(caller.purview(), id)).await?;
    sealed(app, user.tenant_id, id, password).await
}

/// The password that was given, if it is good; else a new one, which is to be shown once.
fn chosen(given: Option<Secret>) -> Result<(Secret, Option<Secret>), Failure> {
    match given {
        Some(given) => password::check(&given).map(|()| (given, None)),
        None => password::generate().map(|made| (made.clone(), Some(made))),
    }
}

fn granted(grant: &Grant) -> command::DatabaseGrant {
    command::DatabaseGrant {
        database_id: grant.database_id.to_bytes(),
        privileges: grant.privileges.as_str().to_owned(),
    }
}

/// Create a database user.
#[utoipa::path(post, path = "/v1/database-users", operation_id = "database.create_user",
    tag = "database-users", request_body = CreateDatabaseUser,
    responses((status = 201, description = "Made, and converged if that was waited for", body = DatabaseUser),
        (status = 202, description = "Made, and not converged at the timeout", body = DatabaseUser)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateDatabaseUser>,
) -> Result<Response, Ended> {
    let (password, generated) = chosen(value.password.clone())?;
    let user = DatabaseUserId::generate();
    let command = creation(&app, &asked.caller, &value, user, &password).await;
    let accepted = app.propose_if_made(&asked, &bytes, command.map(Command::CreateDatabaseUser)).await?;
    let id = made(&accepted, DatabaseUserId::from_bytes)?;
    // A repetition made no user: its password is nobody's.
    let once = generated.filter(|_| id == user);
    let path = format!("/v1/database-users/{id}");
    Ok(created(&app, &asked, &accepted, path, || async {
        Ok(DatabaseUser { password: once, ..read(&app, &asked.caller, id).await? })
    })
    .await?)
}

async fn creation(
    app: &App,
    caller: &Caller,
    value: &CreateDatabaseUser,
    user: DatabaseUserId,
    password: &Secret,
) -> Result<command::CreateDatabaseUser, Failure> {
    let account = accounts::row_for_write(app, caller, value.account_id).await?;
    accounts::refuse_prefix(&account.username, &value.name)?;
    let name = DatabaseUserName::of_account(&account.username, &value.name)
        .map_err(|error| Failure::invalid("name", error.to_string()))?;
    Ok(command::CreateDatabaseUser {
        database_user_id: user.to_bytes(),
        account_id: account.id.to_bytes(),
        name: name.into(),
        sealed_password_hash: sealed(app, account.tenant_id, user, password).await?,
        grants: value.grants.iter().map(granted).collect(),
        operation_id: OperationId::generate().to_bytes(),
    })
}

/// List database users.
#[utoipa::path(get, path = "/v1/database-users", operation_id = "database.list_users",
    tag = "database-users", params(DatabaseUsersQuery),
    responses((status = 200, description = "Some of them", body = Page<DatabaseUser>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<DatabaseUsersQuery>,
) -> Result<Json<Page<DatabaseUser>>, Failure> {
    let (account_id, converging) = (query.account_id, query.converging());
    let filter = OwnedFilter { account_id, name: query.name, suspended: None, converging };
    let rows = app.reader().database_users(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show a database user (never its password).
#[utoipa::path(get, path = "/v1/database-users/{id}", operation_id = "database.get_user",
    tag = "database-users",
    params(("id" = schema::DatabaseUserId, Path, description = "The database user")),
    responses((status = 200, description = "The database user", body = DatabaseUser)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<DatabaseUser>, Failure> {
    read(&app, &caller, id("database user", &text)?).await.map(Tagged)
}

/// Set what a database user may do, and where.
#[utoipa::path(put, path = "/v1/database-users/{id}/privileges", operation_id = "database.set_privileges", tag = "database-users",
    params(("id" = schema::DatabaseUserId, Path, description = "The database user")), request_body = SetPrivileges,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = DatabaseUser),
        (status = 202, description = "Changed, and not converged at the timeout", body = DatabaseUser)))]
async fn set_privileges(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<SetPrivileges>,
) -> Result<Response, Ended> {
    let id: DatabaseUserId = id("database user", &text)?;
    let command = command::SetDatabasePrivileges {
        database_user_id: id.to_bytes(),
        grants: value.grants.iter().map(granted).collect(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &bytes, Command::SetDatabasePrivileges(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Set a database user's password.
#[utoipa::path(put, path = "/v1/database-users/{id}/password", operation_id = "database.set_password",
    tag = "database-users",
    params(("id" = schema::DatabaseUserId, Path, description = "The database user")), request_body = SetPassword,
    responses((status = 200, description = "Set, and converged if that was waited for", body = DatabaseUser),
        (status = 202, description = "Set, and not converged at the timeout", body = DatabaseUser)))]
async fn set_password(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<SetPassword>,
) -> Result<Response, Ended> {
    let id: DatabaseUserId = id("database user", &text)?;
    let (password, generated) = chosen(value.password)?;
    let operation = OperationId::generate().to_bytes();
    let sealed = sealed_for(&app, &asked.caller, id, &password).await;
    let command = sealed.map(|sealed_password_hash| {
        Command::SetDatabasePassword(command::SetDatabasePassword {
            database_user_id: id.to_bytes(),
            sealed_password_hash,
            operation_id: operation.clone(),
        })
    });
    let accepted = app.propose_if_made(&asked, &bytes, command).await?;
    // A repetition set no password: this one is nobody's.
    let once = generated.filter(|_| accepted.operation_id == operation);
    Ok(updated(&app, &asked, &accepted, || async {
        Ok(DatabaseUser { password: once, ..read(&app, &asked.caller, id).await? })
    })
    .await?)
}

/// Drop a database user.
#[utoipa::path(delete, path = "/v1/database-users/{id}", operation_id = "database.delete_user",
    tag = "database-users",
    params(("id" = schema::DatabaseUserId, Path, description = "The database user")),
    responses((status = 200, description = "Removed, as was waited for", body = Operation),
        (status = 202, description = "Being removed", body = Operation)))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let command = command::DeleteDatabaseUser {
        database_user_id: id::<DatabaseUserId>("database user", &text)?.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &[], Command::DeleteDatabaseUser(command)).await?;
    Ok(deleted(&app, &asked, &accepted).await?)
}
