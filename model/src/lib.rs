//! The nouns of hosting as validated types. Nothing here does I/O.
//!
//! Outside text becomes one of these types once, at the edge; inside, the type is the proof. Every type that
//! wraps text implements `FromStr`, `Display` and (de)serialises as that text, so a bad value is refused
//! wherever it enters: an API body, a configuration file, a message from another machine.

mod access;
mod action;
mod allotment;
mod capacity;
mod condition;
mod cron;
mod database;
mod dns;
mod email;
mod event;
mod fqdn;
mod id;
mod identity_provider;
mod login_name;
mod names;
mod network;
mod path;
mod php;
mod placing;
mod quantity;
mod role;
mod secret;
mod suspension;
mod text;
mod time;
mod uid;
mod username;
mod webhook;

pub use access::{AccessRole, Allowance, Deed, Realm};
pub use action::{Action, ActionPattern, ActionPatternError};
pub use allotment::{Allotment, AllotmentError};
pub use capacity::{Amounts, NodeLimits, Overcommit, OvercommitError, Overselling, Shortage};
pub use condition::{NodeCondition, NodeConditionKind};
pub use cron::{CronCommand, CronCommandError, CronJob, CronSchedule, CronScheduleError};
pub use database::{
    DatabaseName, DatabaseNameError, DatabaseUserName, MysqlPasswordHash, MysqlPasswordHashError, Privileges,
};
pub use dns::{
    RecordData, RecordName, RecordNameError, RecordSetError, RecordType, RecordTypeError, Ttl, TtlError,
    ZoneProvider, validate_record_set,
};
pub use email::{EmailAddress, EmailAddressError};
pub use event::{EventChange, EventKind, EventPattern, EventPatternError};
pub use fqdn::{Fqdn, FqdnError};
pub use id::{
    AccountId, ApiKeyId, AssignmentId, ControllerId, DatabaseId, DatabaseUserId, DeviceLoginId, DomainId,
    EventId, IdError, IdentityProviderId, NodeId, OperationId, PlanId, RecordSetId, RequestId, SessionId,
    TenantId, TokenId, UserId, WebhookId, ZoneId,
};
pub use identity_provider::{
    ClaimName, ClaimNameError, ClientId, ClientIdError, GroupName, GroupNameError, IssuerUrl, IssuerUrlError,
    Scope, ScopeError, Subject, SubjectError,
};
pub use login_name::{LoginName, PersonName, PersonNameError};
pub use names::{
    AvailabilityZone, IdentityProviderName, Label, LabelError, NodeName, PlanName, PoolName, TenantName,
};
pub use network::{Network, NetworkError};
pub use path::{DocumentRoot, DocumentRootError};
pub use php::{PhpVersion, PhpVersionError};
pub use placing::{
    AccountWish, AntiAffinity, NodeLabel, NodeLabelError, Strategy, all_labels, contradiction,
};
pub use quantity::{Generation, Limit, Megabytes, QuantityError, Revision};
pub use role::{EnrolRole, NodeRole, Part, UnknownName};
pub use secret::Secret;
pub use suspension::SuspensionKind;
pub use time::Timestamp;
pub use uid::{Uid, UidError};
pub use username::{Username, UsernameError};
pub use webhook::{WebhookUrl, WebhookUrlError};
