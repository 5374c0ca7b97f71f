//! What an entry is about, and the digest of its canonical form.
//!
//! The canonical form is the object's kind and then these columns of its row, in this order. It is part of what
//! replicas agree on: a column that a later version adds comes in by a level of its own, never by itself. Left out is
//! what machines say of the object, what the leader's own work leaves in it, and how a secret in it is sealed.

use std::borrow::Cow;

use npanel_audit::Hash;
use npanel_proto::command::envelope::Command;
use rusqlite::{OptionalExtension, Row, types::ValueRef};

use crate::{
    context::{Context, Principal, Rule},
    noun::Noun,
    rules,
};

/// From this level on, the cluster can be held at a level.
const LIMIT_LEVEL: u32 = 4;

/// From this level on, a controller can take the place of another.
const REPLACEMENT_LEVEL: u32 = 4;

/// From this level on, an API key can be confined to a role, accounts and networks, and its secret be changed.
const CONFINED_LEVEL: u32 = 4;

/// From this level on, it is kept until when the data of what is deleted is there.
const RETENTION_LEVEL: u32 = 4;

/// From this level on, plans and tenants have more limits, and suspensions a kind.
const LIMITS_LEVEL: u32 = 4;

/// The kinds of objects that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Noun(Noun),
    Controller,
    Authority,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Noun(noun) => noun.as_str(),
            Self::Controller => "controller",
            Self::Authority => "authority",
        }
    }

    /// Reads the canonical form's columns, as of a feature level, by the object's id.
    pub(crate) fn select(self, level: u32) -> &'static str {
        match self {
            Self::Noun(Noun::Tenant) if level >= LIMITS_LEVEL => {
                "SELECT id, parent_id, name, account_limit, may_oversell, created_millis, revision, disk_limit_mb,
                     bandwidth_limit_mb_per_month, domain_limit, mailbox_limit, database_limit,
                     api_requests_per_minute, suspended_millis, suspended_reason, suspended_kind, suspended_by,
                     suspended_for
                 FROM tenants WHERE id = ?1"
            }
            Self::Noun(Noun::Tenant) => {
                "SELECT id, parent_id, name, account_limit, may_oversell, created_millis, revision
                 FROM tenants WHERE id = ?1"
            }
            Self::Noun(Noun::Plan) if level >= LIMITS_LEVEL => {
                "SELECT id, tenant_id, name, disk_mb, domains, databases, php_version, created_millis, memory_mb,
                     placement_strategy, anti_affinity, pool, labels, revision, php_versions, inodes,
                     bandwidth_mb_per_month, subdomains, mailboxes, ftp_users, cron_jobs, cpu_percent,
                     memory_limit_mb, processes, io_mb_per_second, io_operations_per_second
                 FROM plans WHERE id = ?1"
            }
            Self::Noun(Noun::Plan) => {
                "SELECT id, tenant_id, name, disk_mb, domains, databases, php_version, created_millis, memory_mb,
                     placement_strategy, anti_affinity, pool, labels, revision
                 FROM plans WHERE id = ?1"
            }
            Self::Noun(Noun::Account) if level >= LIMITS_LEVEL => {
                "SELECT id, tenant_id, plan_id, username, name_held, uid, contact, php_version, generation,
                     operation_id, created_millis, deleted_millis, revision, php_chosen, suspended_millis,
                     suspended_reason, suspended_by, suspended_for, suspended_kind, wished_pool, wished_labels,
                     wished_availability_zone, retained_until_millis
                 FROM accounts WHERE id = ?1"
            }
            Self::Noun(Noun::Account) => {
                "SELECT id, tenant_id, plan_id, username, name_held, uid, contact, php_version, generation,
                     operation_id, created_millis, deleted_millis, revision, php_chosen, suspended_millis,
                     suspended_reason, suspended_by, suspended_for, wished_pool, wished_labels,
                     wished_availability_zone
                 FROM accounts WHERE id = ?1"
            }
            Self::Noun(Noun::Domain) if level >= LIMITS_LEVEL => {
                "SELECT id, tenant_id, account_id, name, document_root, generation, operation_id, created_millis,
                     deleted_millis, revision, suspended_millis, suspended_reason, suspended_by, suspended_for,
                     suspended_kind
                 FROM domains WHERE id = ?1"
            }
            Self::Noun(Noun::Domain) => {
                "SELECT id, tenant_id, account_id, name, document_root, generation, operation_id, created_millis,
                     deleted_millis, revision, suspended_millis, suspended_reason, suspended_by, suspended_for
                 FROM domains WHERE id = ?1"
            }
            Self::Noun(Noun::Database) if level >= RETENTION_LEVEL => {
                "SELECT id, tenant_id, account_id, name, generation, operation_id, created_millis, deleted_millis,
                     revision, retained_until_millis
                 FROM databases WHERE id = ?1"
            }
            Self::Noun(Noun::Database) => {
                "SELECT id, tenant_id, account_id, name, generation, operation_id, created_millis, deleted_millis,
                     revision
                 FROM databases WHERE id = ?1"
            }
            Self::Noun(Noun::DatabaseUser) => {
                "SELECT id, tenant_id, account_id, name, generation, operation_id, created_millis, deleted_millis,
                     revision,
                     (SELECT group_concat(hex(database_id) || ':' || privileges, ',' ORDER BY database_id)
                      FROM database_grants WHERE database_user_id = ?1)
                 FROM database_users WHERE id = ?1"
            }
            Self::Noun(Noun::Zone) => {
                "SELECT id, tenant_id, account_id, name, provider, domain_id, generation, operation_id,
                     created_millis, deleted_millis, revision
                 FROM zones WHERE id = ?1"
            }
            Self::Noun(Noun::RecordSet) => {
                "SELECT id, tenant_id, account_id, zone_id, name, type, ttl_seconds, records, domain_id,
                     operation_id, created_millis, revision
                 FROM record_sets WHERE id = ?1"
            }
            Self::Noun(Noun::CronTable) => {
                "SELECT id, tenant_id, account_id, jobs, generation, revision, operation_id, created_millis,
                     deleted_millis
                 FROM cron_tables WHERE id = ?1"
            }
            Self::Noun(Noun::Node) => {
                "SELECT id, tenant_id, name, pool, created_millis, schedulable, labels, availability_zone,
                     account_slots, disk_overcommit_percent, memory_overcommit_percent, revision, revoked_millis,
                     revoked_index, revoked_reason
                 FROM nodes WHERE id = ?1"
            }
            Self::Noun(Noun::Token) if level >= REPLACEMENT_LEVEL => {
                "SELECT id, tenant_id, role, secret_hash, uses_allowed, uses_left, pool, expires_millis,
                     created_millis, name, networks, revision, replaces_controller_id
                 FROM tokens WHERE id = ?1"
            }
            Self::Noun(Noun::Token) => {
                "SELECT id, tenant_id, role, secret_hash, uses_allowed, uses_left, pool, expires_millis,
                     created_millis, name, networks, revision
                 FROM tokens WHERE id = ?1"
            }
            Self::Noun(Noun::ApiKey) if level >= CONFINED_LEVEL => {
                "SELECT id, tenant_id, name, secret_hash, actions, expires_millis, created_millis, revision, role,
                     accounts, networks, former_until_millis
                 FROM api_keys WHERE id = ?1"
            }
            Self::Noun(Noun::ApiKey) => {
                "SELECT id, tenant_id, name, secret_hash, actions, expires_millis, created_millis, revision
                 FROM api_keys WHERE id = ?1"
            }
            Self::Noun(Noun::Webhook) => {
                "SELECT id, tenant_id, url, events, disabled_millis, disabled_reason, created_millis, revision
                 FROM webhooks WHERE id = ?1"
            }
            Self::Noun(Noun::User) => {
                "SELECT id, tenant_id, login, name, role, actions, accounts, password_millis, totp_millis,
                     disabled_millis, created_millis, revision, identity_provider_id, subject
                 FROM users WHERE id = ?1"
            }
            Self::Noun(Noun::Session) => {
                "SELECT id, tenant_id, secret_hash, user_id, api_key_id, actions, impersonator_id, only_looks, reason,
                     source_address, user_agent, created_millis, expires_millis, revision, identity_provider_id
                 FROM sessions WHERE id = ?1"
            }
            Self::Noun(Noun::IdentityProvider) => {
                "SELECT id, tenant_id, name, issuer, client_id, secret_millis, scopes, login_claim, name_claim, groups_claim,
                     mappings, creates_users, disabled_millis, created_millis, revision
                 FROM identity_providers WHERE id = ?1"
            }
            Self::Noun(Noun::Cluster) if level >= LIMIT_LEVEL => {
                "SELECT root_tenant_id, cluster_id, name_server_domain, retention_seconds, placement_strategy,
                     revision, operation_retention_seconds, feature_level_limit
                 FROM cluster WHERE root_tenant_id = ?1"
            }
            Self::Noun(Noun::Cluster) => {
                "SELECT root_tenant_id, cluster_id, name_server_domain, retention_seconds, placement_strategy,
                     revision, operation_retention_seconds
                 FROM cluster WHERE root_tenant_id = ?1"
            }
            Self::Controller if level >= REPLACEMENT_LEVEL => {
                "SELECT id, name, fleet_address, created_millis, replaces_controller_id FROM controllers
                 WHERE id = ?1"
            }
            Self::Controller => {
                "SELECT id, name, fleet_address, created_millis FROM controllers WHERE id = ?1"
            }
            Self::Authority => {
                "SELECT key_fingerprint, certificate, cross_certificate, issuing, not_after_millis, created_millis
                 FROM authorities WHERE key_fingerprint = ?1"
            }
        }
    }
}

/// What a command is about.
pub(crate) struct AuditedObject<'a> {
    pub(crate) kind: Kind,
    id: Cow<'a, [u8]>,
}

/// What a command is about. `None`: it is what machines do by themselves, and no entry.
pub(crate) fn audited_object<'a>(ctx: &Context<'_>, command: &'a Command) -> Rule<Option<AuditedObject<'a>>> {
    let noun = |noun: Noun, id: &'a Vec<u8>| (Kind::Noun(noun), Cow::Borrowed(id.as_slice()));
    let (kind, id) = match command {
        Command::CreateCluster(body) => noun(Noun::Tenant, &body.root_tenant_id),
        Command::CreateTenant(body) => noun(Noun::Tenant, &body.tenant_id),
        Command::UpdateTenant(body) => noun(Noun::Tenant, &body.tenant_id),
        Command::SuspendTenant(body) => noun(Noun::Tenant, &body.tenant_id),
        Command::UnsuspendTenant(body) => noun(Noun::Tenant, &body.tenant_id),
        Command::DeleteTenant(body) => noun(Noun::Tenant, &body.tenant_id),
        Command::ExportTenant(body) => noun(Noun::Tenant, &body.tenant_id),
        Command::CreatePlan(body) => noun(Noun::Plan, &body.plan_id),
        Command::UpdatePlan(body) => noun(Noun::Plan, &body.plan_id),
        Command::DeletePlan(body) => noun(Noun::Plan, &body.plan_id),
        Command::CreateAccount(body) => noun(Noun::Account, &body.account_id),
        Command::UpdateAccount(body) => noun(Noun::Account, &body.account_id),
        Command::SuspendAccount(body) => noun(Noun::Account, &body.account_id),
        Command::UnsuspendAccount(body) => noun(Noun::Account, &body.account_id),
        Command::PlaceAccount(body) => noun(Noun::Account, &body.account_id),
        Command::DeleteAccount(body) => noun(Noun::Account, &body.account_id),
        Command::ExportAccount(body) => noun(Noun::Account, &body.account_id),
        Command::CreateDomain(body) => noun(Noun::Domain, &body.domain_id),
        Command::UpdateDomain(body) => noun(Noun::Domain, &body.domain_id),
        Command::SuspendDomain(body) => noun(Noun::Domain, &body.domain_id),
        Command::UnsuspendDomain(body) => noun(Noun::Domain, &body.domain_id),
        Command::DeleteDomain(body) => noun(Noun::Domain, &body.domain_id),
        Command::CreateDatabase(body) => noun(Noun::Database, &body.database_id),
        Command::DeleteDatabase(body) => noun(Noun::Database, &body.database_id),
        Command::CreateDatabaseUser(body) => noun(Noun::DatabaseUser, &body.database_user_id),
        Command::SetDatabasePassword(body) => noun(Noun::DatabaseUser, &body.database_user_id),
        Command::SetDatabasePrivileges(body) => noun(Noun::DatabaseUser, &body.database_user_id),
        Command::DeleteDatabaseUser(body) => noun(Noun::DatabaseUser, &body.database_user_id),
        Command::CreateZone(body) => noun(Noun::Zone, &body.zone_id),
        Command::PlaceZone(body) => noun(Noun::Zone, &body.zone_id),
        Command::DeleteZone(body) => noun(Noun::Zone, &body.zone_id),
        Command::AddRecordSet(body) => noun(Noun::RecordSet, &body.record_set_id),
        Command::UpdateRecordSet(body) => noun(Noun::RecordSet, &body.record_set_id),
        Command::DeleteRecordSet(body) => noun(Noun::RecordSet, &body.record_set_id),
        Command::SetCronJobs(body) => noun(Noun::CronTable, &body.account_id),
        Command::CreateToken(body) => noun(Noun::Token, &body.token_id),
        Command::DeleteToken(body) => noun(Noun::Token, &body.token_id),
        Command::CreateApiKey(body) => noun(Noun::ApiKey, &body.api_key_id),
        Command::UpdateApiKey(body) => noun(Noun::ApiKey, &body.api_key_id),
        Command::DeleteApiKey(body) => noun(Noun::ApiKey, &body.api_key_id),
        Command::RotateApiKey(body) => noun(Noun::ApiKey, &body.api_key_id),
        Command::CreateUser(body) => noun(Noun::User, &body.user_id),
        Command::UpdateUser(body) => noun(Noun::User, &body.user_id),
        Command::DeleteUser(body) => noun(Noun::User, &body.user_id),
        Command::SetUserPassword(body) => noun(Noun::User, &body.user_id),
        Command::OfferTotp(body) => noun(Noun::User, &body.user_id),
        Command::ConfirmTotp(body) => noun(Noun::User, &body.user_id),
        Command::RemoveTotp(body) => noun(Noun::User, &body.user_id),
        Command::CreateSession(body) => noun(Noun::Session, &body.session_id),
        Command::DeleteSession(body) => noun(Noun::Session, &body.session_id),
        Command::CreateWebhook(body) => noun(Noun::Webhook, &body.webhook_id),
        Command::UpdateWebhook(body) => noun(Noun::Webhook, &body.webhook_id),
        Command::DeleteWebhook(body) => noun(Noun::Webhook, &body.webhook_id),
        Command::CreateIdentityProvider(body) => noun(Noun::IdentityProvider, &body.identity_provider_id),
        Command::UpdateIdentityProvider(body) => noun(Noun::IdentityProvider, &body.identity_provider_id),
        Command::DeleteIdentityProvider(body) => noun(Noun::IdentityProvider, &body.identity_provider_id),
        Command::SignInByProvider(body) => {
            (Kind::Noun(Noun::User), Cow::Owned(rules::known_by_provider(ctx, body)?))
        }
        Command::DecideDeviceLogin(body) => noun(Noun::User, &body.user_id),
        Command::EnrolNode(body) => noun(Noun::Node, &body.node_id),
        Command::UpdateNode(body) => noun(Noun::Node, &body.node_id),
        Command::RevokeNode(body) => noun(Noun::Node, &body.node_id),
        Command::DeleteNode(body) => noun(Noun::Node, &body.node_id),
        Command::UpdateCluster(_) | Command::RestoreCluster(_) | Command::RotateSecrets(_) => {
            (Kind::Noun(Noun::Cluster), Cow::Owned(ctx.root_tenant()?.to_bytes()))
        }
        Command::EnrolController(body) => controller(body.controller_id),
        Command::RemoveController(body) => controller(body.controller_id),
        Command::ReplaceController(body) => {
            let token = body.token.as_ref().map(|token| token.token_id.as_slice());
            (Kind::Noun(Noun::Token), Cow::Borrowed(token.unwrap_or_default()))
        }
        Command::RotateAuthority(body) => {
            let next = body.authority.as_ref().map(|authority| authority.key_fingerprint.as_slice());
            (Kind::Authority, Cow::Borrowed(next.unwrap_or_default()))
        }
        Command::RetireAuthority(body) => (Kind::Authority, Cow::Borrowed(body.key_fingerprint.as_slice())),
        Command::RenewIdentity(_) => match ctx.principal {
            Principal::Controller(id) => controller(id),
            Principal::Node(id) => (Kind::Noun(Noun::Node), Cow::Owned(id.to_bytes())),
            // Refused by the rules.
            Principal::Shown(_) | Principal::User(_) | Principal::Known(_) | Principal::Token(_) => {
                return Ok(None);
            }
        },
        Command::UpdateNodeFacts(_)
        | Command::BeginDeviceLogin(_)
        | Command::RecordEvents(_)
        | Command::RecordNodeConditions(_)
        | Command::RecordObservations(_)
        | Command::WriteOffNode(_)
        | Command::FollowPlan(_)
        | Command::FollowTenant(_)
        | Command::PurgeOperations(_)
        | Command::PurgeChanges(_)
        | Command::RecordDeliveries(_)
        | Command::RaiseFeatureLevel(_)
        | Command::OfferClusterKey(_)
        | Command::HoldClusterKey(_)
        | Command::ResealSecrets(_)
        | Command::SettleSecrets(_)
        | Command::CreateAuditKey(_)
        | Command::RecordCheckpoint(_) => return Ok(None),
    };
    Ok(Some(AuditedObject { kind, id }))
}

fn controller(id: u64) -> (Kind, Cow<'static, [u8]>) {
    (Kind::Controller, Cow::Owned(id.to_be_bytes().to_vec()))
}

/// The digest of the object's canonical form as it is now; `None` if it is not there.
pub(crate) fn digest(ctx: &Context<'_>, object: &AuditedObject<'_>) -> Rule<Option<Hash>> {
    let mut statement = ctx.db.prepare_cached(object.kind.select(ctx.level))?;
    let read = |row: &Row<'_>| canonical(object.kind, row).map(|form| Hash::of(&form));
    let found = match (object.kind, <[u8; 8]>::try_from(&*object.id)) {
        (Kind::Controller, Ok(number)) => statement.query_row([u64::from_be_bytes(number)], read),
        _ => statement.query_row([&*object.id], read),
    };
    Ok(found.optional()?)
}

/// The kind, then each value: what it is in one byte, and its eight bytes, or its length in eight bytes and itself.
fn canonical(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Vec<u8>> {
    let mut form = Vec::with_capacity(512);
    put(&mut form, b't', kind.as_str().as_bytes());
    for column in 0..row.as_ref().column_count() {
        match row.get_ref(column)? {
            ValueRef::Null => form.push(b'n'),
            ValueRef::Integer(number) => {
                form.push(b'i');
                form.extend_from_slice(&number.to_be_bytes());
            }
            ValueRef::Real(number) => {
                form.push(b'r');
                form.extend_from_slice(&number.to_be_bytes());
            }
            ValueRef::Text(text) => put(&mut form, b't', text),
            ValueRef::Blob(bytes) => put(&mut form, b'b', bytes),
        }
    }
    Ok(form)
}

fn put(form: &mut Vec<u8>, what: u8, bytes: &[u8]) {
    form.push(what);
    form.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    form.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in no canonical form, with the reason.
    const LEFT_OUT: &[(&str, &[&str])] = &[
        // How secrets are sealed.
        (
            "tenants",
            &[
                "wrapped_data_key",
                "data_key_name",
                "data_key_version",
                "data_key_index",
                "data_key_millis",
                "sealer",
                // The leader's work on what follows its suspension.
                "followed_by_operation_id",
            ],
        ),
        // The same, and on what follows its plan; and what is made of other columns.
        ("accounts", &["allotment", "tenant_suspended", "is_suspended"]),
        ("database_users", &["sealed_password_hash", "sealer"]),
        ("authorities", &["sealed_key", "sealer"]),
        // What a user is known by, and which codes are spent.
        ("users", &["password_hash", "sealed_totp", "totp_step", "recovery_hashes", "sealer"]),
        ("api_keys", &["former_secret_hash"]),
        ("identity_providers", &["sealed_secret", "sealer"]),
        // The leader's work on what follows a plan.
        ("plans", &["following_operation_id", "followed_by"]),
        // What the machine says of itself, what is made of that, and the leader's work on one that is lost.
        (
            "nodes",
            &[
                "roles",
                "address",
                "os_profile",
                "php_versions",
                "version",
                "own_labels",
                "own_availability_zone",
                "disk_mb",
                "memory_mb",
                "missing",
                "all_labels",
                "written_off_by",
            ],
        ),
        (
            "webhooks",
            &[
                "sealed_secret",
                "sealer",
                "next_index",
                "next_position",
                "failures",
                "failing_since_millis",
                "next_attempt_millis",
                "last_error",
                "delivered_millis",
            ],
        ),
        // What moves with every command, and with a restoration. The recovery key came later than the digests, which are
        // the same in every version; its changes are entries all the same.
        (
            "cluster",
            &[
                "only_row",
                "epoch",
                "feature_level",
                "clock_millis",
                "next_uid",
                "recovery_key",
                "controllers_from",
                "restored_millis",
                "restored_index",
                "restored_from",
            ],
        ),
    ];

    #[tokio::test]
    async fn every_column_is_in_the_canonical_form_or_left_out_for_a_reason() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.db");
        crate::open::migrate(&path).await.expect("migrated");
        let db = rusqlite::Connection::open(&path).expect("it opens");
        let nouns = Noun::ALL.into_iter().map(|noun| (Kind::Noun(noun), noun.table()));
        for (kind, table) in
            nouns.chain([(Kind::Controller, "controllers"), (Kind::Authority, "authorities")])
        {
            let form = db.prepare(kind.select(crate::FEATURE_LEVEL)).expect("a query");
            let mut said: Vec<String> = form.column_names().into_iter().map(str::to_owned).collect();
            // A database user's grants are in a table of their own.
            said.retain(|column| !column.starts_with("(SELECT"));
            let left_out =
                LEFT_OUT.iter().find(|(of, _)| *of == table).map_or(&[][..], |(_, columns)| columns);
            said.extend(left_out.iter().map(|column| (*column).to_owned()));
            let all = db.prepare(&format!("SELECT * FROM {table}")).expect("a query");
            let mut all: Vec<String> = all.column_names().into_iter().map(str::to_owned).collect();
            said.sort();
            all.sort();
            assert_eq!(said, all, "{table}");
        }
    }
}
