//! Verifying the audit: what the fleet says now against what was kept, and copies of a controller's database.

use std::path::{Path, PathBuf};

use npanel_audit::{
    Checkpoint, Entry, Frontier, Hash, Kept, SignedCheckpoint, Verified, VerifierKey, object_from_text,
    verify_consistency, verify_copy, verify_inclusion,
};
use npanel_client::Client;
use npanel_sdk_types::{AuditEntry, AuditInclusion};

use crate::{
    failure::Failure,
    kept::{self, KeptFile},
};

fn refused(text: impl Into<String>) -> Failure {
    Failure::Refused(text.into())
}

fn not_understood(what: &str, error: impl std::fmt::Display) -> Failure {
    refused(format!("the fleet's {what} was not understood: {error}"))
}

/// The fleet's key and its newest checkpoint, which that key has signed.
struct Present {
    key: VerifierKey,
    note: SignedCheckpoint,
    now: Checkpoint,
}

async fn present(client: &Client) -> Result<Present, Failure> {
    let key = client.audit_key().await?.key;
    let key: VerifierKey = key.parse().map_err(|error| not_understood("key", error))?;
    let note = client.audit_checkpoint().await?.note;
    let note: SignedCheckpoint = note.parse().map_err(|error| not_understood("checkpoint", error))?;
    let now = note.verify(&key).map_err(|error| refused(error.to_string()))?.clone();
    Ok(Present { key, note, now })
}

/// Compares the fleet's audit with what was kept in these files (or the usual one), and keeps what it is now. Returns
/// what was found, a sentence each.
pub(crate) async fn online(
    client: &Client,
    files: &[PathBuf],
    entries: bool,
) -> Result<Vec<String>, Failure> {
    let present = present(client).await?;
    let usual = [kept::usual_path(&present.now.origin)?];
    let files = if files.is_empty() { &usual[..] } else { files };
    let mut said = Vec::new();
    for file in files {
        said.push(match KeptFile::read(file)? {
            None => format!(
                "there was no checkpoint in {} yet: the key {} and the checkpoint of {} entries are kept there now; make \
                 sure of the key by another way",
                file.display(),
                present.key,
                present.now.size
            ),
            Some(kept) => compared(client, &kept, &present).await?,
        });
    }
    if entries {
        said.push(read_through(client, &present.now).await?);
    }
    // Only once nothing was found against it.
    for file in files {
        kept::keep(file, &present.key, &present.note)?;
    }
    Ok(said)
}

async fn compared(client: &Client, kept: &KeptFile, present: &Present) -> Result<String, Failure> {
    let file = kept.path.display();
    if let Some(expected) = kept.key.as_ref().filter(|expected| **expected != present.key) {
        return Err(refused(format!(
            "the log's key was replaced (got {}, kept {expected} in {file})",
            present.key
        )));
    }
    let (before, now) = (kept.believed(&present.key)?, &present.now);
    if now.size < before.size {
        return Err(refused(format!(
            "entry {} and all after it are missing: the checkpoint in {file} was made of {} entries. The state was rolled \
             back, or this controller has been cut off from the others",
            now.size, before.size
        )));
    }
    require_consistent(client, (before.size, before.root), (now.size, now.root)).await.map_err(|error| {
        refused(format!(
            "one of the first {} entries was changed: the fleet's tree does not go on from the checkpoint in {file} \
             ({error}). To find which, verify a copy of a controller's database: npanel audit verify --database",
            before.size
        ))
    })?;
    Ok(format!("{} entries; they go on from the {} of the checkpoint in {file}", now.size, before.size))
}

async fn require_consistent(client: &Client, first: (u64, Hash), second: (u64, Hash)) -> Result<(), Failure> {
    let proof = client.audit_consistency(first.0, second.0).await?;
    let path = hashes(&proof.hashes)?;
    verify_consistency(first, second, &path).map_err(|error| refused(error.to_string()))
}

fn hashes(texts: &[String]) -> Result<Vec<Hash>, Failure> {
    let parsed = texts.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error: npanel_audit::HashFormError| not_understood("proof", error))
}

/// Reads every entry that the checkpoint is of, and compares the tree that they make.
async fn read_through(client: &Client, now: &Checkpoint) -> Result<String, Failure> {
    let leaves = leaves(client, now.size).await?;
    if frontier(&leaves).root() == now.root {
        return Ok(format!("all {} entries are as they were entered", now.size));
    }
    // The first tree that differs from the fleet's has the first entry at fault as its last.
    let (mut same, mut other) = (0, now.size);
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        let own = frontier(&leaves[..usize::try_from(middle).unwrap_or(usize::MAX)]).root();
        match require_consistent(client, (middle, own), (now.size, now.root)).await {
            Ok(()) => same = middle,
            Err(Failure::Refused(_)) => other = middle,
            Err(error) => return Err(error),
        }
    }
    Err(refused(format!(
        "entry {same} was edited: what is shown of it is not what the checkpoint was made of"
    )))
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut tree = Frontier::default();
    for leaf in leaves {
        tree.append(*leaf);
    }
    tree
}

async fn leaves(client: &Client, size: u64) -> Result<Vec<Hash>, Failure> {
    let mut leaves = Vec::new();
    let mut expected = None;
    let mut query = vec![("limit", "200".to_owned())];
    loop {
        let page = client.audit(&query).await?;
        for shown in page.items {
            // Newer ones are not the checkpoint's; older ones than the tree are in no checkpoint.
            let Some(position) = shown.position.filter(|position| *position < size) else { continue };
            let next: u64 = expected.unwrap_or(size - 1);
            if position != next {
                return Err(refused(format!(
                    "entry {next} is not shown (but entry {position}): it is gone, or not for this key, for only the platform \
                     sees all"
                )));
            }
            expected = Some(position.saturating_sub(1));
            leaves.push(entry(&shown)?.leaf_hash());
        }
        match page.next {
            Some(next) => query = vec![("limit", "200".to_owned()), ("after", next)],
            None => break,
        }
    }
    if leaves.len() as u64 != size {
        let missing = size - leaves.len() as u64 - 1;
        return Err(refused(format!(
            "entry {missing} is not shown: it is gone, or not for this key, for only the platform sees all"
        )));
    }
    leaves.reverse();
    Ok(leaves)
}

/// The entry that is shown so.
fn entry(shown: &AuditEntry) -> Result<Entry, Failure> {
    let hash = |text: &String| text.parse::<Hash>().map_err(|error| not_understood("entry", error));
    let object =
        |kind: &str, text: &str| object_from_text(kind, text).map_err(|error| not_understood("entry", error));
    Ok(Entry {
        log_index: shown.log_index,
        time_millis: shown.time.as_millis(),
        tenant: shown.tenant_id,
        actor: shown.actor.clone(),
        actor_tenant: shown.actor_tenant_id,
        source_address: shown.source_address.clone(),
        request_id: object("request", &shown.request_id)?,
        action: shown.action.clone(),
        object_kind: shown.object_kind.clone(),
        object: object(&shown.object_kind, &shown.object_id)?,
        command_digest: hash(&shown.command_digest)?,
        before: shown.before_digest.as_ref().map(hash).transpose()?,
        after: shown.after_digest.as_ref().map(hash).transpose()?,
    })
}

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

/// Verifies a copy of a controller's database against what was kept in these files.
pub(crate) fn offline(database: &Path, files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for file in files {
        let kept = KeptFile::read(file)?;
        all.push(kept.ok_or_else(|| Failure::usage(format!("{}: no such file", file.display())))?);
    }
    let key = all.iter().find_map(|file| file.key.clone());
    let kept: Vec<Kept> = all
        .into_iter()
        .map(|file| Kept { source: file.path.display().to_string(), checkpoint: file.checkpoint })
        .collect();
    let verified = verify_copy(database, key.as_ref(), &kept)
        .map_err(|error| Failure::usage(format!("{}: {}", database.display(), with_cause(&error))))?;
    if verified.faults.is_empty() {
        return Ok(told(&verified));
    }
    let faults: Vec<String> = verified.faults.iter().map(ToString::to_string).collect();
    Err(refused(faults.join("\n")))
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn told(verified: &Verified) -> Vec<String> {
    let Verified { entries, root, older, checkpoints, vouched, key, .. } = verified;
    let mut said = vec![
        format!("{entries} entries are as they were entered; the root of their tree is {root}"),
        format!("{checkpoints} checkpoints fit; the last of them vouches for the first {vouched} entries"),
    ];
    if *older > 0 {
        said.push(format!("{older} entries are older than the tree, which says nothing of them"));
    }
    said.push(match key {
        Some((key, true)) => format!("checked by the key that was kept, {key}"),
        Some((key, false)) => format!(
            "checked by the key that the copy itself names, {key}: whoever changed the copy may have changed that, too; \
             give a checkpoint that was kept outside (--checkpoint)"
        ),
        None => "there is no key, so no checkpoint vouches for anything".to_owned(),
    });
    said
}
