//! What is in no export, and why: a whole table, or a column of one that is exported.

/// Something that is not exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// The table of the state.
    pub table: &'static str,
    /// Its columns; none: all of it.
    pub columns: &'static [&'static str],
    /// Why.
    pub why: &'static str,
}

const SECRET: &str = "a secret, or what one is checked by";
const FLEETS: &str = "the fleet's own: it says nothing of a tenant or an account";
const MADE_OF_OTHERS: &str = "made of what is exported";
const WORK: &str = "how far the fleet is with its own work";

const fn table(table: &'static str, why: &'static str) -> LeftOut {
    LeftOut { table, columns: &[], why }
}

const fn columns(table: &'static str, columns: &'static [&'static str], why: &'static str) -> LeftOut {
    LeftOut { table, columns, why }
}

/// All that is in no export. Who gets one is told it.
pub const LEFT_OUT_OF_EXPORTS: &[LeftOut] = &[
    columns("users", &["password_hash", "sealed_totp", "recovery_hashes", "sealer", "totp_step"], SECRET),
    columns("users", &["password_millis"], "said as password_set_at"),
    columns("api_keys", &["secret_hash", "former_secret_hash"], SECRET),
    columns("api_keys", &["former_until_millis"], "said as former_secret_counts_until"),
    columns("sessions", &["secret_hash"], SECRET),
    columns("webhooks", &["sealed_secret", "sealer"], SECRET),
    columns("webhooks", &["next_index", "next_position", "next_attempt_millis"], WORK),
    columns("webhooks", &["delivered_millis"], "said as delivered_at"),
    columns("identity_providers", &["sealed_secret", "sealer"], SECRET),
    columns("database_users", &["sealed_password_hash", "sealer"], SECRET),
    columns(
        "tenants",
        &[
            "wrapped_data_key",
            "sealer",
            "data_key_name",
            "data_key_version",
            "data_key_index",
            "data_key_millis",
        ],
        SECRET,
    ),
    columns("tenants", &["followed_by_operation_id"], WORK),
    columns("accounts", &["name_held", "allotment", "is_suspended"], MADE_OF_OTHERS),
    columns("accounts", &["operation_id"], "the last of operations"),
    columns(
        "accounts",
        &["wished_pool", "wished_labels"],
        "where the platform has machines: only it sees and sets them",
    ),
    columns("domains", &["operation_id"], "the last of operations"),
    columns("zones", &["operation_id"], "the last of operations"),
    columns("record_sets", &["operation_id"], "the last of operations"),
    columns("databases", &["operation_id"], "the last of operations"),
    columns("database_users", &["operation_id"], "the last of operations"),
    columns("cron_tables", &["operation_id"], "the last of operations"),
    columns(
        "plans",
        &["placement_strategy", "anti_affinity", "pool", "labels"],
        "where the platform has machines: only it sees and sets them",
    ),
    columns("plans", &["following_operation_id", "followed_by"], WORK),
    columns("assignments", &["accounts", "disk_mb", "memory_mb"], MADE_OF_OTHERS),
    columns("node_objects", &["stages", "settled", "changed_index"], WORK),
    columns("unplaced", &["node_name"], "the platform's name of a machine"),
    columns(
        "operations",
        &["placement_report"],
        "which of the platform's machines could have taken an account, and why not",
    ),
    columns("events", &["position"], WORK),
    columns(
        "audit",
        &["command_digest", "before_digest", "after_digest", "hashes"],
        "the audit's proofs: ask for them by the entry's position (audit.prove)",
    ),
    table("tenant_tree", MADE_OF_OTHERS),
    table("name_index", MADE_OF_OTHERS),
    table("tenant_accounts", MADE_OF_OTHERS),
    table("tenant_usage", MADE_OF_OTHERS),
    table("plan_accounts", MADE_OF_OTHERS),
    table("node_tenants", MADE_OF_OTHERS),
    table("former_tenant_tree", "ids of tenants that have gone, and of those that were above them"),
    table("operation_targets", WORK),
    table("left_behind", WORK),
    table("placement_reports", "which of the platform's machines could have taken an account, and why not"),
    table("idempotency", "digests of requests of the last day, and the ids of what they made"),
    table("former_data_keys", SECRET),
    table(
        "device_logins",
        "sign-ins that programs wait for: nobody's until one confirms them, and gone within the hour",
    ),
    table("spent_sign_ins", "digests of sign-ins of the last minutes"),
    table("tokens", "the platform's: what machines enrol by"),
    table("nodes", "the platform's machines"),
    table("node_conditions", "the platform's machines"),
    table("node_capacity", "the platform's machines"),
    table("identities", "the platform's machines"),
    table("controllers", "the platform's machines"),
    table("raft", FLEETS),
    table("cluster", FLEETS),
    table("authorities", FLEETS),
    table("audit_key", FLEETS),
    table("audit_checkpoints", FLEETS),
    table("change_feed", FLEETS),
    table("cluster_keys", FLEETS),
    table("cluster_key_holders", FLEETS),
    table("secret_rotation", FLEETS),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::{super::documents::DOCUMENTS, *};

    async fn schema() -> (tempfile::TempDir, Connection) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.db");
        crate::open::migrate(&path).await.expect("migrated");
        let db = Connection::open(&path).expect("it opens");
        (directory, db)
    }

    fn names(db: &Connection, query: &str) -> Vec<String> {
        let mut statement = db.prepare(query).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("names")
    }

    fn columns_of(db: &Connection, table: &str) -> BTreeSet<String> {
        // Those that are made of others are there, too.
        names(db, &format!("SELECT name FROM pragma_table_xinfo('{table}')")).into_iter().collect()
    }

    fn is_left_out(table: &str, column: &str) -> bool {
        LEFT_OUT_OF_EXPORTS.iter().any(|one| one.table == table && one.columns.contains(&column))
    }

    #[tokio::test]
    async fn every_column_of_every_table_is_exported_or_left_out_for_a_reason() {
        let (_directory, db) = schema().await;
        let tables = names(
            &db,
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name != '_sqlx_migrations'",
        );
        assert!(tables.len() > 40, "{tables:?}");
        for table in &tables {
            let as_a_whole =
                LEFT_OUT_OF_EXPORTS.iter().any(|one| one.table == table && one.columns.is_empty());
            let documents: Vec<_> = DOCUMENTS.iter().filter(|one| one.table == table).collect();
            assert!(as_a_whole == documents.is_empty(), "{table}: neither exported nor left out, or both");
            for column in columns_of(&db, table).iter().filter(|_| !as_a_whole) {
                let is_exported =
                    documents.iter().any(|one| one.columns.iter().any(|shown| shown.from == column));
                let is_left_out = is_left_out(table, column);
                assert!(
                    is_exported != is_left_out,
                    "{table}.{column}: neither exported nor left out, or both"
                );
            }
        }
        for one in LEFT_OUT_OF_EXPORTS {
            assert!(tables.iter().any(|table| table == one.table), "there is no table {}", one.table);
            let there = columns_of(&db, one.table);
            for column in one.columns {
                assert!(there.contains(*column), "there is no {}.{column}", one.table);
            }
        }
    }

    #[test]
    fn no_column_that_holds_a_secret_is_exported() {
        for document in DOCUMENTS {
            for column in document.columns {
                let is_secret =
                    ["sealed", "secret_hash", "wrapped", "sealer", "_hashes", "password_hash", "digest"]
                        .iter()
                        .any(|word| column.from.contains(word));
                // Whether there is one, and how many, is none.
                let is_said_only = ["has_password", "recovery_codes"].contains(&column.name);
                assert!(!is_secret || is_said_only, "{}.{}", document.name, column.name);
            }
        }
    }

    #[tokio::test]
    async fn every_document_can_be_read() {
        let (_directory, db) = schema().await;
        for document in DOCUMENTS {
            assert!(document.of_tenant.is_some() || document.of_account.is_some(), "{}", document.name);
            for condition in [document.of_tenant, document.of_account].into_iter().flatten() {
                let select = document.select(condition);
                db.prepare(&select).unwrap_or_else(|error| panic!("{}: {error}\n{select}", document.name));
            }
        }
    }
}
