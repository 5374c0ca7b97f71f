//! `/v1/databases`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{DatabaseId, DatabaseName, IdError, OperationId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{Bulk, BulkAnswer, CreateDatabase, Database, Operation, Page, schema};
use npanel_state::OwnedFilter;
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accounts,
    answer::{Tagged, created, deleted, id, made},
    app::{App, Written},
    asked::Asked,
    body::Body,
    bulk::{self, Making as _},
    convergence::convergence,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(create_bulk))
        .routes(routes!(get, delete))
}

list_query! {
    /// Which databases.
    by(ByName) converging DatabasesQuery {
        /// Only of this account.
        #[param(value_type = Option<schema::AccountId>)]
        account_id: npanel_model::AccountId,
        /// Only with this full name.
        #[param(value_type = Option<schema::DatabaseName>)]
        name: String,
    }
}

fn shown(row: npanel_state::Database) -> Database {
    Database {
        id: row.id,
        account_id: row.account_id,
        name: row.name,
        created_at: row.created_at,
        retained_until: row.retained_until,
        revision: row.convergence.revision,
        convergence: convergence(row.convergence),
    }
}

async fn read(app: &App, caller: &Caller, id: DatabaseId) -> Result<Database, Failure> {
    app.find("database", || app.reader().database(caller.purview(), id)).await.map(shown)
}

/// Create a database.
#[utoipa::path(post, path = "/v1/databases", operation_id = "database.create_database", tag = "databases",
    request_body = CreateDatabase,
    responses((status = 201, description = "Made, and converged if that was waited for", body = Database),
        (status = 202, description = "Made, and not converged at the timeout", body = Database)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateDatabase>,
) -> Result<Response, Ended> {
    let accepted = Making.make(&app, &asked, value, &bytes).await?;
    let id = made(&accepted, DatabaseId::from_bytes)?;
    let path = format!("/v1/databases/{id}");
    Ok(created(&app, &asked, &accepted, path, || read(&app, &asked.caller, id)).await?)
}

async fn creation(
    app: &App,
    caller: &Caller,
    value: &CreateDatabase,
) -> Result<command::CreateDatabase, Failure> {
    let account = accounts::row_for_write(app, caller, value.account_id).await?;
    accounts::refuse_prefix(&account.username, &value.name)?;
    let name = DatabaseName::of_account(&account.username, &value.name)
        .map_err(|error| Failure::invalid("name", error.to_string()))?;
    Ok(command::CreateDatabase {
        database_id: DatabaseId::generate().to_bytes(),
        account_id: account.id.to_bytes(),
        name: name.into(),
        operation_id: OperationId::generate().to_bytes(),
    })
}

/// Create up to 1,000 databases by one call, each by itself.
#[utoipa::path(post, path = "/v1/databases:bulk", operation_id = "database.create_database_bulk", tag = "databases",
    extensions(("x-action" = json!("database.create_database"))), request_body = Bulk<CreateDatabase>,
    responses((status = 200, description = "What became of each", body = BulkAnswer<Database>)))]
async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Body<Bulk<Value>>,
) -> Result<Json<BulkAnswer<Database>>, Failure> {
    bulk::make(&Making, &app, &asked, body).await.map(Json)
}

/// How a database is made.
struct Making;

impl bulk::Making for Making {
    type Create = CreateDatabase;
    type Id = DatabaseId;
    type Made = Database;

    async fn make(
        &self,
        app: &App,
        asked: &Asked,
        value: CreateDatabase,
        bytes: &[u8],
    ) -> Result<Written, Ended> {
        let command = creation(app, &asked.caller, &value).await.map(Command::CreateDatabase);
        app.propose_if_made(asked, bytes, command).await
    }

    fn id(&self, bytes: &[u8]) -> Result<DatabaseId, IdError> {
        DatabaseId::from_bytes(bytes)
    }

    async fn read(&self, app: &App, asked: &Asked, id: DatabaseId) -> Result<Database, Failure> {
        read(app, &asked.caller, id).await
    }
}

/// List databases.
#[utoipa::path(get, path = "/v1/databases", operation_id = "database.list_databases", tag = "databases",
    params(DatabasesQuery), responses((status = 200, description = "Some of them", body = Page<Database>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<DatabasesQuery>,
) -> Result<Json<Page<Database>>, Failure> {
    let (account_id, converging) = (query.account_id, query.converging());
    let filter = OwnedFilter { account_id, name: query.name, suspended: None, converging };
    let rows = app.reader().databases(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| paging.place(row.id.to_bytes(), row.name.as_str()), shown))
}

/// Show a database.
#[utoipa::path(get, path = "/v1/databases/{id}", operation_id = "database.get_database", tag = "databases",
    params(("id" = schema::DatabaseId, Path, description = "The database")),
    responses((status = 200, description = "The database", body = Database)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Database>, Failure> {
    read(&app, &caller, id("database", &text)?).await.map(Tagged)
}

/// Drop a database. Its data is kept for the cluster's retention time.
#[utoipa::path(delete, path = "/v1/databases/{id}", operation_id = "database.delete_database",
    tag = "databases",
    params(("id" = schema::DatabaseId, Path, description = "The database")),
    responses((status = 200, description = "Removed, as was waited for", body = Operation),
        (status = 202, description = "Being removed", body = Operation)))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let command = command::DeleteDatabase {
        database_id: id::<DatabaseId>("database", &text)?.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: None,
    };
    let accepted = app.propose(&asked, &[], Command::DeleteDatabase(command)).await?;
    Ok(deleted(&app, &asked, &accepted).await?)
}
