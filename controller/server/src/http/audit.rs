//! `/v1/audit`: who did what, and the proofs that it is all there.

use axum::{Json, extract::State};
use npanel_audit::{Hash, SignedCheckpoint, StoredEntry, VerifierKey, object_text, origin};
use npanel_model::Timestamp;
use npanel_sdk_types::{AuditCheckpoint, AuditConsistency, AuditEntry, AuditInclusion, AuditKey, Page};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    app::App,
    audit_query::{AuditQuery, CheckpointsQuery, ConsistencyQuery, InclusionQuery},
    list::List,
    problem::{Failure, Kind},
    query::Query,
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(key))
        .routes(routes!(checkpoint))
        .routes(routes!(checkpoints))
        .routes(routes!(inclusion))
        .routes(routes!(consistency))
}

fn shown(stored: StoredEntry) -> AuditEntry {
    let entry = stored.entry;
    AuditEntry {
        position: stored.position,
        log_index: entry.log_index,
        time: Timestamp::from_millis(entry.time_millis),
        tenant_id: entry.tenant,
        actor: entry.actor,
        actor_tenant_id: entry.actor_tenant,
        source_address: entry.source_address,
        request_id: object_text("request", &entry.request_id),
        action: entry.action,
        object_id: object_text(&entry.object_kind, &entry.object),
        object_kind: entry.object_kind,
        command_digest: entry.command_digest.to_string(),
        before_digest: entry.before.map(|hash| hash.to_string()),
        after_digest: entry.after.map(|hash| hash.to_string()),
    }
}

/// What another program made of the state is told as it is: the client finds out.
fn shown_checkpoint(row: npanel_state::AuditCheckpoint) -> AuditCheckpoint {
    let root = row.note.parse::<SignedCheckpoint>().map(|note| note.unverified().root.to_string());
    AuditCheckpoint {
        tree_size: row.tree_size,
        root_hash: root.unwrap_or_default(),
        time: row.time,
        note: row.note,
    }
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}

/// List accepted writes on what the key's tenant and those beneath it own, newest first. A page may hold fewer than it
/// could, or none, and still lead to a next one: then what was looked through had no more that passes the filters.
#[utoipa::path(get, path = "/v1/audit", operation_id = "audit.list", tag = "audit",
    params(AuditQuery), responses((status = 200, description = "Some of them", body = Page<AuditEntry>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, Failure> {
    let filter = query.filter()?;
    let rows = paging.rows();
    let before = rows.after.and_then(|place| place.try_into().ok()).map(u64::from_be_bytes);
    let page = app.reader().audit(caller.tenant_id, filter, before, rows.limit).await?;
    let searched_to = page.searched_to.map(|index| index.to_be_bytes().to_vec());
    Ok(paging.page_searched(
        page.entries,
        searched_to,
        |row| row.entry.log_index.to_be_bytes().to_vec(),
        shown,
    ))
}

/// Show the public key that checkpoints are signed by. Keep it outside of the fleet.
#[utoipa::path(get, path = "/v1/audit/key", operation_id = "audit.key", tag = "audit",
    responses((status = 200, description = "The key", body = AuditKey)))]
async fn key(State(app): State<App>) -> Result<Json<AuditKey>, Failure> {
    let row = app.find("key of the audit yet", || app.reader().audit_key()).await?;
    let cluster = app.find("cluster", || app.reader().cluster()).await?;
    let key = VerifierKey::new(&origin(&cluster.id), &row.public_key);
    let key = key.ok_or_else(|| Failure::internal(&"the audit's key is none"))?;
    Ok(Json(AuditKey { key: key.to_string() }))
}

/// Show the newest checkpoint. One is made every minute in which something was written.
#[utoipa::path(get, path = "/v1/audit/checkpoint", operation_id = "audit.checkpoint", tag = "audit",
    responses((status = 200, description = "The checkpoint", body = AuditCheckpoint)))]
async fn checkpoint(State(app): State<App>) -> Result<Json<AuditCheckpoint>, Failure> {
    let row = app.find("checkpoint yet", || app.reader().audit_checkpoint()).await?;
    Ok(Json(shown_checkpoint(row)))
}

/// List checkpoints, newest first. Of those older than a week, the last of each day is kept.
#[utoipa::path(get, path = "/v1/audit/checkpoints", operation_id = "audit.list_checkpoints", tag = "audit",
    params(CheckpointsQuery),
    responses((status = 200, description = "Some of them", body = Page<AuditCheckpoint>)))]
async fn checkpoints(
    State(app): State<App>,
    List { paging, .. }: List<CheckpointsQuery>,
) -> Result<Json<Page<AuditCheckpoint>>, Failure> {
    let rows = paging.rows();
    let before = rows.after.and_then(|place| place.try_into().ok()).map(u64::from_be_bytes);
    let rows = app.reader().audit_checkpoints(before, rows.limit).await?;
    Ok(paging.page(rows, |row| row.serial.to_be_bytes().to_vec(), shown_checkpoint))
}

/// Prove that an entry is in the tree: of the newest checkpoint that has it, unless a size is named.
#[utoipa::path(get, path = "/v1/audit/proof/inclusion", operation_id = "audit.prove", tag = "audit",
    params(InclusionQuery),
    responses((status = 200, description = "The entry and its proof", body = AuditInclusion)))]
async fn inclusion(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<InclusionQuery>,
) -> Result<Json<AuditInclusion>, Failure> {
    let (reader, position) = (app.reader(), query.position);
    // No tree has so many, and no column holds such a number.
    if i64::try_from(position).is_err() {
        return Err(Failure::not_found("entry"));
    }
    let stored = app.find("entry", || reader.audit_entry(caller.tenant_id, position)).await?;
    let tree_size = match query.tree_size {
        Some(size) => size,
        None => {
            vouched_size(&app).await?.filter(|size| *size > position).unwrap_or(reader.audit_size().await?)
        }
    };
    if tree_size <= position {
        let detail =
            format!("a tree that has entry {position} has more than {position} entries (got {tree_size})");
        return Err(Failure::new(Kind::InvalidQuery, detail).at("tree_size"));
    }
    require_size(&app, tree_size, "tree_size").await?;
    Ok(Json(AuditInclusion {
        entry: shown(stored),
        tree_size,
        root_hash: reader.audit_root(tree_size).await?.to_string(),
        hashes: texts(&reader.audit_inclusion(position, tree_size).await?),
        checkpoint: reader.audit_checkpoint_of(tree_size).await?.map(shown_checkpoint),
    }))
}

async fn vouched_size(app: &App) -> Result<Option<u64>, Failure> {
    Ok(app.reader().audit_checkpoint().await?.map(|checkpoint| checkpoint.tree_size))
}

/// Prove that the tree goes on from what it was: up to the newest checkpoint, unless a size is named.
#[utoipa::path(get, path = "/v1/audit/proof/consistency", operation_id = "audit.verify", tag = "audit",
    params(ConsistencyQuery),
    responses((status = 200, description = "The proof", body = AuditConsistency)))]
async fn consistency(
    State(app): State<App>,
    Query(query): Query<ConsistencyQuery>,
) -> Result<Json<AuditConsistency>, Failure> {
    let (reader, first_size) = (app.reader(), query.first_size);
    let newest = vouched_size(&app).await?;
    let second_size = query.second_size.or(newest).unwrap_or(first_size);
    require_size(&app, second_size, "second_size").await?;
    if first_size > second_size {
        let detail = format!("a tree of {second_size} entries does not go on from one of {first_size}");
        return Err(Failure::new(Kind::InvalidQuery, detail).at("first_size"));
    }
    Ok(Json(AuditConsistency {
        first_size,
        second_size,
        root_hash: reader.audit_root(second_size).await?.to_string(),
        hashes: texts(&reader.audit_consistency(first_size, second_size).await?),
    }))
}

/// Refuses a tree larger than there is.
async fn require_size(app: &App, size: u64, field: &str) -> Result<(), Failure> {
    let have = app.reader().audit_size().await?;
    if size <= have {
        return Ok(());
    }
    let detail = format!("there are {have} entries (got {size})");
    Err(Failure::new(Kind::InvalidQuery, detail).at(field))
}
