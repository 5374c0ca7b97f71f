//! The API's nouns that have a row of their own: their names in the change feed, and their tables.

/// A noun whose objects have an id and a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noun {
    Tenant,
    Plan,
    Account,
    Domain,
    Database,
    DatabaseUser,
    Zone,
    RecordSet,
    CronTable,
    Node,
    Token,
    ApiKey,
    Webhook,
    User,
    Session,
    IdentityProvider,
    /// The cluster's settings: one row.
    Cluster,
}

impl Noun {
    pub(crate) const ALL: [Self; 17] = [
        Self::Tenant,
        Self::Plan,
        Self::Account,
        Self::Domain,
        Self::Database,
        Self::DatabaseUser,
        Self::Zone,
        Self::RecordSet,
        Self::CronTable,
        Self::Node,
        Self::Token,
        Self::ApiKey,
        Self::Webhook,
        Self::User,
        Self::Session,
        Self::IdentityProvider,
        Self::Cluster,
    ];

    /// As the change feed and operations write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Plan => "plan",
            Self::Account => "account",
            Self::Domain => "domain",
            Self::Database => "database",
            Self::DatabaseUser => "database_user",
            Self::Zone => "zone",
            Self::RecordSet => "record_set",
            Self::CronTable => "cron_table",
            Self::Node => "node",
            Self::Token => "token",
            Self::ApiKey => "api_key",
            Self::Webhook => "webhook",
            Self::User => "user",
            Self::Session => "session",
            Self::IdentityProvider => "identity_provider",
            Self::Cluster => "cluster",
        }
    }

    /// As people say it.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::DatabaseUser => "database user",
            Self::RecordSet => "record set",
            Self::CronTable => "table of scheduled jobs",
            Self::ApiKey => "API key",
            Self::IdentityProvider => "identity provider",
            Self::Cluster => "cluster's configuration",
            other => other.as_str(),
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|noun| noun.as_str() == text)
    }

    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Tenant => "tenants",
            Self::Plan => "plans",
            Self::Account => "accounts",
            Self::Domain => "domains",
            Self::Database => "databases",
            Self::DatabaseUser => "database_users",
            Self::Zone => "zones",
            Self::RecordSet => "record_sets",
            Self::CronTable => "cron_tables",
            Self::Node => "nodes",
            Self::Token => "tokens",
            Self::ApiKey => "api_keys",
            Self::Webhook => "webhooks",
            Self::User => "users",
            Self::Session => "sessions",
            Self::IdentityProvider => "identity_providers",
            Self::Cluster => "cluster",
        }
    }

    /// The column that says whose an object is.
    pub(crate) fn owner(self) -> &'static str {
        match self {
            Self::Tenant => "id",
            Self::Cluster => "root_tenant_id",
            _ => "tenant_id",
        }
    }

    /// The column that says which account's an object is, if it is one's.
    pub(crate) fn account(self) -> Option<&'static str> {
        match self {
            Self::Account => Some("id"),
            Self::Domain
            | Self::Database
            | Self::DatabaseUser
            | Self::Zone
            | Self::RecordSet
            | Self::CronTable => Some("account_id"),
            Self::Tenant
            | Self::Plan
            | Self::Node
            | Self::Token
            | Self::ApiKey
            | Self::Webhook
            | Self::User
            | Self::Session
            | Self::IdentityProvider
            | Self::Cluster => None,
        }
    }

    /// The column of its id. The cluster goes by the tenant that it belongs to.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Cluster => "root_tenant_id",
            _ => "id",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_feed_calls_a_noun_can_be_asked_for() {
        for noun in Noun::ALL {
            assert!(noun.as_str().parse::<npanel_model::EventKind>().is_ok(), "{}", noun.as_str());
        }
    }
}
