//! One entry, proved to be in the signed tree.

use std::path::Path;

use npanel_audit::{SignedCheckpoint, verify_inclusion};
use npanel_client::Client;
use npanel_sdk_types::AuditInclusion;

use super::shown::{entry, hashes, not_understood, refused};
use crate::{failure::Failure, kept::KeptFile};

/// Checks that the entry of a proof is in the tree that the fleet's key has signed. Returns what was shown.
pub(crate) async fn proved(
    client: &Client,
    proof: &AuditInclusion,
    file: Option<&Path>,
) -> Result<String, Failure> {
    let position = proof.entry.position.unwrap_or(u64::MAX);
    let Some(checkpoint) = &proof.checkpoint else {
        return Err(refused(format!(
            "entry {position} is not in a checkpoint yet: there is one within a minute, while a leader is there"
        )));
    };
    let kept = file.map(KeptFile::read).transpose()?.flatten();
    let key = match kept.and_then(|kept| kept.key) {
        Some(key) => key,
        None => client.audit_key().await?.key.parse().map_err(|error| not_understood("key", error))?,
    };
    let note: SignedCheckpoint =
        checkpoint.note.parse().map_err(|error| not_understood("checkpoint", error))?;
    let signed = note.verify(&key).map_err(|error| refused(error.to_string()))?;
    let leaf = entry(&proof.entry)?.leaf_hash();
    verify_inclusion(leaf, position, signed.size, &hashes(&proof.hashes)?, signed.root).map_err(|error| {
        refused(format!("entry {position} is not what the checkpoint was made of: {error}"))
    })?;
    Ok(format!(
        "entry {position} is in the tree of {} entries with the root {}, signed by {key}",
        signed.size, signed.root
    ))
}
