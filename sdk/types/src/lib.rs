//! The REST API's wire types: what a request's body may say and what an answer says. No I/O.
//!
//! One file per noun. The server, the client and everything built on it share these types, and their doc
//! comments are the descriptions in `openapi.json`. Requests refuse unknown fields; answers may gain fields,
//! so reading one ignores what it does not know.
//!
//! Conventions: `snake_case`; ids are UUIDs as text; times are RFC 3339; a field's name ends with its unit;
//! a limit of `null` means unlimited.

mod account;
mod api_key;
mod audit;
mod bulk;
mod ca;
mod change;
mod cluster;
mod convergence;
mod cron;
mod database;
mod database_user;
mod domain;
mod event;
mod identity_provider;
mod node;
mod node_event;
mod operation;
mod page;
mod placement;
mod plan;
mod preview;
mod problem;
mod record_set;
mod revised;
pub mod schema;
mod secrets;
mod session;
mod suspension;
mod tenant;
mod token;
mod user;
mod webhook;
mod zone;

pub use account::{Account, Assignment, AssignmentState, CreateAccount, UpdateAccount};
pub use api_key::{ApiKey, CreateApiKey, RotateApiKey, UpdateApiKey};
pub use audit::{AuditCheckpoint, AuditConsistency, AuditEntry, AuditInclusion, AuditKey};
pub use bulk::{Bulk, BulkAnswer, BulkItem, MOST_IN_BULK};
pub use ca::{Authority, Ca, RetireCa, RotateCa};
pub use cluster::{
    BackupMade, BackupTo, ClusterStatus, Controller, ControllerRole, MakeBackup, ReplaceController,
    UpdateCluster,
};
pub use convergence::{Condition, ConditionStatus, ConditionType, Convergence, Stage, Status};
pub use cron::{CronJob, CronTable, SetCronJobs};
pub use database::{CreateDatabase, Database};
pub use database_user::{CreateDatabaseUser, DatabaseUser, Grant, SetPassword, SetPrivileges};
pub use domain::{CreateDomain, Domain, UpdateDomain};
pub use event::Event;
pub use identity_provider::{CreateIdentityProvider, GroupMapping, IdentityProvider, UpdateIdentityProvider};
pub use node::{
    MissingCapability, Node, NodeCapacity, NodeCondition, NodeHealth, NodeLimits, NodeLoad, NodeReserved,
    NodeRevocation, NodeStatus, RevokeNode, UnsettledObject, UpdateNode,
};
pub use node_event::{EventDifference, NodeEvent};
pub use operation::{Operation, OperationStatus, Progress};
pub use page::Page;
pub use placement::{
    ChangePlanPlacement, NodeVerdict, OtherNodes, PartPlacement, PlacementReport, PlacementWish,
    PlanPlacement, UnmetTerm, Verdict, ZonePlacement,
};
pub use plan::{CreatePlan, Plan, UpdatePlan};
pub use preview::{
    ChangeKind, ChangePreview, ExceededLimit, Exceeding, FileChange, NodeAnswer, ObjectChange,
    ObjectChangeKind, ResourceChange,
};
pub use problem::Problem;
pub use record_set::{CreateRecordSet, RecordSet, UpdateRecordSet};
pub use revised::Revised;
pub use secrets::{ClusterKey, ClusterKeyState, DataKeys, RotateSecrets, SecretsRotation, SecretsStatus};
pub use session::{AccessToken, CreateSession, DeviceAuthorization, Impersonate, Session, TokenError};
pub use suspension::{Suspend, Suspension, SuspensionOf};
pub use tenant::{CreateTenant, Tenant, TenantUsage, UpdateTenant};
pub use token::{CreateToken, Token};
pub use user::{
    ChangePassword, ConfirmTotp, CreateUser, Me, RecoveryCodes, SetUserPassword, ShowAgain, TotpOffer,
    UpdateUser, User, UserIdentity,
};
pub use webhook::{CreateWebhook, UpdateWebhook, Webhook, WebhookDelivery, WebhookDisabled};
pub use zone::{CreateZone, Zone};

/// The header in which every write's answer names its operation.
pub const OPERATION_HEADER: &str = "npanel-operation";
/// The header that names a place in the log: with a write, from there on the state shows it; with a read, the answer shows
/// all up to there.
pub const INDEX_HEADER: &str = "npanel-index";
/// The header by which a read asks for the state at this place in the log or later.
pub const MIN_INDEX_HEADER: &str = "npanel-min-index";
/// The header that says how long ago a controller that gives a stale answer last knew that it had all, in milliseconds.
pub const AGE_HEADER: &str = "npanel-age-millis";
/// The header with which a caller makes a repeated request harmless.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// The header that names a request, in both directions.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
/// The media type of a [`Problem`] (RFC 9457).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a5d2-0000-7000-8000-000000000001";

    #[test]
    fn a_request_with_an_unknown_field_is_refused() {
        let body = format!(r#"{{"account_id":"{ID}","name":"example.com","nmae":1}}"#);
        let error = serde_json::from_str::<CreateDomain>(&body).expect_err("an unknown field");
        assert!(error.to_string().contains("unknown field `nmae`"), "{error}");
    }

    #[test]
    fn what_may_be_left_out_has_its_documented_value() {
        let body = format!(r#"{{"account_id":"{ID}","name":"Example.COM"}}"#);
        let domain: CreateDomain = serde_json::from_str(&body).expect("a domain");
        assert_eq!((domain.name.as_str(), domain.create_zone), ("example.com", true));
        let plan: CreatePlan =
            serde_json::from_str(r#"{"name":"p","disk_mb":1,"databases":3,"php_version":"8.2"}"#)
                .expect("a plan");
        assert_eq!(plan.domains, npanel_model::Limit::Unlimited);
        assert_eq!(plan.databases, npanel_model::Limit::AtMost(3));
    }

    #[test]
    fn a_change_tells_what_is_absent_from_what_is_null() {
        let change: UpdateAccount = serde_json::from_str("{}").expect("a change");
        assert_eq!((change.contact, change.php_version), (None, None));
        let change: UpdateAccount = serde_json::from_str(r#"{"contact":null}"#).expect("a change");
        assert_eq!(change.contact, Some(None));
        let change: UpdatePlan = serde_json::from_str(r#"{"domains":null,"databases":3}"#).expect("a change");
        assert_eq!(change.domains, Some(npanel_model::Limit::Unlimited));
        assert_eq!(change.databases, Some(npanel_model::Limit::AtMost(3)));
        let change: UpdatePlan = serde_json::from_str(r#"{"placement":null}"#).expect("a change");
        assert_eq!(change.placement, Some(None));
        for body in [r#"{"name":null}"#, r#"{"disk_mb":null}"#, r#"{"php_version":null}"#, r#"{"id":"x"}"#] {
            assert!(serde_json::from_str::<UpdatePlan>(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_bad_value_is_refused_where_it_enters() {
        let body = format!(r#"{{"tenant_id":"{ID}","plan_id":"{ID}","username":"root"}}"#);
        let error = serde_json::from_str::<CreateAccount>(&body).expect_err("a reserved name");
        assert!(error.to_string().contains("reserved"), "{error}");
    }

    #[test]
    fn a_password_is_not_printed() {
        let body = format!(r#"{{"account_id":"{ID}","name":"x","password":"hunter2hunter2"}}"#);
        let user: CreateDatabaseUser = serde_json::from_str(&body).expect("a user");
        assert!(!format!("{user:?}").contains("hunter2"));
    }

    #[test]
    fn an_answer_with_fields_of_a_later_version_is_read() {
        let page: Page<Grant> =
            serde_json::from_str(r#"{"items":[],"next":null,"total":0}"#).expect("a page");
        assert_eq!(page.next, None);
    }
}
