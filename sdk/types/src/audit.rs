//! The audit: who did what to which object, and the proofs that it is all there.

use npanel_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// One accepted write. It is a leaf of the audit's tree, made of all these fields but `position`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Which leaf of the tree it is, from 0; `null` if it is older than the tree.
    pub position: Option<u64>,
    /// Its place in the controllers' log; also the object's revision, if the write changed it.
    pub log_index: u64,
    /// When, by the leader's clock.
    #[schema(value_type = schema::Timestamp)]
    pub time: Timestamp,
    /// Whose the object is.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// Who asked: `api_key/<id>`, or a machine by itself: `node/<id>`, `controller/<id>`, `token/<id>`.
    #[schema(example = "api_key/01901111-0000-7000-8000-000000000000")]
    pub actor: String,
    /// The tenant that the API key acts for; `null` for machines.
    #[schema(value_type = Option<schema::TenantId>)]
    pub actor_tenant_id: Option<TenantId>,
    /// The client's address, as the controller saw it that was asked; empty for the fleet's own doings.
    #[schema(example = "192.0.2.7")]
    pub source_address: String,
    /// The request, as answers and logs name it.
    #[schema(example = "0190a5d2-7c00-7000-8000-000000000015")]
    pub request_id: String,
    /// What was done: the `operationId`.
    #[schema(example = "account.create")]
    pub action: String,
    /// The kind of object.
    #[schema(example = "account")]
    pub object_kind: String,
    /// The object.
    #[schema(example = "0190a5d2-7c00-7000-8000-000000000003")]
    pub object_id: String,
    /// SHA-256 of the command as it stands in the controllers' log, in base64.
    #[schema(example = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=")]
    pub command_digest: String,
    /// SHA-256 of the object's canonical form before the write, in base64; `null` if it was not there.
    #[schema(example = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")]
    pub before_digest: Option<String>,
    /// And after it. The same as before: the write changed nothing of it.
    #[schema(example = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")]
    pub after_digest: Option<String>,
}

/// What the audit's tree was at one moment, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditCheckpoint {
    /// How many entries there were.
    pub tree_size: u64,
    /// The root of their tree (RFC 9162, 2.1), in base64.
    #[schema(example = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")]
    pub root_hash: String,
    /// When it was signed, by the leader's clock.
    #[schema(value_type = schema::Timestamp)]
    pub time: Timestamp,
    /// The checkpoint with its signature, in the forms of C2SP's `tlog-checkpoint` and `signed-note`.
    #[schema(
        example = "npanel/0190163d-8694-739b-aea5-966c26f8ad91\n42\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— npanel/0190163d-8694-739b-aea5-966c26f8ad91 ChssLQ==\n"
    )]
    #[schema(
        example = "npanel/0190163d-8694-739b-aea5-966c26f8ad91\n42\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— npanel/0190163d-8694-739b-aea5-966c26f8ad91 ChssLQ==\n"
    )]
    pub note: String,
}

/// The key that checkpoints are signed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditKey {
    /// As C2SP's `signed-note` writes a verifier's key: name, id and key.
    #[schema(example = "npanel/0190163d-8694-739b-aea5-966c26f8ad91+0a1b2c3d+AQ==")]
    pub key: String,
}

/// The proof that an entry is in the tree (RFC 9162, 2.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditInclusion {
    /// The entry.
    pub entry: AuditEntry,
    /// How many entries the tree has.
    pub tree_size: u64,
    /// Its root, in base64.
    #[schema(example = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")]
    pub root_hash: String,
    /// The audit path, from the leaf's sibling upward, in base64.
    #[schema(example = json!(["LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="]))]
    pub hashes: Vec<String>,
    /// The checkpoint of just that tree; `null` if there is none.
    pub checkpoint: Option<AuditCheckpoint>,
}

/// The proof that one tree goes on from another (RFC 9162, 2.1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditConsistency {
    /// How many entries the earlier tree has.
    pub first_size: u64,
    /// How many the later one has.
    pub second_size: u64,
    /// The root of the later one, in base64.
    #[schema(example = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")]
    pub root_hash: String,
    /// The proof, in base64.
    #[schema(example = json!(["LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="]))]
    pub hashes: Vec<String>,
}
