//! Webhooks.

use std::collections::HashSet;

use npanel_model::{EventPattern, Revision, TenantId, Timestamp, WebhookId, WebhookUrl};

use super::{
    Page, QueryError, Reader,
    asking::Asking,
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
};
use crate::Purview;
use crate::context::tenant_id;

/// A webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose events it is told: the tenant's and those of the tenants beneath.
    pub tenant_id: TenantId,
    /// Where it is.
    pub url: WebhookUrl,
    /// Of which events.
    pub events: Vec<EventPattern>,
    /// Since when and why it is told nothing more; `None`: it is told.
    pub disabled: Option<(Timestamp, String)>,
    /// The place in the log from which on it is to be told.
    pub next_index: u64,
    /// The event of that place from which on it is to be told.
    pub next_position: u64,
    /// How often it could not be told since it last could.
    pub failures: u32,
    /// Since when that is so.
    pub failing_since: Option<Timestamp>,
    /// Not before then it is tried again.
    pub next_attempt_at: Timestamp,
    /// Why it could not be told the last time; empty if it could.
    pub last_error: String,
    /// When it was last told something.
    pub delivered_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// Filters of webhooks.
#[derive(Debug, Clone, Default)]
pub struct WebhookFilter {
    /// Only of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Only those that are told, or only those that are not.
    pub enabled: Option<bool>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
}

const WEBHOOKS: &str = "SELECT * FROM webhooks";

impl FromRow for Webhook {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let delivered: Timestamp = row::time(row, "delivered_millis")?;
        let reason: String = row::get(row, "disabled_reason")?;
        Ok(Self {
            id: row::id(row, "id", WebhookId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            url: row::text(row, "url")?,
            events: row::list(row, "events")?,
            disabled: row::optional_time(row, "disabled_millis")?.map(|at| (at, reason)),
            next_index: row::number(row, "next_index")?,
            next_position: row::number(row, "next_position")?,
            failures: row::number32(row, "failures")?,
            failing_since: row::optional_time(row, "failing_since_millis")?,
            next_attempt_at: row::time(row, "next_attempt_millis")?,
            last_error: row::get(row, "last_error")?,
            delivered_at: (delivered.as_millis() > 0).then_some(delivered),
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

impl Reader {
    /// The webhook, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn webhook(
        &self,
        scope: impl Into<Purview>,
        id: WebhookId,
    ) -> Result<Option<Webhook>, QueryError> {
        self.one(WEBHOOKS, Scope::Tenant(scope.into()), id.to_bytes()).await
    }

    /// Webhooks that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn webhooks(
        &self,
        scope: impl Into<Purview>,
        filter: WebhookFilter,
        page: &Page,
    ) -> Result<Vec<Webhook>, QueryError> {
        let wheres = vec![
            Where::bytes("tenant_id", filter.tenant_id.map(TenantId::to_bytes)),
            Where::Holds("disabled_millis IS NULL", filter.enabled),
            Where::Since(filter.created_since),
        ];
        self.list(WEBHOOKS, Scope::Tenant(scope.into()), wheres, page).await
    }

    /// All webhooks that are to be told.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn webhooks_to_call(&self) -> Result<Vec<Webhook>, QueryError> {
        self.at_length(|db| {
            let all = Asking::new("SELECT * FROM webhooks WHERE disabled_millis IS NULL");
            all.all(db, |row| Webhook::from_row(row))
        })
        .await
    }

    /// All that are above these tenants, they themselves too; of those that have gone, all that were.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn tenants_above(&self, tenants: Vec<TenantId>) -> Result<HashSet<TenantId>, QueryError> {
        self.at_length(move |db| {
            let mut select = db.prepare_cached(
                "SELECT ancestor_id FROM tenant_tree WHERE tenant_id = ?1
                 UNION ALL SELECT ancestor_id FROM former_tenant_tree WHERE tenant_id = ?1",
            )?;
            let mut found = HashSet::new();
            for tenant in tenants {
                let mut rows = select.query([tenant.to_bytes()])?;
                while let Some(row) = rows.next()? {
                    found.insert(tenant_id(row, 0)?);
                }
            }
            Ok(found)
        })
        .await
    }
}
