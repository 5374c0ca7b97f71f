//! The nouns of the API and where they are.

use std::fmt::Display;

use npanel_model::{
    AccountId, ApiKeyId, DatabaseId, DatabaseUserId, DomainId, EventId, IdentityProviderId, NodeId,
    OperationId, PlanId, SessionId, TenantId, TokenId, UserId, WebhookId, ZoneId,
};
use npanel_sdk_types as types;
use serde::{Serialize, de::DeserializeOwned};

/// Something that can be read and listed.
pub trait Noun: DeserializeOwned + Send {
    /// Its id.
    type Id: Display + Copy;
    /// Where its list is, beneath `/v1`.
    const PATH: &'static str;
}

/// Something that can be made.
pub trait Creatable: Noun {
    /// What is sent to make it.
    type Create: Serialize;
    /// Its id.
    fn id(&self) -> Self::Id;
}

/// Something of which many can be made by one call.
pub trait BulkCreatable: Creatable {}

/// Something that can be removed.
pub trait Deletable: Noun {}

/// Something that can be changed.
pub trait Updatable: Noun {
    /// The change.
    type Update: Serialize;
}

/// Something that can be suspended.
pub trait Suspendable: Noun {}

macro_rules! nouns {
    ($($name:ident, $id:ident, $path:literal $(, $create:ident)?;)*) => {$(
        impl Noun for types::$name {
            type Id = $id;
            const PATH: &'static str = $path;
        }
        $(impl Creatable for types::$name {
            type Create = types::$create;
            fn id(&self) -> $id {
                self.id
            }
        })?
    )*};
}

nouns! {
    Tenant, TenantId, "tenants", CreateTenant;
    Plan, PlanId, "plans", CreatePlan;
    Account, AccountId, "accounts", CreateAccount;
    Domain, DomainId, "domains", CreateDomain;
    Database, DatabaseId, "databases", CreateDatabase;
    DatabaseUser, DatabaseUserId, "database-users", CreateDatabaseUser;
    Zone, ZoneId, "zones", CreateZone;
    Token, TokenId, "tokens", CreateToken;
    ApiKey, ApiKeyId, "api-keys", CreateApiKey;
    Webhook, WebhookId, "webhooks", CreateWebhook;
    User, UserId, "users", CreateUser;
    Session, SessionId, "sessions";
    IdentityProvider, IdentityProviderId, "identity-providers", CreateIdentityProvider;
    CronTable, AccountId, "cron-tables";
    Node, NodeId, "nodes";
    Operation, OperationId, "operations";
    NodeEvent, EventId, "node-events";
}

macro_rules! deletable {
    ($($name:ident),*) => {$( impl Deletable for types::$name {} )*};
}

deletable!(
    Tenant,
    Plan,
    Account,
    Domain,
    Database,
    DatabaseUser,
    Zone,
    Token,
    ApiKey,
    Webhook,
    User,
    Session,
    IdentityProvider,
    Node
);

impl BulkCreatable for types::Account {}
impl BulkCreatable for types::Domain {}
impl BulkCreatable for types::Database {}

macro_rules! updatable {
    ($($name:ident by $update:ident),*) => {$(
        impl Updatable for types::$name {
            type Update = types::$update;
        }
    )*};
}

updatable!(
    Tenant by UpdateTenant, Plan by UpdatePlan, Account by UpdateAccount, Domain by UpdateDomain,
    ApiKey by UpdateApiKey, User by UpdateUser, Webhook by UpdateWebhook, Node by UpdateNode,
    IdentityProvider by UpdateIdentityProvider
);

impl Suspendable for types::Tenant {}
impl Suspendable for types::Account {}
impl Suspendable for types::Domain {}
