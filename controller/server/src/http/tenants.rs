//! `/v1/tenants`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{Limit, OperationId, TenantId};
use npanel_pki::DataKey;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    CreateTenant, Page, Suspend, SuspensionOf, Tenant, TenantUsage, UpdateTenant, schema,
};
use npanel_state::TenantFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accounts::suspension,
    answer::{Tagged, created, deleted, id, made, updated},
    app::App,
    asked::Asked,
    body::Body,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(suspend))
        .routes(routes!(unsuspend))
}

list_query! {
    /// Which tenants.
    by(ByName) TenantsQuery {
        /// Only those directly beneath this one.
        #[param(value_type = Option<schema::TenantId>)]
        parent_id: TenantId,
        /// Only with this name.
        #[param(value_type = Option<schema::TenantName>)]
        name: String,
        /// Only what was suspended itself, or only what was not.
        suspended: bool,
        /// Only what was made then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: npanel_model::Timestamp,
    }
}

fn shown(row: npanel_state::Tenant) -> Tenant {
    Tenant {
        id: row.id,
        parent_id: row.parent_id,
        name: row.name,
        account_limit: row.account_limit,
        may_oversell: row.may_oversell,
        disk_limit_mb: row.disk_limit_mb,
        bandwidth_limit_mb_per_month: row.bandwidth_limit_mb_per_month,
        domain_limit: row.domain_limit,
        mailbox_limit: row.mailbox_limit,
        database_limit: row.database_limit,
        api_requests_per_minute: row.api_requests_per_minute,
        usage: TenantUsage {
            accounts: row.usage.accounts,
            disk_mb: row.usage.disk_mb,
            bandwidth_mb_per_month: row.usage.bandwidth_mb_per_month,
            domains: row.usage.domains,
            databases: row.usage.databases,
        },
        suspension: row.suspension.map(|row| suspension(SuspensionOf::Tenant, row)),
        created_at: row.created_at,
        revision: row.revision,
    }
}

async fn read(app: &App, caller: &Caller, id: TenantId) -> Result<Tenant, Failure> {
    app.find("tenant", || app.reader().tenant(caller.purview(), id)).await.map(shown)
}

/// Make a tenant.
#[utoipa::path(post, path = "/v1/tenants", operation_id = "tenant.create", tag = "tenants",
    request_body = CreateTenant, responses((status = 201, description = "Made", body = Tenant)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateTenant>,
) -> Result<Response, Ended> {
    let tenant_id = TenantId::generate();
    let wrapped = app.authorities.keys().now().wrap(tenant_id, &DataKey::generate());
    let limits = command::TenantLimits {
        disk_mb: limit(value.disk_limit_mb),
        bandwidth_mb_per_month: limit(value.bandwidth_limit_mb_per_month),
        domains: limit(value.domain_limit),
        mailboxes: limit(value.mailbox_limit),
        databases: limit(value.database_limit),
        api_requests_per_minute: limit(value.api_requests_per_minute),
    };
    let command = command::CreateTenant {
        // Of a later level than the rest: only where it is said.
        limits: (limits != command::TenantLimits::default()).then_some(limits),
        tenant_id: tenant_id.to_bytes(),
        parent_id: value.parent_id.unwrap_or(asked.caller.tenant_id).to_bytes(),
        name: value.name.into(),
        wrapped_data_key: wrapped.map_err(|error| Failure::internal(&error))?,
        account_limit: limit(value.account_limit),
        may_oversell: value.may_oversell,
    };
    let accepted = app.propose(&asked, &bytes, Command::CreateTenant(command)).await?;
    let id = made(&accepted, TenantId::from_bytes)?;
    Ok(created(&app, &asked, &accepted, format!("/v1/tenants/{id}"), || read(&app, &asked.caller, id))
        .await?)
}

/// A limit as commands carry it: absent means unlimited.
pub(super) fn limit(limit: Limit) -> Option<u64> {
    limit.into()
}

/// A limit's new value, as commands carry it.
pub(super) fn changed_limit(to: Limit) -> command::LimitChange {
    command::LimitChange { limit: limit(to) }
}

/// List tenants.
#[utoipa::path(get, path = "/v1/tenants", operation_id = "tenant.list", tag = "tenants",
    params(TenantsQuery), responses((status = 200, description = "Some of them", body = Page<Tenant>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<TenantsQuery>,
) -> Result<Json<Page<Tenant>>, Failure> {
    let TenantsQuery { parent_id, name, suspended, created_since, .. } = query;
    let filter = TenantFilter { parent_id, name, suspended, created_since };
    let rows = app.reader().tenants(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| paging.place(row.id.to_bytes(), row.name.as_str()), shown))
}

/// Show a tenant.
#[utoipa::path(get, path = "/v1/tenants/{id}", operation_id = "tenant.get", tag = "tenants",
    params(("id" = schema::TenantId, Path, description = "The tenant")),
    responses((status = 200, description = "The tenant", body = Tenant)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Tenant>, Failure> {
    read(&app, &caller, id("tenant", &text)?).await.map(Tagged)
}

/// Change a tenant's name or limits.
#[utoipa::path(patch, path = "/v1/tenants/{id}", operation_id = "tenant.update", tag = "tenants",
    params(("id" = schema::TenantId, Path, description = "The tenant")), request_body = UpdateTenant,
    responses((status = 200, description = "Changed", body = Tenant)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateTenant>,
) -> Result<Response, Ended> {
    let id: TenantId = id("tenant", &text)?;
    let limits = command::TenantLimitsChange {
        disk_mb: value.disk_limit_mb.map(changed_limit),
        bandwidth_mb_per_month: value.bandwidth_limit_mb_per_month.map(changed_limit),
        domains: value.domain_limit.map(changed_limit),
        mailboxes: value.mailbox_limit.map(changed_limit),
        databases: value.database_limit.map(changed_limit),
        api_requests_per_minute: value.api_requests_per_minute.map(changed_limit),
    };
    let command = command::UpdateTenant {
        limits: (limits != command::TenantLimitsChange::default()).then_some(limits),
        tenant_id: id.to_bytes(),
        name: value.name.map(String::from),
        account_limit: value.account_limit.map(changed_limit),
        may_oversell: value.may_oversell,
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateTenant(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Stop serving everything of a tenant and of those beneath it, and take no writes of their keys. Its accounts follow one after
/// the other.
#[utoipa::path(post, path = "/v1/tenants/{id}/suspend", operation_id = "tenant.suspend", tag = "tenants",
    params(("id" = schema::TenantId, Path, description = "The tenant")), request_body = Suspend,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Tenant),
        (status = 202, description = "Changed, and not converged at the timeout", body = Tenant)))]
async fn suspend(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<Suspend>,
) -> Result<Response, Ended> {
    let id: TenantId = id("tenant", &text)?;
    let command = command::SuspendTenant {
        tenant_id: id.to_bytes(),
        reason: value.reason,
        operation_id: OperationId::generate().to_bytes(),
        kind: value.kind.map(|kind| kind.to_string()).unwrap_or_default(),
    };
    let accepted = app.propose(&asked, &bytes, Command::SuspendTenant(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Serve a suspended tenant again. Accounts and domains that were suspended by themselves, and tenants, stay so.
#[utoipa::path(post, path = "/v1/tenants/{id}/unsuspend", operation_id = "tenant.unsuspend", tag = "tenants",
    params(("id" = schema::TenantId, Path, description = "The tenant")),
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Tenant),
        (status = 202, description = "Changed, and not converged at the timeout", body = Tenant)))]
async fn unsuspend(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let id: TenantId = id("tenant", &text)?;
    let command = command::UnsuspendTenant {
        tenant_id: id.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &[], Command::UnsuspendTenant(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Remove an empty tenant.
#[utoipa::path(delete, path = "/v1/tenants/{id}", operation_id = "tenant.delete", tag = "tenants",
    params(("id" = schema::TenantId, Path, description = "The tenant")),
    responses((status = 204, description = "Removed")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let tenant_id = id::<TenantId>("tenant", &text)?.to_bytes();
    let command = Command::DeleteTenant(command::DeleteTenant { tenant_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
