//! Queries: the state as the API, the reconcilers and the listeners see it. All run on read-only connections.

mod access;
mod account;
mod convergence;
mod database;
mod dns;
mod domain;
mod event;
mod fleet;
mod identity;
mod intent;
mod list;
mod operation;
mod row;
mod suspension;
mod tenant;

use std::sync::{Arc, PoisonError, RwLock};

use sqlx::SqlitePool;

pub use access::{ApiKey, ApiKeyFilter, Login, Token};
pub use account::{Account, AccountFilter, Assignment};
pub use convergence::{Condition, Convergence, ObjectStatus};
pub use database::{Database, DatabaseUser, Grant};
pub use dns::{RecordSet, RecordSetFilter, Zone};
pub use domain::Domain;
pub use event::{Event, EventDifference, EventFilter, EventPage};
pub use fleet::{Cluster, Controller, Node, NodeLoad};
pub use identity::{Authority, KnownIdentity};
pub use intent::{IntentSource, Observed, WantedObject, ZoneRecordSet};
pub use list::{OwnedFilter, Page};
pub use operation::{Operation, OperationFilter};
pub use suspension::Suspension;
pub use tenant::{Plan, PlanFilter, Tenant, TenantFilter};

/// A query that could not be answered. Never the caller's fault: what does not exist is `None`.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The database failed.
    #[error("the state cannot be queried")]
    Database(#[from] sqlx::Error),
    /// A row holds what the model's types do not allow.
    #[error("the state holds an invalid {column} ({reason})")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// What the type says of its value.
        reason: String,
    },
}

/// Queries on the state. Cheap to clone; every clone follows when a snapshot replaces the database.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Arc<RwLock<SqlitePool>>,
}

impl Reader {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self { pool: Arc::new(RwLock::new(pool)) }
    }

    /// The current pool. A panic while it was being swapped cannot leave a half-written handle.
    fn pool(&self) -> SqlitePool {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes over to another database. Queries at work finish on the old one, which closes after them.
    pub(crate) async fn move_to(&self, next: SqlitePool) {
        let old = std::mem::replace(&mut *self.pool.write().unwrap_or_else(PoisonError::into_inner), next);
        tokio::spawn(async move { old.close().await });
        tokio::task::yield_now().await;
    }
}
