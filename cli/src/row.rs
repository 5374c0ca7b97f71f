//! What a list shows of each noun.

use npanel_model::AntiAffinity;
use npanel_sdk_types::{
    Account, ApiKey, AuditCheckpoint, AuditEntry, Authority, ClusterKey, Controller, Convergence, CronTable,
    Database, DatabaseUser, Domain, IdentityProvider, Node, NodeEvent, Operation, Plan, PlanPlacement,
    RecordSet, Session, Suspension, Tenant, Token, User, Webhook, Zone,
};

/// A line of a list.
pub(crate) trait Row {
    /// The columns' headings.
    const COLUMNS: &[&str];
    /// The line's cells, one per column.
    fn cells(&self) -> Vec<String>;
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// What is not known here is not nothing.
fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

fn role(controller: &Controller) -> String {
    let role = controller.role.as_str();
    controller.replaces_id.map_or_else(|| role.to_owned(), |other| format!("{role} for {other}"))
}

/// Such as `12.3 of 50.0 GiB`.
fn space(free: Option<u64>, total: Option<u64>) -> String {
    let text = |bytes: u64| {
        let tenths = u128::from(bytes) * 10 / (1 << 30);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    free.zip(total)
        .map_or_else(|| "?".to_owned(), |(free, total)| format!("{} of {} GiB", text(free), text(total)))
}

fn reached(value: Option<bool>) -> String {
    value.map_or("?", |reached| if reached { "yes" } else { "NO" }).to_owned()
}

fn joined(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn status(convergence: &Convergence) -> String {
    convergence.status.as_str().to_owned()
}

/// The status, and whether it is served at all.
fn served(convergence: &Convergence, suspension: Option<&Suspension>) -> String {
    let suspended = if suspension.is_some() { ", suspended" } else { "" };
    format!("{}{suspended}", status(convergence))
}

/// What a plan says of nodes, as the options that would say it.
fn placement(placement: &PlanPlacement) -> String {
    let mut said = Vec::new();
    said.extend(placement.pool.as_ref().map(|pool| format!("pool {pool}")));
    said.extend(placement.labels.iter().map(|label| format!("label {label}")));
    said.extend(placement.strategy.map(|strategy| strategy.as_str().to_owned()));
    if placement.anti_affinity == AntiAffinity::Required {
        said.push("keep apart".to_owned());
    }
    if said.is_empty() { "-".to_owned() } else { said.join(", ") }
}

macro_rules! rows {
    ($($name:ident($this:ident) { $($column:literal => $cell:expr),* $(,)? })*) => {$(
        impl Row for $name {
            const COLUMNS: &[&str] = &[$($column),*];
            fn cells(&self) -> Vec<String> {
                let $this = self;
                vec![$($cell),*]
            }
        }
    )*};
}

rows! {
    ClusterKey(this) {
        "CLUSTER KEY" => this.version.to_string(), "STATE" => this.state.as_str().to_owned(),
        "NAME" => if this.name.is_empty() { "-".to_owned() } else { this.name.clone() },
        "CREATED" => this.created_at.to_string(), "DESTROYED" => or_dash(this.destroyed_at),
        "NOT ON" => if this.missing_on.is_empty() { "-".to_owned() } else { this.missing_on.join(", ") },
    }
    Tenant(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "PARENT" => or_dash(this.parent_id),
        "ACCOUNTS" => format!("{} of {}", this.usage.accounts, this.account_limit),
        "STATUS" => if this.suspension.is_some() { "suspended" } else { "in service" }.to_owned(),
        "CREATED" => this.created_at.to_string(),
    }
    Plan(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "TENANT" => this.tenant_id.to_string(),
        "DISK" => this.disk_mb.to_string(), "DOMAINS" => this.domains.to_string(),
        "DATABASES" => this.databases.to_string(), "PHP" => this.php_version.to_string(),
        "PLACEMENT" => this.placement.as_ref().map_or_else(|| "-".to_owned(), placement),
    }
    Account(this) {
        "ID" => this.id.to_string(), "USERNAME" => this.username.to_string(), "UID" => this.uid.to_string(),
        "STATUS" => served(&this.convergence, this.suspension.as_ref()), "TENANT" => this.tenant_id.to_string(),
        "CREATED" => this.created_at.to_string(), "KEPT UNTIL" => or_dash(this.retained_until),
    }
    Domain(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(),
        "STATUS" => served(&this.convergence, this.suspension.as_ref()),
        "DOCUMENT ROOT" => this.document_root.to_string(), "ACCOUNT" => this.account_id.to_string(),
    }
    Database(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "STATUS" => status(&this.convergence),
        "ACCOUNT" => this.account_id.to_string(),
    }
    DatabaseUser(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "STATUS" => status(&this.convergence),
        "GRANTS" => this.grants.len().to_string(), "ACCOUNT" => this.account_id.to_string(),
    }
    Zone(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "STATUS" => status(&this.convergence),
        "PROVIDER" => this.provider.to_string(), "ACCOUNT" => this.account_id.to_string(),
    }
    RecordSet(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "TYPE" => this.kind.to_string(),
        "TTL" => this.ttl_seconds.seconds().to_string(), "RECORDS" => this.records.join("\n"),
    }
    CronTable(this) {
        "ACCOUNT" => this.id.to_string(), "JOBS" => this.jobs.len().to_string(), "STATUS" => status(&this.convergence),
    }
    Node(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "STATUS" => this.status.as_str().to_owned(),
        "ROLES" => joined(&this.roles), "ADDRESS" => or_dash(this.address), "POOL" => this.pool.to_string(),
        "VERSION" => this.version.clone(),
    }
    Token(this) {
        "ID" => this.id.to_string(), "ROLE" => this.role.to_string(),
        "USES LEFT" => format!("{} of {}", this.uses_left, this.uses), "POOL" => this.pool.to_string(),
        "EXPIRES" => this.expires_at.to_string(),
    }
    ApiKey(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "TENANT" => this.tenant_id.to_string(),
        "ACTIONS" => joined(&this.actions), "EXPIRES" => or_dash(this.expires_at),
    }
    User(this) {
        "ID" => this.id.to_string(), "LOGIN" => this.login.to_string(), "NAME" => this.name.clone(),
        "ROLE" => this.role.to_string(), "TENANT" => this.tenant_id.to_string(),
        "SECOND FACTOR" => if this.has_totp { "yes" } else { "no" }.to_owned(),
        "STATUS" => if this.enabled { "-" } else { "disabled" }.to_owned(),
    }
    Session(this) {
        "ID" => this.id.to_string(),
        "WHOSE" => this.user_id.map_or_else(|| format!("api_key/{}", or_dash(this.api_key_id)), |id| format!("user/{id}")),
        "BY" => or_dash(this.impersonator_id), "FROM" => this.source_address.clone(), "CREATED" => this.created_at.to_string(),
        "EXPIRES" => this.expires_at.to_string(),
    }
    IdentityProvider(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.to_string(), "ISSUER" => this.issuer.to_string(),
        "TENANT" => this.tenant_id.to_string(), "MAKES USERS" => if this.creates_users { "yes" } else { "no" }.to_owned(),
        "STATUS" => if this.enabled { "-" } else { "disabled" }.to_owned(),
    }
    Operation(this) {
        "ID" => this.id.to_string(), "ACTION" => this.action.to_string(),
        "STATUS" => this.status.as_str().to_owned(), "OBJECT" => this.object_id.clone(),
        "CREATED" => this.created_at.to_string(), "FINISHED" => or_dash(this.finished_at),
    }
    NodeEvent(this) {
        "TIME" => this.time.to_string(), "REASON" => this.reason.clone(), "OBJECT" => format!("{}\n{}", this.object_kind, this.object_id),
        "MESSAGE" => this.message.clone(),
        "WHAT DIFFERED" => this.differences.iter().map(|one| format!("{}: {}, not {}", one.what, one.found, one.expected)).collect::<Vec<_>>().join("\n"),
    }
    Webhook(this) {
        "ID" => this.id.to_string(), "URL" => this.url.to_string(), "EVENTS" => joined(&this.events),
        "TOLD UNTIL" => this.delivery.index.to_string(),
        "STATUS" => this.disabled.as_ref().map_or_else(|| or_dash(this.delivery.last_error.as_ref()), |disabled| format!("disabled: {}", disabled.reason)),
    }
    AuditEntry(this) {
        "POSITION" => or_dash(this.position), "TIME" => this.time.to_string(), "ACTION" => this.action.clone(),
        "OBJECT" => format!("{}\n{}", this.object_kind, this.object_id),
        "ACTOR" => format!("{}\n{}", this.actor, this.source_address),
    }
    AuditCheckpoint(this) {
        "SIZE" => this.tree_size.to_string(), "ROOT" => this.root_hash.clone(), "TIME" => this.time.to_string(),
    }
    Controller(this) {
        "ID" => this.id.to_string(), "NAME" => this.name.clone(), "ROLE" => role(this),
        "ADDRESS" => this.fleet_address.clone(), "ANSWERS" => reached(this.reachable), "TERM" => known(this.term),
        "LAST LOG" => known(this.last_log_index), "APPLIED" => known(this.applied_index),
        "BEHIND" => known(this.entries_behind), "DISK FREE" => space(this.disk_free_bytes, this.disk_total_bytes),
        "CERTIFICATE UNTIL" => known(this.certificate_expires_at), "VERSION" => known(this.version.as_ref()),
        "UP TO LEVEL" => known(this.max_feature_level),
    }
    Authority(this) {
        "PIN" => this.pin.clone(), "ISSUES" => if this.issuing { "yes" } else { "no" }.to_owned(),
        "MACHINES" => this.machines.to_string(), "CREATED" => this.created_at.to_string(),
        "EXPIRES" => this.expires_at.to_string(),
    }
}
