//! The controller's replicated state: commands, the rules they are applied by, and queries.
//!
//! What runs inside: one writer thread owns the only connection that writes ([`Store`]); it applies batches of
//! log records, each batch in one transaction together with `last_applied`. Queries ([`Reader`]) run
//! concurrently on a pool of read-only connections. A snapshot ([`Snapshot`]) is a copy of the database made beside the
//! writer; a received one gets a path of its own, and writer and pool are moved over to it.
//!
//! Applying uses nothing but the command and the database: no clock, no randomness, no map order.

mod access;
mod apply;
mod audit;
mod bug;
mod content;
mod context;
mod copy;
mod durable;
mod foresight;
mod hex;
mod intent;
mod level;
mod logins;
mod memory;
mod noun;
mod open;
mod points;
mod query;
mod record;
mod refusal;
mod repetition;
mod revision;
mod rules;
mod sealing;
mod snapshot;
pub mod space;
mod standing;
mod store;
mod wanted;
mod write_back;
mod writer;

pub use access::{Access, Credential, Purview, RequestLimit, SecretOnFile, Who};
pub use content::ContentHash;
pub use context::PLACING_IS_THE_PLATFORMS;
pub use copy::StateCopy;
pub use foresight::{Exceeded, Foreseen, ForeseenObject, ForeseenWish, Foresight};
pub use level::{FEATURE_LEVEL, OLDEST_FEATURE_LEVEL, too_low};
pub use open::StoreError;
pub use query::{
    Account, AccountFilter, ApiKey, ApiKeyFilter, Assignment, AuditCheckpoint, AuditFilter, AuditKeyRow,
    AuditPage, Authority, By, Cluster, ClusterKeyRow, ClusterKeyState, Condition, Controller, Convergence,
    Converging, CronTable, DataKeys, Database, DatabaseUser, Decision, DeviceLogin, Domain, Earlier, Event,
    EventDifference, EventFilter, EventPage, ExportBegun, ExportEnd, ExportOf, ExportSink, FeedEvent,
    FeedGone, FeedPart, FleetAddresses, FollowedNode, Grant, GroupMapping, IdentityProvider,
    IdentityProviderFilter, IntentSource, KnownIdentity, LEFT_OUT_OF_EXPORTS, LeftOut, Node, NodeFilter,
    NodeLoad, ObjectStatus, Observed, Operation, OperationFilter, OperationTarget, Order, OwnedFilter, Page,
    Plan, PlanFilter, PlanPlacement, QueryError, Reader, RecordSet, RecordSetFilter, Revocation,
    SecretsRotation, Session, SessionFilter, Suspension, TargetProgress, Tenant, TenantFilter, TenantUsage,
    Token, TokenFilter, UnmetTerm, UnplacedAccount, Unsettled, UnsettledObject, User, UserFilter, UserLogin,
    WantedObject, Webhook, WebhookFilter, WholeAccount, Zone, ZoneRecordSet,
};
pub use record::{LogPosition, LogRecord, RecordPayload};
pub use refusal::{Refusal, RefusalCode};
pub use repetition::CALLERS_KEY;
pub use sealing::{SealedKind, SecretsWork, StoredDataKey, ToReseal};
pub use snapshot::{Snapshot, Unsound};
pub use standing::{NeededKey, Standing};
pub use store::{Applied, Store};
pub use wanted::ObjectKind;
pub use writer::Pending;
