//! Queries: the state as the API, the reconcilers and the listeners see it. All run on read-only connections.

mod access;
mod account;
mod asking;
mod audit;
mod convergence;
mod cron;
mod database;
mod device_login;
mod dns;
mod domain;
mod event;
mod export;
mod feed;
mod fleet;
mod identity;
mod identity_provider;
mod intent;
mod list;
mod operation;
mod point;
mod repetition;
mod row;
mod secrets;
mod session;
mod suspension;
mod tenant;
mod unplaced;
mod user;
mod webhook;

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use sqlx::SqlitePool;
use tokio::sync::{Semaphore, watch};

use crate::Applied;

use crate::{
    logins::Logins,
    points::{Points, lengthy},
};

pub use access::{ApiKey, ApiKeyFilter, Token, TokenFilter};
pub use account::{Account, AccountFilter, Assignment, UnmetTerm, WholeAccount};
pub use audit::{AuditCheckpoint, AuditFilter, AuditKeyRow, AuditPage};
pub use convergence::{Condition, Convergence, ObjectStatus};
pub use cron::CronTable;
pub use database::{Database, DatabaseUser, Grant};
pub use device_login::{Decision, DeviceLogin};
pub use dns::{RecordSet, RecordSetFilter, Zone};
pub use domain::Domain;
pub use event::{Event, EventDifference, EventFilter, EventPage};
pub use export::{ExportBegun, ExportEnd, ExportOf, ExportSink, LEFT_OUT_OF_EXPORTS, LeftOut};
pub use feed::{FeedEvent, FeedGone, FeedPart};
pub use fleet::{
    Cluster, Controller, FleetAddresses, FollowedNode, Node, NodeFilter, NodeLoad, Revocation, Unsettled,
    UnsettledObject,
};
pub use identity::{Authority, KnownIdentity};
pub use identity_provider::{GroupMapping, IdentityProvider, IdentityProviderFilter};
pub use intent::{IntentSource, Observed, WantedObject, ZoneRecordSet};
pub use list::{By, Converging, Order, OwnedFilter, Page};
pub use operation::{Operation, OperationFilter, OperationTarget, TargetProgress};
pub use repetition::Earlier;
pub use secrets::{ClusterKeyRow, ClusterKeyState, DataKeys, SecretsRotation};
pub use session::{Session, SessionFilter};
pub use suspension::Suspension;
pub use tenant::{Plan, PlanFilter, PlanPlacement, Tenant, TenantFilter, TenantUsage};
pub use unplaced::UnplacedAccount;
pub use user::{User, UserFilter, UserLogin};
pub use webhook::{Webhook, WebhookFilter};

/// A query that could not be answered. Never the caller's fault: what does not exist is `None`.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The database failed.
    #[error("the state cannot be queried")]
    Database(#[from] sqlx::Error),
    /// The database failed, or a row holds what the model's types do not allow.
    #[error("the state cannot be read")]
    Point(#[from] rusqlite::Error),
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
    sources: Arc<RwLock<Sources>>,
    applied: watch::Receiver<Applied>,
    logins: Arc<Logins>,
    /// Turns at what is read at length.
    lengthy: Arc<Semaphore>,
}

/// Where the rows come from: a pool for lists and joins, and threads' own connections for hot point reads.
#[derive(Debug, Clone)]
struct Sources {
    pool: SqlitePool,
    points: Arc<Points>,
}

impl Sources {
    fn new(pool: SqlitePool, path: &Path) -> Self {
        Self { pool, points: Arc::new(Points::new(path.to_owned())) }
    }
}

impl Reader {
    pub(crate) fn new(
        pool: SqlitePool,
        path: &Path,
        applied: watch::Receiver<Applied>,
        logins: Arc<Logins>,
    ) -> Self {
        Self {
            sources: Arc::new(RwLock::new(Sources::new(pool, path))),
            applied,
            logins,
            lengthy: Arc::new(Semaphore::new(lengthy())),
        }
    }

    /// The log index that queries show at least.
    pub fn applied_index(&self) -> u64 {
        self.applied.borrow().position.map_or(0, |position| position.index)
    }

    /// The current pool. A panic while it was being swapped cannot leave a half-written handle.
    fn pool(&self) -> SqlitePool {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).pool.clone()
    }

    fn points(&self) -> Arc<Points> {
        Arc::clone(&self.sources.read().unwrap_or_else(PoisonError::into_inner).points)
    }

    /// Goes over to another database. Queries at work finish on the old one, which closes with the last of them: were it closed
    /// now, those that have just begun would fail.
    pub(crate) fn move_to(&self, next: SqlitePool, path: &Path) {
        let next = Sources::new(next, path);
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}
