//! What goes into an export: for each document its table, its columns, and which rows are a tenant's or an account's.
//!
//! In the conditions, `?1` is the id and `?2` its text.

use super::form::Form::{self, Flag, Id, Json, Number, Text, Time};

/// A column, and what it is called in the export.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// The column, or an expression of SQL that is made of some.
    pub(super) from: &'static str,
    pub(super) form: Form,
}

/// A list of objects in an export. Several of one name, of which a tenant has one and an account another, are one document.
pub(super) struct Document {
    pub(super) name: &'static str,
    /// For people.
    pub(super) about: &'static str,
    pub(super) table: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) order: &'static str,
    /// The rows that are a tenant's.
    pub(super) of_tenant: Option<&'static str>,
    /// The rows that are an account's.
    pub(super) of_account: Option<&'static str>,
}

impl Document {
    pub(super) fn select(&self, condition: &str) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.from).collect();
        let (columns, Self { table, order, .. }) = (columns.join(", "), self);
        format!("SELECT {columns} FROM {table} WHERE {condition} ORDER BY {order}")
    }
}

const fn column(name: &'static str, form: Form) -> Column {
    Column { name, from: name, form }
}

const fn from(name: &'static str, from: &'static str, form: Form) -> Column {
    Column { name, from, form }
}

/// The tenant and those beneath it.
macro_rules! tenants {
    ($column:literal) => {
        concat!($column, " IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = ?1)")
    };
}

/// The same with those that were beneath it and have gone.
macro_rules! all_tenants {
    ($column:literal) => {
        concat!(
            $column,
            " IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = ?1
                  UNION ALL SELECT tenant_id FROM former_tenant_tree WHERE ancestor_id = ?1)"
        )
    };
}

/// The account and what is in it.
macro_rules! objects {
    ($column:literal) => {
        concat!(
            $column,
            " IN (SELECT ?1 UNION ALL SELECT id FROM domains WHERE account_id = ?1
                  UNION ALL SELECT id FROM databases WHERE account_id = ?1
                  UNION ALL SELECT id FROM database_users WHERE account_id = ?1
                  UNION ALL SELECT id FROM zones WHERE account_id = ?1
                  UNION ALL SELECT id FROM record_sets WHERE account_id = ?1)"
        )
    };
}

/// Who has the account.
macro_rules! has_account {
    () => {
        "accounts IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(accounts) WHERE value = ?2)"
    };
}

/// Who has the account and no other.
macro_rules! has_only_account {
    () => {
        concat!("json_array_length(accounts) = 1 AND ", has_account!())
    };
}

/// An id as text.
macro_rules! id_text {
    () => {
        "lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-'
             || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21))"
    };
}

/// What the account's own users and keys did, also by who acts as one of them.
macro_rules! by_own {
    () => {
        concat!(
            "(substr(principal, -41) IN (SELECT 'user/' || ",
            id_text!(),
            " FROM users WHERE ",
            has_only_account!(),
            ")
              OR principal IN (SELECT 'api_key/' || ",
            id_text!(),
            " FROM api_keys WHERE ",
            has_only_account!(),
            "))"
        )
    };
}

pub(super) const DOCUMENTS: &[Document] = &[
    Document {
        name: "tenants",
        about: "the tenant and those beneath it, with their limits",
        table: "tenants",
        columns: &[
            column("id", Id),
            column("parent_id", Id),
            column("name", Text),
            column("account_limit", Number),
            column("may_oversell", Flag),
            column("disk_limit_mb", Number),
            column("bandwidth_limit_mb_per_month", Number),
            column("domain_limit", Number),
            column("mailbox_limit", Number),
            column("database_limit", Number),
            column("api_requests_per_minute", Number),
            from("suspended_at", "suspended_millis", Time),
            column("suspended_reason", Text),
            column("suspended_kind", Text),
            column("suspended_by", Text),
            column("suspended_for", Id),
            from("created_at", "created_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("id")),
        of_account: None,
    },
    Document {
        name: "plans",
        about: "the plans that are the tenant's, or that its accounts have",
        table: "plans",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("name", Text),
            column("disk_mb", Number),
            column("inodes", Number),
            column("bandwidth_mb_per_month", Number),
            column("domains", Number),
            column("subdomains", Number),
            column("mailboxes", Number),
            column("databases", Number),
            column("ftp_users", Number),
            column("cron_jobs", Number),
            column("cpu_percent", Number),
            column("memory_mb", Number),
            column("memory_limit_mb", Number),
            column("processes", Number),
            column("io_mb_per_second", Number),
            column("io_operations_per_second", Number),
            column("php_version", Text),
            column("php_versions", Json),
            from("created_at", "created_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(concat!(
            tenants!("tenant_id"),
            " OR id IN (SELECT plan_id FROM accounts WHERE ",
            tenants!("tenant_id"),
            ")"
        )),
        of_account: Some("id = (SELECT plan_id FROM accounts WHERE id = ?1)"),
    },
    Document {
        name: "accounts",
        about: "hosting accounts, with whom to write to about them",
        table: "accounts",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("plan_id", Id),
            column("username", Text),
            column("uid", Number),
            column("contact", Text),
            column("php_version", Text),
            from("php_version_is_own", "php_chosen", Flag),
            column("wished_availability_zone", Text),
            from("suspended_at", "suspended_millis", Time),
            column("suspended_reason", Text),
            column("suspended_kind", Text),
            column("suspended_by", Text),
            column("suspended_for", Id),
            column("tenant_suspended", Flag),
            from("created_at", "created_millis", Time),
            from("deleted_at", "deleted_millis", Time),
            from("retained_until", "retained_until_millis", Time),
            column("generation", Number),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("id = ?1"),
    },
    Document {
        name: "assignments",
        about: "which node carries which part of an account",
        table: "assignments",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("part", Text),
            column("node_id", Id),
            column("state", Text),
            column("epoch", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("account_id = ?1"),
    },
    Document {
        name: "domains",
        about: "domains",
        table: "domains",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("name", Text),
            column("document_root", Text),
            from("suspended_at", "suspended_millis", Time),
            column("suspended_reason", Text),
            column("suspended_kind", Text),
            column("suspended_by", Text),
            column("suspended_for", Id),
            from("created_at", "created_millis", Time),
            from("deleted_at", "deleted_millis", Time),
            column("generation", Number),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("account_id = ?1"),
    },
    Document {
        name: "zones",
        about: "DNS zones",
        table: "zones",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("name", Text),
            column("provider", Text),
            column("domain_id", Id),
            from("created_at", "created_millis", Time),
            from("deleted_at", "deleted_millis", Time),
            column("generation", Number),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("account_id = ?1"),
    },
    Document {
        name: "zone_assignments",
        about: "which nodes answer for a zone",
        table: "zone_assignments",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("zone_id", Id),
            column("node_id", Id),
            column("state", Text),
            column("epoch", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("zone_id IN (SELECT id FROM zones WHERE account_id = ?1)"),
    },
    Document {
        name: "record_sets",
        about: "the record sets of zones",
        table: "record_sets",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("zone_id", Id),
            column("name", Text),
            column("type", Text),
            column("ttl_seconds", Number),
            column("records", Json),
            column("domain_id", Id),
            from("created_at", "created_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("zone_id IN (SELECT id FROM zones WHERE account_id = ?1)"),
    },
    Document {
        name: "databases",
        about: "databases, without their content",
        table: "databases",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("name", Text),
            from("created_at", "created_millis", Time),
            from("deleted_at", "deleted_millis", Time),
            from("retained_until", "retained_until_millis", Time),
            column("generation", Number),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("account_id = ?1"),
    },
    Document {
        name: "database_users",
        about: "database users, without passwords",
        table: "database_users",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("name", Text),
            from("created_at", "created_millis", Time),
            from("deleted_at", "deleted_millis", Time),
            column("generation", Number),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("account_id = ?1"),
    },
    Document {
        name: "database_grants",
        about: "what database users may do in which database",
        table: "database_grants",
        columns: &[
            column("database_user_id", Id),
            column("database_id", Id),
            column("tenant_id", Id),
            column("privileges", Text),
        ],
        order: "database_user_id, database_id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("database_user_id IN (SELECT id FROM database_users WHERE account_id = ?1)"),
    },
    Document {
        name: "cron_tables",
        about: "scheduled jobs",
        table: "cron_tables",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("jobs", Json),
            from("created_at", "created_millis", Time),
            from("deleted_at", "deleted_millis", Time),
            column("generation", Number),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some("account_id = ?1"),
    },
    Document {
        name: "on_nodes",
        about: "what nodes hold of it, and what they last said of that",
        table: "node_objects",
        columns: &[
            column("node_id", Id),
            column("kind", Text),
            column("object_id", Id),
            column("tenant_id", Id),
            column("generation", Number),
            from("kept_for_seconds", "tombstone_seconds", Number),
            column("observed_generation", Number),
            column("observed_state", Text),
            column("reason", Text),
            column("message", Text),
            from("since", "since_millis", Time),
        ],
        order: "object_id, kind, node_id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some(objects!("object_id")),
    },
    Document {
        name: "unplaced",
        about: "parts of accounts, and zones, that no node carries, for the one that did is gone",
        table: "unplaced",
        columns: &[
            column("owner_id", Id),
            column("part", Text),
            column("tenant_id", Id),
            column("node_id", Id),
            from("since", "since_millis", Time),
        ],
        order: "owner_id, part",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some(objects!("owner_id")),
    },
    Document {
        name: "users",
        about: "people who sign in, without passwords",
        table: "users",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("login", Text),
            column("name", Text),
            column("role", Text),
            column("actions", Json),
            column("accounts", Json),
            from("has_password", "password_hash != ''", Flag),
            from("password_set_at", "nullif(password_millis, 0)", Time),
            from("totp_since", "totp_millis", Time),
            from("recovery_codes", "json_array_length(recovery_hashes)", Number),
            column("identity_provider_id", Id),
            column("subject", Text),
            from("disabled_at", "disabled_millis", Time),
            from("created_at", "created_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some(has_only_account!()),
    },
    Document {
        name: "users_of_several_accounts",
        about: "people who have this account and others: of them only who they are",
        table: "users",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("login", Text),
            column("name", Text),
            column("role", Text),
        ],
        order: "id",
        of_tenant: None,
        of_account: Some(concat!("json_array_length(accounts) > 1 AND ", has_account!())),
    },
    Document {
        name: "api_keys",
        about: "API keys, without secrets",
        table: "api_keys",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("name", Text),
            column("role", Text),
            column("actions", Json),
            column("accounts", Json),
            column("networks", Json),
            from("expires_at", "expires_millis", Time),
            from("former_secret_counts_until", "nullif(former_until_millis, 0)", Time),
            from("created_at", "created_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some(has_only_account!()),
    },
    Document {
        name: "sessions",
        about: "what users and API keys are signed in by, and were in the last 30 days, with addresses and without secrets",
        table: "sessions",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("user_id", Id),
            column("api_key_id", Id),
            column("impersonator_id", Id),
            column("identity_provider_id", Id),
            from("read_only", "only_looks", Flag),
            column("actions", Json),
            column("reason", Text),
            column("source_address", Text),
            column("user_agent", Text),
            from("created_at", "created_millis", Time),
            from("expires_at", "expires_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: Some(concat!(
            "user_id IN (SELECT id FROM users WHERE ",
            has_only_account!(),
            ") OR api_key_id IN (SELECT id FROM api_keys WHERE ",
            has_only_account!(),
            ")"
        )),
    },
    Document {
        name: "identity_providers",
        about: "others who say who signs in, without secrets",
        table: "identity_providers",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("name", Text),
            column("issuer", Text),
            column("client_id", Text),
            from("secret_set_at", "secret_millis", Time),
            column("scopes", Json),
            column("login_claim", Text),
            column("name_claim", Text),
            column("groups_claim", Text),
            column("mappings", Json),
            from("makes_users", "creates_users", Flag),
            from("disabled_at", "disabled_millis", Time),
            from("created_at", "created_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: None,
    },
    Document {
        name: "webhooks",
        about: "addresses that are told what changes, without their secrets",
        table: "webhooks",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("url", Text),
            column("events", Json),
            from("disabled_at", "disabled_millis", Time),
            column("disabled_reason", Text),
            column("failures", Number),
            from("failing_since", "failing_since_millis", Time),
            column("last_error", Text),
            from("delivered_at", "nullif(delivered_millis, 0)", Time),
            from("created_at", "created_millis", Time),
            column("revision", Number),
        ],
        order: "id",
        of_tenant: Some(tenants!("tenant_id")),
        of_account: None,
    },
    Document {
        name: "operations",
        about: "what was asked of nodes, as long as that is kept",
        table: "operations",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("account_id", Id),
            column("action", Text),
            column("object_kind", Text),
            column("object_id", Id),
            column("request_id", Id),
            from("created_at", "created_millis", Time),
            from("finished_at", "finished_millis", Time),
        ],
        order: "id",
        of_tenant: Some(all_tenants!("tenant_id")),
        of_account: Some(concat!("account_id = ?1 OR ", objects!("object_id"))),
    },
    Document {
        name: "events",
        about: "what happened on nodes by itself in the last 30 days",
        table: "events",
        columns: &[
            column("id", Id),
            column("tenant_id", Id),
            column("node_id", Id),
            column("account_id", Id),
            column("object_kind", Text),
            column("object_id", Id),
            from("time", "time_millis", Time),
            from("recorded_at", "recorded_millis", Time),
            column("reason", Text),
            column("message", Text),
            column("differences", Json),
        ],
        order: "position",
        of_tenant: Some(all_tenants!("tenant_id")),
        of_account: Some("account_id = ?1"),
    },
    Document {
        name: "changes",
        about: "the change feed of the last seven days",
        table: "changes",
        columns: &[
            column("log_index", Number),
            column("position", Number),
            column("tenant_id", Id),
            column("kind", Text),
            column("object_id", Id),
            column("change", Text),
            from("time", "time_millis", Time),
            column("actor", Text),
        ],
        order: "log_index, position",
        of_tenant: Some(all_tenants!("tenant_id")),
        of_account: Some(objects!("object_id")),
    },
    Document {
        name: "audit",
        about: "every accepted write: what was done to what is the tenant's, and what its users and keys did",
        table: "audit",
        columns: &[
            column("log_index", Number),
            column("position", Number),
            from("time", "time_millis", Time),
            column("tenant_id", Id),
            column("account_id", Id),
            from("actor", "principal", Text),
            column("actor_tenant_id", Id),
            column("source_address", Text),
            column("request_id", Id),
            column("action", Text),
            column("object_kind", Text),
            column("object_id", Id),
        ],
        order: "log_index",
        of_tenant: Some(concat!(all_tenants!("tenant_id"), " OR ", all_tenants!("actor_tenant_id"))),
        of_account: None,
    },
    Document {
        name: "audit",
        about: "every accepted write that concerns the account, and what its users and keys did; where others asked from is left out",
        table: "audit",
        columns: &[
            column("log_index", Number),
            column("position", Number),
            from("time", "time_millis", Time),
            column("tenant_id", Id),
            column("account_id", Id),
            from("actor", "principal", Text),
            from("source_address", concat!("iif(", by_own!(), ", source_address, NULL)"), Text),
            column("request_id", Id),
            column("action", Text),
            column("object_kind", Text),
            column("object_id", Id),
        ],
        order: "log_index",
        of_tenant: None,
        of_account: Some(concat!("account_id = ?1 OR ", objects!("object_id"), " OR ", by_own!())),
    },
];
